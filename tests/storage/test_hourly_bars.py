"""Hours: a vendor's own before those built from minute prices, the newer before the older, each stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from math import inf, nan

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.bars import Vendor
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.domain.prices import IntradayBars, no_intraday_bars
from marketdata.storage.calls import CallFacts, QuarantineRow
from marketdata.storage.connection import connect
from marketdata.storage.hourly_bars import HourBar, StoredHours, build_hours, read_hours, store_hours
from marketdata.storage.reference_calls import open_call
from marketdata.storage.run_figures import count_calls
from tests.storage.ledger import Ledger
from tests.storage.ticks import FRIDAY, Tick, instant, store

FACTS = CallFacts("/v2/aggs", 200, 1, 0, 13, 1000, 12.5, "ab" * 32)
OPEN, CLOSE = instant(14, 30), instant(21)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ANY_SHAPE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def hours(closes: Mapping[datetime, float], *, volume: float = 100.0) -> IntradayBars:
    """One hour a start, all its prices the close."""
    close = np.array(list(closes.values()), dtype=np.float64)
    starts = [start.astimezone(UTC).replace(tzinfo=None) for start in closes]
    return IntradayBars(
        symbols=np.full(len(close), "A1", dtype=np.object_),
        starts=np.array(starts, dtype="datetime64[us]"),
        open=close,
        high=close,
        low=close,
        close=close,
        volume=np.full(len(close), volume),
        vwap=np.full(len(close), nan),
        trades=np.full(len(close), -1),
    )


def put(
    ledger: Ledger,
    bars: IntradayBars,
    fetched_at: datetime,
    *,
    finals: Sequence[bool] | None = None,
    source: str = "polygon",
    quarantined: tuple[QuarantineRow, ...] = (),
) -> StoredHours:
    """Ask for the hours of asset 1, and store the answer."""
    planned = PlannedCall(CallKind("half_hours"), "polygon", 1, "A1", FRIDAY, FRIDAY, "realtime")
    call = ledger.warehouse.transact(open_call, ledger.run_id, planned)
    return ledger.warehouse.transact(
        store_hours,
        call,
        FACTS,
        asset_id=1,
        bars=bars,
        finals=np.array([True] * len(bars) if finals is None else finals, dtype=np.bool_),
        source=source,
        fetched_at=fetched_at,
        quarantined=quarantined,
    )


def build(
    ledger: Ledger,
    now: datetime,
    asset_ids: Sequence[int] = (1,),
    *,
    first: datetime = OPEN,
    last: datetime = CLOSE,
    anchor: datetime = OPEN,
    seen_until: datetime | None = None,
    vendor: Vendor = "polygon",
) -> StoredHours:
    """Build hours of the session."""
    return ledger.warehouse.transact(
        build_hours, ledger.run_id, asset_ids, first=first, last=last, anchor=anchor, now=now,
        seen_until=seen_until or now, vendor=vendor,
    )  # fmt: skip


def trade(ledger: Ledger, prices: Mapping[datetime, float], asset_id: int = 1, volumes: Sequence[float] = ()) -> None:
    """Store minute prices, each with the session's volume so far."""
    given_volumes = volumes or [nan] * len(prices)
    for (at, price), volume in zip(prices.items(), given_volumes, strict=True):
        store(ledger.warehouse, ledger.run_id, Tick(at, {asset_id: price}, at + SECOND, volume=volume))


def stored(ledger: Ledger, asset_id: int = 1) -> list[HourBar]:
    """The hours of the day of an asset."""
    midnight = instant(0)
    return ledger.warehouse.transact(read_hours, [asset_id], first=midnight, last=midnight + timedelta(days=2))


def figures(bar: HourBar) -> tuple[object, ...]:
    """Start, open, high, low, close and volume."""
    return bar.starts_at, bar.open, bar.high, bar.low, bar.close, bar.volume


def revisions(ledger: Ledger) -> list[tuple[object, ...]]:
    """What was kept of replaced hours."""
    return ledger.read(
        "select starts_at, close, source, is_final, first_seen_at, replaced_at from bar_revision"
        " where interval = '1h' order by revision_id"
    )


@pytest.mark.promise("P1")
def test_sending_the_same_hours_again_changes_nothing(ledger: Ledger) -> None:
    answer = hours({OPEN: 10.0, OPEN + HOUR: 11.0})
    assert put(ledger, answer, instant(17)) == StoredHours(2, 0, 0)
    rows = ledger.read("select * from bar_hourly")
    assert put(ledger, answer, instant(17)) == StoredHours(0, 0, 2)
    assert put(ledger, answer, instant(17, 10)) == StoredHours(0, 0, 2)
    assert ledger.read("select * from bar_hourly") == rows
    assert [(bar.symbol, bar.starts_at, bar.close, bar.volume, bar.is_final, bar.source) for bar in stored(ledger)] == [
        ("A1", OPEN, 10.0, 100.0, True, "polygon"),
        ("A1", OPEN + HOUR, 11.0, 100.0, True, "polygon"),
    ]


@pytest.mark.promise("P3")
def test_an_older_answer_never_replaces_an_hour(ledger: Ledger) -> None:
    put(ledger, hours({OPEN: 11.0}), instant(17))
    assert put(ledger, hours({OPEN: 10.0}), instant(16)) == StoredHours(0, 0, 1)
    assert [bar.close for bar in stored(ledger)] == [11.0]
    assert revisions(ledger) == []


def test_a_running_hour_is_replaced_without_a_trace_and_a_final_one_is_kept_as_a_revision(ledger: Ledger) -> None:
    put(ledger, hours({OPEN: 10.0}), instant(15), finals=[False])
    assert put(ledger, hours({OPEN: 11.0}), instant(15, 31)) == StoredHours(0, 1, 0)
    assert revisions(ledger) == []
    assert put(ledger, hours({OPEN: 12.0}), instant(16)) == StoredHours(0, 1, 0)
    assert revisions(ledger) == [(OPEN, 11.0, "polygon", True, instant(15, 31), instant(16))]


def test_a_running_hour_becomes_final_once_it_is_seen_unchanged_after_its_end(ledger: Ledger) -> None:
    put(ledger, hours({OPEN: 10.0}), instant(15), finals=[False])
    assert [bar.is_final for bar in stored(ledger)] == [False]
    assert put(ledger, hours({OPEN: 10.0}), instant(16)) == StoredHours(0, 0, 1)
    assert [(bar.is_final, bar.fetched_at) for bar in stored(ledger)] == [(True, instant(15))]
    assert put(ledger, hours({OPEN: 10.0}), instant(15, 10), finals=[False]) == StoredHours(0, 0, 1)
    assert [bar.is_final for bar in stored(ledger)] == [True]


@ANY_SHAPE
@given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from([10.0, 11.0])), min_size=1, max_size=5), st.data())
@pytest.mark.promise("P3")
def test_hours_depend_on_what_was_answered_and_never_on_who_wrote_first(
    ledger: Ledger, answers: list[tuple[int, float]], data: st.DataObject
) -> None:
    once = list({age: (age, close) for age, close in answers}.values())
    shuffled = data.draw(st.permutations([*once, *data.draw(st.lists(st.sampled_from(once), max_size=3))]))
    assert _end(ledger, once) == _end(ledger, shuffled)


def test_hours_are_the_same_in_whatever_order_three_answers_are_stored(ledger: Ledger) -> None:
    orders = list(permutations([(31, 10.0), (32, 11.0), (33, 10.0)]))
    assert {_end(ledger, list(order)) for order in orders} == {(10.0, False)}


def _end(ledger: Ledger, answers: list[tuple[int, float]]) -> tuple[float, bool]:
    """Close and finality of the first hour after answers, each so many minutes after the open."""
    with connect(ledger.dsn) as connection:
        connection.execute("truncate bar_hourly, bar_revision, ingest_call cascade")
    for age, close in answers:
        put(ledger, hours({OPEN: close}), OPEN + age * MINUTE, finals=[age >= 60])
    (bar,) = stored(ledger)
    return bar.close, bar.is_final


def test_of_two_hours_with_the_same_start_in_one_answer_the_last_counts(ledger: Ledger) -> None:
    twice = hours({OPEN: 10.0, OPEN + HOUR: 11.0})
    twice.starts[1] = twice.starts[0]
    assert put(ledger, twice, instant(17)) == StoredHours(1, 0, 0)
    assert [bar.close for bar in stored(ledger)] == [11.0]
    assert ledger.read("select inserted, duplicates from ingest_call") == [(1, 1)]


def test_an_answer_without_hours_closes_its_call(ledger: Ledger) -> None:
    refused = QuarantineRow("A1", FRIDAY, {"c": inf}, "no number", 1)
    assert put(ledger, no_intraday_bars(), instant(17), quarantined=(refused,)) == StoredHours(0, 0, 0)
    assert ledger.read("select state, purpose, quarantined from ingest_call") == [("done", "realtime", 1)]
    assert ledger.read("select record from quarantine") == [({"c": "inf"},)]


def test_an_hour_that_breaks_the_rules_of_a_candle_is_refused_and_nothing_of_the_answer_stays(ledger: Ledger) -> None:
    bad = hours({OPEN: 10.0, OPEN + HOUR: nan})
    with connect(ledger.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into bar_hourly (asset_id, starts_at, fetched_at, run_id, close, is_final, source)"
            " values (1, now(), now(), 1, 'infinity', true, 'x')"
        )
    with pytest.raises(Exception, match="bar_hourly_close_check"):
        put(ledger, bad, instant(17))
    assert stored(ledger) == []


def test_hours_are_built_from_minute_prices_and_anchored_at_the_open(ledger: Ledger) -> None:
    trade(ledger, {OPEN: 10.0, OPEN + 20 * MINUTE: 12.0, OPEN + 40 * MINUTE: 9.0, OPEN + 59 * MINUTE: 11.0})
    trade(ledger, {OPEN + HOUR + MINUTE: 11.5, OPEN + HOUR + 2 * MINUTE: 11.25})
    assert build(ledger, instant(15, 45)) == StoredHours(2, 0, 0)
    assert [(*figures(bar), bar.is_final) for bar in stored(ledger)] == [
        (OPEN, 10.0, 12.0, 9.0, 11.0, None, True),
        (OPEN + HOUR, 11.5, 11.5, 11.25, 11.25, None, False),
    ]
    assert {bar.source for bar in stored(ledger)} == {"polygon:minutes"}
    assert build(ledger, instant(15, 46)) == StoredHours(0, 0, 2)
    assert {bar.fetched_at for bar in stored(ledger)} == {instant(15, 45)}


def test_an_hour_of_a_delayed_plan_is_known_since_it_was_built_and_final_when_its_prices_reach_its_end(
    ledger: Ledger,
) -> None:
    trade(ledger, {OPEN: 10.0})
    for minute, is_final in ((40, False), (45, True)):
        build(ledger, instant(15, minute), seen_until=instant(15, minute - 15))
        assert [(bar.fetched_at, bar.is_final) for bar in stored(ledger)] == [(instant(15, 40), is_final)]


def test_a_built_hour_is_never_known_before_the_answers_that_it_is_made_of(ledger: Ledger) -> None:
    answered_at = instant(15, 40, 3)
    store(ledger.warehouse, ledger.run_id, Tick(OPEN, {1: 10.0}, instant(14, 31)))
    store(ledger.warehouse, ledger.run_id, Tick(instant(15, 29), {1: 11.0}, answered_at))
    store(ledger.warehouse, ledger.run_id, Tick(instant(15, 31), {1: 12.0}, instant(15, 32)))
    build(ledger, instant(15, 40))
    assert {bar.fetched_at for bar in stored(ledger)} == {answered_at}, "the volume of the second counts from the first"


def test_building_counts_as_a_call_that_asked_nobody_and_as_none_where_there_was_nothing_to_build(
    ledger: Ledger,
) -> None:
    calls = "select kind, state, requests, received, inserted, unchanged from ingest_call where kind = 'minute_prices'"
    build(ledger, instant(15, 40))
    assert ledger.read(calls) == []
    trade(ledger, {OPEN: 10.0})
    build(ledger, instant(15, 40))
    build(ledger, instant(15, 50))
    assert ledger.read(calls) == [("minute_prices", "done", 0, 1, 1, 0), ("minute_prices", "done", 0, 1, 0, 1)]
    made = ledger.warehouse.transact(count_calls, ledger.run_id)
    assert [(call.status, call.calls) for call in made] == [("2xx", 1)], "of the vendor, for the price"


def test_a_price_at_the_end_of_an_hour_is_its_close(ledger: Ledger) -> None:
    trade(ledger, {OPEN: 10.0, OPEN + HOUR: 11.0, CLOSE - 1 * SECOND: 12.0, CLOSE: 13.0, CLOSE + SECOND: 99.0})
    build(ledger, CLOSE + MINUTE)
    assert [(bar.starts_at, bar.open, bar.close, bar.is_final) for bar in stored(ledger)] == [
        (OPEN, 10.0, 11.0, True),
        (instant(20, 30), 12.0, 13.0, True),
    ]


def test_the_last_short_hour_of_a_session_is_final_only_after_the_close(ledger: Ledger) -> None:
    trade(ledger, {instant(20, 31): 10.0})
    for now, is_final in ((instant(20, 40), False), (CLOSE, False), (CLOSE + SECOND, True)):
        build(ledger, now)
        assert [bar.is_final for bar in stored(ledger)] == [is_final]


def test_building_up_to_now_leaves_the_running_hour_provisional(ledger: Ledger) -> None:
    trade(ledger, {OPEN: 10.0})
    build(ledger, instant(15), last=instant(15))
    assert [bar.is_final for bar in stored(ledger)] == [False]


def test_prices_before_the_open_make_no_hour(ledger: Ledger) -> None:
    trade(ledger, {OPEN - SECOND: 9.0, instant(14): 8.0})
    assert build(ledger, CLOSE) == StoredHours(0, 0, 0)


def test_volume_is_what_the_sessions_count_grew_by(ledger: Ledger) -> None:
    times = [OPEN - MINUTE, OPEN + MINUTE, instant(15, 29), instant(15, 31), instant(16, 29), instant(17, 31)]
    trade(ledger, dict.fromkeys(times, 10.0), volumes=[50.0, 80.0, 150.0, 160.0, 400.0, 450.0])
    build(ledger, CLOSE)
    expected = [(OPEN, 100.0), (OPEN + HOUR, 250.0), (OPEN + 3 * HOUR, 50.0)]
    assert [(bar.starts_at, bar.volume) for bar in stored(ledger)] == expected
    with connect(ledger.dsn) as connection:
        connection.execute("truncate bar_hourly")
    build(ledger, CLOSE, first=OPEN + 70 * MINUTE)
    assert [(bar.starts_at, bar.volume) for bar in stored(ledger)] == expected[1:]


def test_volume_of_the_first_hour_without_a_price_before_the_open_counts_from_its_own_first(ledger: Ledger) -> None:
    trade(ledger, {OPEN + MINUTE: 10.0, instant(15): 10.0}, volumes=[50.0, 80.0])
    trade(ledger, {instant(15, 40): 10.0})
    build(ledger, CLOSE)
    assert [bar.volume for bar in stored(ledger)] == [30.0, None]


def test_a_count_of_the_day_before_is_not_the_sessions(ledger: Ledger) -> None:
    before = instant(20, 59, day=FRIDAY - timedelta(days=1))
    trade(ledger, {before: 10.0, OPEN + MINUTE: 10.0, instant(15): 10.0}, volumes=[9000.0, 50.0, 80.0])
    build(ledger, CLOSE)
    assert [bar.volume for bar in stored(ledger)] == [30.0]


def test_a_count_that_sank_gives_no_volume(ledger: Ledger) -> None:
    times = [OPEN - MINUTE, OPEN + MINUTE]
    trade(ledger, dict.fromkeys(times, 10.0), volumes=[100.0, 50.0])
    build(ledger, CLOSE)
    assert [bar.volume for bar in stored(ledger)] == [None]


def test_a_coins_hours_are_those_of_the_utc_clock(ledger: Ledger) -> None:
    midnight = instant(0)
    trade(ledger, {midnight: 1.0, midnight + 59 * MINUTE: 2.0, midnight + 61 * MINUTE: 3.0, instant(23, 59): 4.0})
    next_midnight = midnight + timedelta(days=1)
    build(ledger, instant(23, 59, 30), last=next_midnight, anchor=midnight, first=midnight, vendor="coingecko")
    assert [(bar.starts_at, bar.close, bar.is_final) for bar in stored(ledger)] == [
        (midnight, 2.0, True),
        (midnight + HOUR, 3.0, True),
        (instant(23), 4.0, False),
    ]


def test_many_assets_are_built_at_once_and_those_without_a_price_are_left_out(ledger: Ledger) -> None:
    trade(ledger, {OPEN: 10.0}, asset_id=1)
    trade(ledger, {OPEN: 30.0}, asset_id=3)
    assert build(ledger, CLOSE, (3, 2, 1, 1)) == StoredHours(2, 0, 0)
    found = ledger.warehouse.transact(read_hours, [3, 1, 2], first=OPEN, last=CLOSE)
    assert [(bar.asset_id, bar.close) for bar in found] == [(1, 10.0), (3, 30.0)]
    assert build(ledger, CLOSE, ()) == StoredHours(0, 0, 0)


def test_a_built_hour_never_replaces_a_vendors(ledger: Ledger) -> None:
    put(ledger, hours({OPEN: 10.0}), instant(15, 40))
    trade(ledger, {OPEN: 99.0})
    assert build(ledger, instant(16)) == StoredHours(0, 0, 1)
    assert [(bar.close, bar.source) for bar in stored(ledger)] == [(10.0, "polygon")]


@pytest.mark.parametrize("close", [10.0, 11.0])
def test_a_vendors_hour_replaces_a_built_one_whenever_it_was_fetched(ledger: Ledger, close: float) -> None:
    trade(ledger, {OPEN: 10.0}, volumes=[nan])
    build(ledger, instant(16))
    answer = hours({OPEN: close}, volume=nan)
    expected = StoredHours(0, 0, 1) if close == 10.0 else StoredHours(0, 1, 0)
    assert put(ledger, answer, instant(15, 45)) == expected
    assert [(bar.close, bar.source, bar.is_final) for bar in stored(ledger)] == [(close, "polygon", True)]
    assert len(revisions(ledger)) == (0 if close == 10.0 else 1)


def test_a_late_price_changes_a_built_hour_and_its_final_version_is_kept(ledger: Ledger) -> None:
    trade(ledger, {OPEN: 10.0})
    build(ledger, instant(16))
    trade(ledger, {OPEN + MINUTE: 11.0})
    assert build(ledger, instant(16, 10)) == StoredHours(0, 1, 0)
    assert [(close, is_final) for _, close, _, is_final, _, _ in revisions(ledger)] == [(10.0, True)]


def test_an_older_build_never_replaces_an_hour(ledger: Ledger) -> None:
    trade(ledger, {OPEN: 10.0})
    build(ledger, instant(16, 10))
    trade(ledger, {OPEN + MINUTE: 11.0})
    assert build(ledger, instant(16)) == StoredHours(0, 0, 1)
    assert [bar.close for bar in stored(ledger)] == [10.0]
    assert build(ledger, instant(16, 20)) == StoredHours(0, 1, 0)


def test_hours_are_read_from_the_first_inclusive_to_the_last_exclusive(ledger: Ledger) -> None:
    put(ledger, hours({OPEN + n * HOUR: 10.0 + n for n in range(3)}), instant(21))
    found = ledger.warehouse.transact(read_hours, [1], first=OPEN, last=OPEN + 2 * HOUR)
    assert [bar.starts_at for bar in found] == [OPEN, OPEN + HOUR]
    assert found[0].starts_at.tzinfo is UTC
    assert ledger.warehouse.transact(read_hours, [], first=OPEN, last=CLOSE) == []


def test_both_clock_changes_leave_hours_at_the_open(ledger: Ledger) -> None:
    for day, hour in (
        (date(2026, 3, 6), 14),
        (date(2026, 3, 9), 13),
        (date(2026, 10, 30), 13),
        (date(2026, 11, 2), 14),
    ):
        opened = instant(hour, 30, day=day)
        trade(ledger, {opened + 5 * MINUTE: 10.0})
        build(ledger, opened + HOUR, first=opened, anchor=opened, last=opened + 6.5 * HOUR)
        assert ledger.read(f"select starts_at from bar_hourly where starts_at::date = '{day}'") == [(opened,)]
