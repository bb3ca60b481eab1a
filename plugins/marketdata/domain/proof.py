"""What one answer proves: which sessions are stored for good, provisional, absent, or still open.

The one rule behind promise P10: a session counts as covered only by a bar that was seen after its day was over, or by a
well-formed, entitled answer without that bar, given once the vendor had settled the day. All else stays missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import AssetClass
from marketdata.domain.coverage import Span, Spans, normalise, subtract
from marketdata.domain.sessions import sessions

Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Proof:
    """Spans of days of one asset, by what an answer says of them.

    ``verified`` needs no further call, and holds ``absent``. ``provisional`` has a bar that may still change.
    ``unproven`` is what the call asked for and the answer left open: refused bars, and days not yet published.
    """

    verified: Spans
    provisional: Spans
    absent: tuple[date, ...]
    unproven: tuple[date, ...]


def prove(
    asked: Span,
    *,
    asset_class: AssetClass,
    stored: Days,
    refused: Days,
    final_through: date,
    settled_through: date,
) -> Proof:
    """Read an authoritative answer for ``asked``, whose days all lie inside the plan's history window.

    ``stored`` and ``refused`` are the sessions (datetime64[D], any order) whose bars were kept and quarantined. A bar
    is final up to ``final_through``, an absence is proven up to ``settled_through``, both inclusive.
    """
    expected = expected_sessions(asset_class, asked)
    final, settled = np.datetime64(final_through, "D"), np.datetime64(settled_through, "D")
    without_good_bar = _without(expected, stored)  # a bad copy does not undo a good bar
    without_bar = _without(without_good_bar, refused)
    absent = without_bar[without_bar <= settled]
    early = stored[stored > final]
    unproven = _without(without_good_bar, absent)
    open_days = normalise(Span(day, day) for day in (*early.tolist(), *unproven.tolist()))
    last = min(asked.last, final_through)
    closed = (Span(asked.first, last),) if asked.first <= last else ()
    return Proof(
        verified=subtract(closed, open_days),
        provisional=normalise(Span(day, day) for day in early.tolist()),
        absent=tuple(absent.tolist()),
        unproven=tuple(unproven.tolist()),
    )


@lru_cache(maxsize=64)
def expected_sessions(asset_class: AssetClass, asked: Span) -> Days:
    """The sessions inside ``asked``, ascending, as datetime64[D]: trading days, or every UTC day for crypto.

    Read-only: the calls of a run ask for few different spans, and share one array for each.
    """
    first, last = np.datetime64(asked.first, "D"), np.datetime64(asked.last, "D")
    if asset_class == "crypto":
        days: Days = np.arange(first, last + 1)
    else:
        days = np.concatenate([_sessions_of_year(year) for year in range(asked.first.year, asked.last.year + 1)])
        days = days[(days >= first) & (days <= last)]
    days.flags.writeable = False
    return days


def _without(days: Days, others: Days) -> Days:
    """The days that are not among the others, in their order."""
    if np.array_equal(days, others):  # an answer without a gap, by far the most frequent one
        return days[:0]
    return days[~np.isin(days.astype(np.int64), others.astype(np.int64))]


@cache
def _sessions_of_year(year: int) -> Days:
    return np.array(sessions(date(year, 1, 1), date(year, 12, 31)), dtype="datetime64[D]")
