"""Gives messages to receivers through Airflow's notifiers.

``MARKETDATA_NOTIFIERS`` is a JSON list of ``{"notifier": <import path>, "kwargs": {...}}``. Without it the Apprise
connection ``apprise_default`` is used, where there is one; without that, messages are only logged.

Texts reach a notifier through its template context (``{{ alert.title }}``), never as a part of a template: vendors'
words are in them, and a notifier renders what it is given.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from marketdata import settings
from marketdata.domain.alert_texts import body_of, clean, title_of
from marketdata.domain.alerting import Change, Delivery, Level, Message, OpenAlert, Trouble
from marketdata.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk.bases.notifier import BaseNotifier

log = logging.getLogger(__name__)

APPRISE = "airflow.providers.apprise.notifications.apprise.AppriseNotifier"
APPRISE_CONN_ID = "apprise_default"
LOG = "log"
"""The receiver of those who have none."""

_LONGEST_SECONDS = 20.0
_ADDRESS = re.compile(r"\S+://\S+")
_LONGEST_ERROR = 200

_DEFAULT_KWARGS: dict[str, dict[str, Any]] = {
    APPRISE: {"title": "{{ alert.title }}", "body": "{{ alert.body }}"},
    "airflow.providers.smtp.notifications.smtp.SmtpNotifier": {
        "subject": "{{ alert.title }}",
        "html_content": "<pre>{{ alert.body | e }}</pre>",
    },
    "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier": {
        "text": "*{{ alert.title }}*\n```{{ alert.body }}```",
    },
}
_REPLACED = {APPRISE: "marketdata.alerts.apprise.CheckedAppriseNotifier"}


@dataclass(frozen=True, slots=True)
class Receiver:
    """One entry of the setting; ``name`` tells it from the others and stays the same while the setting does."""

    name: str
    notifier: str
    kwargs: Mapping[str, Any]


def receivers() -> list[Receiver]:
    """Who gets messages; empty where they are only logged. Raises ConfigurationError for a malformed setting."""
    given = settings.notifiers()
    if given is None:
        return [Receiver("apprise", APPRISE, {})] if _has_connection(APPRISE_CONN_ID) else []
    try:
        entries = json.loads(given)
    except ValueError:
        raise _malformed("it is no JSON") from None
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise _malformed('it is no list of {"notifier": "<import path>", "kwargs": {...}}')
    return [
        Receiver(f"{number} {entry['notifier'].rpartition('.')[2]}", entry["notifier"], entry.get("kwargs", {}))
        for number, entry in enumerate(entries, start=1)
    ]


def deliver(message: Message) -> Delivery:
    """Give ``message`` to each receiver that has not got it; never raises, and takes 20 s a receiver at most."""
    log.info("alert kind=%s key=%s title=%s", message.kind, message.alert_key, message.title)
    try:
        wanted = receivers()
    except ConfigurationError as error:
        return Delivery(message.delivered_to, (str(error),))
    if not wanted:
        log.warning("alert, no receiver is set: %s | %s", message.title, message.body.replace("\n", " | "))
        return Delivery((LOG,))
    delivered, failures = list(message.delivered_to), []
    for receiver in wanted:
        if receiver.name in delivered:
            continue
        failure = _within(_LONGEST_SECONDS, partial(_notify, receiver, message))
        if failure is None:
            delivered.append(receiver.name)
        else:
            failures.append(f"{receiver.name}: {failure}")
    return Delivery(tuple(delivered), tuple(failures))


def deliver_at_once(trouble: Trouble, *, now: datetime) -> Delivery:
    """Tell of a trouble without a record of it: for when the database is away."""
    return _unkept(Change(trouble, None, "opened"), trouble.key, trouble.level, now)


def tell_recovered(key: str, since: datetime, *, now: datetime) -> Delivery:
    """Tell that what ``deliver_at_once`` told is over."""
    alert = OpenAlert(0, key, "error", since, since, (), (), "error", (), since)
    return _unkept(Change(None, alert, "recovered"), key, "error", now)


def _unkept(change: Change, key: str, level: Level, now: datetime) -> Delivery:
    """Deliver a message that is in no outbox: only its log remembers it."""
    title, body = title_of(change), body_of(change, now, settings.runbooks())
    delivery = deliver(Message(0, key, change.message or "opened", level, title, body))
    for failure in delivery.failures:
        log.error("message not delivered, and not kept key=%s error=%s", key, failure)
    return delivery


def _notify(receiver: Receiver, message: Message) -> None:
    notifier = _notifier(receiver, message)
    alert = {"title": message.title, "body": message.body, "level": message.level, "kind": message.kind}
    notifier({"alert": {**alert, "key": message.alert_key}})


def _notifier(receiver: Receiver, message: Message) -> BaseNotifier:
    kwargs = {**_DEFAULT_KWARGS.get(receiver.notifier, {}), **receiver.kwargs}
    if receiver.notifier == APPRISE and "notify_type" not in kwargs:
        kwargs["notify_type"] = _apprise_type(message)
    module, _, name = _REPLACED.get(receiver.notifier, receiver.notifier).rpartition(".")
    try:
        made: BaseNotifier = getattr(import_module(module), name)(**kwargs)
    except (ImportError, AttributeError, TypeError) as error:
        raise _malformed(f"{receiver.notifier} cannot be made: {type(error).__name__}, {error}") from error
    return made


def _apprise_type(message: Message) -> str:
    if message.kind == "recovered":
        return "success"
    return "failure" if message.level == "error" else "warning"


def _within(seconds: float, work: Callable[[], None]) -> str | None:
    """Why ``work`` failed, None if it did not. One that hangs is left behind: its thread ends with the process."""
    failures: list[str] = []

    def run() -> None:
        try:
            work()
        # A notifier is anybody's code, and what it raises anybody's guess: smtplib's, requests', Airflow's and Jinja's
        # errors, KeyError for an incomplete connection. None of it may change the run that found the data stale, and
        # all of it is kept with the message: this is the one place where that can be done.
        except Exception as error:  # noqa: BLE001
            failures.append(_told(error))

    thread = threading.Thread(target=run, name="notifier", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return f"no answer within {seconds:.0f} s"
    return failures[0] if failures else None


def _told(error: Exception) -> str:
    """What a notifier raised, without addresses: they hold tokens (Slack, Telegram, a webhook's path)."""
    text = _ADDRESS.sub("<address>", clean(str(error)))[:_LONGEST_ERROR]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _has_connection(conn_id: str) -> bool:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return False
    return True


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() <= {"notifier", "kwargs"}
        and isinstance(entry.get("notifier"), str)
        and "." in entry["notifier"]
        and isinstance(entry.get("kwargs", {}), dict)
    )


def _malformed(why: str) -> ConfigurationError:
    return ConfigurationError("MARKETDATA_NOTIFIERS", why, "see docs/alerting.md for settings to copy")
