"""The timetable of the realtime DAGs: ticks inside the exchange's sessions, and never a stale one."""

from __future__ import annotations

import json
import timeit
import warnings
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
import time_machine
from airflow.timetables.base import DataInterval, TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.sessions import NEW_YORK, is_session, session_close, session_open
from marketdata.errors import ConfigurationError
from marketdata.timetables import SessionTickTimetable
from tests.timetables.scheduler import from_start, instant, next_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exchange_calendars import ExchangeCalendar

INSTANTS = st.datetimes(datetime(1990, 1, 5), datetime(2100, 12, 29)).map(pendulum.instance)  # noqa: DTZ001
EVERY_MINUTE = SessionTickTimetable(minutes=1)
WATCH = SessionTickTimetable(minutes=5, also_at=("17:45",))
ALWAYS = SessionTickTimetable(minutes=1, around_the_clock=True)
TIMETABLES = [
    EVERY_MINUTE,
    WATCH,
    ALWAYS,
    SessionTickTimetable(minutes=10),
    SessionTickTimetable(minutes=10, around_the_clock=True, also_at=("17:45", "09:05")),
]


def exact(text: str) -> DataInterval:
    return DataInterval.exact(instant(text))


def next_tick(timetable: SessionTickTimetable, last: DataInterval | None = None) -> pendulum.DateTime:
    """The next tick without catchup, for a run that is nothing but that instant."""
    run = next_run(timetable, last=last)
    assert run is not None
    assert run.data_interval == DataInterval(run.run_after, run.run_after)
    assert run.logical_date == run.run_after
    return run.run_after


def ticks(timetable: SessionTickTimetable, start: str, latest: str) -> Iterator[datetime]:
    """All ticks between two instants, both inclusive, as Airflow would ask for them one after the other."""
    restriction, last = from_start(start, latest=latest), None
    while (run := next_run(timetable, restriction, last)) is not None:
        yield run.run_after
        last = run.data_interval


@pytest.fixture(scope="module")
def oracle() -> ExchangeCalendar:
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exchange_calendars 4.13 uses what pandas 3 deprecates
        return exchange_calendars.get_calendar("XNYS", start="2023-12-01", end="2027-12-31")


def expected_ticks(oracle: ExchangeCalendar, minutes: int) -> Mapping[date, list[datetime]]:
    """The oracle's trading minutes and the minute of the close, every N-th one of each session from 2024 to 2027."""
    expected: dict[date, list[datetime]] = {}
    for minute in oracle.minutes.to_pydatetime():
        expected.setdefault(minute.astimezone(NEW_YORK).date(), []).append(minute)
    closes = oracle.closes.dt.to_pydatetime()
    return {
        day: sorted({*expected[day], close})[::minutes]
        for day, close in zip(expected, closes, strict=True)
        if day >= date(2024, 1, 1)
    }


@pytest.mark.fault("A06")
@pytest.mark.fault("U29")
@pytest.mark.parametrize(("minutes", "whole_day", "short_day"), [(1, 391, 211), (10, 40, 22)])
def test_every_tick_of_four_years_is_a_minute_of_the_exchange_and_no_minute_is_missing(
    oracle: ExchangeCalendar, minutes: int, whole_day: int, short_day: int
) -> None:
    expected = expected_ticks(oracle, minutes)
    found: dict[date, list[datetime]] = {}
    for tick in ticks(SessionTickTimetable(minutes), "2024-01-01T00:00:00+00:00", "2027-12-31T23:59:59+00:00"):
        found.setdefault(tick.astimezone(NEW_YORK).date(), []).append(tick)
    assert len(expected) == 1004
    assert found.keys() == expected.keys()
    assert [day for day in expected if found[day] != expected[day]] == []
    assert {len(instants) for instants in found.values()} == {whole_day, short_day}


@pytest.mark.fault("A06")
@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-03-06", "14:30", "21:00"),
        ("2026-03-09", "13:30", "20:00"),
        ("2026-10-30", "13:30", "20:00"),
        ("2026-11-02", "14:30", "21:00"),
        pytest.param("2026-11-27", "14:30", "18:00", marks=pytest.mark.fault("U29")),
        pytest.param("2024-07-03", "13:30", "17:00", marks=pytest.mark.fault("U29")),
    ],
)
def test_a_sessions_ticks_go_from_half_past_nine_to_its_close_over_clock_changes_and_short_days(
    day: str, first: str, last: str
) -> None:
    found = list(ticks(EVERY_MINUTE, f"{day}T00:00:00+00:00", f"{day}T23:59:59+00:00"))
    assert [f"{tick:%H:%M}" for tick in (found[0], found[-1])] == [first, last]
    assert [tick - found[0] for tick in found] == [timedelta(minutes=number) for number in range(len(found))]


@pytest.mark.fault("U29")
@pytest.mark.parametrize("day", ["2025-01-09", "2026-11-26", "2026-11-21", "2026-11-22", "2027-12-24"])
def test_unscheduled_closures_holidays_and_weekends_have_no_tick(day: str) -> None:
    assert not is_session(date.fromisoformat(day))
    assert list(ticks(WATCH, f"{day}T05:00:00+00:00", f"{day}T23:59:59+00:00")) == []


@pytest.mark.parametrize(
    ("now", "tick"),
    [
        ("2026-11-20T14:29:00+00:00", "2026-11-20T14:30:00+00:00"),
        ("2026-11-20T20:59:31+00:00", "2026-11-20T21:00:00+00:00"),
        ("2026-11-20T21:00:31+00:00", "2026-11-23T14:30:00+00:00"),  # Friday evening to Monday morning
        ("2026-11-25T21:00:31+00:00", "2026-11-27T14:30:00+00:00"),  # over Thanksgiving
        ("2026-11-27T18:00:31+00:00", "2026-11-30T14:30:00+00:00"),  # after an early close
        ("2026-03-08T06:30:00+00:00", "2026-03-09T13:30:00+00:00"),  # in the night of a clock change
        ("2026-10-30T20:00:31+00:00", "2026-11-02T14:30:00+00:00"),
    ],
)
def test_the_next_tick_is_the_next_minute_of_an_open_exchange(now: str, tick: str) -> None:
    with time_machine.travel(now, tick=False):
        assert next_tick(EVERY_MINUTE) == instant(tick)


@pytest.mark.fault("A04")
@time_machine.travel("2026-11-20T17:12:45+00:00", tick=False)
def test_after_a_restart_in_mid_session_ticks_go_on_from_now() -> None:
    two_hours_ago = exact("2026-11-20T15:12:00+00:00")
    assert next_tick(EVERY_MINUTE, two_hours_ago) == instant("2026-11-20T17:13:00+00:00")
    assert next_tick(SessionTickTimetable(10), two_hours_ago) == instant("2026-11-20T17:20:00+00:00")


@pytest.mark.fault("A04")
@time_machine.travel("2026-11-22T17:00:00+00:00", tick=False)
def test_after_an_outage_from_friday_to_sunday_the_first_tick_is_mondays_open() -> None:
    friday = exact("2026-11-20T15:12:00+00:00")
    assert next_tick(EVERY_MINUTE, friday) == instant("2026-11-23T14:30:00+00:00")
    assert next_tick(ALWAYS, friday) == instant("2026-11-22T17:00:00+00:00")


@time_machine.travel("2026-11-22T17:00:00+00:00", tick=False)
def test_unpausing_on_a_sunday_creates_nothing() -> None:
    for timetable in (EVERY_MINUTE, WATCH, SessionTickTimetable(10)):
        assert next_tick(timetable) == instant("2026-11-23T14:30:00+00:00")


@pytest.mark.fault("A03")
def test_ticks_missed_while_a_run_took_too_long_are_not_made_up_for() -> None:
    running = exact("2026-11-20T15:12:00+00:00")
    with time_machine.travel("2026-11-20T15:15:45+00:00", tick=False):
        assert next_tick(EVERY_MINUTE, running) == instant("2026-11-20T15:16:00+00:00")


def test_a_tick_that_has_just_come_due_is_not_skipped_when_the_dag_is_parsed_before_its_run_is_made() -> None:
    """The DAG processor asks at each parse too, and overwrites the tick that the scheduler waits for."""
    before = exact("2026-11-20T15:11:00+00:00")
    due = exact("2026-11-20T15:12:00+00:00")
    for second in ("00.000001", "00.4", "29.999"):
        with time_machine.travel(f"2026-11-20T15:12:{second:0>9}+00:00", tick=False):
            assert next_tick(EVERY_MINUTE, before) == due.start
            assert next_tick(EVERY_MINUTE, due) == instant("2026-11-20T15:13:00+00:00")
    with time_machine.travel("2026-11-20T15:12:30+00:00", tick=False):
        assert next_tick(EVERY_MINUTE, before) == instant("2026-11-20T15:13:00+00:00")


@given(INSTANTS, st.sampled_from(TIMETABLES))
def test_no_instant_has_a_stale_tick_and_ticks_only_go_forward(
    now: pendulum.DateTime, timetable: SessionTickTimetable
) -> None:
    with time_machine.travel(now, tick=False):
        tick = next_tick(timetable)
        following = next_tick(timetable, DataInterval.exact(tick))
    assert now - timedelta(seconds=30) < tick < following


@given(INSTANTS)
def test_the_minute_ticks_are_exactly_the_minutes_of_the_session(now: pendulum.DateTime) -> None:
    with time_machine.travel(now, tick=False):
        tick = next_tick(EVERY_MINUTE)
    day = tick.astimezone(NEW_YORK).date()
    assert session_open(day) <= tick <= session_close(day)
    assert (tick.second, tick.microsecond) == (0, 0)
    waiting = pendulum.instance(now - timedelta(seconds=30))
    while (waiting := waiting.add(minutes=1).start_of("minute")) < min(tick, now.add(hours=8)):
        local = waiting.astimezone(NEW_YORK).date()
        assert not (is_session(local) and session_open(local) <= waiting <= session_close(local)), waiting


def test_a_further_time_runs_on_trading_days_only_early_closes_too() -> None:
    found = list(ticks(WATCH, "2026-11-24T22:00:00+00:00", "2026-12-01T00:00:00+00:00"))
    evening = [tick for tick in found if tick.astimezone(NEW_YORK).hour == 17]
    assert evening == [
        instant(f"2026-11-{day}T22:45:00+00:00") for day in (24, 25, 27, 30)  # Thanksgiving was the 26th
    ]  # fmt: skip
    of_friday = [tick for tick in found if tick.astimezone(NEW_YORK).date() == date(2026, 11, 27)]
    assert len(of_friday) == 210 // 5 + 1 + 1
    assert found == sorted(set(found))


@pytest.mark.fault("A06")
@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01", "2026-11-26", "2026-11-21"])
def test_around_the_clock_every_minute_of_every_day_ticks_once(day: str) -> None:
    start = instant(f"{day}T00:00:00+00:00")
    found = list(ticks(ALWAYS, start.isoformat(), start.add(hours=36).isoformat()))
    assert found == [start.add(minutes=number) for number in range(36 * 60 + 1)]


def test_around_the_clock_a_further_time_is_one_more_tick_of_a_trading_day() -> None:
    odd = SessionTickTimetable(10, around_the_clock=True, also_at=("17:45",))
    friday_and_saturday = list(ticks(odd, "2026-11-20T05:00:00+00:00", "2026-11-22T04:59:59+00:00"))
    assert len(friday_and_saturday) == 2 * 144 + 1
    assert instant("2026-11-20T22:45:00+00:00") in friday_and_saturday


def test_start_and_end_dates_are_inclusive() -> None:
    tick, before, after = "2026-11-20T14:31:00+00:00", "2026-11-20T14:30:59+00:00", "2026-11-20T14:31:01+00:00"
    assert list(ticks(EVERY_MINUTE, tick, tick)) == [instant(tick)]
    assert list(ticks(EVERY_MINUTE, before, after)) == [instant(tick)]
    assert list(ticks(EVERY_MINUTE, after, after)) == []
    with time_machine.travel("2026-11-20T14:00:00+00:00", tick=False):
        ended = TimeRestriction(None, instant("2026-11-20T14:29:59+00:00"), catchup=False)
        assert next_run(EVERY_MINUTE, ended) is None
        future = TimeRestriction(instant("2026-12-24T16:00:00+00:00"), None, catchup=False)
        run = next_run(EVERY_MINUTE, future)
        assert run is not None
        assert run.run_after == instant("2026-12-24T16:00:00+00:00")


def test_with_catchup_and_nothing_to_start_from_there_is_no_run() -> None:
    assert next_run(EVERY_MINUTE, TimeRestriction(None, None, catchup=True)) is None


@pytest.mark.fault("A07")
@pytest.mark.parametrize("timetable", TIMETABLES, ids=lambda timetable: timetable.summary)
def test_the_ends_of_the_calendar_raise_nothing(timetable: SessionTickTimetable) -> None:
    for after_the_end in ("2101-01-01T05:00:00+00:00", "2345-06-01T00:00:00+00:00"):
        with time_machine.travel(after_the_end, tick=False):
            assert next_run(timetable) is None
        assert timetable.infer_manual_data_interval(run_after=instant(after_the_end)).end.year >= 2100
    for before_the_beginning in ("1989-12-31T00:00:00+00:00", "1970-01-01T00:00:00+00:00"):
        with time_machine.travel(before_the_beginning, tick=False):
            first = next_tick(timetable)
        assert first == timetable.infer_manual_data_interval(run_after=instant(before_the_beginning)).start
        assert first in {instant("1990-01-01T05:00:00+00:00"), instant("1990-01-02T14:30:00+00:00")}


@pytest.mark.fault("A07")
@pytest.mark.parametrize(
    ("day", "count"), [("2024-02-29", 391), ("2025-12-31", 391), ("2024-12-31", 391), ("2027-01-01", 0)]
)
def test_leap_days_and_year_ends_are_days_like_others(day: str, count: int) -> None:
    assert len(list(ticks(EVERY_MINUTE, f"{day}T05:00:00+00:00", f"{day}T23:59:59+00:00"))) == count


@pytest.mark.parametrize(
    ("run_after", "tick"),
    [
        ("2026-11-20T14:31:30+00:00", "2026-11-20T14:31:00+00:00"),
        ("2026-11-20T14:31:00+00:00", "2026-11-20T14:31:00+00:00"),
        ("2026-11-20T14:29:59+00:00", "2026-11-19T21:00:00+00:00"),
        ("2026-11-22T12:00:00+00:00", "2026-11-20T21:00:00+00:00"),
        ("2026-11-21T00:00:00+00:00", "2026-11-20T21:00:00+00:00"),  # airflow dags test <dag> 2026-11-21
        ("2026-11-27T23:00:00+00:00", "2026-11-27T18:00:00+00:00"),
    ],
)
def test_a_manual_run_with_a_date_gets_the_newest_tick_up_to_it(run_after: str, tick: str) -> None:
    assert EVERY_MINUTE.infer_manual_data_interval(run_after=instant(run_after)) == exact(tick)


@pytest.mark.parametrize("timetable", TIMETABLES, ids=lambda timetable: timetable.summary)
def test_serialised_and_read_back_it_plans_the_same_runs(timetable: SessionTickTimetable) -> None:
    copy = SessionTickTimetable.deserialize(json.loads(json.dumps(timetable.serialize())))
    assert copy.serialize() == timetable.serialize()
    assert (copy.summary, copy.description) == (timetable.summary, timetable.description)
    bounds = ("2026-11-24T00:00:00+00:00", "2026-11-28T00:00:00+00:00")
    assert list(ticks(copy, *bounds)) == list(ticks(timetable, *bounds))


def test_the_ui_says_when_it_runs() -> None:
    assert EVERY_MINUTE.summary == "XNYS every minute 09:30 to close"
    assert EVERY_MINUTE.description == "Every minute from 09:30 to the close of the New York Stock Exchange"
    assert WATCH.summary == "XNYS every 5 minutes 09:30 to close and 17:45"
    assert WATCH.description.endswith(", and on trading days at 17:45 New York time")
    assert SessionTickTimetable(10, around_the_clock=True).summary == "every 10 minutes around the clock"


@pytest.mark.parametrize("minutes", [0, -1, 7, 20, 60])
def test_minutes_whose_ticks_would_miss_the_close_are_refused(minutes: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"SessionTickTimetable\(minutes={minutes}\)"):
        SessionTickTimetable(minutes)


@pytest.mark.parametrize("also_at", [("5 pm",), ("24:00",), ("17:45:00",), ("",)])
def test_a_malformed_further_time_is_refused(also_at: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="it is no time of day"):
        SessionTickTimetable(5, also_at=also_at)


@pytest.mark.parametrize("timetable", TIMETABLES, ids=lambda timetable: timetable.summary)
def test_asking_for_the_next_tick_costs_the_scheduler_next_to_nothing(timetable: SessionTickTimetable) -> None:
    """About 20 microseconds; the limit leaves room for a busy machine, not for computing a session each time."""
    arguments: dict[str, Any] = {"last_automated_data_interval": exact("2026-11-20T15:11:00+00:00")}
    restriction = TimeRestriction(instant("2003-09-10T00:00:00+00:00"), None, catchup=False)
    seconds = timeit.repeat(
        lambda: timetable.next_dagrun_info(**arguments, restriction=restriction), number=200, repeat=5
    )
    assert min(seconds) / 200 < 100e-6


def test_the_clock_is_read_in_utc() -> None:
    with time_machine.travel(datetime(2026, 11, 20, 10, 0, 31, tzinfo=NEW_YORK), tick=False):
        assert next_tick(EVERY_MINUTE) == datetime(2026, 11, 20, 15, 1, tzinfo=UTC)
