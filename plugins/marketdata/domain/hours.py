"""Hours of a session, anchored at its open: 09:30, 10:30 ... from bars of half an hour.

The vendor's own hours begin on the clock's hour, so that its 09:00 bar mixes what was traded before the open with the
first half hour after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.price_quality import instant64
from marketdata.domain.prices import IntradayBars, no_intraday_bars
from marketdata.domain.sessions import session_close, session_open

if TYPE_CHECKING:
    from marketdata.domain.prices import Instants

_HOUR = np.timedelta64(3_600_000_000, "us")


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Hours by start, and of each whether it was over when it was seen: the last one of an open session is not."""

    bars: IntradayBars
    finals: NDArray[np.bool_]


def to_hours(bars: IntradayBars, session: date, *, seen_until: datetime) -> Hours:
    """The hours of a session from shorter bars of one asset, in any order; no two bars have one start.

    Bars that start outside the session, before the open or from the close on, are left out; a half that is missing is
    taken for one without trades. ``seen_until`` is the instant up to which the vendor's bars tell: an hour that ends
    later is provisional. Volume and trades are sums, vwap the mean weighted by volume; what no bar gives is not given.
    """
    opened, closed = instant64(session_open(session)), instant64(session_close(session))
    inside = np.flatnonzero((bars.starts >= opened) & (bars.starts < closed))
    if not len(inside):
        return Hours(no_intraday_bars(), np.empty(0, dtype=np.bool_))
    half = bars.take(inside[np.argsort(bars.starts[inside])])
    of_hour = (half.starts - opened) // _HOUR
    firsts = np.flatnonzero(np.diff(of_hour, prepend=-1))
    lasts = np.append(firsts[1:], len(of_hour)) - 1
    starts: Instants = opened + of_hour[firsts] * _HOUR
    volume = _sums(half.volume, firsts)
    hours = IntradayBars(
        symbols=half.symbols[firsts],
        starts=starts,
        open=half.open[firsts],
        high=np.maximum.reduceat(half.high, firsts),
        low=np.minimum.reduceat(half.low, firsts),
        close=half.close[lasts],
        volume=volume,
        vwap=_weighted(half, firsts),
        trades=_total_trades(half.trades, firsts),
    )
    return Hours(hours, np.minimum(starts + _HOUR, closed) <= instant64(seen_until))


def _sums(amounts: NDArray[np.float64], firsts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sums of what is given of each hour; NaN where nothing is."""
    given = ~np.isnan(amounts)
    sums = np.add.reduceat(np.where(given, amounts, 0.0), firsts)
    return np.where(np.logical_or.reduceat(given, firsts), sums, np.nan)


def _weighted(half: IntradayBars, firsts: NDArray[np.intp]) -> NDArray[np.float64]:
    """The vwap of each hour, of the bars that have both vwap and volume."""
    weights = np.where(np.isnan(half.vwap), np.nan, half.volume)
    total, weight = _sums(half.vwap * weights, firsts), _sums(weights, firsts)
    mean = np.full(len(firsts), np.nan)
    np.divide(total, weight, out=mean, where=weight > 0)
    return mean


def _total_trades(trades: NDArray[np.int64], firsts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Sums of the trades that are given of each hour; -1 where none are."""
    sums = np.add.reduceat(np.maximum(trades, 0), firsts)
    given = np.logical_or.reduceat(trades >= 0, firsts)
    return np.where(given, sums, -1).astype(np.int64)
