"""Prices of a realtime answer: each kept by the vendor's time of it, the newest one whoever wrote last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from itertools import permutations
from math import inf, nan

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.prices import no_prices
from marketdata.storage.assets import load_assets
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.connection import connect
from marketdata.storage.prices import find_active, read_latest, store_prices
from marketdata.storage.warehouse import Warehouse
from tests.storage.ledger import Ledger
from tests.storage.ticks import (
    FACTS,
    FRIDAY,
    SECOND,
    Tick,
    add_bar,
    counts,
    instant,
    open_tick,
    prices_of,
    store,
    tick,
    write,
)

MINUTE = timedelta(minutes=1)
ANY_SHAPE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROWS = """
    select asset_id, at, fetched_at, seen_at, price, volume, volume_24h, session, previous_close, change,
        change_percent, delayed, source
    from latest_price order by asset_id
"""


def test_a_price_is_stored_once_whatever_how_often_it_is_sent(ledger: Ledger) -> None:
    first = tick(10.0, instant(15), volume=500.0)
    assert counts(store(ledger.warehouse, ledger.run_id, first)) == (1, 0, 0)
    rows = ledger.read("select * from price_minute")
    assert counts(store(ledger.warehouse, ledger.run_id, first)) == (0, 0, 1)
    assert ledger.read("select * from price_minute") == rows
    again = tick(10.0, instant(15), instant(15, 1), volume=500.0)
    assert counts(store(ledger.warehouse, ledger.run_id, again)) == (0, 0, 1)
    assert ledger.read("select at, price, volume, fetched_at from price_minute") == [
        (instant(15), 10.0, 500.0, instant(15, 1))
    ]


def test_the_same_instant_with_other_figures_is_changed_by_a_newer_answer_only(ledger: Ledger) -> None:
    store(ledger.warehouse, ledger.run_id, tick(10.0, instant(15), instant(15, 2)))
    older = store(ledger.warehouse, ledger.run_id, tick(9.0, instant(15), instant(15, 1)))
    assert counts(older) == (0, 0, 1)
    assert older.latest[0].price == 10.0
    newer = store(ledger.warehouse, ledger.run_id, tick(11.0, instant(15), instant(15, 3)))
    assert counts(newer) == (0, 1, 0)
    assert newer.latest[0].price == 11.0


@pytest.mark.promise("P3")
def test_an_older_price_is_kept_for_its_minute_and_leaves_the_newest_alone(ledger: Ledger) -> None:
    store(ledger.warehouse, ledger.run_id, tick(11.0, instant(15, 1)))
    late = store(ledger.warehouse, ledger.run_id, tick(10.0, instant(15), instant(15, 9)))
    assert counts(late) == (1, 0, 0)
    (newest,) = late.latest
    assert (newest.price, newest.at, newest.seen_at) == (11.0, instant(15, 1), instant(15, 9))
    assert ledger.read("select at, price from price_minute order by at") == [
        (instant(15), 10.0),
        (instant(15, 1), 11.0),
    ]


@pytest.mark.promise("P3")
def test_the_rows_are_the_same_in_whatever_order_four_answers_are_stored(ledger: Ledger) -> None:
    answers = [
        tick(10.0, instant(15), instant(15, 1)),
        tick(11.0, instant(15), instant(15, 2)),
        tick(10.0, instant(15), instant(15, 3)),
        tick(12.0, instant(15, 4), instant(15, 4)),
    ]
    orders = list(permutations(answers))
    assert len(orders) == 24
    ends = {_end(ledger, list(order)) for order in orders}
    assert len(ends) == 1


ANSWERS = st.lists(
    st.builds(
        lambda at, age, price, silent: Tick(
            instant(15) + at * MINUTE, {1: price, 2: price + 1}, instant(15) + at * MINUTE + age * SECOND, silent=silent
        ),
        st.integers(0, 3),
        st.integers(0, 200),
        st.sampled_from([9.5, 10.0, 10.5]),
        st.sampled_from([(), (3,)]),
    ),
    min_size=1,
    max_size=6,
)


@ANY_SHAPE
@given(ANSWERS, st.data())
@pytest.mark.promise("P3")
def test_the_rows_depend_on_what_was_answered_and_never_on_who_wrote_first(
    ledger: Ledger, answers: list[Tick], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*answers, *data.draw(st.lists(st.sampled_from(answers), max_size=3))]))
    assert _end(ledger, answers) == _end(ledger, shuffled)


def _end(ledger: Ledger, answers: list[Tick]) -> str:
    """All rows that the answers leave, stored one after the other into empty tables, as a text."""
    with connect(ledger.dsn) as connection:
        connection.execute("truncate price_minute, latest_price")
    for one in answers:
        store(ledger.warehouse, ledger.run_id, one)
    minutes = ledger.read("select asset_id, at, fetched_at, price, volume from price_minute order by 1, 2")
    return repr((ledger.read(ROWS), minutes))


@contextmanager
def writer(ledger: Ledger, answer: Tick, meeting: threading.Barrier) -> Iterator[threading.Thread]:
    """A thread with a session of its own that stores an answer once the others are there."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Warehouse.open(ledger.dsn) as warehouse:
                call = open_tick(warehouse, ledger.run_id)
                meeting.wait(30)
                warehouse.transact(write, call, answer)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the test tells it
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(60)
    assert failures == []
    assert not thread.is_alive()


@pytest.mark.promise("P3")
@pytest.mark.parametrize("attempt", range(5))
def test_writers_side_by_side_leave_the_newest_price_whoever_is_last(ledger: Ledger, attempt: int) -> None:
    ids = (1, 2, 3)
    order = ids if attempt % 2 else ids[::-1]
    old = Tick(instant(15), dict.fromkeys(order, 10.0), instant(15, 1))
    new = Tick(instant(15, 1), dict.fromkeys(ids, 11.0), instant(15, 2))
    corrected = Tick(instant(15), dict.fromkeys(reversed(order), 10.5), instant(15, 3))
    meeting = threading.Barrier(3)
    with writer(ledger, old, meeting), writer(ledger, new, meeting), writer(ledger, corrected, meeting):
        pass
    assert ledger.read("select price, at from latest_price") == [(11.0, instant(15, 1))] * 3
    assert ledger.read("select distinct at, price from price_minute order by 1") == [
        (instant(15), 10.5),
        (instant(15, 1), 11.0),
    ]
    assert ledger.read("select sum(inserted), sum(changed) + sum(unchanged) from ingest_call") == [(6, 3)]


def test_a_second_writer_waits_before_it_touches_a_row_and_then_sees_what_the_first_wrote(ledger: Ledger) -> None:
    first, second = open_tick(ledger.warehouse, ledger.run_id), open_tick(ledger.warehouse, ledger.run_id)
    meeting = threading.Barrier(1)
    with connect(ledger.dsn) as connection:
        write(connection, first, tick(11.0, instant(15, 1)))
        with writer(ledger, tick(10.0, instant(15), instant(15, 5)), meeting) as other:
            _wait_for_a_waiting_session(ledger)
            assert other.is_alive()
            connection.commit()
    assert ledger.read("select price, seen_at from latest_price") == [(11.0, instant(15, 5))]
    assert second.call_id > first.call_id


def _wait_for_a_waiting_session(ledger: Ledger) -> None:
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'advisory'"
    for _ in range(1_000):
        if ledger.read(f"{waiting} and pg_sleep(0.01) is not null") == [(1,)]:
            return
    pytest.fail("the second writer never waited")


def test_an_asset_that_is_named_without_a_price_was_seen(ledger: Ledger) -> None:
    store(ledger.warehouse, ledger.run_id, tick(10.0, instant(15)))
    quiet = Tick(instant(16), {2: 20.0}, instant(16, 0, 2), silent=(1, 3))
    stored = store(ledger.warehouse, ledger.run_id, quiet)
    assert [(row.symbol, row.at, row.seen_at) for row in stored.latest] == [
        ("A1", instant(15), instant(16, 0, 2)),
        ("A2", instant(16), instant(16, 0, 2)),
    ]
    assert ledger.read("select count(*) from latest_price where asset_id = 3") == [(0,)]


def test_when_an_asset_was_seen_never_moves_back(ledger: Ledger) -> None:
    store(ledger.warehouse, ledger.run_id, tick(10.0, instant(15), instant(15, 9)))
    (row,) = store(ledger.warehouse, ledger.run_id, tick(11.0, instant(15, 1), instant(15, 2))).latest
    assert (row.price, row.fetched_at, row.seen_at) == (11.0, instant(15, 2), instant(15, 9))


def test_an_asset_that_is_not_named_was_not_seen(ledger: Ledger) -> None:
    store(ledger.warehouse, ledger.run_id, tick(10.0, instant(15)))
    assert len(store(ledger.warehouse, ledger.run_id, Tick(instant(16), {2: 20.0}, instant(16))).latest) == 1
    assert ledger.read("select seen_at from latest_price where asset_id = 1") == [(instant(15, 0, 2),)]


def test_an_answer_without_prices_closes_its_call_and_stores_none(ledger: Ledger) -> None:
    call = open_tick(ledger.warehouse, ledger.run_id)
    refused = QuarantineRow("A1", None, {"price": nan, "t": FRIDAY}, "price is not positive", 1)
    stored = ledger.warehouse.transact(
        store_prices,
        call,
        FACTS,
        asset_ids=[],
        prices=no_prices(),
        seen=[1],
        delayed=False,
        fetched_at=instant(15),
        quarantined=[refused],
        warnings=["look"],
    )
    assert (counts(stored), stored.latest) == ((0, 0, 0), [])
    assert ledger.read("select state, purpose, inserted, quarantined, warnings, answered_at from ingest_call") == [
        ("done", "realtime", 0, 1, ["look"], instant(15))
    ]
    assert ledger.read("select record, reason from quarantine") == [
        ({"price": "nan", "t": "2026-11-20"}, "price is not positive")
    ]


def test_of_two_prices_of_an_asset_in_one_answer_the_newest_counts(ledger: Ledger) -> None:
    call = open_tick(ledger.warehouse, ledger.run_id)
    both = prices_of({1: instant(15), 2: instant(15, 1)}, {1: 10.0, 2: 11.0})
    for order in ([0, 1], [1, 0]):
        stored = ledger.warehouse.transact(
            store_prices,
            call,
            FACTS,
            asset_ids=[1, 1],
            prices=both.take(np.array(order)),
            seen=[1],
            delayed=False,
            fetched_at=instant(15, 2),
        )
        assert [(row.at, row.price) for row in stored.latest] == [(instant(15, 1), 11.0)]
    assert ledger.read("select duplicates from ingest_call") == [(1,)]


@pytest.mark.parametrize("price", [0.00000812, 700000.01, 1e-12, 0.1 + 0.2])
def test_prices_come_back_to_the_last_digit(ledger: Ledger, price: float) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), price)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(price, instant(15), volume=2.0**60, volume_24h=0.1)).latest
    assert (row.price, row.volume, row.volume_24h, row.previous_close) == (price, 2.0**60, 0.1, price)
    assert (row.change, row.change_percent) == (0.0, 0.0)
    assert ledger.read("select price from price_minute") == [(price,)]


@pytest.mark.parametrize("price", [nan, inf, 0.0, -1.0])
def test_the_database_refuses_what_is_no_price(ledger: Ledger, price: float) -> None:
    minute = "insert into price_minute values (1, now(), now(), 1, %s, null, false, 'x')"
    latest = (
        "insert into latest_price (asset_id, at, fetched_at, seen_at, run_id, price, session, delayed, source)"
        " values (1, now(), now(), now(), 1, %s, current_date, false, 'x')"
    )
    for query in (minute, latest):
        with connect(ledger.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(query, (price,))


@pytest.mark.parametrize("column", ["previous_close", "change", "change_percent", "volume", "volume_24h"])
@pytest.mark.parametrize("value", [nan, inf])
def test_the_database_refuses_figures_that_are_no_numbers(ledger: Ledger, column: str, value: float) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), 8.0)
    store(ledger.warehouse, ledger.run_id, tick(10.0, instant(15)))
    with connect(ledger.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"update latest_price set {column} = %s", (value,))


@pytest.mark.parametrize(
    "changes",
    [
        "update asset set inactive_since = '2026-01-01' where asset_id = 1",
        "update asset set delisted_on = market_date() - 1 where asset_id = 1",
        "delete from watchlist_member where asset_id = 1",
    ],
)
def test_active_is_what_is_watched_or_in_the_overview_followed_and_traded(ledger: Ledger, changes: str) -> None:
    ledger.warehouse.transact(
        load_assets,
        [
            {"symbol": "A1", "asset_class": "stock", "watchlists": "mine;yours"},
            {"symbol": "A2", "asset_class": "stock", "market_overview": "1"},
            {"symbol": "A3", "asset_class": "stock"},
        ],
    )
    assert [asset.symbol for asset in ledger.warehouse.transact(find_active)] == ["A1", "A2"]
    with connect(ledger.dsn) as connection:
        connection.execute(changes)
    assert [asset.symbol for asset in ledger.warehouse.transact(find_active)] == ["A2"]


def test_the_last_day_of_a_delisted_asset_is_still_asked_for(ledger: Ledger) -> None:
    ledger.warehouse.transact(load_assets, [{"symbol": "A1", "asset_class": "stock", "watchlists": "mine"}])
    with connect(ledger.dsn) as connection:
        connection.execute("update asset set delisted_on = market_date() where asset_id = 1")
    assert [asset.symbol for asset in ledger.warehouse.transact(find_active)] == ["A1"]


def test_newest_prices_are_read_by_symbol(ledger: Ledger) -> None:
    store(ledger.warehouse, ledger.run_id, Tick(instant(15), {2: 20.0, 1: 10.0}, instant(15)))
    found = ledger.warehouse.transact(read_latest, ["A2", "A3", "NONE", "A1", "A2"])
    assert [(row.symbol, row.price, row.at, row.at.tzinfo) for row in found] == [
        ("A1", 10.0, instant(15), UTC),
        ("A2", 20.0, instant(15), UTC),
    ]
    assert ledger.warehouse.transact(read_latest, []) == []
