"""Stored bars against an answer, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span
from marketdata.domain.digests import (
    FIGURES,
    ROW,
    Difference,
    bars_of,
    carry_over,
    compare,
    digest_years,
    of_years,
    rows_of,
    sessions_of,
    within,
    year_span,
    years_of,
)

DAYS = st.dates(date(1995, 1, 1), date(2030, 12, 31))
PRICES = st.floats(min_value=5e-324, max_value=1e300)
HISTORIES = st.dictionaries(DAYS, st.tuples(PRICES, st.one_of(st.just(math.nan), PRICES), st.integers(-1, 2**53)))


def bars(history: Mapping[date, tuple[float, float, int]]) -> DailyBars:
    """Bars with a close, a volume (NaN: not given) and a number of trades (-1: not given)."""
    close = np.array([close for close, _, _ in history.values()], dtype=np.float64)
    nothing = np.full(len(close), math.nan)
    return DailyBars(
        symbols=np.full(len(close), "X", dtype=np.object_),
        session=np.array(list(history), dtype="datetime64[D]"),
        open=close,
        high=close,
        low=close,
        close=close,
        volume=np.array([volume for _, volume, _ in history.values()], dtype=np.float64),
        volume_24h=nothing,
        vwap=close,
        trades=np.array([trades for _, _, trades in history.values()], dtype=np.int64),
    )


@given(HISTORIES, st.randoms())
def test_the_order_of_an_answer_does_not_matter(history: dict[date, tuple[float, float, int]], chance: object) -> None:
    shuffled = list(history.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    rows = rows_of(bars(dict(shuffled)))
    assert rows.tobytes() == rows_of(bars(dict(sorted(history.items())))).tobytes()
    assert sessions_of(rows).tolist() == sorted(history)


@given(HISTORIES)
def test_rows_and_bars_are_the_same_figures(history: dict[date, tuple[float, float, int]]) -> None:
    rows = rows_of(bars(history))
    back = bars_of(rows, "X")
    assert rows_of(back).tobytes() == rows.tobytes()
    figures = zip(back.close.tolist(), back.volume.tolist(), back.trades.tolist(), strict=True)
    assert repr(list(figures)) == repr([history[day] for day in sorted(history)])
    assert back.symbols.tolist() == ["X"] * len(history)
    assert [getattr(back, name).dtype.str for name in FIGURES] == ["<f8"] * len(FIGURES)


@given(HISTORIES, HISTORIES)
def test_a_difference_names_exactly_the_sessions_on_which_two_histories_disagree(
    stored: dict[date, tuple[float, float, int]], given: dict[date, tuple[float, float, int]]
) -> None:
    found = compare(rows_of(bars(stored)), rows_of(bars(given)))
    shared = stored.keys() & given.keys()
    assert found.changed == tuple(sorted(day for day in shared if repr(stored[day]) != repr(given[day])))
    assert found.lacking == tuple(sorted(given.keys() - shared))
    assert found.withdrawn == tuple(sorted(stored.keys() - shared))
    assert found.count == len(found.changed) + len(found.lacking) + len(found.withdrawn)
    assert found.to_store == tuple(sorted((*found.changed, *found.lacking)))


@given(HISTORIES, HISTORIES, st.integers(1995, 2030))
def test_digests_of_a_year_agree_if_and_only_if_its_bars_do(
    one: dict[date, tuple[float, float, int]], other: dict[date, tuple[float, float, int]], year: int
) -> None:
    left, right = rows_of(bars(one)), rows_of(bars(other))
    (of_left,), (of_right,) = digest_years(left, [year]), digest_years(right, [year])
    differs = compare(within(left, year_span(year)), within(right, year_span(year))).count > 0
    assert (of_left.digest != of_right.digest) == differs


@pytest.mark.parametrize("figure", [*FIGURES, "trades"])
def test_one_bit_of_one_figure_makes_another_digest(figure: str) -> None:
    rows = rows_of(bars({date(2026, 3, 2): (10.0, 5.0, 7), date(2026, 3, 3): (11.0, math.nan, -1)}))
    other = rows.copy()
    value = other[figure][0]
    other[figure][0] = value + 1 if figure == "trades" else np.nextafter(0.0 if math.isnan(value) else value, math.inf)
    assert digest_years(rows, [2026]) != digest_years(other, [2026])
    assert compare(rows, other) == Difference(changed=(date(2026, 3, 2),))


def test_a_digest_says_how_many_bars_and_which_are_first_and_last() -> None:
    history = {date(2025, 12, 31): (1.0, 1.0, 1), date(2026, 1, 2): (2.0, 1.0, 1), date(2026, 12, 31): (3.0, 1.0, 1)}
    rows = rows_of(bars(history))
    before, this, after = digest_years(rows, [2025, 2026, 2027])
    assert (before.bars, before.first, before.last) == (1, date(2025, 12, 31), date(2025, 12, 31))
    assert (this.bars, this.first, this.last) == (2, date(2026, 1, 2), date(2026, 12, 31))
    assert (after.bars, after.first, after.last, after.digest) == (0, None, None, sha256(b"").hexdigest())
    assert of_years(rows, [2025, 2027]).tobytes() == rows[:1].tobytes()
    assert len(of_years(rows, [])) == 0


def test_every_nan_is_the_same_figure() -> None:
    quiet, signed = bars({date(2026, 3, 2): (1.0, math.nan, 1)}), bars({date(2026, 3, 2): (1.0, -math.nan, 1)})
    assert quiet.volume.tobytes() != signed.volume.tobytes()
    assert rows_of(quiet).tobytes() == rows_of(signed).tobytes()


def test_of_two_bars_for_a_session_the_last_counts() -> None:
    one, other = bars({date(2026, 3, 2): (1.0, 1.0, 1)}), bars({date(2026, 3, 2): (2.0, 1.0, 1)})
    both = DailyBars.joined([one, other])
    assert rows_of(both).tobytes() == rows_of(other).tobytes()


def test_no_bars_are_no_rows() -> None:
    rows = rows_of(bars({}))
    assert (len(rows), rows.dtype) == (0, ROW)
    assert compare(rows, rows) == Difference()
    assert len(within(rows, year_span(2026))) == 0


@given(HISTORIES, DAYS, st.integers(0, 1000))
def test_rows_within_a_span_are_those_of_its_days(
    history: dict[date, tuple[float, float, int]], first: date, days: int
) -> None:
    span = Span(first, first + timedelta(days=days))
    assert sessions_of(within(rows_of(bars(history)), span)).tolist() == sorted(day for day in history if day in span)


def test_the_years_of_a_span_are_those_that_it_touches() -> None:
    assert list(years_of(Span(date(2024, 12, 31), date(2026, 1, 1)))) == [2024, 2025, 2026]
    assert list(years_of(Span(date(2026, 5, 5), date(2026, 5, 5)))) == [2026]


def candle(day: date, price: float, close: float, volume: float) -> DailyBars:
    """One bar of a coin; NaN for what its endpoint does not give."""
    one = bars({day: (close, math.nan, -1)})
    nothing = np.array([math.nan])
    prices = np.array([price])
    return DailyBars(
        one.symbols, one.session, prices, prices, prices, one.close, nothing, np.array([volume]), nothing, one.trades
    )


NOT_GIVEN = math.nan


@pytest.mark.parametrize(
    ("stored", "given", "is_alike"),
    [
        pytest.param((9.0, 9.0, 70.0), (9.0, 9.0, NOT_GIVEN), True, id="a candle without a volume takes none away"),
        pytest.param((9.0, 9.0, 70.0), (NOT_GIVEN, 9.1, 70.0), True, id="a close replaces no candle"),
        pytest.param((9.0, 9.0, 70.0), (NOT_GIVEN, 9.1, 71.0), False, id="a volume that changed counts"),
        pytest.param((9.0, 9.0, 70.0), (8.0, 8.0, 70.0), False, id="a candle that changed counts"),
        pytest.param((NOT_GIVEN, 9.0, 70.0), (9.0, 9.0, NOT_GIVEN), False, id="a candle is more than a close"),
        pytest.param((NOT_GIVEN, 9.0, 70.0), (NOT_GIVEN, 9.1, 70.0), False, id="a close that changed counts"),
    ],
)
def test_a_coins_answer_is_compared_in_what_its_endpoint_gives(
    stored: tuple[float, float, float], given: tuple[float, float, float], is_alike: bool
) -> None:
    day = date(2026, 3, 2)
    known = rows_of(candle(day, *stored))
    carried = carry_over(known, rows_of(candle(day, *given)))
    assert compare(known, carried).count == (0 if is_alike else 1)
