"""Which bars are refused, and why; against the same rules written one bar at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.bars import DailyBars, empty_daily_bars
from marketdata.domain.coverage import Span
from marketdata.domain.quality import Checked, Conflict, Reason, Refusal, check_daily
from marketdata.domain.sessions import sessions

NAN, INF = math.nan, math.inf
WEEK = Span(date(2026, 11, 16), date(2026, 11, 20))
SEEN_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Bar:
    """One row, good unless a field says otherwise."""

    symbol: str = "AAPL"
    session: str = "2026-11-20"
    open: float = 10.0
    high: float = 12.0
    low: float = 9.0
    close: float = 11.0
    volume: float = 1_000.0
    volume_24h: float = NAN
    vwap: float = 10.5
    trades: int = 7


CLOSE_ONLY = Bar(symbol="bitcoin", open=NAN, high=NAN, low=NAN, volume=NAN, volume_24h=3.5e10, vwap=NAN, trades=-1)


def columns(bars: list[Bar]) -> DailyBars:
    if not bars:
        return empty_daily_bars()
    types = {"symbol": object, "session": "datetime64[D]", "trades": np.int64}
    return DailyBars(
        *(
            np.array([getattr(bar, field.name) for bar in bars], dtype=types.get(field.name, np.float64))
            for field in fields(Bar)
        )
    )


def check(*bars: Bar, asset_class: str = "stock", asked: Span = WEEK) -> Checked:
    return check_daily(columns(list(bars)), asset_class=asset_class, asked=asked, seen_at=SEEN_AT)  # type: ignore[arg-type]


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("bar", "reason"),
    [
        pytest.param({"close": NAN}, Reason.BAD_CLOSE, marks=pytest.mark.fault("U11")),
        pytest.param({"close": 0.0}, Reason.BAD_CLOSE, marks=pytest.mark.fault("U14")),
        pytest.param({"close": -1.0}, Reason.BAD_CLOSE, marks=pytest.mark.fault("U14")),
        pytest.param({"close": INF}, Reason.BAD_CLOSE, marks=pytest.mark.fault("U14")),
        pytest.param({"close": -INF}, Reason.BAD_CLOSE, marks=pytest.mark.fault("U14")),
        pytest.param({"open": NAN}, Reason.PARTIAL_PRICES, marks=pytest.mark.fault("U11")),
        pytest.param({"high": NAN, "low": NAN}, Reason.PARTIAL_PRICES, marks=pytest.mark.fault("U11")),
        pytest.param({"low": 0.0}, Reason.BAD_PRICE, marks=pytest.mark.fault("U14")),
        pytest.param({"high": INF}, Reason.BAD_PRICE, marks=pytest.mark.fault("U14")),
        pytest.param({"open": -10.0}, Reason.BAD_PRICE, marks=pytest.mark.fault("U14")),
        pytest.param({"high": 9.0, "low": 12.0}, Reason.HIGH_BELOW_LOW, marks=pytest.mark.fault("U15")),
        pytest.param({"close": 12.000000000000002}, Reason.OUTSIDE_HIGH_LOW, marks=pytest.mark.fault("U15")),
        pytest.param({"close": 8.999999999999998}, Reason.OUTSIDE_HIGH_LOW, marks=pytest.mark.fault("U15")),
        pytest.param({"open": 12.5}, Reason.OUTSIDE_HIGH_LOW, marks=pytest.mark.fault("U15")),
        pytest.param({"open": 8.5}, Reason.OUTSIDE_HIGH_LOW, marks=pytest.mark.fault("U15")),
        ({"volume": -1.0}, Reason.BAD_VOLUME),
        ({"volume": INF}, Reason.BAD_VOLUME),
        ({"volume_24h": -1.0}, Reason.BAD_VOLUME),
        ({"vwap": -0.5}, Reason.BAD_VWAP),
        ({"trades": -2}, Reason.BAD_TRADES),
        pytest.param({"session": "1970-01-21"}, Reason.WRONG_UNIT, marks=pytest.mark.fault("U16")),
        pytest.param({"session": "+58854-10-02"}, Reason.WRONG_UNIT, marks=pytest.mark.fault("U16")),
        pytest.param({"session": "NaT"}, Reason.WRONG_UNIT, marks=pytest.mark.fault("U16")),
        pytest.param({"session": "2026-11-23"}, Reason.IN_FUTURE, marks=pytest.mark.fault("U16")),
        pytest.param({"session": "2026-11-13"}, Reason.NOT_ASKED, marks=pytest.mark.fault("U16")),
        pytest.param({"session": "2026-11-22"}, Reason.NOT_ASKED, marks=pytest.mark.fault("U16")),
    ],
)
def test_a_bad_bar_is_refused_with_its_reason_and_its_neighbour_is_kept(bar: dict[str, object], reason: Reason) -> None:
    checked = check(replace(Bar(), **bar), Bar(session="2026-11-19"))  # type: ignore[arg-type]
    assert checked.refused == (Refusal(0, reason),)
    assert checked.kept.tolist() == [1]
    assert (checked.duplicates, checked.conflicts) == (0, ())


@pytest.mark.fault("U14")
def test_a_number_too_large_for_a_double_is_refused_as_infinite() -> None:
    assert check(Bar(close=float("1e400"))).refused == (Refusal(0, Reason.BAD_CLOSE),)


@pytest.mark.fault("U29")
@pytest.mark.parametrize("closed", ["2026-11-21", "2026-11-26", "2025-01-09"])
def test_a_stock_bar_on_a_day_without_trading_is_refused_and_a_coin_bar_is_not(closed: str) -> None:
    year = Span(date(2025, 1, 1), date(2026, 12, 31))
    bar = Bar(session=closed)
    seen_at = datetime(2026, 12, 31, 23, tzinfo=UTC)
    stock, etf, coin = (
        check_daily(columns([bar]), asset_class=asset_class, asked=year, seen_at=seen_at)
        for asset_class in ("stock", "etf", "crypto")
    )
    assert stock.refused == etf.refused == (Refusal(0, Reason.NO_SESSION),)
    assert coin.kept.tolist() == [0]


def test_today_is_the_day_in_new_york_for_stocks_and_in_utc_for_coins() -> None:
    late_evening = datetime(2026, 11, 20, 2, tzinfo=UTC)  # the 19th in New York
    bar = columns([Bar(session="2026-11-20")])
    stock = check_daily(bar, asset_class="stock", asked=WEEK, seen_at=late_evening)
    coin = check_daily(bar, asset_class="crypto", asked=WEEK, seen_at=late_evening)
    assert stock.refused == (Refusal(0, Reason.IN_FUTURE),)
    assert coin.kept.tolist() == [0]


@pytest.mark.fault("U17")
@pytest.mark.fault("U18")
@pytest.mark.parametrize(
    "bar",
    [
        Bar(open=9.0, high=9.0, low=9.0, close=9.0),
        Bar(open=12.0, close=9.0),
        Bar(open=8.12e-06, high=8.12e-06, low=8.11e-06, close=8.12e-06, vwap=NAN),
        Bar(open=700000.01, high=700000.01, low=700000.01, close=700000.01),
        Bar(volume=0.0, vwap=0.0, trades=0),
        Bar(volume=1e20),
        Bar(volume=1.7e308),
        Bar(volume=NAN, vwap=NAN, trades=-1),
        CLOSE_ONLY,
    ],
)
def test_an_unusual_but_possible_bar_is_kept(bar: Bar) -> None:
    checked = check(bar)
    assert checked.kept.tolist() == [0]
    assert checked.refused == ()


@pytest.mark.fault("U12")
def test_equal_bars_are_dropped_and_counted() -> None:
    checked = check(CLOSE_ONLY, replace(CLOSE_ONLY), Bar(), Bar(), Bar())
    assert checked.kept.tolist() == [1, 4]
    assert (checked.duplicates, checked.conflicts, checked.refused) == (3, (), ())


@pytest.mark.fault("U12")
@pytest.mark.parametrize("change", [{"close": 11.5}, {"volume": NAN}, {"vwap": 10.4}, {"trades": -1}])
def test_of_differing_bars_the_last_is_kept_and_the_conflict_reported(change: dict[str, float]) -> None:
    checked = check(Bar(), replace(Bar(), **change), Bar(session="2026-11-19"))
    assert checked.kept.tolist() == [1, 2]
    assert checked.conflicts == (Conflict("AAPL", date(2026, 11, 20), kept=1, dropped=0),)
    assert checked.duplicates == 0


@pytest.mark.fault("U12")
def test_a_refused_copy_never_displaces_a_good_bar() -> None:
    checked = check(Bar(), Bar(close=NAN))
    assert checked.kept.tolist() == [0]
    assert checked.refused == (Refusal(1, Reason.BAD_CLOSE),)
    assert (checked.duplicates, checked.conflicts) == (0, ())


def test_one_session_of_many_symbols_holds_no_duplicates() -> None:
    checked = check(*(Bar(symbol=symbol) for symbol in ("AAPL", "aapl", "BRK.A", "BRK.B")))
    assert checked.kept.tolist() == [0, 1, 2, 3]


def test_no_bars_give_nothing() -> None:
    checked = check()
    assert (checked.kept.tolist(), checked.refused, checked.duplicates, checked.conflicts) == ([], (), 0, ())


prices = st.sampled_from([NAN, -INF, INF, -1.0, 0.0, 5e-324, 9.0, 9.5, 10.0, 11.0, 12.0, 1e300])
amounts = st.sampled_from([NAN, INF, -1.0, 0.0, 0.5, 1e20])
days = st.sampled_from(
    ["NaT", "1970-01-01", "2026-11-13", "2026-11-16", "2026-11-20", "2026-11-21", "2026-11-23", "2101-01-03"]
)
odd_bars = st.builds(
    Bar,
    symbol=st.sampled_from(["AAPL", "MSFT"]),
    session=days,
    open=prices,
    high=prices,
    low=prices,
    close=prices,
    volume=amounts,
    volume_24h=amounts,
    vwap=amounts,
    trades=st.sampled_from([-2, -1, 0, 9]),
)
near_good_bars = st.builds(
    Bar,
    symbol=st.sampled_from(["AAPL", "MSFT"]),
    session=st.sampled_from(["2026-11-18", "2026-11-19", "2026-11-20"]),
    close=st.sampled_from([9.0, 10.0, 12.0, 12.5]),
    volume=st.sampled_from([NAN, 1.0]),
)
answers = st.lists(st.one_of(odd_bars, near_good_bars), max_size=12)


def is_good(bar: Bar) -> bool:
    """The rules for a stock bar, in plain Python and by another road."""
    if bar.session not in {day.isoformat() for day in sessions(WEEK.first, WEEK.last)}:
        return False
    given_prices = [price for price in (bar.open, bar.high, bar.low) if not math.isnan(price)]
    if len(given_prices) not in (0, 3) or not all(0 < price < INF for price in [bar.close, *given_prices]):
        return False
    if given_prices and sorted([bar.low, bar.open, bar.close, bar.high])[::3] != [bar.low, bar.high]:
        return False
    return bar.trades >= -1 and all(
        math.isnan(amount) or 0 <= amount < INF for amount in (bar.volume, bar.volume_24h, bar.vwap)
    )


@pytest.mark.promise("P7")
@given(answers)
def test_every_row_ends_in_exactly_one_place(bars: list[Bar]) -> None:
    checked = check(*bars)
    refused = [refusal.index for refusal in checked.refused]
    dropped = [conflict.dropped for conflict in checked.conflicts]
    places = [*checked.kept.tolist(), *refused, *dropped]
    assert len(places) == len(set(places))
    assert len(places) + checked.duplicates == len(bars)
    assert refused == sorted(refused)
    assert {conflict.kept for conflict in checked.conflicts} <= set(checked.kept.tolist())


@given(answers)
def test_exactly_the_bars_that_break_a_rule_are_refused(bars: list[Bar]) -> None:
    refused = {refusal.index for refusal in check(*bars).refused}
    assert refused == {index for index, bar in enumerate(bars) if not is_good(bar)}


@pytest.mark.fault("U13")
@given(answers)
def test_the_last_good_bar_of_each_session_is_kept(bars: list[Bar]) -> None:
    checked = check(*bars)
    last = {(bar.symbol, bar.session): index for index, bar in enumerate(bars) if is_good(bar)}
    assert checked.kept.tolist() == sorted(last.values())
    for conflict in checked.conflicts:
        assert repr(bars[conflict.kept]) != repr(bars[conflict.dropped])
        assert last[conflict.symbol, conflict.session.isoformat()] == conflict.kept


@pytest.mark.fault("U13")
@given(st.lists(near_good_bars, unique_by=lambda bar: (bar.symbol, bar.session)), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_verdict(bars: list[Bar], random: object) -> None:
    shuffled = bars.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def verdicts(rows: list[Bar]) -> tuple[set[str], set[tuple[str, Reason]]]:
        checked = check(*rows)
        kept = {repr(rows[index]) for index in checked.kept}
        return kept, {(repr(rows[refusal.index]), refusal.reason) for refusal in checked.refused}

    assert verdicts(shuffled) == verdicts(bars)
