"""The timetable of the daily DAGs: one run per trading day at a New York time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime, time, timedelta

import pendulum
import pytest
import time_machine
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.sessions import NEW_YORK, is_session, sessions
from marketdata.errors import ConfigurationError
from marketdata.timetables import TradingDayTimetable
from tests.timetables.scheduler import ANY_TIME, from_start, instant, next_run, some_next_run

UTC = "UTC"
INSTANTS = st.datetimes(datetime(1990, 1, 5), datetime(2100, 12, 31)).map(pendulum.instance)  # noqa: DTZ001
DAILY = TradingDayTimetable()


def runs_from(start: str, count: int) -> list[DagRunInfo]:
    """The first runs with catchup on."""
    runs: list[DagRunInfo] = []
    last = None
    for _ in range(count):
        runs.append(some_next_run(DAILY, from_start(start), last))
        last = runs[-1].data_interval
    return runs


@pytest.mark.fault("A06")
@pytest.mark.parametrize(
    ("session", "run_after"),
    [
        ("2026-03-06", "2026-03-06T21:30:00+00:00"),
        ("2026-03-09", "2026-03-09T20:30:00+00:00"),
        ("2026-10-30", "2026-10-30T20:30:00+00:00"),
        ("2026-11-02", "2026-11-02T21:30:00+00:00"),
        pytest.param("2026-11-27", "2026-11-27T21:30:00+00:00", marks=pytest.mark.fault("U29")),
    ],
)
def test_a_session_runs_at_half_past_four_in_new_york_over_clock_changes_and_early_closes(
    session: str, run_after: str
) -> None:
    run = some_next_run(DAILY, from_start(f"{session}T00:00:00+00:00"))
    assert run.run_after == instant(run_after)
    assert run.data_interval == DataInterval(instant(f"{session}T00:00:00+00:00"), instant(run_after))
    assert run.logical_date == instant(f"{session}T00:00:00+00:00")


@pytest.mark.fault("U29")
def test_weekends_and_holidays_have_no_run() -> None:
    days = [run.logical_date.date() for run in runs_from("2026-11-25T00:00:00+00:00", 4) if run.logical_date]
    assert days == [date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30), date(2026, 12, 1)]


@time_machine.travel("2026-06-01T00:00:00+00:00", tick=False)
def test_a_year_of_runs_is_the_exchanges_year() -> None:
    expected = sessions(date(2026, 1, 1), date(2026, 12, 31))
    runs = runs_from("2026-01-01T00:00:00+00:00", len(expected))
    assert [run.logical_date.date() for run in runs if run.logical_date] == expected
    assert {run.run_after.in_timezone("America/New_York").time() for run in runs} == {time(16, 30)}


def test_the_next_run_is_never_none_at_any_hour_of_a_year() -> None:
    """Airflow stops a DAG whose timetable gives None."""
    start = instant("2026-01-01T00:15:00+00:00")
    with time_machine.travel(start, tick=False) as clock:
        for hour in range(0, 366 * 24, 3):
            clock.move_to(start + timedelta(hours=hour))
            run = some_next_run(DAILY)
            following = some_next_run(DAILY, ANY_TIME, run.data_interval)
            assert run.run_after <= start + timedelta(hours=hour) < following.run_after


@given(INSTANTS)
def test_without_catchup_the_first_run_is_the_newest_one_due(now: pendulum.DateTime) -> None:
    with time_machine.travel(now, tick=False):
        run = some_next_run(DAILY)
    assert run.run_after <= now
    day = run.run_after.in_timezone("America/New_York").date() + timedelta(days=1)
    while datetime.combine(day, time(16, 30), NEW_YORK) <= now:
        assert not is_session(day)
        day += timedelta(days=1)


@time_machine.travel("2026-11-22T12:00:00+00:00", tick=False)
def test_after_a_long_stop_without_catchup_only_the_newest_due_session_runs() -> None:
    stopped_after = some_next_run(DAILY, from_start("2026-10-01T00:00:00+00:00")).data_interval
    run = some_next_run(DAILY, from_start("2020-01-01T00:00:00+00:00", catchup=False), stopped_after)
    assert run.logical_date == instant("2026-11-20T00:00:00+00:00")
    assert some_next_run(DAILY, ANY_TIME, run.data_interval).logical_date == instant("2026-11-23T00:00:00+00:00")


@time_machine.travel("2026-11-22T12:00:00+00:00", tick=False)
def test_after_a_long_stop_with_catchup_no_session_is_left_out() -> None:
    stopped_after = some_next_run(DAILY, from_start("2026-10-01T00:00:00+00:00")).data_interval
    run = some_next_run(DAILY, from_start("2020-01-01T00:00:00+00:00"), stopped_after)
    assert run.logical_date == instant("2026-10-02T00:00:00+00:00")


@time_machine.travel("2026-11-20T21:29:59+00:00", tick=False)
def test_a_run_is_not_due_one_second_early() -> None:
    assert some_next_run(DAILY).logical_date == instant("2026-11-19T00:00:00+00:00")


@time_machine.travel("2026-11-20T12:00:00+00:00", tick=False)
def test_a_start_in_the_future_is_waited_for() -> None:
    for catchup in (True, False):
        run = some_next_run(DAILY, from_start("2026-12-24T00:00:01+00:00", catchup=catchup))
        assert run.logical_date == instant("2026-12-28T00:00:00+00:00")


def test_start_and_end_dates_are_inclusive() -> None:
    friday = "2026-11-06T00:00:00+00:00"
    assert some_next_run(DAILY, from_start(friday, latest=friday)).logical_date == instant(friday)
    assert next_run(DAILY, from_start("2026-11-06T00:00:01+00:00", latest=friday)) is None
    thursday = some_next_run(DAILY, from_start("2026-11-05T00:00:00+00:00")).data_interval
    run = some_next_run(DAILY, from_start("2026-11-01T00:00:00+00:00", latest=friday), thursday)
    assert run.logical_date == instant(friday)


def test_with_catchup_and_nothing_to_start_from_there_is_no_run() -> None:
    assert next_run(DAILY, TimeRestriction(None, None, catchup=True)) is None


@pytest.mark.fault("A07")
def test_the_ends_of_the_calendar_raise_nothing() -> None:
    first = some_next_run(DAILY, from_start("1970-01-01T00:00:00+00:00"))
    assert first.logical_date == instant("1990-01-02T00:00:00+00:00")
    last = some_next_run(DAILY, from_start("2100-12-31T00:00:00+00:00")).data_interval
    assert next_run(DAILY, from_start("2026-01-01T00:00:00+00:00"), last) is None
    assert next_run(DAILY, from_start("2101-01-01T00:00:00+00:00")) is None
    with time_machine.travel("2101-06-01T00:00:00+00:00", tick=False):
        assert some_next_run(DAILY).logical_date == instant("2100-12-31T00:00:00+00:00")


@pytest.mark.parametrize(
    ("run_after", "session"),
    [
        ("2026-11-20T00:00:00+00:00", "2026-11-20"),  # airflow dags test <dag> 2026-11-20
        ("2026-11-21T00:00:00+00:00", "2026-11-20"),  # a Saturday
        ("2026-11-26T00:00:00+00:00", "2026-11-25"),  # Thanksgiving
        ("2026-11-20T21:29:59+00:00", "2026-11-19"),
        ("2026-11-20T21:30:00+00:00", "2026-11-20"),
        ("2026-11-20T22:30:00+01:00", "2026-11-20"),
        ("2026-11-22T12:00:00+00:00", "2026-11-20"),
    ],
)
def test_a_manual_run_gets_the_typed_session_or_the_newest_one_due(run_after: str, session: str) -> None:
    interval = TradingDayTimetable().infer_manual_data_interval(run_after=instant(run_after))
    assert interval.start == instant(f"{session}T00:00:00+00:00")
    assert interval.end == pendulum.instance(datetime.combine(interval.start, time(16, 30), NEW_YORK))


@pytest.mark.parametrize("at", ["16:30", "09:05", "00:00"])
def test_serialised_and_read_back_it_plans_the_same_runs(at: str) -> None:
    timetable = TradingDayTimetable(at)
    copy = TradingDayTimetable.deserialize(json.loads(json.dumps(timetable.serialize())))
    assert copy.serialize() == timetable.serialize() == {"at": at}
    assert (copy.summary, copy.description) == (timetable.summary, timetable.description)
    restriction = from_start("2026-11-20T00:00:00+00:00")
    copied = copy.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert copied == some_next_run(TradingDayTimetable(at), restriction)
    assert copied.run_after.in_timezone("America/New_York").time() == time.fromisoformat(at)


def test_the_ui_says_when_it_runs() -> None:
    timetable = TradingDayTimetable()
    assert timetable.summary == "XNYS 16:30"
    assert timetable.description == "On trading days of the New York Stock Exchange at 16:30 New York time"


@pytest.mark.parametrize("at", ["4:30 pm", "25:00", "16:30:00", "", "1630"])
def test_a_malformed_time_is_refused(at: str) -> None:
    with pytest.raises(ConfigurationError, match="it is no time of day"):
        TradingDayTimetable(at)


@pytest.mark.fault("A08")
@pytest.mark.parametrize("module", ["marketdata.timetables", "marketdata.domain.sessions", "marketdata.domain.planner"])
def test_importing_it_brings_no_heavy_library(module: str) -> None:
    script = (
        f"import sys, {module}; "
        "print(sorted({'pandas', 'numpy', 'exchange_calendars', 'psycopg', 'requests', 'redis'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.strip().splitlines()[-1] == "[]"
