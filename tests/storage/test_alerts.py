"""Alerts and their messages on record: opened and told once, delivered in the end, silenced until a day."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from marketdata.domain.alerting import Delivery, Message, Trouble
from marketdata.errors import InvalidRequest
from marketdata.storage import runs
from marketdata.storage.alert_evidence import read_evidence
from marketdata.storage.alerts import (
    add_silence,
    end_silence,
    list_alerts,
    list_silences,
    raise_alert,
    update_alerts,
)
from marketdata.storage.outbox import deliver_waiting, find_waiting
from marketdata.storage.warehouse import Warehouse

NOW = datetime.fromisoformat("2026-11-20T15:45:00+00:00")
FEED = Trouble("feed_stale", "polygon", "warn", NOW - timedelta(minutes=9), ("latest",), 9.0, 4.0, cause="down")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def warehouse(dsn: str) -> Iterator[Warehouse]:
    with Warehouse.open(dsn) as opened:
        yield opened


def see(warehouse: Warehouse, *troubles: Trouble, now: datetime = NOW, held: Sequence[str] = ()) -> list[str | None]:
    """What one watch tells."""
    changed = warehouse.transact(update_alerts, troubles, held=held, ended={}, now=now, runbooks="docs/runbooks")
    return [change.message for change in changed]


class Receiver:
    """Takes messages, or does not."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.error = ""

    def __call__(self, message: Message) -> Delivery:
        if self.error:
            return Delivery((), (self.error,))
        self.got.append(message)
        return Delivery(("it",))

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.got]


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_an_alert_is_kept_from_the_first_watch_to_the_recovery(warehouse: Warehouse, dsn: str) -> None:
    assert see(warehouse, FEED) == ["opened"]
    older = replace(FEED, age_minutes=14.0, symbols=("AAPL",), cause="still down")
    assert see(warehouse, older, now=NOW + 5 * MINUTE) == [None]
    (alert,) = warehouse.transact(list_alerts, opened_after=NOW)
    assert (alert.state, alert.age_minutes, alert.cause, alert.symbols) == ("open", 14.0, "still down", ("AAPL",))
    assert see(warehouse, now=NOW + 10 * MINUTE) == ["recovered"]
    (alert,) = warehouse.transact(list_alerts, opened_after=NOW - MINUTE)
    assert (alert.state, alert.recovered_at, alert.waiting) == ("recovered", NOW + 10 * MINUTE, 2)
    assert see(warehouse, FEED, now=NOW + 15 * MINUTE) == ["opened"], "the next outage is another alert"
    assert rows(dsn, "select state, count(*) from alert group by state order by 1") == [("open", 1), ("recovered", 1)]


def test_two_watches_at_once_open_and_tell_one_alert(dsn: str) -> None:
    start = threading.Barrier(4)
    told: list[str | None] = []
    receiver = Receiver()

    def watch() -> None:
        with Warehouse.open(dsn) as warehouse:
            start.wait()
            told.extend(see(warehouse, FEED))
            start.wait()
            deliver_waiting(warehouse, receiver, now=NOW)

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, told)) == ["None", "None", "None", "opened"]
    assert len(receiver.got) == 1


def test_the_database_refuses_a_second_open_alert_of_a_key(warehouse: Warehouse, dsn: str) -> None:
    see(warehouse, FEED)
    with pytest.raises(psycopg.errors.UniqueViolation):
        rows(
            dsn,
            "insert into alert (alert_key, level, since, opened_at, changed_at)"
            " select alert_key, level, since, opened_at, changed_at from alert returning alert_id",
        )


@pytest.mark.fault("A11")
def test_a_message_waits_with_its_error_until_the_receiver_is_back(warehouse: Warehouse, dsn: str) -> None:
    receiver = Receiver()
    receiver.error = "connection refused"
    see(warehouse, FEED)
    sent = deliver_waiting(warehouse, receiver, now=NOW)
    assert (sent.delivered, sent.failures) == (0, ("[warn] latest prices of polygon are stale: connection refused",))
    see(warehouse, now=NOW + 5 * MINUTE)
    deliver_waiting(warehouse, receiver, now=NOW + 5 * MINUTE)
    waiting = warehouse.transact(find_waiting)
    assert (waiting.waiting, waiting.since, waiting.last_error) == (2, NOW, "connection refused")
    assert rows(dsn, "select kind, attempts from alert_message order by message_id") == [
        ("opened", 2),
        ("recovered", 0),
    ]
    receiver.error = ""
    assert deliver_waiting(warehouse, receiver, now=NOW + 10 * MINUTE).delivered == 2
    assert [message.kind for message in receiver.got] == ["opened", "recovered"], "in their order"
    assert warehouse.transact(find_waiting).waiting == 0
    assert deliver_waiting(warehouse, receiver, now=NOW + 15 * MINUTE).delivered == 0


@pytest.mark.fault("A11")
def test_a_receiver_that_refuses_one_message_gets_the_others(warehouse: Warehouse) -> None:
    receiver = Receiver()

    def picky(message: Message) -> Delivery:
        return Delivery((), ("refused",)) if message.alert_key == FEED.key else receiver(message)

    see(warehouse, FEED, replace(FEED, about="coingecko"))
    sent = deliver_waiting(warehouse, picky, now=NOW)
    assert (sent.delivered, len(sent.failures)) == (1, 1)
    assert [message.alert_key for message in receiver.got] == ["feed_stale:coingecko"]


@pytest.mark.fault("A11")
def test_who_has_a_message_does_not_get_it_again_when_another_receiver_failed(warehouse: Warehouse) -> None:
    see(warehouse, FEED)
    deliver_waiting(warehouse, lambda _: Delivery(("mail",), ("chat: away",)), now=NOW)
    seen: list[tuple[str, ...]] = []

    def deliver(message: Message) -> Delivery:
        seen.append(message.delivered_to)
        return Delivery((*message.delivered_to, "chat"))

    assert deliver_waiting(warehouse, deliver, now=NOW + 5 * MINUTE).delivered == 1
    assert seen == [("mail",)]


@pytest.mark.fault("A11")
def test_a_watch_stops_delivering_when_its_time_is_up(warehouse: Warehouse) -> None:
    see(warehouse, FEED, *(replace(FEED, about=f"vendor{number}") for number in range(5)))
    seconds = iter(range(0, 1_000, 20))
    sent = deliver_waiting(warehouse, lambda _: Delivery((), ("hung",)), now=NOW, clock=lambda: float(next(seconds)))
    assert len(sent.failures) == 2, "20 s a message, 45 s in all"


@pytest.mark.fault("A11")
@pytest.mark.parametrize("later", [timedelta(days=4, minutes=1), None])
def test_a_message_that_nobody_takes_is_given_up_and_stays_on_record(
    warehouse: Warehouse, dsn: str, later: timedelta | None
) -> None:
    see(warehouse, FEED)
    if later is None:
        rows(dsn, "update alert_message set attempts = 300, last_error = 'refused' returning message_id")
    receiver = Receiver()
    sent = deliver_waiting(warehouse, receiver, now=NOW + (later or MINUTE))
    assert (sent.delivered, sent.given_up, receiver.got) == (0, 1, [])
    assert rows(dsn, "select count(*) from alert_message where given_up_at is not null") == [(1,)]


@pytest.mark.promise("P2")
def test_a_message_that_a_killed_watch_had_claimed_is_delivered_by_a_later_one(warehouse: Warehouse) -> None:
    class Killed(BaseException):
        pass

    def die(_: Message) -> Delivery:
        raise Killed

    see(warehouse, FEED)
    with pytest.raises(Killed):
        deliver_waiting(warehouse, die, now=NOW)
    receiver = Receiver()
    assert deliver_waiting(warehouse, receiver, now=NOW + MINUTE).delivered == 0, "it may still be on its way"
    assert deliver_waiting(warehouse, receiver, now=NOW + 5 * MINUTE).delivered == 1


def test_a_silenced_alert_is_kept_and_told_when_the_silence_ends_before_it(warehouse: Warehouse) -> None:
    receiver = Receiver()
    until = NOW + timedelta(hours=1)
    warehouse.transact(add_silence, pattern="feed_stale:*", until=until, reason="vendor moves", who="ops", now=NOW)
    assert see(warehouse, FEED) == [None]
    (alert,) = warehouse.transact(list_alerts, opened_after=NOW)
    assert (alert.state, alert.told_at) == ("open", None)
    assert see(warehouse, FEED, now=until) == ["opened"]
    deliver_waiting(warehouse, receiver, now=until)
    assert receiver.titles == [
        "the silence of feed_stale:* has ended",
        "[warn] latest prices of polygon are stale",
    ]
    assert "reason: vendor moves" in receiver.got[0].body
    see(warehouse, FEED, now=until + MINUTE)
    assert deliver_waiting(warehouse, receiver, now=until + MINUTE).delivered == 0, "the end is reported once"


def test_a_silence_that_was_renewed_or_ended_by_hand_is_not_reported(warehouse: Warehouse) -> None:
    values = {"pattern": "feed_stale:polygon", "reason": "vendor moves", "who": "ops"}
    warehouse.transact(add_silence, **values, until=NOW + MINUTE, now=NOW)
    second = warehouse.transact(add_silence, **values, until=NOW + timedelta(days=1), now=NOW)
    see(warehouse, now=NOW + 5 * MINUTE)
    assert warehouse.transact(find_waiting).waiting == 0
    assert warehouse.transact(list_silences, now=NOW + 5 * MINUTE) == [second]
    assert warehouse.transact(end_silence, second.silence_id, now=NOW + 6 * MINUTE) == "feed_stale:polygon"
    see(warehouse, now=NOW + timedelta(days=2))
    assert warehouse.transact(find_waiting).waiting == 0
    with pytest.raises(InvalidRequest, match="there is none that goes on"):
        warehouse.transact(end_silence, second.silence_id, now=NOW + 6 * MINUTE)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"until": NOW}, "it is over already"),
        ({"until": NOW + timedelta(days=91)}, "more than 90 days ahead"),
        ({"reason": " "}, "it says nothing"),
        ({"pattern": "feed\nstale"}, "it says nothing"),
    ],
)
def test_a_silence_without_an_end_or_a_reason_is_refused(warehouse: Warehouse, given: dict[str, Any], why: str) -> None:
    values = {"pattern": "feed_stale:polygon", "until": NOW + MINUTE, "reason": "vendor moves", "who": "ops", **given}
    with pytest.raises(InvalidRequest, match=why):
        warehouse.transact(add_silence, **values, now=NOW)


def test_a_late_run_opens_its_alert_and_touches_no_other(warehouse: Warehouse) -> None:
    see(warehouse, FEED)
    late = Trouble("run_late", "historical_daily", "warn", NOW)
    for message in ("opened", None):
        change = warehouse.transact(raise_alert, late, now=NOW, runbooks="docs/runbooks")
        assert change.message == message
    assert [alert.alert_key for alert in warehouse.transact(list_alerts, opened_after=NOW)] == [
        "run_late:historical_daily",
        "feed_stale:polygon",
    ]
    ended = {"historical_daily": NOW + MINUTE}
    changed = warehouse.transact(
        update_alerts, [FEED], held=(), ended=ended, now=NOW + 5 * MINUTE, runbooks="docs/runbooks"
    )
    assert [change.message for change in changed] == [None, "recovered"]


def test_evidence_is_the_newest_runs_and_what_they_heard(warehouse: Warehouse, dsn: str) -> None:
    assert read_evidence.__doc__
    run_id = warehouse.transact(runs.open_run, "realtime_latest", "first", "1D", None, NOW.date())
    rows(
        dsn,
        f"""
        insert into ingest_call (run_id, batch, vendor, kind, first, last, state, outcome, message, finished_at)
        values ({run_id}, 0, 'polygon', 'snapshot', '2026-11-20', '2026-11-20', 'done', 'ok', null, '{NOW}'),
        ({run_id}, 0, 'polygon', 'snapshot', '2026-11-20', '2026-11-20', 'failed', 'transient', 'older',
         '{NOW - MINUTE}'),
        ({run_id}, 0, 'polygon', 'snapshot', '2026-11-20', '2026-11-20', 'failed', 'gone', 'newest', '{NOW + MINUTE}')
        returning call_id
        """,
    )
    evidence = warehouse.transact(read_evidence, ("realtime_latest", "historical_daily"))
    (calls,) = evidence.calls
    assert list(evidence.runs) == ["realtime_latest"]
    assert (calls.answered_at, calls.failed_at, calls.kind, calls.message) == (NOW, NOW + MINUTE, "gone", "newest")
    assert calls.is_failing
    assert evidence.ended == {}
    warehouse.transact(runs.close_run, run_id)
    assert list(warehouse.transact(read_evidence, ("realtime_latest",)).ended) == ["realtime_latest"]
