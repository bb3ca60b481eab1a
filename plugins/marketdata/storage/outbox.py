"""Messages on their way: each is kept until all receivers have it, and tried again by every watch.

A message is claimed, delivered outside of any transaction, and noted. A watch that is killed in between leaves it
claimed for two minutes; then it is delivered again: at least once, and twice only so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row, dict_row

from marketdata.domain.alerting import Delivery, Message
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

Deliver = Callable[[Message], Delivery]

_CLAIMED_FOR = timedelta(minutes=2)
_GIVEN_UP_AFTER = timedelta(days=4)  # longer than a weekend with a holiday, in which no watch tries
_MOST_ATTEMPTS = 300
_LONGEST_SECONDS = 45.0
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of delivering what waits: messages that all receivers have now, and why others wait on."""

    delivered: int
    failures: tuple[str, ...]
    given_up: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages wait, since when, and why the oldest of them could not be delivered."""

    waiting: int
    since: datetime | None
    last_error: str | None


def deliver_waiting(
    warehouse: Warehouse, deliver: Deliver, *, now: datetime, clock: Callable[[], float] = time.monotonic
) -> Sent:
    """Deliver the messages that wait, each once, for at most about 45 seconds; what fails waits for the next watch.

    ``deliver`` must not raise, and must come back. Messages older than 4 days or tried 300 times are given up, and stay
    on record. Raises StorageError.
    """
    given_up = warehouse.transact(_give_up, now)
    for alert_key, title, last_error in given_up:
        log.error("message given up key=%s title=%s error=%s", alert_key, title, last_error)
    tried: list[int] = []
    failures: list[str] = []
    began = clock()
    while clock() - began < _LONGEST_SECONDS:
        message = warehouse.transact(_claim, now, tried)
        if message is None:
            break
        tried.append(message.message_id)
        delivery = deliver(message)
        warehouse.transact(_note, message, delivery, now)
        for failure in delivery.failures:
            log.error("message not delivered key=%s title=%s error=%s", message.alert_key, message.title, failure)
        if delivery.failures:
            failures.append(f"{message.title}: {'; '.join(delivery.failures)}")
    return Sent(len(tried) - len(failures), tuple(failures), len(given_up))


def find_waiting(connection: Connection) -> Waiting:
    """How many messages wait to be delivered."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(statement("alerts/count_waiting")).fetchone() or Waiting(0, None, None)


def _claim(connection: Connection, now: datetime, tried: Sequence[int]) -> Message | None:
    """The next message, now ours for two minutes; None when nothing waits that is not in ``tried``."""
    values = {"now": now, "until": now + _CLAIMED_FOR, "tried": list(tried)}
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement("alerts/claim"), values).fetchone()
    return None if row is None else Message(**{**row, "delivered_to": tuple(row["delivered_to"])})


def _note(connection: Connection, message: Message, delivery: Delivery, now: datetime) -> None:
    error = "; ".join(delivery.failures)[:_LONGEST_ERROR] or None
    values = {"message_id": message.message_id, "delivered_to": list(delivery.delivered_to), "error": error, "now": now}
    connection.execute(statement("alerts/note_delivery"), values)


def _give_up(connection: Connection, now: datetime) -> list[tuple[object, ...]]:
    values = {"now": now, "created_before": now - _GIVEN_UP_AFTER, "most_attempts": _MOST_ATTEMPTS}
    return connection.execute(statement("alerts/give_up"), values).fetchall()
