"""When DAGs run: timetables on the exchange's calendar and on New York's clock.

Airflow calls them in the scheduler, the DAG processor and the API server, and swallows their exceptions: a timetable
that raises stops its DAG without a word (apache/airflow#68315). So they are total, and read nothing but the calendar
and the clock. They import no pandas and no numpy: every process that parses a DAG pays for its imports.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Self

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from marketdata.domain.sessions import (
    FIRST_DAY,
    LAST_DAY,
    NEW_YORK,
    is_session,
    next_session,
    previous_session,
    session_close,
    session_open,
)
from marketdata.errors import ConfigurationError

_FIRST_SESSION, _LAST_SESSION = next_session(FIRST_DAY), previous_session(LAST_DAY)
_SUNDAY = 6
_STILL_DUE = timedelta(seconds=30)
_HALF_AN_HOUR = 30


class _DayTimetable(Timetable):
    """At most one run a day, on certain days, at a fixed New York time.

    The logical date is the run's day at 00:00 UTC, so that ``airflow dags test <dag> 2026-11-20`` and both bounds of
    ``airflow backfill create`` name days, inclusive. The data interval ends at the time of the run; a time that the
    clocks skip is as long after the change (02:00 is 03:00). Without catchup the first run is that of the newest day
    that is already due.
    """

    def __init__(self, at: str) -> None:
        """``at`` is a time of day in New York, ``HH:MM``; raises ConfigurationError for anything else."""
        self._at = _time_of_day(f"{type(self).__name__}(at={at!r})", at)

    @abstractmethod
    def _day_up_to(self, day: date) -> date:
        """The newest day with a run that is not after ``day``, held inside the calendar."""

    @abstractmethod
    def _day_from(self, day: date) -> date | None:
        """The first day with a run that is not before ``day``; None after the calendar's end."""

    def serialize(self) -> dict[str, Any]:
        """What ``deserialize`` needs to make an equal timetable."""
        return {"at": f"{self._at:%H:%M}"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The timetable that ``serialize`` described."""
        return cls(**data)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The interval of a manual run.

        A ``run_after`` at 00:00 UTC sharp is a date that somebody typed: the newest day with a run up to it. Any other
        instant gives the newest one that is due by then.
        """
        instant = run_after.in_timezone("UTC")
        typed_date = instant == instant.start_of("day")
        return self._interval(self._day_up_to(instant.date()) if typed_date else self._newest_due(instant))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The first run that is after the last one, inside ``restriction`` and, without catchup, not yet superseded.

        None after ``restriction.latest``, with catchup but no start to catch up from, and after the calendar's end.
        """
        not_before: list[date] = []
        if last_automated_data_interval is not None:
            not_before.append(last_automated_data_interval.start.in_timezone("UTC").date() + timedelta(days=1))
        if restriction.earliest is not None:
            not_before.append(_first_midnight_from(restriction.earliest))
        if not restriction.catchup:
            not_before.append(self._newest_due(datetime.now(UTC)))
        day = self._day_from(max(not_before)) if not_before else None
        if day is None:
            return None
        interval = self._interval(day)
        if restriction.latest is not None and interval.start > restriction.latest:
            return None
        return DagRunInfo(run_after=interval.end, data_interval=interval)

    def _newest_due(self, now: datetime) -> date:
        """The newest day whose run is due at ``now``."""
        day = self._day_up_to(now.astimezone(NEW_YORK).date())
        return day if self._interval(day).end <= now else self._day_up_to(day - timedelta(days=1))

    def _interval(self, day: date) -> DataInterval:
        """From the day at 00:00 UTC to the instant of its run."""
        start = pendulum.datetime(day.year, day.month, day.day)
        return DataInterval(start, pendulum.instance(_new_york(day, self._at)))


class TradingDayTimetable(_DayTimetable):
    """One run per trading day, at a fixed New York time, on early-close days too."""

    def __init__(self, at: str = "16:30") -> None:
        super().__init__(at)
        self.description = f"On trading days of the New York Stock Exchange at {self._at:%H:%M} New York time"

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"XNYS {self._at:%H:%M}"

    def _day_up_to(self, day: date) -> date:
        return _session_up_to(day)

    def _day_from(self, day: date) -> date | None:
        return _session_from(day)


class SundayTimetable(_DayTimetable):
    """One run each Sunday, at a fixed New York time, exactly one on the two Sundays of a clock change too."""

    def __init__(self, at: str = "02:00") -> None:
        super().__init__(at)
        self.description = f"On Sundays at {self._at:%H:%M} New York time"

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"Sundays {self._at:%H:%M}"

    def _day_up_to(self, day: date) -> date:
        return _sunday_before(min(max(day, _sunday_from(FIRST_DAY)), LAST_DAY))

    def _day_from(self, day: date) -> date | None:
        sunday = _sunday_from(max(day, FIRST_DAY)) if day <= LAST_DAY else LAST_DAY + timedelta(days=1)
        return sunday if sunday <= LAST_DAY else None


class SessionTickTimetable(Timetable):
    """A run on each N-th minute while the exchange is open, from 09:30 to the close in New York, both inclusive.

    A tick is an instant: logical date, both ends of the data interval and time of the run. Without catchup the next
    one lies in the future whatever was missed: after an outage the ticks go on from now. Only a tick that is due for
    less than half a minute still counts, since Airflow also asks while it parses the DAG, and between the tick and the
    making of its run that question must not skip it.
    """

    def __init__(self, minutes: int, around_the_clock: bool = False, also_at: Sequence[str] = ()) -> None:
        """``minutes`` from tick to tick divide half an hour. ``around_the_clock``: on every day, at night too.

        ``also_at`` are further New York times of trading days, ``HH:MM``. Raises ConfigurationError for anything else.
        """
        if minutes < 1 or _HALF_AN_HOUR % minutes:
            raise ConfigurationError(
                f"SessionTickTimetable(minutes={minutes!r})",
                "such ticks would miss the open or the close",
                "take a divisor of 30, such as 1, 5 or 10",
            )
        self._minutes = minutes
        self._around_the_clock = around_the_clock
        self._also_at = tuple(
            sorted({_time_of_day(f"SessionTickTimetable(also_at={also_at!r})", at) for at in also_at})
        )
        pace = "every minute" if minutes == 1 else f"every {minutes} minutes"
        also = " and ".join(f"{at:%H:%M}" for at in self._also_at)
        hours = "around the clock" if around_the_clock else "from 09:30 to the close of the New York Stock Exchange"
        self._summary = f"{pace} around the clock" if around_the_clock else f"XNYS {pace} 09:30 to close"
        self._summary += f" and {also}" if also else ""
        self.description = f"{pace.capitalize()} {hours}"
        self.description += f", and on trading days at {also} New York time" if also else ""

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return self._summary

    def serialize(self) -> dict[str, Any]:
        """What ``deserialize`` needs to make an equal timetable."""
        return {
            "minutes": self._minutes,
            "around_the_clock": self._around_the_clock,
            "also_at": [f"{at:%H:%M}" for at in self._also_at],
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The timetable that ``serialize`` described."""
        return cls(**data)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The newest tick that is not after ``run_after``; the calendar's first one before there is any."""
        return DataInterval.exact(pendulum.instance(self._tick_up_to(run_after)))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The first tick after the last one, inside ``restriction`` and, without catchup, not past.

        None after ``restriction.latest``, with catchup but no start to catch up from, and after the calendar's end.
        """
        after: list[datetime] = []
        if last_automated_data_interval is not None:
            after.append(last_automated_data_interval.end)
        if restriction.earliest is not None:
            after.append(restriction.earliest - timedelta(microseconds=1))
        if not restriction.catchup:
            after.append(datetime.now(UTC) - _STILL_DUE)
        tick = self._tick_after(max(after)) if after else None
        if tick is None or (restriction.latest is not None and tick > restriction.latest):
            return None
        return DagRunInfo.exact(pendulum.instance(tick))

    def _tick_after(self, instant: datetime) -> datetime | None:
        """The first tick after an instant; None after the calendar's end."""
        day = self._day_from(max(instant.astimezone(NEW_YORK).date(), FIRST_DAY))
        if day is not None and self._ticks_of(day)[-1] <= instant:
            day = self._day_from(day + timedelta(days=1))
        if day is None:
            return None
        ticks = self._ticks_of(day)
        return ticks[bisect_right(ticks, instant)]

    def _tick_up_to(self, instant: datetime) -> datetime:
        """The newest tick that is not after an instant; the calendar's first one before there is any."""
        day = self._day_up_to(instant.astimezone(NEW_YORK).date())
        if self._ticks_of(day)[0] > instant:
            day = self._day_up_to(day - timedelta(days=1))
        ticks = self._ticks_of(day)
        return ticks[max(bisect_right(ticks, instant) - 1, 0)]

    def _day_from(self, day: date) -> date | None:
        if self._around_the_clock:
            return day if day <= LAST_DAY else None
        return _session_from(day)

    def _day_up_to(self, day: date) -> date:
        return min(max(day, FIRST_DAY), LAST_DAY) if self._around_the_clock else _session_up_to(day)

    def _ticks_of(self, day: date) -> tuple[datetime, ...]:
        return _ticks(day, self._minutes, self._around_the_clock, self._also_at)


@lru_cache(maxsize=64)
def _ticks(day: date, minutes: int, around_the_clock: bool, also_at: tuple[time, ...]) -> tuple[datetime, ...]:
    """The ticks of one New York day, ascending, UTC. Kept, so that a tick costs a look into them."""
    if around_the_clock:
        first = _new_york(day, time())
        last = _new_york(day + timedelta(days=1), time()) - timedelta(minutes=minutes)
    else:
        first, last = session_open(day), session_close(day)
    count = (last - first) // timedelta(minutes=minutes) + 1
    ticks = {first + timedelta(minutes=minutes * number) for number in range(count)}
    if is_session(day):
        ticks.update(_new_york(day, at) for at in also_at)
    return tuple(sorted(ticks))


def _new_york(day: date, at: time) -> datetime:
    """A time on New York's clock, in UTC."""
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def _time_of_day(what: str, text: str) -> time:
    """``HH:MM``; raises ConfigurationError, which names ``what``, for anything else."""
    try:
        return datetime.strptime(text, "%H:%M").replace(tzinfo=NEW_YORK).time()
    except ValueError:
        raise ConfigurationError(what, "it is no time of day", "write it like 16:30, New York time") from None


def _session_up_to(day: date) -> date:
    """The newest trading day that is not after ``day``, held inside the calendar."""
    return previous_session(min(max(day, _FIRST_SESSION), _LAST_SESSION))


def _session_from(day: date) -> date | None:
    """The first trading day that is not before ``day``; None after the calendar's end."""
    return None if day > _LAST_SESSION else next_session(max(_FIRST_SESSION, day))


def _first_midnight_from(instant: pendulum.DateTime) -> date:
    """The first day whose 00:00 UTC is not before ``instant``."""
    utc = instant.in_timezone("UTC")
    return utc.date() if utc == utc.start_of("day") else utc.date() + timedelta(days=1)


def _sunday_before(day: date) -> date:
    """The newest Sunday that is not after ``day``."""
    return day - timedelta(days=(day.weekday() - _SUNDAY) % 7)


def _sunday_from(day: date) -> date:
    """The first Sunday that is not before ``day``."""
    return day + timedelta(days=(_SUNDAY - day.weekday()) % 7)
