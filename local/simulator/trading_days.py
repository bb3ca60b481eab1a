"""The New York sessions as arrays: dates, midnights, opens and closes in milliseconds."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from local.simulator.clock import to_ms
from marketdata.domain.sessions import is_session, session_close, sessions

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = date(1999, 1, 4)
LAST_DAY = date(2045, 12, 29)

PRE_MARKET = time(4, 0)
OPEN = time(9, 30)
LATE_END = time(20, 0)
EARLY_LATE_END = time(17, 0)


@lru_cache(maxsize=1)
def all_sessions() -> NDArray[np.datetime64]:
    """Every session of the world's calendar, ascending. Its index is the session's ordinal."""
    return np.array(sessions(FIRST_DAY, LAST_DAY), dtype="datetime64[D]")


def ordinals(first: date, last: date) -> NDArray[np.int64]:
    """The ordinals of the sessions in [first, last]."""
    days = all_sessions()
    start = int(np.searchsorted(days, np.datetime64(first)))
    stop = int(np.searchsorted(days, np.datetime64(last), side="right"))
    return np.arange(start, max(start, stop), dtype=np.int64)


def ordinal(day: date) -> int:
    """The ordinal of the first session on or after ``day``."""
    return int(np.searchsorted(all_sessions(), np.datetime64(day)))


def session_at(index: int) -> date:
    """The session with this ordinal."""
    day: date = all_sessions()[index].item()
    return day


def previous_session(day: date) -> date:
    """The last session before ``day``."""
    return session_at(ordinal(day) - 1)


@lru_cache(maxsize=1)
def midnights() -> NDArray[np.int64]:
    """New York midnight of every session in milliseconds: the ``t`` of a daily bar."""
    return np.array([new_york_ms(day, time(0)) for day in all_sessions().tolist()], dtype=np.int64)


def new_york_ms(day: date, at: time) -> int:
    """A New York wall-clock time as milliseconds since 1970."""
    return to_ms(datetime.combine(day, at, NEW_YORK))


def is_early_close(day: date) -> bool:
    """Whether the session ends at 13:00 New York."""
    return is_session(day) and session_close(day).astimezone(NEW_YORK).hour < 16


def regular_minutes(day: date) -> int:
    """Minutes of regular trading: 390, or 210 on an early close."""
    return 210 if is_early_close(day) else 390


def late_end_ms(day: date) -> int:
    """When the last trade of the day can happen: 20:00 New York, 17:00 on an early close."""
    return new_york_ms(day, EARLY_LATE_END if is_early_close(day) else LATE_END)
