"""The algebra of spans, against sets of days."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.coverage import Span, Spans, count_days, days, intersect, normalise, subtract
from marketdata.errors import InvalidRequest

ORIGIN = date(2024, 2, 20)  # 29 February is among the days drawn


def day(offset: int) -> date:
    return ORIGIN + timedelta(days=offset)


loose_spans = st.lists(
    st.builds(lambda start, length: Span(day(start), day(start + length)), st.integers(0, 40), st.integers(0, 12)),
    max_size=8,
)
span_sets = loose_spans.map(normalise)


def is_canonical(spans: Spans) -> bool:
    return all(left.last + timedelta(days=1) < right.first for left, right in pairwise(spans))


@given(loose_spans)
def test_normalise_keeps_the_days_and_joins_what_overlaps_or_touches(spans: list[Span]) -> None:
    result = normalise(spans)
    assert set(days(result)) == set(days(tuple(spans)))
    assert is_canonical(result)


@given(loose_spans, st.randoms(use_true_random=False))
def test_equal_sets_of_days_are_equal_spans_however_they_were_built(spans: list[Span], random: object) -> None:
    one_by_one = [Span(each, each) for each in days(tuple(spans))]
    random.shuffle(one_by_one)  # type: ignore[attr-defined]
    assert normalise(one_by_one) == normalise(spans)


@given(span_sets, span_sets)
def test_subtract_leaves_the_days_of_the_left_that_are_not_in_the_right(left: Spans, right: Spans) -> None:
    result = subtract(left, right)
    assert set(days(result)) == set(days(left)) - set(days(right))
    assert is_canonical(result)


@given(span_sets, span_sets)
def test_intersect_leaves_the_days_that_are_in_both(left: Spans, right: Spans) -> None:
    result = intersect(left, right)
    assert set(days(result)) == set(days(left)) & set(days(right))
    assert is_canonical(result)


@given(span_sets, span_sets)
def test_a_set_is_its_part_inside_another_and_its_part_outside(left: Spans, right: Spans) -> None:
    assert normalise([*intersect(left, right), *subtract(left, right)]) == left


@given(span_sets)
def test_days_are_ascending_and_as_many_as_counted(spans: Spans) -> None:
    listed = list(days(spans))
    assert listed == sorted(set(listed))
    assert len(listed) == count_days(spans)


@given(span_sets, st.integers(-5, 60))
def test_a_span_contains_its_first_and_its_last_day(spans: Spans, offset: int) -> None:
    assert any(day(offset) in span for span in spans) == (day(offset) in set(days(spans)))


def test_algebra_reaches_the_ends_of_the_calendar() -> None:
    always = (Span(date.min, date.max),)
    leap_day = (Span(date(2024, 2, 29), date(2024, 2, 29)),)
    assert subtract(always, leap_day) == (Span(date.min, date(2024, 2, 28)), Span(date(2024, 3, 1), date.max))
    assert subtract(leap_day, always) == ()
    assert intersect(always, leap_day) == leap_day
    assert normalise([*always, *leap_day, Span(date.min, date.min)]) == always


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="2026-03-01 to 2026-02-28: it ends before it starts"):
        Span(date(2026, 3, 1), date(2026, 2, 28))
