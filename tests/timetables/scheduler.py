"""Asks a timetable for its runs, as Airflow's scheduler does."""

from __future__ import annotations

from datetime import datetime

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

ANY_TIME = TimeRestriction(earliest=None, latest=None, catchup=False)


def instant(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(text))


def from_start(start: str, *, latest: str | None = None, catchup: bool = True) -> TimeRestriction:
    return TimeRestriction(instant(start), instant(latest) if latest else None, catchup)


def next_run(
    timetable: Timetable, restriction: TimeRestriction = ANY_TIME, last: DataInterval | None = None
) -> DagRunInfo | None:
    return timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)


def some_next_run(
    timetable: Timetable, restriction: TimeRestriction = ANY_TIME, last: DataInterval | None = None
) -> DagRunInfo:
    """The next run, which must be there."""
    run = next_run(timetable, restriction, last)
    assert run is not None
    assert run.data_interval is not None
    return run
