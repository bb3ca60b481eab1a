"""Trading time: minutes in which the market was open, between any two instants, for whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.sessions import FIRST_DAY, LAST_DAY, new_york_date, session_close, session_open, sessions

Instants = NDArray[np.datetime64]
"""datetime64[us], UTC; NaT where there is no instant."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOT_A_TIME = np.iinfo(np.int64).min
_MINUTE = 60_000_000


def instant64(instant: datetime) -> np.datetime64:
    """An aware instant as datetime64[us] in UTC."""
    return np.datetime64(_micros(instant), "us")


def as_datetime(instant: np.datetime64) -> datetime | None:
    """The aware instant in UTC; None for NaT."""
    micros = int(instant.astype("datetime64[us]").astype(np.int64))
    return None if micros == _NOT_A_TIME else _EPOCH + micros * _MICROSECOND


@dataclass(frozen=True, slots=True, eq=False)
class TradingTime:
    """The hours in which time counts: opens and closes, ascending, in microseconds since 1970; without any, always.

    Build it with :meth:`of_exchange` or :meth:`always`. Instants before the first open count from there.
    """

    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    before: NDArray[np.int64]
    """Microseconds of trading before each open."""

    @classmethod
    def of_exchange(cls, now: datetime) -> TradingTime:
        """The regular hours of the New York Stock Exchange, from the year before that of ``now`` to the one after."""
        year = new_york_date(now).year
        return _exchange(max(FIRST_DAY.year, year - 1), min(LAST_DAY.year, year + 1))

    @classmethod
    def always(cls) -> TradingTime:
        """Around the clock: every minute counts."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, none)

    def minutes(self, start: Instants, end: datetime) -> NDArray[np.float64]:
        """Trading minutes from each ``start`` to ``end``: 0 where it is not after ``start``, NaN for NaT."""
        starts = start.astype("datetime64[us]").astype(np.int64)
        passed = np.maximum(self._passed(_micros(end)) - self._passed_all(starts), 0)
        return np.where(starts == _NOT_A_TIME, np.nan, passed / _MINUTE)

    def minutes_since(self, start: datetime, end: datetime) -> float:
        """Trading minutes between two aware instants; 0 where ``end`` is not after ``start``."""
        return max(self._passed(_micros(end)) - self._passed(_micros(start)), 0) / _MINUTE

    def opened_at(self, now: datetime) -> datetime | None:
        """The newest open at or before ``now``; None around the clock."""
        at = self._newest(_micros(now))
        return _EPOCH + int(self.opens[at]) * _MICROSECOND if at >= 0 else None

    def is_open(self, now: datetime, *, tail: timedelta = timedelta()) -> bool:
        """Whether the market trades, both bounds inclusive, or closed no longer than ``tail`` ago."""
        if not len(self.opens):
            return True
        micros = _micros(now)
        at = self._newest(micros)
        return at >= 0 and micros <= int(self.closes[at]) + tail // _MICROSECOND

    def _newest(self, micros: int) -> int:
        """The place of the newest open at or before an instant; -1 where there is none."""
        return int(self.opens.searchsorted(micros, side="right")) - 1

    def _passed(self, micros: int) -> int:
        """Microseconds of trading up to an instant, from a fixed origin."""
        if not len(self.opens):
            return micros
        at = self._newest(micros)
        return int(self.before[at] + min(micros, self.closes[at]) - self.opens[at]) if at >= 0 else 0

    def _passed_all(self, micros: NDArray[np.int64]) -> NDArray[np.int64]:
        """:meth:`_passed` of a column."""
        if not len(self.opens):
            return micros
        at = self.opens.searchsorted(micros, side="right") - 1
        passed = self.before[at] + np.minimum(micros, self.closes[at]) - self.opens[at]
        return np.where(at >= 0, passed, 0)


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


@cache
def _exchange(first: int, last: int) -> TradingTime:
    """The hours of the years from ``first`` to ``last``, both inclusive."""
    days = sessions(date(first, 1, 1), date(last, 12, 31))
    opens = np.array([_micros(session_open(day)) for day in days])
    closes = np.array([_micros(session_close(day)) for day in days])
    return TradingTime(opens, closes, np.concatenate([[0], np.cumsum(closes - opens)[:-1]]).astype(np.int64))
