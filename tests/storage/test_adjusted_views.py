"""The views that serve adjusted bars are the mathematics of the domain, and read one asset through its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.adjustment import Dividend, Split, adjust, split_factors, total_return_factors
from marketdata.domain.sessions import sessions
from marketdata.storage.connection import connect
from tests.storage.ledger import Ledger, answer, bars

TODAY = date(2026, 11, 20)
AXIS = sessions(date(2026, 9, 1), TODAY)
COLUMNS = ("open", "high", "low", "close", "volume", "vwap")

split_days = st.lists(st.sampled_from([*AXIS, TODAY + timedelta(days=3)]), max_size=5, unique=True)
ratios = st.sampled_from([(1, 2), (1, 4), (2, 3), (10, 1), (1, 7)])
dividends = st.lists(
    st.builds(
        Dividend,
        st.sampled_from([*AXIS[1:], TODAY + timedelta(days=3)]),
        st.floats(0.01, 2),
        st.sampled_from(["USD", "USD", "CAD"]),
    ),
    max_size=6,
)


@dataclass
class Shelf:
    """An asset with a bar a session, whose splits and dividends are set directly."""

    ledger: Ledger
    closes: dict[date, float]

    def put(self, splits: Sequence[Split], paid: Sequence[Dividend] = (), state: str = "applied") -> None:
        with connect(self.ledger.dsn) as connection:
            connection.execute("truncate split, dividend")
            for split in splits:
                connection.execute(
                    "insert into split (asset_id, executed_on, split_from, split_to, state, reason, fetched_at)"
                    " values (1, %s, %s, %s, %s, 'test', now())",
                    (split.executed_on, split.split_from, split.split_to, state),
                )
            for number, dividend in enumerate(paid):
                connection.execute(
                    "insert into dividend (asset_id, vendor_id, ex_date, cash_amount, currency, fetched_at)"
                    " values (1, %s, %s, %s, %s, now())",
                    (str(number), dividend.ex_date, dividend.cash_amount, dividend.currency),
                )

    def read(self, view: str) -> dict[str, list[Any]]:
        """The view's columns for the asset, as a session of ours sees them."""
        with connect(self.ledger.dsn) as connection:
            cursor = connection.execute(f"select * from {view} where asset_id = 1 order by session")
            names = [column.name for column in cursor.description or ()]
            return dict(zip(names, map(list, zip(*cursor.fetchall(), strict=True)), strict=True))


@pytest.fixture
def shelf(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("MARKETDATA_NOW", f"{TODAY}T21:30:00+00:00")
    closes = {day: round(50 + 20 * float(np.sin(number / 5)), 2) for number, day in enumerate(AXIS)}
    ledger.warehouse.store_daily(ledger.call(1, AXIS[0], AXIS[-1]), answer(1, bars(closes, trades=9)))
    return Shelf(ledger, closes)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=split_days, chosen=st.lists(ratios, min_size=5, max_size=5), paid=dividends)
def test_the_views_are_the_mathematics_of_the_domain(
    shelf: Shelf, days: list[date], chosen: list[tuple[int, int]], paid: list[Dividend]
) -> None:
    splits = [Split(day, *ratio) for day, ratio in zip(days, chosen, strict=False)]
    shelf.put(splits, paid)
    raw = bars(shelf.closes, trades=9)
    for view, factors in (
        ("bar_daily_adjusted", split_factors(raw.session, splits, today=TODAY)),
        ("bar_daily_total_return", total_return_factors(raw.session, raw.close, splits, paid, today=TODAY)),
    ):
        found, expected = shelf.read(view), adjust(raw, factors)
        assert found["session"] == AXIS
        np.testing.assert_allclose(found["factor"], factors.price, rtol=1e-13)
        for column in COLUMNS:
            np.testing.assert_allclose(found[column], getattr(expected, column), rtol=1e-12, err_msg=column)
        assert found["trades"] == [9] * len(AXIS)
        assert all(found["is_final"])


def test_a_factor_of_whole_numbers_is_the_exact_quotient(shelf: Shelf) -> None:
    splits = [Split(AXIS[10], 1, 2), Split(AXIS[20], 1, 7), Split(AXIS[30], 1, 4)]
    shelf.put(splits)
    factors = shelf.read("bar_daily_adjusted")["factor"]
    assert (factors[0], factors[10], factors[20], factors[30]) == (1 / 56, 1 / 28, 1 / 4, 1.0)


def test_a_held_split_counts_in_no_series(shelf: Shelf) -> None:
    shelf.put([Split(AXIS[10], 1, 2)], state="held")
    for view in ("bar_daily_adjusted", "bar_daily_total_return"):
        assert set(shelf.read(view)["factor"]) == {1.0}


def test_a_withdrawn_dividend_counts_in_no_series(shelf: Shelf) -> None:
    shelf.put([], [Dividend(AXIS[10], 1.0)])
    assert min(shelf.read("bar_daily_total_return")["factor"]) < 1
    with connect(shelf.ledger.dsn) as connection:
        connection.execute("update dividend set withdrawn_at = now()")
    assert set(shelf.read("bar_daily_total_return")["factor"]) == {1.0}


def test_a_bar_with_a_close_only_is_no_candle(shelf: Shelf) -> None:
    nothing = float("nan")
    closes_only = bars({AXIS[-1]: 10.0}, open=nothing, high=nothing, low=nothing)
    shelf.ledger.warehouse.store_daily(shelf.ledger.call(2, AXIS[-1], AXIS[-1]), answer(2, closes_only))
    with connect(shelf.ledger.dsn) as connection:
        found = connection.execute(
            "select asset_id, is_candle, open, close from bar_daily_adjusted where session = %s order by 1", [AXIS[-1]]
        ).fetchall()
    assert [(row[0], row[1]) for row in found] == [(1, True), (2, False)]
    assert found[1][2:] == (None, 10.0)


def test_the_market_date_is_new_yorks_and_follows_the_clock_of_the_session(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def market_date() -> tuple[Any, ...]:
        query = "select market_date(), (now() at time zone 'America/New_York')::date"
        return ledger.warehouse.transact(lambda connection: connection.execute(query).fetchone() or ())

    for frozen, expected in (
        ("2026-11-21T04:59:00+00:00", date(2026, 11, 20)),
        ("2026-11-21T05:00:00+00:00", date(2026, 11, 21)),
        ("2026-07-01T04:00:00+00:00", date(2026, 7, 1)),
    ):
        monkeypatch.setenv("MARKETDATA_NOW", frozen)
        assert market_date()[0] == expected
        with connect(ledger.dsn) as connection:
            assert connection.execute("select market_date()").fetchone() == (expected,)
    monkeypatch.delenv("MARKETDATA_NOW")
    ours, new_yorks = market_date()
    assert ours == new_yorks


@pytest.mark.parametrize("view", ["bar_daily_adjusted", "bar_daily_total_return"])
def test_one_assets_window_reaches_the_primary_key_and_no_other_assets_splits(shelf: Shelf, view: str) -> None:
    with connect(shelf.ledger.dsn) as connection:
        connection.execute(
            "insert into asset (symbol, asset_class, vendor_symbol)"
            " select 'B' || n, 'stock', 'B' || n from generate_series(1, 3000) as n"
        )
        connection.execute(
            "insert into split (asset_id, executed_on, split_from, split_to, fetched_at)"
            " select asset_id, '2026-10-01', 1, 2, now() from asset"
        )
        connection.execute(
            "insert into bar_daily (asset_id, session, close, fetched_at, run_id, is_final, source)"
            " select asset_id, date '2026-09-01' + n, 1, now(), 1, true, 'polygon'"
            " from asset, generate_series(1, 20) as n where asset_id > 3"
        )
        connection.execute(
            "insert into dividend (asset_id, vendor_id, ex_date, cash_amount, currency, fetched_at)"
            " select asset_id, 'D', '2026-10-20', 0.1, 'USD', now() from asset"
        )
        connection.execute("analyze")
        plan = connection.execute(
            f"explain select * from {view} where asset_id = 1 and session between '2026-10-05' and '2026-11-20'"
        ).fetchall()
    text = "\n".join(str(row[0]) for row in plan)
    assert "bar_daily_pkey" in text
    assert "Seq Scan" not in text, text
