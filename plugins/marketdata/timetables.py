"""When DAGs run: timetables on the exchange's calendar and on New York's clock.

Airflow calls them in the scheduler, the DAG processor and the API server, and swallows their exceptions: a timetable
that raises stops its DAG without a word (apache/airflow#68315). So they are total, and read nothing but the calendar
and the clock. They import no pandas and no numpy: every process that parses a DAG pays for its imports.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from marketdata.domain.sessions import FIRST_DAY, LAST_DAY, NEW_YORK, next_session, previous_session
from marketdata.errors import ConfigurationError

_FIRST_SESSION, _LAST_SESSION = next_session(FIRST_DAY), previous_session(LAST_DAY)
_SUNDAY = 6


class _DayTimetable(Timetable):
    """At most one run a day, on certain days, at a fixed New York time.

    The logical date is the run's day at 00:00 UTC, so that ``airflow dags test <dag> 2026-11-20`` and both bounds of
    ``airflow backfill create`` name days, inclusive. The data interval ends at the time of the run; a time that the
    clocks skip is as long after the change (02:00 is 03:00). Without catchup the first run is that of the newest day
    that is already due.
    """

    def __init__(self, at: str) -> None:
        """``at`` is a time of day in New York, ``HH:MM``; raises ConfigurationError for anything else."""
        try:
            self._at = datetime.strptime(at, "%H:%M").replace(tzinfo=NEW_YORK).time()
        except ValueError:
            raise ConfigurationError(
                f"{type(self).__name__}(at={at!r})", "it is no time of day", "write it like 16:30, New York time"
            ) from None

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
        local = datetime.combine(day, self._at, NEW_YORK)
        return DataInterval(start, pendulum.instance(local.astimezone(UTC)))


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
        return previous_session(min(max(day, _FIRST_SESSION), _LAST_SESSION))

    def _day_from(self, day: date) -> date | None:
        return None if day > _LAST_SESSION else next_session(max(_FIRST_SESSION, day))


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
