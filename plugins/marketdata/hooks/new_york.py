"""New York dates of many instants at once; ``domain.sessions`` has the date of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

_NEW_YORK = ZoneInfo("America/New_York")
_MS_PER_HOUR = 3_600_000
_MS_PER_DAY = 24 * _MS_PER_HOUR
_YEARS = range(1976, 2101)  # before, the clock changed by other rules; no bar is as old


def new_york_dates(instants_ms: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """The New York calendar date of each instant (milliseconds since 1970, UTC), as datetime64[D]."""
    in_summer = np.searchsorted(_clock_changes(), instants_ms, side="right") % 2 == 1
    local = instants_ms - np.where(in_summer, 4 * _MS_PER_HOUR, 5 * _MS_PER_HOUR)
    return (local // _MS_PER_DAY).astype("datetime64[D]")


@cache
def _clock_changes() -> NDArray[np.int64]:
    """Instants at which New York's clock went forward, back, forward ... since 1976, ascending."""
    changes = []
    for year in _YEARS:
        winter, summer, next_winter = (datetime(year, month, 2, tzinfo=UTC) for month in (1, 7, 12))
        changes += [_change_between(winter, summer), _change_between(summer, next_winter)]
    return np.array([int(change.timestamp() * 1000) for change in changes], dtype=np.int64)


def _change_between(before: datetime, after: datetime) -> datetime:
    """The hour at which the offset becomes that of ``after``, by bisection."""
    offset = after.astimezone(_NEW_YORK).utcoffset()
    hours = (after - before) // timedelta(hours=1)
    low, high = 0, hours
    while low < high:
        middle = (low + high) // 2
        if (before + timedelta(hours=middle)).astimezone(_NEW_YORK).utcoffset() == offset:
            high = middle
        else:
            low = middle + 1
    return before + timedelta(hours=low)
