"""The exchange's calendar against exchange_calendars, and the rules on when a day is over."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
from dateutil.easter import easter
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.domain import sessions as calendar
from marketdata.domain.sessions import NEW_YORK
from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

SUPPORTED = st.dates(date(1990, 1, 2), date(2100, 12, 31))
INSTANTS = st.datetimes(datetime(1990, 1, 5), datetime(2100, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def new_york(day: date, at: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(at), NEW_YORK)


@pytest.fixture(scope="module")
def oracle() -> ExchangeCalendar:
    """XNYS as exchange_calendars has it, ten years more than the promised 2000 to 2027."""
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exchange_calendars 4.13 uses what pandas 3 deprecates
        return exchange_calendars.get_calendar("XNYS", start="1990-01-01", end="2027-12-31")


def test_sessions_are_those_of_exchange_calendars(oracle: ExchangeCalendar) -> None:
    expected = [stamp.date() for stamp in oracle.sessions]
    assert len(expected) > 9_500
    assert calendar.sessions(date(1990, 1, 1), date(2027, 12, 31)) == expected


def test_opens_and_closes_are_those_of_exchange_calendars(oracle: ExchangeCalendar) -> None:
    hours = list(zip(oracle.sessions, oracle.opens, oracle.closes, strict=True))
    assert len(hours) > 9_500
    differing = [
        stamp.date()
        for stamp, opens, closes in hours
        if calendar.session_open(stamp.date()) != opens or calendar.session_close(stamp.date()) != closes
    ]
    assert differing == []


@pytest.mark.fault("U29")
@pytest.mark.parametrize(
    "day",
    [
        date(2001, 9, 11),
        date(2012, 10, 30),
        date(2018, 12, 5),
        date(2022, 6, 20),  # Juneteenth on a Sunday
        date(2025, 1, 9),
        date(2026, 4, 3),
        date(2026, 7, 3),
        date(2026, 11, 26),
        date(2027, 6, 18),
        date(2027, 12, 24),
    ],
)
def test_the_exchange_is_closed(day: date) -> None:
    assert not calendar.is_session(day)
    with pytest.raises(InvalidRequest, match=f"session {day}: the exchange is closed"):
        calendar.session_close(day)


@pytest.mark.parametrize("day", [date(2021, 6, 18), date(2021, 12, 31), date(2026, 7, 2), date(2027, 12, 31)])
def test_the_exchange_is_open_until_four(day: date) -> None:
    assert calendar.session_close(day) == new_york(day, "16:00")


@pytest.mark.fault("U29")
@pytest.mark.parametrize(
    "day", [date(2013, 7, 3), date(2024, 7, 3), date(2026, 11, 27), date(2026, 12, 24), date(2028, 7, 3)]
)
def test_the_exchange_closes_at_one(day: date) -> None:
    assert calendar.session_close(day) == new_york(day, "13:00")


@pytest.mark.fault("A06")
@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        (date(2026, 3, 6), "14:30", "21:00"),
        (date(2026, 3, 9), "13:30", "20:00"),
        (date(2026, 10, 30), "13:30", "20:00"),
        (date(2026, 11, 2), "14:30", "21:00"),
        (date(2026, 11, 27), "14:30", "18:00"),
    ],
)
def test_hours_follow_new_york_over_clock_changes(day: date, opens: str, closes: str) -> None:
    assert calendar.session_open(day) == datetime.combine(day, time.fromisoformat(opens), UTC)
    assert calendar.session_close(day) == datetime.combine(day, time.fromisoformat(closes), UTC)


def test_good_friday_is_closed_in_every_year() -> None:
    years = range(1990, 2101)
    assert [year for year in years if calendar.is_session(easter(year) - timedelta(days=2))] == []


@given(SUPPORTED)
def test_a_session_is_a_weekday_that_opens_at_half_past_nine_and_closes_the_same_day(day: date) -> None:
    assert calendar.sessions(day, day) == ([day] if calendar.is_session(day) else [])
    if calendar.is_session(day):
        assert day.weekday() < 5
        opens, closes = calendar.session_open(day), calendar.session_close(day)
        assert opens.astimezone(NEW_YORK) == new_york(day, "09:30")
        assert closes - opens in (timedelta(hours=6.5), timedelta(hours=3.5), timedelta(hours=4.5))
        assert calendar.new_york_date(opens) == calendar.new_york_date(closes) == day


@given(SUPPORTED, st.integers(0, 40))
def test_sessions_of_a_span_are_the_days_that_are_sessions(first: date, length: int) -> None:
    last = min(first + timedelta(days=length), date(2100, 12, 31))
    days = calendar.utc_days(first, last)
    assert len(days) == (last - first).days + 1
    assert calendar.sessions(first, last) == [day for day in days if calendar.is_session(day)]


@given(st.dates(date(1990, 1, 2), date(2100, 12, 30)))
@example(date(2001, 9, 12))
def test_previous_and_next_session_enclose_a_day_with_nothing_between(day: date) -> None:
    before, after = calendar.previous_session(day), calendar.next_session(day)
    assert before <= day <= after
    assert calendar.sessions(before, after) == ([day] if calendar.is_session(day) else [before, after])
    assert after - before <= timedelta(days=7)  # September 2001 has the longest break


def test_no_days_between_swapped_bounds() -> None:
    assert calendar.sessions(date(2026, 11, 20), date(2026, 11, 16)) == []
    assert calendar.utc_days(date(2026, 11, 20), date(2026, 11, 16)) == []


@pytest.mark.fault("A07")
@pytest.mark.parametrize("day", [date(1989, 12, 29), date(2101, 1, 3)])
def test_a_day_beyond_the_calendar_is_refused_with_its_bounds(day: date) -> None:
    with pytest.raises(InvalidRequest, match="the calendar knows 1990-01-01 to 2100-12-31"):
        calendar.is_session(day)
    with pytest.raises(InvalidRequest):
        calendar.sessions(min(day, date(2026, 1, 1)), max(day, date(2026, 1, 1)))


@given(INSTANTS)
@example(new_york(date(2026, 11, 27), "13:00"))
@example(new_york(date(2026, 11, 20), "16:00") - timedelta(microseconds=1))
def test_expected_stock_session_is_the_newest_one_that_has_closed(now: datetime) -> None:
    session = calendar.expected_through("stock", now)
    assert calendar.session_close(session) <= now
    assert calendar.expected_through("etf", now) == session
    later = calendar.sessions(session + timedelta(days=1), min(session + timedelta(days=7), calendar.LAST_DAY))
    assert all(calendar.session_close(day) > now for day in later[:1])


@given(INSTANTS)
@example(new_york(date(2026, 11, 20), "09:30"))
def test_latest_session_is_the_newest_one_that_has_opened(now: datetime) -> None:
    session = calendar.latest_session(now)
    assert calendar.session_open(session) <= now
    later = calendar.sessions(session + timedelta(days=1), min(session + timedelta(days=7), calendar.LAST_DAY))
    assert all(calendar.session_open(day) > now for day in later[:1])


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 22, 0, 9, 59, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 22, 0, 10, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2024, 3, 1, 0, 10, tzinfo=UTC), date(2024, 2, 29)),
    ],
)
def test_expected_coin_day_is_the_last_one_over_once_it_is_published(now: datetime, expected: date) -> None:
    assert calendar.expected_through("crypto", now) == expected


@pytest.mark.fault("U28")
@pytest.mark.parametrize(
    ("asset_class", "seen_at", "final"),
    [
        ("stock", new_york(date(2026, 11, 20), "16:30"), False),
        ("stock", new_york(date(2026, 11, 20), "23:59"), False),  # past midnight UTC, still the day in New York
        ("etf", new_york(date(2026, 11, 21), "00:00"), True),
        ("crypto", datetime(2026, 11, 20, 23, 59, tzinfo=UTC), False),
        ("crypto", datetime(2026, 11, 21, 0, 0, tzinfo=UTC), True),
    ],
)
def test_a_bar_is_final_when_its_day_is_over(asset_class: str, seen_at: datetime, final: bool) -> None:
    assert calendar.is_final(asset_class, date(2026, 11, 20), seen_at) is final  # type: ignore[arg-type]


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("asset_class", "seen_at", "settled"),
    [
        ("stock", new_york(date(2026, 11, 20), "23:59"), False),
        ("stock", new_york(date(2026, 11, 21), "11:59:59"), False),
        ("stock", new_york(date(2026, 11, 21), "12:00"), True),
        ("etf", new_york(date(2026, 11, 22), "00:01"), True),
        ("crypto", datetime(2026, 11, 21, 0, 59, 59, tzinfo=UTC), False),
        ("crypto", datetime(2026, 11, 21, 1, 0, tzinfo=UTC), True),
    ],
)
def test_an_empty_answer_proves_absence_only_once_the_vendor_had_time(
    asset_class: str, seen_at: datetime, settled: bool
) -> None:
    assert calendar.is_settled(asset_class, date(2026, 11, 20), seen_at) is settled  # type: ignore[arg-type]


@pytest.mark.promise("P10")
@given(st.sampled_from(["stock", "etf", "crypto"]), INSTANTS, st.integers(-3, 3))
def test_what_is_settled_is_final_and_what_is_final_is_in_the_past(
    asset_class: str, seen_at: datetime, offset: int
) -> None:
    today = calendar.today(asset_class, seen_at)  # type: ignore[arg-type]
    session = min(today + timedelta(days=offset), calendar.LAST_DAY)
    settled = calendar.is_settled(asset_class, session, seen_at)  # type: ignore[arg-type]
    final = calendar.is_final(asset_class, session, seen_at)  # type: ignore[arg-type]
    assert final or not settled
    assert final == (session < today)


@pytest.mark.parametrize("rule", [calendar.new_york_date, calendar.utc_date, calendar.latest_session])
def test_an_instant_without_time_zone_is_refused(rule: object) -> None:
    with pytest.raises(ValueError, match="2026-11-20T16:30:00 has no time zone"):
        rule(datetime(2026, 11, 20, 16, 30))  # type: ignore[operator]  # noqa: DTZ001
