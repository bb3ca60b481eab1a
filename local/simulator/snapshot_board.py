"""The board behind all snapshots: for each ticker its day so far, its last minute, and the day before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time

import numpy as np

from local.simulator.massive_days import CHUNK, MINUTE_MS, DayView
from local.simulator.minutes import minute_bars
from local.simulator.noise import Floats, Ints
from local.simulator.stocks import Bars, adjusted
from local.simulator.trading_days import NEW_YORK, PRE_MARKET, new_york_ms, ordinals, previous_session
from marketdata.domain.sessions import is_session

CLEARED_AT = time(3, 30)


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """One entry a listing. ``last_start`` is the start (ms) of the last minute with a trade, 0 before any."""

    rows: Ints
    day: Bars
    last: Bars
    last_start: Ints
    volume: Floats
    previous: Bars


def snapshot_session(view: DayView) -> date:
    """The session that a snapshot is about: from 03:30 New York on a session that one, else the one before."""
    here = view.now.astimezone(NEW_YORK)
    if is_session(here.date()) and here.time() >= CLEARED_AT:
        return here.date()
    return previous_session(here.date())


def draw_board(view: DayView, rows: Ints) -> Board:
    """The board of these listings, adjusted for the splits up to today."""
    day = snapshot_session(view)
    before = previous_session(day)
    last, last_start, volume = _last_minutes(view, rows, day)
    columns = {}
    for name, session in (("day", day), ("previous", before)):
        sessions = ordinals(session, session)
        bars = adjusted(view.daily(rows, sessions), view.world.roster.adjustment(rows, sessions, view.today))
        columns[name] = bars[:, 0]
    return Board(rows, columns["day"], last, last_start, volume, columns["previous"])


def _last_minutes(view: DayView, rows: Ints, day: date) -> tuple[Bars, Ints, Floats]:
    """The last minute bar of each listing, its start, and the day's volume up to its end."""
    done = (view.seen_until - new_york_ms(day, PRE_MARKET)) // MINUTE_MS
    parts, starts, volumes = [], [], []
    for first in range(0, len(rows), CHUNK):
        minutes = minute_bars(view.world, rows[first : first + CHUNK], day, view.now)
        minutes = minutes[:, : max(done, 0)]
        traded = minutes.present
        count = traded.shape[1]
        each = np.arange(len(traded))
        at = count - 1 - np.argmax(traded[:, ::-1], axis=1) if count else np.zeros(len(traded), dtype=np.int64)
        any_trade = traded.any(axis=1)
        parts.append(minutes[each, at] if count else _nothing(len(traded)))
        starts.append(np.where(any_trade, new_york_ms(day, PRE_MARKET) + at * MINUTE_MS, 0))
        volumes.append(np.where(traded, minutes.volume, 0.0).sum(axis=1))
    if not parts:
        return _nothing(0), np.empty(0, dtype=np.int64), np.empty(0)
    joined = Bars(*(np.concatenate(column) for column in zip(*map(_columns, parts), strict=True)))
    return joined, np.concatenate(starts), np.concatenate(volumes)


def _columns(bars: Bars) -> tuple[np.ndarray, ...]:
    return (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.vwap, bars.trades, bars.present)


def _nothing(count: int) -> Bars:
    zero = np.zeros(count)
    return Bars(zero, zero, zero, zero, zero, zero, zero.astype(np.int64), zero.astype(bool))
