"""What was decided of a vendor's feeds, and when it was last asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from marketdata.storage.connection import connect
from marketdata.storage.feeds import Feed, find_feeds, keep_feed, note_asked
from tests.storage.ledger import SEEN, Ledger

HOUR = timedelta(hours=1)
SNAPSHOT = Feed("polygon", "latest", "snapshot", 1, 900, "the plan has the snapshot, delayed", SEEN)
COINS = Feed("coingecko", "latest", "simple_price", 5, 0, "10,000 credits a month", SEEN, SEEN)


def test_nothing_is_decided_at_first(ledger: Ledger) -> None:
    assert ledger.warehouse.transact(find_feeds) == {}


def test_decisions_are_kept_by_vendor_and_feed(ledger: Ledger) -> None:
    for feed in (SNAPSHOT, COINS):
        ledger.warehouse.transact(keep_feed, feed)
    assert ledger.warehouse.transact(find_feeds) == {
        ("polygon", "latest"): SNAPSHOT,
        ("coingecko", "latest"): COINS,
    }


def test_a_later_decision_replaces_and_an_earlier_one_does_not(ledger: Ledger) -> None:
    for hours, way in ((0, "snapshot"), (2, "last_trade"), (1, "none")):
        ledger.warehouse.transact(keep_feed, replace(SNAPSHOT, way=way, decided_at=SEEN + hours * HOUR))
    assert ledger.warehouse.transact(find_feeds)["polygon", "latest"].way == "last_trade"


def test_the_newest_question_stays_noted_through_late_writers_and_new_decisions(ledger: Ledger) -> None:
    ledger.warehouse.transact(keep_feed, SNAPSHOT)
    for hours in (1, 3, 2):
        ledger.warehouse.transact(note_asked, "polygon", "latest", SEEN + hours * HOUR)
    ledger.warehouse.transact(keep_feed, replace(SNAPSHOT, decided_at=SEEN + HOUR, last_asked_at=SEEN))
    feed = ledger.warehouse.transact(find_feeds)["polygon", "latest"]
    assert (feed.last_asked_at, feed.decided_at) == (SEEN + 3 * HOUR, SEEN + HOUR)


def test_a_question_of_a_feed_that_nobody_decided_is_not_noted(ledger: Ledger) -> None:
    ledger.warehouse.transact(note_asked, "polygon", "hourly", SEEN)
    assert ledger.warehouse.transact(find_feeds) == {}


@pytest.mark.parametrize("change", ["way = 'guess'", "cadence_minutes = 0", "delay_seconds = -1", "feed = 'daily'"])
def test_the_database_refuses_what_is_no_decision(ledger: Ledger, change: str) -> None:
    ledger.warehouse.transact(keep_feed, SNAPSHOT)
    with connect(ledger.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"update realtime_feed set {change}")
