"""The mathematics of splits and dividends: factors, the way back, and telling a wrong series from rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.adjustment import (
    Dividend,
    Movement,
    Split,
    adjust,
    compare,
    judge_movement,
    split_factors,
    total_return_factors,
    unadjust,
)
from marketdata.domain.bars import DailyBars
from marketdata.domain.sessions import sessions

FIRST, TODAY = date(2026, 6, 1), date(2026, 11, 20)
AXIS = np.array(sessions(FIRST, TODAY), dtype="datetime64[D]")
SESSIONS = AXIS.tolist()

ratios = st.sampled_from([(1, 2), (1, 3), (1, 4), (1, 7), (1, 20), (2, 3), (4, 5), (8, 1), (10, 1), (100, 1), (20, 21)])
days = st.sampled_from(SESSIONS)
prices = st.floats(0.01, 5_000)


@st.composite
def split_lists(draw: st.DrawFn) -> list[Split]:
    """Up to six splits on different sessions."""
    chosen = draw(st.lists(st.tuples(days, ratios), max_size=6, unique_by=lambda pair: pair[0]))
    return [Split(day, *ratio) for day, ratio in chosen]


def bars(close: Sequence[float]) -> DailyBars:
    """Bars of the newest sessions around these closes."""
    closes = np.array(close, dtype=np.float64)
    count = len(closes)
    return DailyBars(
        symbols=np.full(count, "X", dtype=np.object_),
        session=AXIS[len(AXIS) - count :],
        open=closes * 0.99,
        high=closes * 1.02,
        low=closes * 0.97,
        close=closes,
        volume=np.full(count, 1e6),
        volume_24h=np.full(count, math.nan),
        vwap=closes * 1.001,
        trades=np.full(count, 7, dtype=np.int64),
    )


@given(split_lists())
def test_a_factor_is_the_product_of_all_later_splits(splits: list[Split]) -> None:
    factor = split_factors(AXIS, splits, today=TODAY).price
    for at, session in enumerate(SESSIONS):
        later = [split for split in splits if split.executed_on > session]
        assert factor[at] == pytest.approx(math.prod(1 / split.ratio for split in later), rel=1e-12)


@given(split_lists(), split_lists())
def test_factors_of_two_lists_multiply(one: list[Split], other: list[Split]) -> None:
    both = split_factors(AXIS, [*one, *other], today=TODAY).price
    apart = split_factors(AXIS, one, today=TODAY).price * split_factors(AXIS, other, today=TODAY).price
    np.testing.assert_allclose(both, apart, rtol=1e-12)


@given(split_lists(), st.randoms())
def test_the_order_in_which_splits_are_told_does_not_matter(splits: list[Split], chance: object) -> None:
    shuffled = splits.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (split_factors(AXIS, told, today=TODAY).price for told in (splits, shuffled))
    assert one.tolist() == other.tolist()


def test_whole_numbers_give_the_exact_quotient() -> None:
    splits = [Split(AXIS[day].item(), 1, ratio) for day, ratio in ((10, 2), (20, 7), (30, 4))]
    factor = split_factors(AXIS, splits, today=TODAY).price
    assert (factor[0], factor[10], factor[20], factor[30]) == (1 / 56, 1 / 28, 1 / 4, 1.0)


def test_a_split_of_tomorrow_changes_nothing_today() -> None:
    split = Split(TODAY, 1, 4)
    assert split_factors(AXIS, [split], today=TODAY - timedelta(days=1)).price.tolist() == [1.0] * len(AXIS)
    assert split_factors(AXIS, [split], today=TODAY).price[-2:].tolist() == [0.25, 1.0]


@given(split_lists(), st.integers(2, 60))
def test_the_adjusted_series_moves_over_a_split_as_the_company_did(splits: list[Split], length: int) -> None:
    """A company whose value grows by 1 % each session, whatever the number of its shares."""
    worth = 100 * 1.01 ** np.arange(len(AXIS))
    shares = 1 / split_factors(AXIS, splits, today=TODAY).price
    raw = bars((worth * shares)[-length:])
    adjusted = adjust(raw, split_factors(raw.session, splits, today=TODAY))
    np.testing.assert_allclose(adjusted.close[1:] / adjusted.close[:-1], 1.01, rtol=1e-9)
    assert adjusted.close[-1] == raw.close[-1]


@given(split_lists(), st.lists(prices, min_size=1, max_size=60))
def test_adjusting_keeps_turnover_and_the_order_of_prices(splits: list[Split], close: list[float]) -> None:
    raw = bars(close)
    adjusted = adjust(raw, split_factors(raw.session, splits, today=TODAY))
    np.testing.assert_allclose(adjusted.close * adjusted.volume, raw.close * raw.volume, rtol=1e-12)
    assert (adjusted.low <= adjusted.open).all()
    assert (adjusted.close <= adjusted.high).all()
    assert adjusted.trades.tolist() == raw.trades.tolist()


@given(
    split_lists(),
    st.lists(st.builds(Dividend, days, st.floats(0.01, 0.5)), max_size=8),
    st.lists(st.floats(1, 5_000), min_size=1, max_size=60),
)
def test_the_way_back_gives_the_raw_bars(splits: list[Split], dividends: list[Dividend], close: list[float]) -> None:
    raw = bars(close)
    factors = total_return_factors(raw.session, raw.close, splits, dividends, today=TODAY)
    back = unadjust(adjust(raw, factors), factors)
    for column in ("open", "high", "low", "close", "vwap", "volume"):
        np.testing.assert_allclose(getattr(back, column), getattr(raw, column), rtol=1e-12)


def test_a_dividend_takes_its_share_of_the_close_before_it_and_leaves_volume_alone() -> None:
    raw = bars([100.0, 98.0, 99.0])
    ex_date = raw.session[1].item()
    factors = total_return_factors(raw.session, raw.close, [], [Dividend(ex_date, 2.0)], today=TODAY)
    adjusted = adjust(raw, factors)
    assert adjusted.close.tolist() == [98.0, 98.0, 99.0], "the fall by the dividend is gone"
    assert adjusted.volume.tolist() == raw.volume.tolist()
    assert factors.left_out == ()


def test_total_return_is_that_of_a_holder_who_reinvests_over_splits_and_dividends() -> None:
    raw = bars([100.0, 50.0, 49.0, 49.0])  # a 2-for-1, then 1 dollar a new share, then nothing
    day = [session.item() for session in raw.session]
    factors = total_return_factors(raw.session, raw.close, [Split(day[1], 1, 2)], [Dividend(day[2], 1.0)], today=TODAY)
    adjusted = adjust(raw, factors).close
    assert adjusted[-1] / adjusted[0] == pytest.approx(1.0), "2 shares at 49 and 2 dollars bought at 49 are worth 100"


@pytest.mark.parametrize(
    ("dividend", "why"),
    [
        (Dividend(SESSIONS[-2], 1.0, "CAD"), "another currency"),
        (Dividend(SESSIONS[-2], 1.0, ""), "no currency"),
        (Dividend(SESSIONS[-3], 1.0), "no close before it"),
        (Dividend(SESSIONS[-2], 100.0), "as large as the price"),
    ],
)
def test_what_cannot_be_worked_in_is_left_out_and_counted(dividend: Dividend, why: str) -> None:
    raw = bars([100.0, 98.0, 99.0])
    factors = total_return_factors(raw.session, raw.close, [], [dividend], today=TODAY)
    assert factors.price.tolist() == [1.0, 1.0, 1.0], why
    assert factors.left_out == (dividend,)


def test_a_close_of_two_weeks_before_says_nothing_about_a_dividend() -> None:
    session = np.array(["2026-11-02", "2026-11-18"], dtype="datetime64[D]")
    dividend = Dividend(date(2026, 11, 18), 1.0)
    factors = total_return_factors(session, np.array([100.0, 99.0]), [], [dividend], today=TODAY)
    assert factors.left_out == (dividend,)


@pytest.mark.parametrize(
    ("ratio", "before", "after", "expected"),
    [
        (4, 400.0, 101.0, Movement.FITS),
        (4, 400.0, 85.0, Movement.FITS),  # on a bad day
        (4, 400.0, 401.0, Movement.CONTRADICTS),
        (4, 400.0, 300.0, Movement.CONTRADICTS),
        (10, 400.0, 100.0, Movement.CONTRADICTS),  # it was 4, not 10
        (0.1, 2.0, 15.0, Movement.FITS),
        (0.1, 2.0, 2.1, Movement.CONTRADICTS),
        (10, 400.0, 65.0, Movement.UNCLEAR),
        (1.05, 400.0, 400.0, Movement.UNCLEAR),
        (4, None, 100.0, Movement.UNCLEAR),
        (4, 400.0, None, Movement.UNCLEAR),
    ],
)
def test_prices_of_the_night_before_judge_a_split(
    ratio: float, before: float | None, after: float | None, expected: Movement
) -> None:
    assert judge_movement(ratio, before, after) is expected


@given(st.floats(1.3, 100), prices, st.floats(-0.12, 0.12))
def test_a_split_in_a_usual_night_is_never_contradicted_and_one_that_never_was_always(
    ratio: float, price: float, night: float
) -> None:
    for told in (ratio, 1 / ratio):
        assert judge_movement(told, price, price / told * math.exp(night)) is Movement.FITS
        assert judge_movement(told, price, price * math.exp(night)) is Movement.CONTRADICTS


@given(split_lists(), st.lists(prices, min_size=1, max_size=60))
def test_rounding_is_no_difference(splits: list[Split], close: list[float]) -> None:
    raw = bars(close)
    ours = adjust(raw, split_factors(raw.session, splits, today=TODAY))
    rounded = {column: np.round(getattr(ours, column), 4) for column in ("open", "high", "low", "close")}
    theirs = replace(ours, **rounded, volume=np.round(ours.volume))
    assert compare(ours, theirs) == (len(raw), ())


def test_a_factor_that_is_off_is_a_difference_with_session_and_both_values() -> None:
    ours, theirs = bars([100.0, 25.0, 26.0]), bars([25.0, 25.0, 26.0])
    shared, found = compare(ours, theirs)
    assert shared == 3
    assert {one.session for one in found} == {SESSIONS[-3]}
    assert [one.figure for one in found] == ["open", "high", "low", "close"]
    assert str(found[-1]) == f"{SESSIONS[-3]} close: ours 100, the vendor's 25"


def test_a_small_stock_dividend_is_no_rounding() -> None:
    ours = bars([100.0, 100.0])
    theirs = bars([100.0 / 1.01, 100.0])
    assert len(compare(ours, theirs)[1]) == 4


def test_only_sessions_and_figures_that_both_have_are_compared() -> None:
    ours, theirs = bars([100.0, 25.0, 26.0]), bars([25.0, 26.0])
    theirs = replace(theirs, volume=np.array([math.nan, 5.0]))
    shared, found = compare(ours, theirs)
    assert shared == 2
    assert [(one.session, one.figure) for one in found] == [(SESSIONS[-1], "volume")]
    assert compare(ours.take(np.zeros(3, dtype=np.bool_)), theirs) == (0, ())
