"""Splits and dividends in the database: kept once, judged anew at each sync, never two applied on one day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from marketdata.domain.adjustment import Dividend, Split
from marketdata.domain.corporate_actions import ReportedDividend, ReportedSplit
from marketdata.storage import corporate_actions as stored
from marketdata.storage.connection import connect
from marketdata.storage.reference_calls import Brought
from tests.storage.ledger import WEEK, Ledger, answer, bars

SINCE = WEEK[0] - timedelta(days=30)
AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
FOUR = Split(WEEK[2], 1, 4)


def told(split: Split, vendor_id: str = "") -> ReportedSplit:
    return ReportedSplit("A1", split, "forward_split", vendor_id)


def keep(
    ledger: Ledger, splits: Mapping[int, Sequence[ReportedSplit]], *, scope: Sequence[int] = (1, 2), since: date = SINCE
) -> Brought:
    return ledger.warehouse.transact(stored.store_splits, splits, stored.Reach(scope, since, AT))


def judge(ledger: Ledger) -> list[tuple[Split, bool]]:
    judged = ledger.warehouse.transact(stored.judge, [1, 2, 3])
    return [(one.verdict.split, one.verdict.is_applied) for one in judged]


def states(ledger: Ledger, asset_id: int = 1) -> list[tuple[Any, ...]]:
    return ledger.read(
        f"select executed_on, split_to, state from split where asset_id = {asset_id} order by executed_on, split_to"
    )


def store_prices(ledger: Ledger, closes: Mapping[date, float]) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(closes)))


def test_a_split_is_kept_once_and_applied_when_it_is_judged(ledger: Ledger) -> None:
    assert keep(ledger, {1: [told(FOUR, "x"), told(Split(WEEK[2], 2, 8), "y")]}) == Brought(inserted=1, duplicates=1)
    assert states(ledger) == [(WEEK[2], 4.0, "held")], "not judged yet"
    assert judge(ledger) == [(FOUR, True)]
    assert keep(ledger, {1: [told(Split(WEEK[2], 2, 8), "y")]}) == Brought(unchanged=1)
    assert judge(ledger) == [], "a verdict is told once"
    assert states(ledger) == [(WEEK[2], 4.0, "applied")]


def test_a_split_that_an_answer_no_longer_holds_is_withdrawn_only_where_the_answer_speaks_for_it(
    ledger: Ledger,
) -> None:
    keep(ledger, {1: [told(FOUR)]})
    judge(ledger)
    keep(ledger, {}, scope=[2])
    keep(ledger, {}, since=WEEK[3])
    assert judge(ledger) == []
    assert keep(ledger, {}) == Brought(changed=1)
    assert judge(ledger) == [(FOUR, False)]
    assert ledger.read("select reason, withdrawn_at from split") == [("the vendor withdrew it", AT)]
    assert keep(ledger, {1: [told(FOUR)]}) == Brought(changed=1, unchanged=1)
    assert judge(ledger) == [(FOUR, True)]


def test_prices_that_come_later_turn_the_verdict_round(ledger: Ledger) -> None:
    five = Split(WEEK[2], 1, 5)
    keep(ledger, {1: [told(FOUR), told(five)]})
    assert judge(ledger) == [(FOUR, False), (five, False)]
    store_prices(ledger, {WEEK[1]: 100.0, WEEK[2]: 20.2})
    assert judge(ledger) == [(FOUR, False), (five, True)]
    assert states(ledger) == [(WEEK[2], 4.0, "held"), (WEEK[2], 5.0, "applied")]


def test_the_applied_one_of_a_day_changes_places_without_both_being_applied_at_any_instant(ledger: Ledger) -> None:
    keep(ledger, {1: [told(FOUR)]})
    judge(ledger)
    store_prices(ledger, {WEEK[1]: 100.0, WEEK[2]: 20.2})
    five = Split(WEEK[2], 1, 5)
    keep(ledger, {1: [told(FOUR), told(five)]})
    assert judge(ledger) == [(FOUR, False), (five, True)]


def test_what_the_vendors_own_series_has_proven_is_judged_no_more(ledger: Ledger) -> None:
    keep(ledger, {1: [told(FOUR)]})
    judge(ledger)
    with connect(ledger.dsn) as connection:
        connection.execute("update split set proof = 'proven'")
    store_prices(ledger, {WEEK[1]: 100.0, WEEK[2]: 101.0})
    assert judge(ledger) == []


def test_the_database_itself_refuses_two_applied_splits_on_a_day_and_one_that_is_none(ledger: Ledger) -> None:
    insert = "insert into split (asset_id, executed_on, split_from, split_to, fetched_at) values (1, %s, %s, %s, now())"
    with connect(ledger.dsn, autocommit=True) as connection:
        connection.execute(insert, (WEEK[2], 1, 4))
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert, (WEEK[2], 1, 5))
        for shares in ((1, 1), (0, 4), (1, float("inf"))):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(insert, (WEEK[3], *shares))


def test_dividends_are_kept_once_altered_in_place_and_withdrawn(ledger: Ledger) -> None:
    def pay(*dividends: ReportedDividend) -> Brought:
        reach = stored.Reach([1, 2], SINCE, AT)
        return ledger.warehouse.transact(stored.store_dividends, {1: dividends}, reach)

    one = ReportedDividend("A1", Dividend(WEEK[1], 0.25), "d1", kind="recurring", frequency=4)
    twin = ReportedDividend("A1", Dividend(WEEK[1], 0.25), "d2", kind="recurring")
    special = ReportedDividend("A1", Dividend(WEEK[1], 2.0), kind="special")
    assert pay(one, twin, special, one) == Brought(inserted=2, duplicates=2)
    assert pay(one, special) == Brought(unchanged=2)
    assert pay(ReportedDividend("A1", Dividend(WEEK[2], 0.3), "d1"), special) == Brought(changed=1, unchanged=1)
    assert ledger.read("select vendor_id, ex_date, cash_amount from dividend order by 1") == [
        (f"{WEEK[1]}:2.0:special", WEEK[1], 2.0),
        ("d1", WEEK[2], 0.3),
    ]
    gone = pay(special)
    assert gone.changed == 1
    assert "1 dividends are no longer reported" in gone.warnings[0]
    assert ledger.read("select vendor_id from dividend where withdrawn_at is not null") == [("d1",)]
    assert pay(special, ReportedDividend("A1", Dividend(WEEK[2], 0.3), "d1")).changed == 1
    assert ledger.read("select count(*) from dividend where withdrawn_at is not null") == [(0,)]


def test_progress_is_each_assets_own(ledger: Ledger) -> None:
    ledger.warehouse.transact(stored.advance, "splits", [1, 2], WEEK[0])
    ledger.warehouse.transact(stored.advance, "dividends", [2], WEEK[1])
    found = ledger.warehouse.transact(stored.find_progress, [1, 2, 3])
    assert sorted((one.asset_id, one.splits_through, one.dividends_through) for one in found) == [
        (1, WEEK[0], None),
        (2, WEEK[0], WEEK[1]),
        (3, None, None),
    ]
