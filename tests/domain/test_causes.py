"""The next scheduled run, sessions under spans, and the words for a closed exchange and for figures."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.causes import (
    DAILY_AT,
    DAILY_RUN,
    SAID,
    WEEKLY_AT,
    WEEKLY_RUN,
    Cause,
    NextRun,
    axis_of,
    next_run,
    next_try,
    on_sessions,
)
from marketdata.domain.closings import why_closed
from marketdata.domain.coverage import Span, days, normalise
from marketdata.domain.sessions import FIRST_DAY, NEW_YORK, closures, is_session
from marketdata.domain.spoken import number

DAGS = Path(__file__).parents[2] / "dags"


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("now", "dag_id", "at"),
    [
        ("2026-11-20T12:00", DAILY_RUN, "2026-11-20T16:30"),
        ("2026-11-20T16:30", WEEKLY_RUN, "2026-11-22T02:00"),
        ("2026-11-22T01:59", WEEKLY_RUN, "2026-11-22T02:00"),
        ("2026-11-22T02:00", DAILY_RUN, "2026-11-23T16:30"),
        ("2026-11-25T17:00", DAILY_RUN, "2026-11-27T16:30"),  # Thanksgiving between, and an early close
        ("2026-10-31T20:00", WEEKLY_RUN, "2026-11-01T02:00"),  # the clocks go back that night
        ("2026-03-07T20:00", WEEKLY_RUN, "2026-03-08T03:00"),  # 02:00 does not exist: the clocks go forward
    ],
)
def test_the_next_run_is_the_daily_or_the_weekly_one_whichever_comes_first(now: str, dag_id: str, at: str) -> None:
    assert next_run(new_york(now)) == NextRun(dag_id, new_york(at).astimezone(UTC))


@pytest.mark.parametrize(
    ("dag_id", "timetable", "at"),
    [(DAILY_RUN, "TradingDayTimetable", DAILY_AT), (WEEKLY_RUN, "SundayTimetable", WEEKLY_AT)],
)
def test_the_dags_run_when_the_command_line_says(dag_id: str, timetable: str, at: time) -> None:
    source = (DAGS / f"{dag_id}.py").read_text(encoding="utf-8")
    assert re.findall(rf'schedule={timetable}\(at="(\d\d:\d\d)"\)', source) == [f"{at:%H:%M}"]


def test_the_next_try_waits_for_the_latest_of_what_asks_to_wait() -> None:
    now = new_york("2026-11-20T16:00")
    later = now + timedelta(hours=1)
    tried = next_try(Cause.FAILED, [None, later], now, is_followed=True)
    assert tried is not None
    assert tried.at > later
    assert next_try(Cause.FAILED, [None], now, is_followed=True) == next_run(now)


def test_what_no_run_asks_for_has_no_next_try() -> None:
    now = new_york("2026-11-20T16:00")
    assert next_try(Cause.NEVER_ASKED, [], now, is_followed=False) is None
    assert next_try(Cause.CLIPPED, [], now, is_followed=True) is None


def test_every_cause_has_its_words() -> None:
    assert set(SAID) == set(Cause)


DAYS = st.integers(0, 400).map(lambda offset: date(2025, 11, 1) + timedelta(days=offset))


@given(pairs=st.lists(st.tuples(DAYS, DAYS), max_size=6))
def test_spans_on_sessions_hold_the_same_sessions_and_begin_and_end_on_them(pairs: list[tuple[date, date]]) -> None:
    spans = normalise(Span(min(pair), max(pair)) for pair in pairs)
    held = [day for day in days(spans) if is_session(day)]
    trimmed, count = on_sessions(spans, axis_of("stock", date(2025, 11, 1), date(2026, 12, 31)))
    assert [day for day in days(trimmed) if is_session(day)] == held
    assert count == len(held)
    assert all(is_session(span.first) and is_session(span.last) for span in trimmed)
    assert trimmed == tuple(sorted(trimmed))


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2026, 11, 20), ""),
        (date(2026, 11, 21), "a Saturday"),
        (date(2026, 1, 1), "New Year's Day"),
        (date(2023, 1, 2), "New Year's Day"),
        (date(2026, 1, 19), "Martin Luther King Jr. Day"),
        (date(2026, 2, 16), "Presidents' Day"),
        (date(2026, 4, 3), "Good Friday"),
        (date(2024, 3, 29), "Good Friday"),
        (date(2026, 5, 25), "Memorial Day"),
        (date(2026, 6, 19), "Juneteenth"),
        (date(2026, 7, 3), "Independence Day"),
        (date(2026, 9, 7), "Labor Day"),
        (date(2026, 11, 26), "Thanksgiving Day"),
        (date(2026, 12, 25), "Christmas Day"),
        (date(2012, 10, 29), "hurricane Sandy"),
    ],
)
def test_a_closed_day_has_its_name(day: date, reason: str) -> None:
    assert why_closed(day) == reason


def test_every_closure_of_the_calendar_has_a_name() -> None:
    closed = [day for year in range(FIRST_DAY.year, 2101) for day in closures(year)]
    assert len(closed) > 900
    assert all(why_closed(day) for day in closed)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "1"),
        (0.00000812, "0.00000812"),
        (700000.01, "700,000.01"),
        (1 / 3, "0.3333333333333333"),
        (1e18, "1,000,000,000,000,000,000"),
    ],
)
def test_a_figure_is_said_with_all_its_digits_and_no_exponent(value: float, said: str) -> None:
    assert number(value) == said
    assert float(said.replace(",", "")) == value
