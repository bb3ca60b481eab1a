"""What each chart range means, against an independent month arithmetic."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil import tz
from dateutil.relativedelta import relativedelta
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.domain.coverage import Span
from marketdata.domain.ranges import EARLIEST, RANGES, due_with, window
from marketdata.domain.sessions import is_session, sessions, today, utc_days
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


INSTANTS = st.datetimes(datetime(1990, 1, 2), datetime(2100, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS, st.sampled_from(RANGES))
@example(datetime(2026, 1, 1, 4, 59, tzinfo=UTC), "YTD")
@example(datetime(2026, 1, 1, 5, 0, tzinfo=UTC), "YTD")
@example(datetime(2024, 3, 1, 4, 59, tzinfo=UTC), "1Y")
def test_a_range_of_stocks_ends_on_the_date_in_new_york_and_one_of_coins_on_the_date_in_utc(
    now: datetime, range_name: str
) -> None:
    in_new_york = now.astimezone(tz.gettz("America/New_York")).date()
    assert window(range_name, today("stock", now)) == window(range_name, in_new_york)
    assert window(range_name, today("stock", now)).last == in_new_york
    assert window(range_name, today("crypto", now)).last == now.date()


@given(todays)
@example(date(2026, 1, 1))
@example(date(2024, 2, 29))
def test_the_year_to_date_starts_on_new_years_day_of_the_same_year(day: date) -> None:
    span = window("YTD", day)
    assert (span.first.year, span.first.month, span.first.day) == (day.year, 1, 1)
    assert span.last - span.first == timedelta(days=day.timetuple().tm_yday - 1)


@given(todays.map(lambda day: day.replace(day=min(day.day, 28))), st.sampled_from(["1M", "3M", "6M", "1Y", "3Y", "5Y"]))
def test_a_day_that_every_month_has_stays_the_same_day_of_the_month(day: date, range_name: str) -> None:
    assert window(range_name, day).first.day == day.day


@given(todays.map(lambda day: day + relativedelta(day=31)), st.sampled_from(["1M", "3M", "6M", "1Y"]))
@example(date(2024, 2, 29), "1M")
@example(date(2026, 12, 31), "6M")
def test_from_a_months_end_a_range_starts_within_the_month_so_many_before(day: date, range_name: str) -> None:
    first = window(range_name, day).first
    months = {"1M": 1, "3M": 3, "6M": 6, "1Y": 12}[range_name]
    assert (day.year * 12 + day.month) - (first.year * 12 + first.month) == months
    assert first.day == day.day or (first + timedelta(days=1)).day == 1


@given(todays, st.sampled_from(RANGES))
def test_from_one_day_to_the_next_a_range_never_reaches_back_further(day: date, range_name: str) -> None:
    assert window(range_name, day).first <= window(range_name, day + timedelta(days=1)).first


@given(st.dates(date(1990, 1, 8), date(2100, 12, 25)).map(lambda day: day + timedelta(days=6 - day.weekday())))
def test_on_a_sunday_seven_days_are_the_trading_days_of_the_week_before(sunday: date) -> None:
    span = window("7D", sunday)
    week = [sunday - timedelta(days=back) for back in range(6, 1, -1)]
    assert sessions(span.first, span.last) == [day for day in week if is_session(day)]


@given(st.sampled_from(range(1992, 2100, 4)), st.sampled_from(["1Y", "3Y", "5Y"]))
def test_from_29_february_a_range_of_years_starts_on_the_last_day_of_february(year: int, range_name: str) -> None:
    first = window(range_name, date(year, 2, 29)).first
    assert (first.year, first.month) == (year - int(range_name[0]), 2)
    assert (first + timedelta(days=1)).month == 3
