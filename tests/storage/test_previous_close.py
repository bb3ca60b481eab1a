"""Change and percent: against the close of the session before, from our own bars, on the share count of the day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.connection import connect
from marketdata.storage.statements import statement
from tests.storage.ledger import Ledger
from tests.storage.ticks import FRIDAY, Tick, add_bar, counts, instant, store, tick

MONDAY = date(2026, 11, 23)


def add_split(ledger: Ledger, day: date, split_from: float, split_to: float, state: str = "applied") -> None:
    """A split of asset 1."""
    with connect(ledger.dsn) as connection:
        connection.execute(
            "insert into split (asset_id, executed_on, split_from, split_to, state, reason, fetched_at)"
            " values (1, %s, %s, %s, %s, 'why', now())",
            (day, split_from, split_to, state),
        )


def add_coin(ledger: Ledger) -> int:
    """An asset of class crypto; its asset_id."""
    ledger.warehouse.transact(
        load_assets, [{"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}]
    )
    return ledger.warehouse.transact(find_assets, ["X:BTCUSD"])[0].asset_id


def test_change_is_against_the_close_of_the_session_before(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=2), 5.0)
    add_bar(ledger, FRIDAY - timedelta(days=1), 10.0)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(10.1, instant(15), delayed=True)).latest
    assert (row.previous_session, row.previous_close, row.change, row.change_percent) == (
        FRIDAY - timedelta(days=1),
        10.0,
        0.1,
        1.0,
    )
    assert (row.session, row.delayed, row.source, row.asset_class, row.symbol) == (
        FRIDAY,
        True,
        "polygon",
        "stock",
        "A1",
    )


def test_on_a_monday_the_session_before_is_friday(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY, 10.0)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(12.0, instant(15, day=MONDAY))).latest
    assert (row.session, row.previous_session, row.change, row.change_percent) == (MONDAY, FRIDAY, 2.0, 20.0)


def test_the_bar_of_the_sessions_own_day_is_not_before_it(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), 10.0)
    add_bar(ledger, FRIDAY, 99.0)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(12.0, instant(21, 30))).latest
    assert (row.previous_session, row.previous_close) == (FRIDAY - timedelta(days=1), 10.0)


def test_a_price_after_midnight_utc_is_of_the_new_york_session(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), 10.0)
    add_bar(ledger, FRIDAY, 99.0)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(12.0, instant(0, 30, day=date(2026, 11, 21)))).latest
    assert (row.session, row.previous_close) == (FRIDAY, 10.0)


@pytest.mark.parametrize("days", [35, 36])
def test_a_close_of_more_than_35_days_ago_is_no_previous_close(ledger: Ledger, days: int) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=days), 10.0)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(12.0, instant(15))).latest
    expected = (10.0, FRIDAY - timedelta(days=35), 2.0, 20.0) if days == 35 else (None, None, None, None)
    assert (row.previous_close, row.previous_session, row.change, row.change_percent) == expected


def test_on_the_day_of_a_split_the_close_before_is_on_the_new_share_count(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), 400.0)
    add_split(ledger, FRIDAY, 1, 4)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(101.0, instant(15))).latest
    assert (row.previous_close, row.change, row.change_percent) == (100.0, 1.0, 1.0)


def test_a_split_is_known_to_the_next_answer_even_where_the_price_stands_still(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), 400.0)
    halted = store(ledger.warehouse, ledger.run_id, tick(101.0, instant(15), instant(15, 1)))
    assert halted.latest[0].previous_close == 400.0
    add_split(ledger, FRIDAY, 1, 4)
    again = store(ledger.warehouse, ledger.run_id, tick(101.0, instant(15), instant(15, 2)))
    assert (counts(again), again.latest[0].previous_close) == ((0, 0, 1), 100.0)


@pytest.mark.parametrize(
    ("day", "state"),
    [(FRIDAY, "held"), (FRIDAY - timedelta(days=1), "applied"), (FRIDAY + timedelta(days=1), "applied")],
)
def test_a_split_that_is_held_over_or_yet_to_come_changes_nothing(ledger: Ledger, day: date, state: str) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=1), 400.0)
    add_split(ledger, day, 1, 4, state)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(404.0, instant(15))).latest
    assert (row.previous_close, row.change_percent) == (400.0, 1.0)


def test_splits_since_the_close_before_add_up(ledger: Ledger) -> None:
    add_bar(ledger, FRIDAY - timedelta(days=3), 400.0)
    add_split(ledger, FRIDAY - timedelta(days=1), 1, 4)
    add_split(ledger, FRIDAY, 2, 1)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(200.0, instant(15))).latest
    assert (row.previous_close, row.change) == (200.0, 0.0)


def test_a_coins_day_is_of_utc(ledger: Ledger) -> None:
    coin = add_coin(ledger)
    for day, close in ((FRIDAY - timedelta(days=1), 100.0), (FRIDAY, 110.0)):
        add_bar(ledger, day, close, coin)
    late = Tick(instant(23, 59), {coin: 121.0}, instant(23, 59, 5), volume_24h=5e9, vendor="coingecko")
    (row,) = store(ledger.warehouse, ledger.run_id, late).latest
    assert (row.session, row.previous_close, row.change_percent, row.asset_class) == (FRIDAY, 100.0, 21.0, "crypto")
    early = Tick(instant(0, 0, 1, day=date(2026, 11, 21)), {coin: 121.0}, instant(23, 59, 9), vendor="coingecko")
    (row,) = store(ledger.warehouse, ledger.run_id, early).latest
    assert (row.session, row.previous_close, row.change_percent, row.volume_24h) == (
        date(2026, 11, 21),
        110.0,
        10.0,
        None,
    )


def test_the_close_before_is_looked_up_by_index_whatever_years_are_stored(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute(
            "insert into bar_daily (asset_id, session, close, is_final, source, fetched_at, run_id)"
            " select a, %s::date - n, 10, true, 'polygon', now(), 1"
            " from generate_series(1, 1500) as n, generate_series(1, 20) as a",
            (FRIDAY,),
        )
        connection.execute("analyze bar_daily")
        connection.execute(statement("prices/create_staging"))
        connection.execute(
            "insert into staged_price (asset_id, at, price) select n, %s, 10 from generate_series(1, 3) as n",
            (instant(15),),
        )
        answer = {"run_id": 1, "vendor": "polygon", "delayed": False, "at": instant(15)}
        days = {"earliest": FRIDAY - timedelta(days=1), "latest": FRIDAY}
        explain = "explain (analyze, format json) " + statement("prices/merge_latest")
        row = connection.execute(explain, {**answer, **days}, prepare=False).fetchone()
    assert row is not None
    nodes = [node for node in _nodes(row[0]) if node.get("Relation Name") == "bar_daily"]
    found = [(node["Node Type"], node["Scan Direction"], node["Actual Loops"], node["Actual Rows"]) for node in nodes]
    assert found == [("Index Scan", "Backward", 3, 1)], "one row is read for each asset, from the newest on"


def _nodes(plan: object) -> list[dict[str, object]]:
    """All nodes of a plan in JSON."""
    if isinstance(plan, list):
        return [node for part in plan for node in _nodes(part)]
    return [plan, *_nodes(plan.get("Plan")), *_nodes(plan.get("Plans"))] if isinstance(plan, dict) else []
