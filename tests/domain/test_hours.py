"""Hours anchored at the open, from half hours: nothing from outside the session, the running one provisional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.hours import Hours, to_hours
from marketdata.domain.price_quality import instant64
from marketdata.domain.prices import IntradayBars
from marketdata.domain.sessions import session_close, session_open

FRIDAY = date(2026, 11, 20)
SHORT_FRIDAY = date(2026, 11, 27)
HALF = timedelta(minutes=30)
NAN = math.nan

Half = tuple[int, float, float, float, float, float, float, int]
"""Halves after the open, then open, high, low, close, volume, vwap and trades."""


def halves(session: date, rows: Sequence[Half]) -> IntradayBars:
    columns: Any = list(zip(*rows, strict=True)) or [()] * 8
    starts = [instant64(session_open(session) + after * HALF) for after in columns[0]]
    numbers = [np.array(column, dtype=np.float64) for column in columns[1:7]]
    symbols = np.full(len(rows), "AAPL", dtype=np.object_)
    trades = np.array(columns[7], dtype=np.int64)
    return IntradayBars(symbols, np.array(starts, dtype="datetime64[us]"), *numbers, trades)


def plain(after: int, price: float = 100.0) -> Half:
    return (after, price, price + 1, price - 1, price, 10.0, price, 5)


def starts(hours: Hours, session: date) -> list[float]:
    """Minutes from the open."""
    since = hours.bars.starts - instant64(session_open(session))
    return [float(one / np.timedelta64(60_000_000, "us")) for one in since]


def test_an_hour_is_two_halves_from_the_open() -> None:
    rows = [(0, 10.0, 12.0, 9.0, 11.0, 100.0, 11.0, 7), (1, 11.0, 15.0, 10.5, 14.0, 300.0, 13.0, 4)]
    hours = to_hours(halves(FRIDAY, rows), FRIDAY, seen_until=session_close(FRIDAY)).bars
    assert hours.symbols.tolist() == ["AAPL"]
    assert hours.starts.tolist() == [session_open(FRIDAY).replace(tzinfo=None)]
    figures = [hours.open, hours.high, hours.low, hours.close, hours.volume, hours.vwap, hours.trades]
    assert [column.tolist() for column in figures] == [[10.0], [15.0], [9.0], [14.0], [400.0], [12.5], [11]]


def test_what_lies_outside_the_session_is_left_out() -> None:
    everything = [plain(after) for after in range(-11, 21)]  # 04:00 to 20:00
    hours = to_hours(halves(FRIDAY, everything), FRIDAY, seen_until=session_close(FRIDAY) + HALF)
    assert starts(hours, FRIDAY) == [0, 60, 120, 180, 240, 300, 360]
    assert hours.bars.volume.tolist() == [20.0] * 6 + [10.0], "the last hour ends with the session"
    assert hours.finals.all()


def test_an_early_close_ends_the_last_hour() -> None:
    everything = [plain(after) for after in range(-11, 15)]
    close = session_close(SHORT_FRIDAY)
    hours = to_hours(halves(SHORT_FRIDAY, everything), SHORT_FRIDAY, seen_until=close)
    assert starts(hours, SHORT_FRIDAY) == [0, 60, 120, 180]
    assert hours.bars.volume.tolist() == [20.0, 20.0, 20.0, 10.0]
    assert hours.finals.tolist() == [True] * 4


@pytest.mark.parametrize(("minutes", "finals"), [(59, [False, False]), (60, [True, False]), (120, [True, True])])
def test_an_hour_is_provisional_until_it_was_seen_to_its_end(minutes: int, finals: list[bool]) -> None:
    seen_until = session_open(FRIDAY) + timedelta(minutes=minutes)
    hours = to_hours(halves(FRIDAY, [plain(0), plain(1), plain(2)]), FRIDAY, seen_until=seen_until)
    assert hours.finals.tolist() == finals


def test_a_missing_half_leaves_the_other_and_an_hour_without_any_is_no_hour() -> None:
    hours = to_hours(halves(FRIDAY, [plain(1, 50.0), plain(4, 70.0)]), FRIDAY, seen_until=session_close(FRIDAY))
    assert starts(hours, FRIDAY) == [0, 120]
    assert hours.bars.open.tolist() == [50.0, 70.0]


def test_what_no_half_gives_is_not_given_and_what_one_gives_counts() -> None:
    rows = [
        (0, 10.0, 11.0, 9.0, 10.0, NAN, NAN, -1),
        (1, 10.0, 11.0, 9.0, 10.0, NAN, NAN, -1),
        (2, 10.0, 11.0, 9.0, 10.0, 50.0, NAN, 3),
        (3, 10.0, 11.0, 9.0, 10.0, NAN, 10.0, -1),
    ]
    hours = to_hours(halves(FRIDAY, rows), FRIDAY, seen_until=session_close(FRIDAY)).bars
    assert np.isnan(hours.volume).tolist() == [True, False]
    assert hours.volume[1] == 50.0
    assert np.isnan(hours.vwap).all()
    assert hours.trades.tolist() == [-1, 3]


@pytest.mark.parametrize("rows", [[], [plain(-1)], [plain(13)]])
def test_without_a_half_of_the_session_there_are_no_hours(rows: list[Half]) -> None:
    hours = to_hours(halves(FRIDAY, rows), FRIDAY, seen_until=session_close(FRIDAY))
    assert (len(hours.bars), len(hours.finals)) == (0, 0)


@pytest.mark.parametrize("session", [date(2026, 3, 6), date(2026, 3, 9), date(2026, 10, 30), date(2026, 11, 2)])
def test_hours_begin_at_half_past_nine_on_both_sides_of_a_clock_change(session: date) -> None:
    hours = to_hours(halves(session, [plain(0)]), session, seen_until=session_close(session))
    assert hours.bars.starts.tolist() == [session_open(session).replace(tzinfo=None)]


@st.composite
def any_halves(draw: st.DrawFn) -> list[Half]:
    places = draw(st.lists(st.integers(-11, 20), unique=True))
    price = st.floats(0.01, 1e6)
    rows = []
    for place in draw(st.permutations(places)):
        low, opened, close, high = sorted(draw(st.tuples(price, price, price, price)))
        volume = draw(st.one_of(st.just(NAN), st.just(0.0), st.floats(0.001, 1e9)))
        rows.append((place, opened, high, low, close, volume, draw(price), draw(st.integers(-1, 1000))))
    return rows


@given(any_halves())
def test_hours_are_what_a_loop_over_the_halves_says(rows: list[Half]) -> None:
    hours = to_hours(halves(FRIDAY, rows), FRIDAY, seen_until=session_close(FRIDAY))
    expected: dict[int, list[Half]] = {}
    for row in sorted(rows):
        if 0 <= row[0] < 13:
            expected.setdefault(row[0] // 2, []).append(row)
    assert starts(hours, FRIDAY) == [60.0 * hour for hour in expected]
    for at, two in enumerate(expected.values()):
        bar = hours.bars
        assert (bar.open[at], bar.close[at]) == (two[0][1], two[-1][4])
        assert (bar.high[at], bar.low[at]) == (max(row[2] for row in two), min(row[3] for row in two))
        volumes = [row[5] for row in two if not math.isnan(row[5])]
        assert bar.volume[at] == (sum(volumes) if volumes else pytest.approx(NAN, nan_ok=True))
        if sum(volumes) > 0:
            assert min(row[6] for row in two) * (1 - 1e-9) <= bar.vwap[at] <= max(row[6] for row in two) * (1 + 1e-9)
        given_trades = [row[7] for row in two if row[7] >= 0]
        assert bar.trades[at] == (sum(given_trades) if given_trades else -1)


def test_an_instant_keeps_its_microseconds() -> None:
    instant = datetime.fromisoformat("2026-11-20T14:30:00.000001+00:00")
    assert instant64(instant) == np.datetime64("2026-11-20T14:30:00.000001")
