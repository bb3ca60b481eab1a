"""The timetable of the weekly DAG: one run each Sunday at a New York time, over every change of the clocks."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pendulum
import pytest
import time_machine
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from dateutil import tz
from dateutil.rrule import SU, WEEKLY, rrule
from hypothesis import given
from hypothesis import strategies as st

from marketdata.errors import ConfigurationError
from marketdata.timetables import SundayTimetable
from tests.timetables.scheduler import ANY_TIME, from_start, instant, next_run, some_next_run

INSTANTS = st.datetimes(datetime(1990, 1, 10), datetime(2100, 12, 25)).map(pendulum.instance)  # noqa: DTZ001
INDEPENDENT_NEW_YORK = tz.gettz("America/New_York")
SUNDAYS = SundayTimetable()


def runs_between(start: str, latest: str) -> list[DagRunInfo]:
    """All runs with catchup on."""
    runs: list[DagRunInfo] = []
    last: DataInterval | None = None
    while (run := next_run(SUNDAYS, from_start(start, latest=latest), last)) is not None:
        runs.append(run)
        last = run.data_interval
    return runs


def run_by_hand_computed(sunday: date) -> datetime:
    """02:00 in New York by dateutil; a time that the clocks skip is pushed on by what they skip."""
    naive = datetime.combine(sunday, datetime.min.time()) + timedelta(hours=2)
    local = tz.resolve_imaginary(naive.replace(tzinfo=INDEPENDENT_NEW_YORK))
    return local.astimezone(UTC)


@pytest.mark.fault("A06")
def test_every_sunday_of_sixteen_years_agrees_with_an_independent_computation() -> None:
    sundays = [
        found.date()
        for found in rrule(WEEKLY, byweekday=SU, dtstart=datetime(2020, 1, 1), until=datetime(2035, 12, 31))  # noqa: DTZ001
    ]
    assert len(sundays) == 835
    runs = runs_between("2020-01-01T00:00:00+00:00", "2035-12-31T00:00:00+00:00")
    assert [run.logical_date.date() for run in runs if run.logical_date] == sundays
    assert [run.run_after for run in runs] == [run_by_hand_computed(sunday) for sunday in sundays]


@pytest.mark.fault("A06")
@pytest.mark.parametrize(
    ("sunday", "run_after", "new_york"),
    [
        ("2026-03-01", "2026-03-01T07:00:00+00:00", "02:00 EST"),
        ("2026-03-08", "2026-03-08T07:00:00+00:00", "03:00 EDT"),  # 02:00 does not exist
        ("2026-03-15", "2026-03-15T06:00:00+00:00", "02:00 EDT"),
        ("2026-10-25", "2026-10-25T06:00:00+00:00", "02:00 EDT"),
        ("2026-11-01", "2026-11-01T07:00:00+00:00", "02:00 EST"),  # 01:00 to 02:00 happens twice, 02:00 once
        ("2026-11-08", "2026-11-08T07:00:00+00:00", "02:00 EST"),
    ],
)
def test_the_sundays_around_a_clock_change_run_once(sunday: str, run_after: str, new_york: str) -> None:
    (run,) = runs_between(f"{sunday}T00:00:00+00:00", f"{sunday}T23:59:59+00:00")
    assert run.run_after == instant(run_after)
    assert run.run_after.in_timezone("America/New_York").format("HH:mm zz") == new_york
    assert run.data_interval == DataInterval(instant(f"{sunday}T00:00:00+00:00"), run.run_after)


def test_the_next_run_is_never_none_at_any_hour_of_a_year() -> None:
    """Airflow stops a DAG whose timetable gives None."""
    start = instant("2026-01-01T00:15:00+00:00")
    with time_machine.travel(start, tick=False) as clock:
        for hour in range(0, 366 * 24, 5):
            clock.move_to(start + timedelta(hours=hour))
            run = some_next_run(SUNDAYS)
            following = some_next_run(SUNDAYS, ANY_TIME, run.data_interval)
            assert run.run_after <= start + timedelta(hours=hour) < following.run_after


@given(INSTANTS)
def test_without_catchup_the_first_run_is_the_newest_sunday_due(now: pendulum.DateTime) -> None:
    with time_machine.travel(now, tick=False):
        run = some_next_run(SUNDAYS)
        following = some_next_run(SUNDAYS, ANY_TIME, run.data_interval)
    assert run.run_after <= now < following.run_after
    assert run.logical_date is not None
    assert run.logical_date.weekday() == pendulum.SUNDAY
    assert following.logical_date == run.logical_date.add(days=7)


@time_machine.travel("2026-11-25T12:00:00+00:00", tick=False)
def test_after_a_long_stop_without_catchup_only_the_newest_due_sunday_runs() -> None:
    stopped_after = some_next_run(SUNDAYS, from_start("2026-09-01T00:00:00+00:00")).data_interval
    run = some_next_run(SUNDAYS, from_start("2020-01-01T00:00:00+00:00", catchup=False), stopped_after)
    assert run.logical_date == instant("2026-11-22T00:00:00+00:00")
    assert some_next_run(SUNDAYS, ANY_TIME, run.data_interval).logical_date == instant("2026-11-29T00:00:00+00:00")


@time_machine.travel("2026-11-22T06:59:59+00:00", tick=False)
def test_a_run_is_not_due_one_second_early() -> None:
    assert some_next_run(SUNDAYS).logical_date == instant("2026-11-15T00:00:00+00:00")


def test_start_and_end_dates_are_inclusive() -> None:
    sunday = "2026-11-08T00:00:00+00:00"
    assert some_next_run(SUNDAYS, from_start(sunday, latest=sunday)).logical_date == instant(sunday)
    assert next_run(SUNDAYS, from_start("2026-11-08T00:00:01+00:00", latest=sunday)) is None


def test_the_sundays_of_a_backfill_are_those_between_its_dates_both_inclusive() -> None:
    """``airflow backfill create --from-date 2026-10-04 --to-date 2026-11-01`` walks the timetable as catchup does."""
    runs = runs_between("2026-10-04T00:00:00+00:00", "2026-11-01T00:00:00+00:00")
    found = [run.logical_date.date().isoformat() for run in runs if run.logical_date]
    assert found == ["2026-10-04", "2026-10-11", "2026-10-18", "2026-10-25", "2026-11-01"]
    assert SundayTimetable().periodic, "Airflow backfills periodic timetables only"


def test_with_catchup_and_nothing_to_start_from_there_is_no_run() -> None:
    assert next_run(SUNDAYS, TimeRestriction(None, None, catchup=True)) is None


@pytest.mark.fault("A07")
def test_the_ends_of_the_calendar_raise_nothing() -> None:
    first = some_next_run(SUNDAYS, from_start("1970-01-01T00:00:00+00:00"))
    assert first.logical_date == instant("1990-01-07T00:00:00+00:00")
    last = some_next_run(SUNDAYS, from_start("2100-12-26T00:00:00+00:00")).data_interval
    assert last is not None
    assert last.start == instant("2100-12-26T00:00:00+00:00")
    assert next_run(SUNDAYS, from_start("2026-01-01T00:00:00+00:00"), last) is None
    assert next_run(SUNDAYS, from_start("2100-12-27T00:00:00+00:00")) is None
    assert next_run(SUNDAYS, from_start("2101-01-01T00:00:00+00:00")) is None
    with time_machine.travel("2101-06-01T00:00:00+00:00", tick=False):
        assert some_next_run(SUNDAYS).logical_date == instant("2100-12-26T00:00:00+00:00")
    with time_machine.travel("1989-06-01T00:00:00+00:00", tick=False):
        assert some_next_run(SUNDAYS).logical_date == instant("1990-01-07T00:00:00+00:00")


@pytest.mark.parametrize(
    ("run_after", "sunday"),
    [
        ("2026-11-22T00:00:00+00:00", "2026-11-22"),  # airflow dags test <dag> 2026-11-22
        ("2026-11-21T00:00:00+00:00", "2026-11-15"),  # a Saturday
        ("2026-11-22T06:59:59+00:00", "2026-11-15"),
        ("2026-11-22T07:00:00+00:00", "2026-11-22"),
        ("2026-11-25T12:00:00+00:00", "2026-11-22"),
    ],
)
def test_a_manual_run_gets_the_typed_sunday_or_the_newest_one_due(run_after: str, sunday: str) -> None:
    interval = SundayTimetable().infer_manual_data_interval(run_after=instant(run_after))
    assert interval.start == instant(f"{sunday}T00:00:00+00:00")
    assert interval.end == run_by_hand_computed(date.fromisoformat(sunday))


@pytest.mark.parametrize("at", ["02:00", "00:00", "23:59"])
def test_serialised_and_read_back_it_plans_the_same_runs(at: str) -> None:
    timetable = SundayTimetable(at)
    copy = SundayTimetable.deserialize(json.loads(json.dumps(timetable.serialize())))
    assert copy.serialize() == timetable.serialize() == {"at": at}
    assert (copy.summary, copy.description) == (timetable.summary, timetable.description)
    restriction = from_start("2026-11-01T00:00:00+00:00")
    both = [
        one.next_dagrun_info(last_automated_data_interval=None, restriction=restriction) for one in (timetable, copy)
    ]
    assert both[0] == both[1]


def test_the_ui_says_when_it_runs() -> None:
    assert SundayTimetable().summary == "Sundays 02:00"
    assert SundayTimetable().description == "On Sundays at 02:00 New York time"


def test_a_malformed_time_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"SundayTimetable\(at='2 am'\)"):
        SundayTimetable("2 am")
