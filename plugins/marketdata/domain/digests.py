"""Stored history against a vendor's answer, bit for bit: one digest a calendar year, and where two disagree, the days.

``Rows`` are bars as fixed bytes: a numpy structured array, ascending by session, one row a session, in the form in
which PostgreSQL sends them. A figure that is not given is NaN (one and the same NaN), a number of trades -1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from math import nan

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span

FIGURES = ("open", "high", "low", "close", "volume", "volume_24h", "vwap")
ROW = np.dtype([("session", ">i4"), *((name, ">f8") for name in FIGURES), ("trades", ">i8")])
"""``session`` is days since 2000-01-01, as PostgreSQL counts them."""

Rows = NDArray[np.void]

_EPOCH = np.datetime64("2000-01-01", "D")


@dataclass(frozen=True, slots=True)
class YearDigest:
    """All final bars of an asset in one calendar year; ``first`` and ``last`` are None for no ``bars``."""

    year: int
    bars: int
    first: date | None
    last: date | None
    digest: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The sessions, ascending, on which an answer and what is stored disagree.

    ``changed``: both have a bar. ``lacking``: stored nowhere. ``withdrawn``: stored, and not sent any more.
    """

    changed: tuple[date, ...] = ()
    lacking: tuple[date, ...] = ()
    withdrawn: tuple[date, ...] = ()

    @property
    def count(self) -> int:
        return len(self.changed) + len(self.lacking) + len(self.withdrawn)

    @property
    def to_store(self) -> tuple[date, ...]:
        """The sessions whose bars must be stored, ascending."""
        return tuple(sorted((*self.changed, *self.lacking)))


def rows_of(bars: DailyBars) -> Rows:
    """The bars of one asset as ``Rows``; of several for one session the last counts."""
    rows = np.empty(len(bars), dtype=ROW)
    rows["session"] = (bars.session - _EPOCH).astype(np.int32)
    for name in FIGURES:
        figures = getattr(bars, name)
        rows[name] = np.where(np.isnan(figures), nan, figures)
    rows["trades"] = np.maximum(bars.trades, -1)
    session = rows["session"]
    if (session[1:] > session[:-1]).all():
        return rows
    _, last_first = np.unique(session[::-1], return_index=True)
    return rows[len(rows) - 1 - last_first]


def bars_of(rows: Rows, symbol: str) -> DailyBars:
    """Rows as the bars of one asset."""
    symbols = np.full(len(rows), symbol, dtype=np.object_)
    figures = {name: rows[name].astype(np.float64) for name in FIGURES}
    return DailyBars(symbols, sessions_of(rows), **figures, trades=rows["trades"].astype(np.int64))


def sessions_of(rows: Rows) -> NDArray[np.datetime64]:
    """The sessions of rows as datetime64[D]."""
    sessions: NDArray[np.datetime64] = _EPOCH + rows["session"].astype("timedelta64[D]")
    return sessions


def within(rows: Rows, span: Span) -> Rows:
    """The rows whose sessions lie in ``span``."""
    first, last = (_days(day) for day in (span.first, span.last))
    start, stop = np.searchsorted(rows["session"], [first, last + 1])
    return rows[start:stop]


def of_years(rows: Rows, years: Collection[int]) -> Rows:
    """The rows whose sessions lie in any of ``years``."""
    if not years:
        return rows[:0]
    in_year = sessions_of(rows).astype("datetime64[Y]").astype(np.int64) + 1970
    return rows[np.isin(in_year, list(years))]


def digest_years(rows: Rows, years: Iterable[int]) -> list[YearDigest]:
    """The digest of each of ``years``, those without a bar too."""
    return [_digest_year(within(rows, year_span(year)), year) for year in years]


def years_of(span: Span) -> range:
    """The calendar years that a span touches, ascending."""
    return range(span.first.year, span.last.year + 1)


def year_span(year: int) -> Span:
    """1 January to 31 December."""
    return Span(date(year, 1, 1), date(year, 12, 31))


def compare(stored: Rows, given: Rows) -> Difference:
    """Where two sets of rows disagree in any bit of any figure."""
    shared, at_stored, at_given = np.intersect1d(
        stored["session"], given["session"], assume_unique=True, return_indices=True
    )
    alike = _bytes_of(stored[at_stored]) == _bytes_of(given[at_given])
    same = alike.all(axis=1) if len(shared) else np.zeros(0, dtype=np.bool_)
    return Difference(
        changed=_dates(shared[~same]),
        lacking=_dates(np.setdiff1d(given["session"], shared, assume_unique=True)),
        withdrawn=_dates(np.setdiff1d(stored["session"], shared, assume_unique=True)),
    )


def carry_over(stored: Rows, given: Rows) -> Rows:
    """A coin's answer with what its endpoint leaves out taken from the stored bar of the same session.

    The writer does the same: a close without a candle, which differs from the candle's in the last digits, does not
    replace it, and a bar without a rolling volume does not take it away.
    """
    _, at_stored, at_given = np.intersect1d(
        stored["session"], given["session"], assume_unique=True, return_indices=True
    )
    carried, known = given.copy(), stored[at_stored]
    left_out = np.isnan(given["open"][at_given]) & ~np.isnan(known["open"])
    for name in ("open", "high", "low", "close"):
        carried[name][at_given] = np.where(left_out, known[name], given[name][at_given])
    volume = given["volume_24h"][at_given]
    carried["volume_24h"][at_given] = np.where(np.isnan(volume), known["volume_24h"], volume)
    return carried


def _digest_year(rows: Rows, year: int) -> YearDigest:
    days = _dates(rows["session"][[0, -1]]) if len(rows) else (None, None)
    return YearDigest(year, len(rows), days[0], days[1], sha256(rows.tobytes()).hexdigest())


def _days(day: date) -> int:
    return int((np.datetime64(day, "D") - _EPOCH).astype(np.int64))


def _dates(sessions: NDArray[np.integer]) -> tuple[date, ...]:
    return tuple((_EPOCH + sessions.astype("timedelta64[D]")).tolist())


def _bytes_of(rows: Rows) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), ROW.itemsize)
