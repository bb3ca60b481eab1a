"""What each chart range means, against an independent month arithmetic."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.domain.coverage import Span
from marketdata.domain.ranges import EARLIEST, RANGES, due_with, window
from marketdata.domain.sessions import sessions, utc_days
from marketdata.errors import InvalidRequest

todays = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@pytest.mark.fault("A07")
@pytest.mark.parametrize(
    ("range_name", "today", "first"),
    [
        ("7D", date(2026, 1, 1), date(2025, 12, 26)),
        ("7D", date(2024, 3, 1), date(2024, 2, 24)),
        ("1M", date(2026, 11, 22), date(2026, 10, 22)),
        ("1M", date(2026, 3, 31), date(2026, 2, 28)),
        ("1M", date(2024, 3, 31), date(2024, 2, 29)),
        ("1M", date(2026, 1, 1), date(2025, 12, 1)),
        ("3M", date(2026, 5, 31), date(2026, 2, 28)),
        ("3M", date(2026, 2, 28), date(2025, 11, 28)),
        ("6M", date(2026, 8, 31), date(2026, 2, 28)),
        ("YTD", date(2026, 1, 1), date(2026, 1, 1)),
        ("YTD", date(2024, 2, 29), date(2024, 1, 1)),
        ("1Y", date(2024, 2, 29), date(2023, 2, 28)),
        ("1Y", date(2025, 2, 28), date(2024, 2, 28)),
        ("3Y", date(2024, 2, 29), date(2021, 2, 28)),
        ("5Y", date(2029, 2, 28), date(2024, 2, 28)),
        ("MAX", date(2026, 11, 22), date(2003, 9, 10)),
    ],
)
def test_a_range_starts_on_the_day_that_the_calendar_gives(range_name: str, today: date, first: date) -> None:
    assert window(range_name, today) == Span(first, today)


@given(todays, st.sampled_from([("1M", 1), ("3M", 3), ("6M", 6), ("1Y", 12), ("3Y", 36), ("5Y", 60)]))
@example(date(2024, 2, 29), ("1Y", 12))
@example(date(2026, 12, 31), ("6M", 6))
def test_month_ranges_agree_with_dateutil(today: date, named: tuple[str, int]) -> None:
    range_name, months = named
    assert window(range_name, today).first == today - relativedelta(months=months)


@given(todays, st.sampled_from(RANGES))
def test_every_range_ends_today_and_never_starts_after_it(today: date, range_name: str) -> None:
    span = window(range_name, today)
    assert span.first <= span.last == today


@given(todays)
def test_seven_days_are_seven_days_with_today(today: date) -> None:
    span = window("7D", today)
    assert span.last - span.first == timedelta(days=6)


@given(st.dates(date(2014, 1, 1), date(2100, 12, 31)))
def test_longer_ranges_hold_the_shorter_ones(today: date) -> None:
    starts = [window(name, today).first for name in ("7D", "1M", "3M", "6M", "1Y", "3Y", "5Y")]
    assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize("asset_class", ["stock", "etf", "crypto"])
def test_max_starts_where_the_vendor_of_the_class_starts(asset_class: str) -> None:
    today = date(2026, 11, 22)
    assert window("MAX", today, asset_class=asset_class) == Span(EARLIEST[asset_class], today)  # type: ignore[arg-type, index]
    assert EARLIEST["crypto"] == date(2013, 4, 28)


@pytest.mark.parametrize("name", ["2W", "1D", "7d", "max", "", " 7D", "7D\n"])
def test_an_unknown_range_is_refused_with_the_list_of_what_exists(name: str) -> None:
    with pytest.raises(InvalidRequest, match="7D, 1M, 3M, 6M, YTD, 1Y, 3Y, 5Y, MAX") as refusal:
        window(name, date(2026, 11, 22))
    assert repr(name) in str(refusal.value)


def test_the_runs_of_consecutive_trading_days_leave_no_day_out_and_take_none_twice() -> None:
    days = sessions(date(2026, 10, 1), date(2026, 12, 31))
    assert len(days) > 60
    assert [due_with(day) for day in days] == [Span(day, day) for day in days]
    coin_days = [
        day
        for span in (due_with(session, asset_class="crypto") for session in days)
        for day in utc_days(span.first, span.last)
    ]
    assert coin_days == utc_days(date(2026, 9, 30), date(2026, 12, 30))
