"""Trading minutes between two instants, against a count of the minutes one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.domain.sessions import is_session, new_york_date, session_close, session_open
from marketdata.domain.trading_time import TradingTime, as_datetime, instant64

NOW = datetime(2026, 12, 31, 12, tzinfo=UTC)
EXCHANGE = TradingTime.of_exchange(NOW)
START = datetime(2026, 1, 5, tzinfo=UTC)


def counted(start: datetime, end: datetime) -> int:
    """Whole minutes that begin in open hours, one by one."""
    minutes, at = 0, start
    while at < end:
        day = new_york_date(at)
        minutes += is_session(day) and session_open(day) <= at < session_close(day)
        at += timedelta(minutes=1)
    return minutes


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """An instant of a day in UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


AROUND = st.sampled_from(
    [
        *(date(2026, 3, 6), date(2026, 3, 9)),  # the clocks go forward in between
        *(date(2026, 10, 30), date(2026, 11, 2)),  # and back
        *(date(2026, 7, 2), date(2026, 7, 3), date(2026, 11, 25), date(2026, 11, 27), date(2026, 12, 24)),
        *(date(2026, 1, 16), date(2026, 4, 2), date(2026, 6, 18), date(2026, 9, 4)),
    ]
)
MINUTES = st.integers(0, 60 * 24 * 4)


@settings(max_examples=150)
@given(day=AROUND, first=MINUTES, length=MINUTES)
def test_trading_minutes_are_those_that_a_count_minute_by_minute_finds(day: date, first: int, length: int) -> None:
    start = at(day, 0) + timedelta(minutes=first)
    end = start + timedelta(minutes=length)
    assert EXCHANGE.minutes_since(start, end) == counted(start, end)
    assert EXCHANGE.minutes(np.array([instant64(start)]), end).tolist() == [counted(start, end)]


@settings(max_examples=150)
@given(cuts=st.lists(st.floats(0, 360 * 86_400), min_size=3, max_size=3))
def test_trading_minutes_add_up(cuts: list[float]) -> None:
    first, middle, last = (START + timedelta(seconds=cut) for cut in sorted(cuts))
    parts = EXCHANGE.minutes_since(first, middle) + EXCHANGE.minutes_since(middle, last)
    assert parts == pytest.approx(EXCHANGE.minutes_since(first, last), abs=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        (datetime(2026, 11, 20, 20, 59, tzinfo=UTC), datetime(2026, 11, 23, 14, 31, tzinfo=UTC), 2.0),  # a weekend
        (datetime(2026, 11, 27, 17, 58, tzinfo=UTC), datetime(2026, 11, 27, 21, 0, tzinfo=UTC), 2.0),  # an early close
        (datetime(2026, 11, 25, 20, 59, tzinfo=UTC), datetime(2026, 11, 27, 14, 31, tzinfo=UTC), 2.0),  # Thanksgiving
        (datetime(2026, 3, 6, 20, 59, tzinfo=UTC), datetime(2026, 3, 9, 13, 31, tzinfo=UTC), 2.0),  # clocks forward
        (datetime(2026, 10, 30, 19, 59, tzinfo=UTC), datetime(2026, 11, 2, 14, 31, tzinfo=UTC), 2.0),  # clocks back
        (datetime(2026, 11, 20, 22, 0, tzinfo=UTC), datetime(2026, 11, 21, 15, 0, tzinfo=UTC), 0.0),  # all at night
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), datetime(2026, 11, 20, 14, 0, tzinfo=UTC), 0.0),  # in the future
    ],
)
def test_no_minute_passes_while_the_exchange_is_closed(start: datetime, end: datetime, minutes: float) -> None:
    assert EXCHANGE.minutes_since(start, end) == minutes


def test_the_day_of_mourning_that_no_rule_knows_has_no_minutes() -> None:
    time = TradingTime.of_exchange(datetime(2025, 1, 10, 20, tzinfo=UTC))
    eve = datetime(2025, 1, 8, 20, 59, tzinfo=UTC)
    assert time.minutes_since(eve, datetime(2025, 1, 10, 14, 31, tzinfo=UTC)) == 2.0


def test_a_column_is_counted_at_once_and_nothing_known_stays_unknown() -> None:
    end = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    column = np.array(["2026-11-20T14:30", "NaT", "2026-11-20T14:59:30"], dtype="datetime64[us]")
    assert EXCHANGE.minutes(column, end).tolist()[::2] == [30.0, 0.5]
    assert np.isnan(EXCHANGE.minutes(column, end)[1])
    assert TradingTime.always().minutes(column[:1], end).tolist() == [30.0]
    assert len(EXCHANGE.minutes(column[:0], end)) == 0


def test_around_the_clock_every_minute_counts() -> None:
    friday, monday = datetime(2026, 11, 20, 22, tzinfo=UTC), datetime(2026, 11, 23, 14, tzinfo=UTC)
    always = TradingTime.always()
    assert always.minutes_since(friday, monday) == (monday - friday).total_seconds() / 60
    assert always.is_open(friday)
    assert always.opened_at(friday) is None


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (datetime(2026, 11, 27, 14, 29, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 27, 14, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 27, 18, 0, tzinfo=UTC), True),  # the early close itself
        (datetime(2026, 11, 27, 18, 0, 1, tzinfo=UTC), False),
        (datetime(2026, 11, 28, 15, 0, tzinfo=UTC), False),
    ],
)
def test_open_is_from_the_open_to_the_close_inclusive(now: datetime, is_open: bool) -> None:
    assert TradingTime.of_exchange(now).is_open(now) is is_open


def test_the_exchange_is_open_a_while_after_the_close_where_a_tail_is_given() -> None:
    now = datetime(2026, 11, 27, 18, 4, tzinfo=UTC)
    assert TradingTime.of_exchange(now).is_open(now, tail=timedelta(minutes=5))
    assert not TradingTime.of_exchange(now).is_open(now, tail=timedelta(minutes=3))


def test_instants_survive_the_way_to_numpy_and_back() -> None:
    instant = datetime(2026, 11, 20, 15, 0, 0, 123456, tzinfo=UTC)
    assert as_datetime(instant64(instant)) == instant
    assert as_datetime(np.datetime64("NaT")) is None
