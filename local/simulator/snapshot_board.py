"""The board behind all snapshots: for each ticker its day so far, its last minute, and the day before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, time

import numpy as np

from local.simulator.massive_days import CHUNK, MINUTE_MS, DayView
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
    parts = [_draw_part(view, rows[first : first + CHUNK], day) for first in range(0, len(rows), CHUNK)]
    if not parts:
        return Board(rows, _nothing(0), _nothing(0), rows, np.empty(0), _nothing(0))
    return Board(
        rows,
        _joined([part.day for part in parts]),
        _joined([part.last for part in parts]),
        np.concatenate([part.last_start for part in parts]),
        np.concatenate([part.volume for part in parts]),
        _joined([part.previous for part in parts]),
    )


def _draw_part(view: DayView, rows: Ints, day: date) -> Board:
    """A part small enough that all its minutes fit into memory."""
    last, last_start, volume = _last_minutes(view, rows, day)
    columns = {}
    for name, session in (("day", day), ("previous", previous_session(day))):
        sessions = ordinals(session, session)
        bars = adjusted(view.daily(rows, sessions), view.world.roster.adjustment(rows, sessions, view.today))
        columns[name] = bars[:, 0]
    return Board(rows, columns["day"], last, last_start, volume, columns["previous"])


def _last_minutes(view: DayView, rows: Ints, day: date) -> tuple[Bars, Ints, Floats]:
    """The last minute bar of each listing, its start, and the day's volume up to its end."""
    done = (view.seen_until - new_york_ms(day, PRE_MARKET)) // MINUTE_MS
    if done <= 0:
        return _nothing(len(rows)), np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows))
    minutes = view.all_minutes(rows, day)[:, :done]
    traded = minutes.present
    at = traded.shape[1] - 1 - np.argmax(traded[:, ::-1], axis=1)
    starts = np.where(traded.any(axis=1), new_york_ms(day, PRE_MARKET) + at * MINUTE_MS, 0)
    return minutes[np.arange(len(rows)), at], starts, np.where(traded, minutes.volume, 0.0).sum(axis=1)


def _joined(parts: Sequence[Bars]) -> Bars:
    return Bars(*(np.concatenate([getattr(part, name.name) for part in parts]) for name in fields(Bars)))


def _nothing(count: int) -> Bars:
    zero = np.zeros(count)
    return Bars(zero, zero, zero, zero, zero, zero, zero.astype(np.int64), zero.astype(bool))
