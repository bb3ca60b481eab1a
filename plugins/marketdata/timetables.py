"""When DAGs run: timetables on the exchange's calendar.

Airflow calls them in the scheduler, the DAG processor and the API server, and swallows their exceptions: a timetable
that raises stops its DAG without a word (apache/airflow#68315). So they are total, and read nothing but the calendar
and the clock. They import no pandas and no numpy: every process that parses a DAG pays for its imports.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from marketdata.domain.sessions import FIRST_DAY, LAST_DAY, NEW_YORK, next_session, previous_session
from marketdata.errors import ConfigurationError

_FIRST_SESSION, _LAST_SESSION = next_session(FIRST_DAY), previous_session(LAST_DAY)


class TradingDayTimetable(Timetable):
    """One run per trading day, at a fixed New York time, on early-close days too.

    The logical date is the trading day at 00:00 UTC, so that ``airflow dags test <dag> 2026-11-20`` and both bounds of
    ``airflow backfill create`` name sessions, inclusive. The data interval ends at the time of the run. Without catchup
    the first run is that of the newest trading day that is already due.
    """

    def __init__(self, at: str = "16:30") -> None:
        """``at`` is a time of day in New York, ``HH:MM``; raises ConfigurationError for anything else."""
        try:
            self._at = datetime.strptime(at, "%H:%M").replace(tzinfo=NEW_YORK).time()
        except ValueError:
            raise ConfigurationError(
                f"TradingDayTimetable(at={at!r})", "it is no time of day", "write it like 16:30, New York time"
            ) from None
        self.description = f"On trading days of the New York Stock Exchange at {self._at:%H:%M} New York time"

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"XNYS {self._at:%H:%M}"

    def serialize(self) -> dict[str, Any]:
        """What ``deserialize`` needs to make an equal timetable."""
        return {"at": f"{self._at:%H:%M}"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> TradingDayTimetable:
        """The timetable that ``serialize`` described."""
        return cls(**data)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The interval of a manual run.

        A ``run_after`` at 00:00 UTC sharp is a date that somebody typed: the newest session up to it. Any other instant
        gives the newest session that is due by then.
        """
        instant = run_after.in_timezone("UTC")
        typed_date = instant == instant.start_of("day")
        return self._interval(_session_up_to(instant.date()) if typed_date else self._newest_due(instant))

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
        if not not_before or max(not_before) > _LAST_SESSION:
            return None
        interval = self._interval(next_session(max(_FIRST_SESSION, *not_before)))
        if restriction.latest is not None and interval.start > restriction.latest:
            return None
        return DagRunInfo(run_after=interval.end, data_interval=interval)

    def _newest_due(self, now: datetime) -> date:
        """The newest session whose run is due at ``now``."""
        session = _session_up_to(now.astimezone(NEW_YORK).date())
        return session if self._interval(session).end <= now else _session_up_to(session - timedelta(days=1))

    def _interval(self, session: date) -> DataInterval:
        """From the session's date at 00:00 UTC to the instant of its run."""
        start = pendulum.datetime(session.year, session.month, session.day)
        local = datetime.combine(session, self._at, NEW_YORK)
        return DataInterval(start, pendulum.instance(local.astimezone(UTC)))


def _first_midnight_from(instant: pendulum.DateTime) -> date:
    """The first day whose 00:00 UTC is not before ``instant``."""
    utc = instant.in_timezone("UTC")
    return utc.date() if utc == utc.start_of("day") else utc.date() + timedelta(days=1)


def _session_up_to(day: date) -> date:
    """The newest session that is not after ``day``, held inside the calendar."""
    return previous_session(min(max(day, _FIRST_SESSION), _LAST_SESSION))
