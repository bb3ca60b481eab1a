"""Sets of days as spans: the algebra behind missing = expected - covered.

A set of days is a ``Spans``: spans in ascending order that neither overlap nor touch, so that equal sets are equal
tuples. It is the Python side of PostgreSQL's ``datemultirange``, with inclusive bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from marketdata.errors import InvalidRequest

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The days from ``first`` to ``last``, both inclusive; InvalidRequest if ``last`` is before ``first``."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise InvalidRequest(
                f"span {self.first} to {self.last}",
                "it ends before it starts",
                "give the earlier day first; both days belong to the span",
            )

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Assets that miss the very same days. ``missing`` is never empty; an asset is in one gap of a plan at most."""

    asset_ids: tuple[int, ...]
    missing: Spans


def normalise(spans: Iterable[Span]) -> Spans:
    """The same days as a ``Spans``: sorted, overlapping and adjacent spans joined; ``()`` for nothing."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and (span.first <= joined[-1].last or span.first - ONE_DAY == joined[-1].last):
            if span.last > joined[-1].last:
                joined[-1] = Span(joined[-1].first, span.last)
        else:
            joined.append(span)
    return tuple(joined)


def intersect(left: Spans, right: Spans) -> Spans:
    """The days that are in both, as a ``Spans``; both must be ``Spans``."""
    shared: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i].first, right[j].first), min(left[i].last, right[j].last)
        if first <= last:
            shared.append(Span(first, last))
        if left[i].last < right[j].last:
            i += 1
        else:
            j += 1
    return tuple(shared)


def subtract(left: Spans, right: Spans) -> Spans:
    """The days of ``left`` that are not in ``right``, as a ``Spans``; both must be ``Spans``."""
    kept: list[Span] = []
    j = 0
    for span in left:
        first = span.first
        while j < len(right) and right[j].last < first:
            j += 1
        while j < len(right) and right[j].first <= span.last:
            if first < right[j].first:
                kept.append(Span(first, right[j].first - ONE_DAY))
            if right[j].last >= span.last:
                break
            first = right[j].last + ONE_DAY
            j += 1
        else:
            kept.append(Span(first, span.last))
    return tuple(kept)


def days(spans: Spans) -> Iterator[date]:
    """Each day of each span, ascending where ``spans`` is a ``Spans``."""
    for span in spans:
        for offset in range((span.last - span.first).days + 1):
            yield span.first + timedelta(days=offset)


def count_days(spans: Spans) -> int:
    """How many days a ``Spans`` holds, without walking them."""
    return sum((span.last - span.first).days + 1 for span in spans)
