"""The facts that freshness is judged by: one row an asset that is followed, read as columns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from marketdata.domain.freshness import FreshnessFacts, Limits, judge
from marketdata.domain.trading_time import as_datetime
from marketdata.storage.connection import connect
from marketdata.storage.freshness import read_facts
from tests.storage.ledger import Ledger, answer, bars

TUESDAY = date(2026, 11, 17)
NOW = datetime(2026, 11, 17, 16, 7, tzinfo=UTC)  # 11:07 New York
MONDAY_RUN = datetime(2026, 11, 16, 21, 30, tzinfo=UTC)
LIMITS = Limits.parse("")


def change(ledger: Ledger, *statements: str) -> None:
    """Run SQL beside the ledger."""
    with connect(ledger.dsn) as connection:
        for statement in statements:
            connection.execute(statement)


def read(ledger: Ledger, now: datetime = NOW) -> FreshnessFacts:
    return ledger.warehouse.transact(read_facts, now=now, limits=LIMITS)


def of(facts: FreshnessFacts, symbol: str) -> dict[str, Any]:
    """The row of an asset, instants as datetimes and None."""
    (place,) = np.flatnonzero(facts.symbols == symbol)
    columns = (name for name in facts.__dataclass_fields__ if name not in {"feeds", "dues"})
    row = {name: getattr(facts, name)[place] for name in columns}
    return {name: as_datetime(value) if isinstance(value, np.datetime64) else value for name, value in row.items()}


def price(asset_id: int, at: str, *, fetched_at: str = "16:05", seen_at: str = "16:06") -> str:
    day = TUESDAY.isoformat()
    return (
        "insert into latest_price (asset_id, at, fetched_at, seen_at, run_id, price, session, delayed, source)"
        f" values ({asset_id}, '{day} {at}+00', '{day} {fetched_at}+00', '{day} {seen_at}+00', 1, 10, '{day}', false,"
        " 'polygon')"
    )


def minute(asset_id: int, at: str) -> str:
    return (
        "insert into price_minute (asset_id, at, fetched_at, run_id, price, delayed, source)"
        f" values ({asset_id}, '{TUESDAY} {at}+00', '{TUESDAY} {at}+00', 1, 10, false, 'polygon')"
    )


def hour(asset_id: int, starts_at: str) -> str:
    return (
        "insert into bar_hourly (asset_id, starts_at, fetched_at, run_id, close, is_final, source)"
        f" values ({asset_id}, '{TUESDAY} {starts_at}+00', '{TUESDAY} 16:01+00', 1, 10, false, 'polygon:minutes')"
    )


def watch(ledger: Ledger, *symbols: str) -> None:
    change(
        ledger,
        "insert into watchlist (name) values ('Watched')",
        f"insert into watchlist_member select 1, asset_id from asset where symbol = any('{{{','.join(symbols)}}}')",
    )


def test_every_asset_that_is_followed_is_read_and_those_that_somebody_watches_are_active(ledger: Ledger) -> None:
    watch(ledger, "A1")
    change(
        ledger,
        "insert into market_overview values (2, 1)",
        "update asset set inactive_since = '2026-11-01' where asset_id = 3",
    )
    facts = read(ledger)
    assert facts.symbols.tolist() == ["A1", "A2"]
    assert facts.is_active.tolist() == [True, True]
    change(ledger, "update asset set delisted_on = '2026-11-16' where asset_id = 2")
    assert read(ledger).is_active.tolist() == [True, False]


def test_an_asset_is_heard_of_when_it_was_named_even_without_a_new_price(ledger: Ledger) -> None:
    change(ledger, price(1, "15:00:30"))
    row = of(read(ledger), "A1")
    assert row["priced_at"] == datetime(2026, 11, 17, 15, 0, 30, tzinfo=UTC)
    assert row["heard_at"] == datetime(2026, 11, 17, 16, 6, tzinfo=UTC)
    never = of(read(ledger), "A2")
    assert (never["priced_at"], never["heard_at"], never["hour_at"], never["unwritten_at"]) == (None,) * 4


def test_the_newest_hour_and_the_first_price_after_it_are_those_of_this_session_of_active_assets(
    ledger: Ledger,
) -> None:
    watch(ledger, "A1", "A2")
    for asset_id in (1, 2, 3):
        change(ledger, price(asset_id, "16:04"), *(minute(asset_id, at) for at in ("14:31", "15:30", "15:31", "16:04")))
    change(ledger, hour(1, "14:30"), hour(3, "14:30"))
    facts = read(ledger)
    assert of(facts, "A1")["hour_at"] == datetime(2026, 11, 17, 14, 30, tzinfo=UTC)
    assert of(facts, "A1")["unwritten_at"] == datetime(2026, 11, 17, 15, 31, tzinfo=UTC)  # 15:30 is the hour's end
    assert of(facts, "A2")["unwritten_at"] == datetime(2026, 11, 17, 14, 31, tzinfo=UTC)
    assert (of(facts, "A3")["hour_at"], of(facts, "A3")["unwritten_at"]) == (None, None)
    change(ledger, hour(1, "15:30"))
    assert of(read(ledger), "A1")["unwritten_at"] is None
    next_day = read(ledger, NOW + timedelta(days=1))
    assert (of(next_day, "A1")["hour_at"], of(next_day, "A2")["unwritten_at"]) == (None, None)


def test_prices_before_the_open_and_after_the_close_belong_to_no_hour(ledger: Ledger) -> None:
    watch(ledger, "A1")
    change(ledger, price(1, "21:30"), minute(1, "14:15"), minute(1, "21:15"))
    assert of(read(ledger, datetime(2026, 11, 17, 21, 40, tzinfo=UTC)), "A1")["unwritten_at"] is None


def test_what_a_daily_answer_covers_counts_to_its_last_day_even_before_the_day_is_over(ledger: Ledger) -> None:
    monday = date(2026, 11, 16)
    ledger.warehouse.store_daily(ledger.call(1, monday, monday), answer(1, bars({monday: 1.0})))
    change(
        ledger,
        "insert into coverage (asset_id, interval, provisional, updated_at)"
        " values (2, '1d', '{[2026-11-17,2026-11-17]}', now())",
    )
    facts = read(ledger)
    assert facts.covered_to.tolist() == [monday, TUESDAY, None]


def test_an_asset_owes_no_session_before_it_was_listed_or_after_it_left(ledger: Ledger) -> None:
    change(
        ledger,
        "update asset set listed_on = '2026-11-17' where asset_id = 1",
        "update asset set delisted_on = '2026-11-13' where asset_id = 2",
    )
    assert read(ledger).is_due.tolist() == [False, False, True]


def test_a_vendor_that_answered_since_the_run_was_due_is_told_from_one_that_was_not_asked(ledger: Ledger) -> None:
    assert not read(ledger).is_answered.any()
    monday = date(2026, 11, 16)
    call = ledger.call(2, monday, monday)
    change(
        ledger,
        f"update ingest_call set state = 'done', answered_at = '{MONDAY_RUN - timedelta(hours=1)}'"
        f" where call_id = {call.call_id}",
    )
    assert not read(ledger).is_answered.any()
    change(ledger, f"update ingest_call set answered_at = '{MONDAY_RUN}' where call_id = {call.call_id}")
    assert read(ledger).is_answered.tolist() == [False, True, False]
    change(
        ledger,
        "insert into fetch_failure (vendor, interval, sessions, kind, message, next_step, first_failed_at,"
        " last_failed_at, run_id, call_id) values ('polygon', '1d', '{[2026-11-16,2026-11-16]}', 'not_yet', '', '',"
        f" now(), now(), {ledger.run_id}, {call.call_id})",
    )
    assert read(ledger).is_answered.all()


def test_a_feed_is_proven_by_its_answered_calls_or_where_hours_are_built_by_a_run(ledger: Ledger) -> None:
    change(
        ledger,
        *(
            "insert into realtime_feed (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at)"
            f" values ('{vendor}', '{feed}', '{way}', 1, 0, '', now())"
            for vendor, feed, way in (
                ("polygon", "latest", "snapshot"),
                ("polygon", "hourly", "half_hours"),
                ("coingecko", "hourly", "minute_prices"),
            )
        ),
        *(
            "insert into ingest_call (run_id, batch, vendor, kind, first, last, state, purpose, answered_at)"
            f" values ({ledger.run_id}, 0, '{vendor}', '{kind}', '2026-11-17', '2026-11-17', '{state}', 'realtime',"
            f" '2026-11-17 {at}+00')"
            for vendor, kind, state, at in (
                ("polygon", "snapshot", "done", "16:05"),
                ("polygon", "half_hours", "done", "15:50"),
                ("polygon", "half_hours", "failed", "16:00"),
                ("coingecko", "minute_prices", "done", "15:40"),
            )
        ),
    )
    heard = {(feed.vendor, feed.feed): feed.heard_at for feed in read(ledger).feeds}
    assert heard == {
        ("polygon", "latest"): datetime(2026, 11, 17, 16, 5, tzinfo=UTC),
        ("polygon", "hourly"): datetime(2026, 11, 17, 15, 50, tzinfo=UTC),
        ("coingecko", "hourly"): datetime(2026, 11, 17, 15, 40, tzinfo=UTC),
    }


def test_an_active_asset_is_unknown_until_it_has_a_price_or_a_daily_bar(ledger: Ledger) -> None:
    watch(ledger, "A1", "A2", "A3")
    change(
        ledger,
        price(1, "16:06"),
        "insert into bar_daily (asset_id, session, close, is_final, source, fetched_at, run_id)"
        f" values (2, '2026-11-16', 10, true, 'polygon', now(), {ledger.run_id})",
    )
    facts = read(ledger)
    assert facts.symbols[facts.is_unknown].tolist() == ["A3"]
    change(ledger, "delete from watchlist")
    assert not read(ledger).is_unknown.any()


@pytest.mark.promise("P9")
def test_what_was_read_can_be_judged_and_an_empty_database_too(ledger: Ledger) -> None:
    watch(ledger, "A1", "A2")
    change(
        ledger,
        "update asset set created_at = '2026-11-01'",
        "insert into realtime_feed (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at)"
        " values ('polygon', 'latest', 'snapshot', 1, 0, '', now())",
        price(1, "16:06"),
        price(2, "15:50", fetched_at="15:51", seen_at="15:51"),
    )
    (found,) = (
        stale
        for stale in judge(read(ledger), LIMITS, now=NOW, around_the_clock=False).stale
        if stale.subject == "latest"
    )
    assert (found.scope, found.symbols, found.age_minutes, found.level) == ("assets", ("A2",), 16.0, "error")
    change(ledger, "delete from latest_price", "delete from watchlist", "delete from asset_alias", "delete from asset")
    assert judge(read(ledger), LIMITS, now=NOW, around_the_clock=True).stale == ()


def test_reading_changes_nothing(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("set transaction read only")
        read_facts(connection, now=NOW, limits=LIMITS)
