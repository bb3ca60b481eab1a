"""A coin's candles and closes joined, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.bars import DailyBars
from marketdata.domain.candles import FIRST_CANDLE, candle_pieces, candle_requests, candle_windows
from marketdata.domain.coin_bars import join_candles
from marketdata.domain.coverage import Gap, Span, days
from marketdata.domain.planner import Limits, plan_coin_calls

DAYS = [date(2026, 11, 1) + timedelta(days=offset) for offset in range(6)]


def bars(sessions: Sequence[date], price: float, *, volume: float = np.nan, is_candle: bool = False) -> DailyBars:
    count = len(sessions)
    nothing, prices = np.full(count, np.nan), np.full(count, price)
    return DailyBars(
        symbols=np.full(count, "bitcoin", dtype=np.object_),
        session=np.array(sessions, dtype="datetime64[D]"),
        open=prices if is_candle else nothing,
        high=prices if is_candle else nothing,
        low=prices if is_candle else nothing,
        close=prices,
        volume=nothing,
        volume_24h=np.full(count, volume),
        vwap=nothing,
        trades=np.full(count, -1, dtype=np.int64),
    )


def by_day(joined: DailyBars) -> Mapping[date, tuple[bool, float, float]]:
    """Whether it is a candle, close and volume of each day; no day twice."""
    found = {
        day: (not np.isnan(opened), close, volume)
        for day, opened, close, volume in zip(
            joined.session.tolist(), joined.open, joined.close, joined.volume_24h.tolist(), strict=True
        )
    }
    assert len(found) == len(joined)
    return found


@given(candles=st.sets(st.sampled_from(DAYS)), closes=st.sets(st.sampled_from(DAYS)), settled=st.sampled_from(DAYS))
def test_a_day_has_its_candle_with_the_volume_of_its_close_or_its_close_once_it_is_settled(
    candles: set[date], closes: set[date], settled: date
) -> None:
    joined = by_day(
        join_candles(
            bars(sorted(candles), 2.0, is_candle=True), bars(sorted(closes), 3.0, volume=7.0), settled_through=settled
        )
    )
    assert set(joined) == candles | {day for day in closes if day <= settled}
    for day, (is_candle, close, volume) in joined.items():
        assert (is_candle, close) == ((True, 2.0) if day in candles else (False, 3.0))
        assert volume == 7.0 if day in closes else np.isnan(volume)


def test_nothing_joined_with_nothing_is_nothing() -> None:
    assert len(join_candles(bars([], 1.0), bars([], 1.0), settled_through=DAYS[0])) == 0


@given(st.dates(date(2013, 1, 1), date(2027, 1, 1)), st.integers(0, 3000))
def test_pieces_hold_each_day_that_can_have_a_candle_once_and_no_request_is_longer_than_180_days(
    first: date, length: int
) -> None:
    last = first + timedelta(days=length)
    pieces = list(candle_pieces(first, last))
    expected = days((Span(max(first, FIRST_CANDLE), last),)) if last >= FIRST_CANDLE else ()
    assert list(days(tuple(pieces))) == list(expected)
    assert all((piece.last - piece.first).days + 1 < 180 for piece in pieces)
    assert candle_requests(first, last) == len(pieces) + 1


GAPS = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400)), min_size=1, max_size=6)


@given(st.dates(date(2016, 1, 1), date(2020, 1, 1)), GAPS)
def test_windows_hold_what_is_missing_and_cost_no_more_than_one_for_all_or_one_for_each(
    start: date, gaps: list[tuple[int, int]]
) -> None:
    spans: list[Span] = []
    for apart, length in gaps:
        first = (spans[-1].last if spans else start) + timedelta(days=apart + 2)
        spans.append(Span(first, first + timedelta(days=length - 1)))
    windows = candle_windows(tuple(spans))
    assert all(any(span.first in window and span.last in window for window in windows) for span in spans)
    assert windows == sorted(windows, reverse=True)
    cost = sum(candle_requests(window.first, window.last) for window in windows)
    assert cost <= candle_requests(spans[0].first, spans[-1].last)
    assert cost <= sum(candle_requests(span.first, span.last) for span in spans)


def test_a_day_years_ago_and_yesterday_are_two_calls_and_a_hole_last_month_is_part_of_one() -> None:
    yesterday = Span(date(2026, 11, 20), date(2026, 11, 20))
    years_ago = Span(date(2019, 5, 5), date(2019, 5, 5))
    last_month = Span(date(2026, 10, 5), date(2026, 10, 5))
    assert candle_windows((years_ago, yesterday)) == [yesterday, years_ago]
    assert candle_windows((last_month, yesterday)) == [Span(last_month.first, yesterday.last)]
    assert candle_windows(()) == []


@pytest.mark.parametrize(("first", "requests"), [(date(2026, 11, 20), 2), (date(2025, 11, 21), 4), (FIRST_CANDLE, 19)])
def test_what_a_day_a_year_and_all_candles_cost(first: date, requests: int) -> None:
    assert candle_requests(first, date(2026, 11, 20)) == requests


def test_credits_pay_requests_and_a_call_that_they_do_not_pay_lets_smaller_ones_pass() -> None:
    newest = date(2026, 11, 20)
    gaps = [Gap((0,), (Span(date(2025, 11, 21), newest),)), Gap((1, 2), (Span(newest, newest),))]
    symbols = {0: "bitcoin", 1: "ethereum", 2: "solana"}
    plan = plan_coin_calls(gaps, symbols, Limits(ohlc=True, max_calls=5))
    assert [call.symbol for call in plan.calls] == ["bitcoin"]
    assert [call.symbol for call in plan.deferred] == ["ethereum", "solana"]
    plan = plan_coin_calls(gaps, symbols, Limits(ohlc=True, max_calls=3))
    assert ([call.symbol for call in plan.calls], plan.requests) == (["ethereum"], 2)
    assert [call.symbol for call in plan.deferred] == ["bitcoin", "solana"]
    assert plan_coin_calls(gaps, symbols, Limits(max_calls=3)).requests == 3
