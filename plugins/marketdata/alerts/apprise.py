"""Airflow's Apprise notifier with its failures made visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.apprise.notifications.apprise import AppriseNotifier
from apprise import Apprise, AppriseResultStatus

from marketdata.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

_LONGEST_SECONDS = 15.0


class CheckedAppriseNotifier(AppriseNotifier):
    """Raises where the provider's notifier ignores what Apprise says.

    apache-airflow-providers-apprise 2.4 drops the result of ``Apprise.notify``, and that of ``Apprise.add`` too: a dead
    receiver, a wrong address and a connection without any all look delivered.
    """

    def notify(self, context: Context) -> None:  # noqa: ARG002 - as inherited
        """Send to all services of the connection within 15 s; raises ConnectionError naming those that failed."""
        result = self._services().notify(
            body=self.body,
            title=self.title or "",
            notify_type=self.notify_type,
            body_format=self.body_format,
            tag=self.tag,
            attach=self.attach,
            interpret_escapes=self.interpret_escapes,
            timeout=_LONGEST_SECONDS,
        )
        if result.status is not AppriseResultStatus.SUCCESS:
            told = ", ".join(f"{service.name} {service.status.name.lower()}" for service in result if not service)
            raise ConnectionError(told or "no service of the connection has the tag")

    def _services(self) -> Apprise:
        """The connection's services; ConfigurationError where Apprise understands fewer addresses than there are."""
        services = Apprise()
        if self.config is not None:
            services.add(self.config)
            return services
        connection = self.hook.get_connection(self.apprise_conn_id)
        config = self.hook.get_config_from_conn(connection)
        self.hook.set_config_from_conn(connection, services)
        if len(services) < (len(config) if isinstance(config, list) else 1):
            raise ConfigurationError(
                f"Airflow connection {self.apprise_conn_id!r}",
                "Apprise does not understand an address in it",
                'set its extra to {"config": {"path": "<Apprise URL>"}}',
            )
        return services
