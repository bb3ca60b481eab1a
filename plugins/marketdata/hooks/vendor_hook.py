"""What the hooks of both vendors share: the account, its quota, and one guarded session."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import ClassVar

from marketdata import settings
from marketdata.domain.bars import Vendor
from marketdata.hooks.connection import VendorConnection, from_airflow, mask_key
from marketdata.hooks.http import Classify, GuardedSession, Patience
from marketdata.hooks.quota import Priority, Quota

with redirect_stdout(sys.stderr):  # it logs to what is stdout now, and a command's stdout is for its answer alone
    from airflow.sdk import BaseHook


class VendorHook(BaseHook):
    """Calls of one vendor account, one thread at a time. With ``connection`` given, no Airflow database is touched.

    ``quota`` is by default the one that all processes of the key share through ``REDIS_URL``; ``priority`` says whose
    part of it the calls use. Every method that calls the vendor raises VendorError, or InvalidRequest for a symbol
    that cannot be one.
    """

    vendor: ClassVar[Vendor]
    classify: ClassVar[Classify]
    conn_name_attr = "conn_id"
    default_conn_name = ""

    def __init__(
        self,
        conn_id: str | None = None,
        *,
        connection: VendorConnection | None = None,
        quota: Quota | None = None,
        priority: Priority = "batch",
        patience: Patience | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name
        self._connection = connection
        self._quota = quota
        self._priority: Priority = priority
        self._patience = patience
        self._session: GuardedSession | None = None

    @property
    def connection(self) -> VendorConnection:
        """The account, read from Airflow on first use unless it was given."""
        if self._connection is None:
            self._connection = from_airflow(self.conn_id, self.vendor)
        return self._connection

    @property
    def quota(self) -> Quota:
        """The account's quota."""
        if self._quota is None:
            self._quota = Quota.of(self.connection, settings.redis_url())
        return self._quota

    def get_conn(self) -> GuardedSession:
        """The guarded session, opened on first use; the key is masked in Airflow's logs from then on."""
        if self._session is None:
            mask_key(self.connection)
            self._session = GuardedSession(
                self.connection, self.quota, type(self).classify, priority=self._priority, patience=self._patience
            )
        return self._session

    def close(self) -> None:
        """Close the session's connections; the next call opens a new one."""
        if self._session is not None:
            self._session.close()
            self._session = None
