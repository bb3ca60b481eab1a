"""In how many requests a coin's candles come, and which windows to ask for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from marketdata.domain.coverage import Span, Spans

FIRST_CANDLE = date(2018, 2, 9)
"""The vendor has no candle of an earlier day."""

_DAYS_A_PIECE = 179  # a request reaches to the end of the last day, and the vendor takes 180 days at most


def candle_pieces(first: date, last: date) -> Iterator[Span]:
    """The days from ``first`` to ``last`` that can have a candle, in the pieces that one request each gives, oldest
    first; none for a window before the first candle."""
    first = max(first, FIRST_CANDLE)
    while first <= last:
        yield Span(first, min(last, first + timedelta(days=_DAYS_A_PIECE - 1)))
        first += timedelta(days=_DAYS_A_PIECE)


def candle_requests(first: date, last: date) -> int:
    """How many requests give the candles and the volumes of a window: one a piece, and one for all volumes."""
    days = (last - max(first, FIRST_CANDLE)).days + 1
    return max(0, -(-days // _DAYS_A_PIECE)) + 1


def candle_windows(missing: Spans) -> list[Span]:
    """The windows, newest first, in which to ask for the candles of ``missing`` with few requests.

    Missing days that lie far apart are worth two calls rather than all the candles between them.
    """
    windows: list[Span] = []
    for span in missing:
        if windows:
            apart = candle_requests(windows[-1].first, windows[-1].last) + candle_requests(span.first, span.last)
            if candle_requests(windows[-1].first, span.last) <= apart:
                windows[-1] = Span(windows[-1].first, span.last)
                continue
        windows.append(span)
    return windows[::-1]
