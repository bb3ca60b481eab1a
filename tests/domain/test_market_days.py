"""The choice of market days, on holes drawn as positions of an axis."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.market_days import Hole, RangeMaximum, choose_market_days, count_calls

AXIS_LENGTH = 7


def hole(assets: int, *positions: int) -> Hole:
    """Consecutive positions become one run."""
    missing = set(positions)
    starts = sorted(at for at in missing if at - 1 not in missing)
    stops = sorted(at + 1 for at in missing if at + 1 not in missing)
    return Hole(assets, tuple(zip(starts, stops, strict=True)))


holes = st.lists(
    st.builds(
        lambda assets, positions: hole(assets, *positions),
        st.integers(1, 6),
        st.frozensets(st.integers(0, AXIS_LENGTH - 1), min_size=1),
    ),
    max_size=6,
)


@pytest.mark.parametrize(
    ("missing", "chosen"),
    [
        pytest.param([], set(), id="nothing is missing"),
        pytest.param([hole(5, 3)], {3}, id="one session that many miss"),
        pytest.param([hole(1, 3)], set(), id="one asset: its ticker brings fewer rows"),
        pytest.param([hole(2, 3, 4)], set(), id="equal cost: tickers bring fewer rows"),
        pytest.param([hole(2, 0, 1), hole(3, 0, 1)], {0, 1}, id="holes that only together are worth their days"),
        pytest.param([hole(1, 0, 1), hole(9, 4, 5, 6)], {4, 5, 6}, id="a small odd hole beside a large shared one"),
        pytest.param([hole(3, 0, 1, 2, 3, 4), hole(2, 6)], {6}, id="long holes beside a session that others share"),
        pytest.param([hole(5, 0, 1, 2, 3, 4), hole(2, 6)], {6}, id="the same at equal cost: fewer days"),
    ],
)
def test_the_days_chosen_are_the_cheapest(missing: list[Hole], chosen: set[int]) -> None:
    assert choose_market_days(missing, AXIS_LENGTH) == chosen


@given(holes)
def test_a_choice_costs_no_more_than_either_method_alone(missing: list[Hole]) -> None:
    cost = count_calls(choose_market_days(missing, AXIS_LENGTH), missing, AXIS_LENGTH)
    assert cost <= count_calls(frozenset(), missing, AXIS_LENGTH) == sum(each.assets for each in missing)
    everything = frozenset(at for each in missing for run in each.runs for at in range(*run))
    assert cost <= count_calls(everything, missing, AXIS_LENGTH) == len(everything)


def test_a_day_that_only_serves_assets_with_ticker_calls_is_left_out() -> None:
    """Ten assets share session 0, the most missed of all, but each misses more than its own ticker call costs."""
    long = [hole(1, 0, *range(10 + 3 * asset, 13 + 3 * asset)) for asset in range(10)]
    odd = [hole(1, 4, 5), hole(1, 6, 7)]
    shared = hole(9, 1, 2, 3)
    assert choose_market_days([*long, *odd, shared], 40) == {1, 2, 3}


@given(holes)
def test_the_choice_is_within_one_call_of_the_cheapest_on_small_worlds(missing: list[Hole]) -> None:
    """It is the cheapest itself in all but about 1 of 40,000 random worlds of this size."""
    axis = range(AXIS_LENGTH)
    subsets = (frozenset(days) for size in range(AXIS_LENGTH + 1) for days in combinations(axis, size))
    cheapest = min(count_calls(days, missing, AXIS_LENGTH) for days in subsets)
    assert count_calls(choose_market_days(missing, AXIS_LENGTH), missing, AXIS_LENGTH) <= cheapest + 1


@given(holes)
def test_leaving_out_a_chosen_day_saves_nothing(missing: list[Hole]) -> None:
    chosen = choose_market_days(missing, AXIS_LENGTH)
    cost = count_calls(chosen, missing, AXIS_LENGTH)
    assert all(count_calls(chosen - {day}, missing, AXIS_LENGTH) >= cost for day in chosen)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=20), st.data())
def test_the_maximum_of_any_run_is_that_of_its_values(values: list[int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(values) - 1))
    stop = data.draw(st.integers(start + 1, len(values)))
    assert RangeMaximum(values).over(start, stop) == max(values[start:stop])
