"""How often a vendor is asked: never more than the month's credits pay, each asset once a cadence, in market hours."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marketdata.domain.cadence import (
    CREDITS_USED,
    Cadence,
    choose_cadence,
    due_part,
    is_trading,
    part_of,
    rounds_left,
    still_fits,
)
from marketdata.domain.sessions import session_close, session_open, sessions, utc_days

MINUTE = timedelta(minutes=1)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31, 23), timezones=st.just(UTC))  # noqa: DTZ001


def ticks_left(now: datetime, *, around_the_clock: bool) -> list[datetime]:
    """Every minute of the schedule from ``now`` to the end of its month in UTC."""
    first = now.astimezone(UTC).date()
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    if around_the_clock:
        spans = [(datetime(day.year, day.month, day.day, tzinfo=UTC), 1439) for day in utc_days(first, last)]
    else:
        days = sessions(first, last)
        spans = [(session_open(day), (session_close(day) - session_open(day)) // MINUTE) for day in days]
    ticks = [start + minute * MINUTE for start, length in spans for minute in range(length + 1)]
    return [tick for tick in ticks if tick >= now]


def rounds(cadence: Cadence, ticks: list[datetime], *, around_the_clock: bool) -> Counter[int]:
    """How often each part is due over these ticks, each of which is run."""
    parts: Counter[int] = Counter()
    asked_at = ticks[0] - MINUTE if ticks else None
    for tick in ticks:
        part = due_part(cadence, tick, around_the_clock=around_the_clock, last_asked_at=asked_at)
        if part is not None:
            parts[part] += 1
            asked_at = tick
    return parts


def test_what_costs_no_credits_is_asked_for_each_minute() -> None:
    assert choose_cadence(1, per_tick=1, credits_left=None, now=DECEMBER, around_the_clock=False) == Cadence(1)


@pytest.mark.parametrize(
    ("calls", "credits_left", "around_the_clock", "minutes"),
    [
        (1, 10_000, False, 2),  # 8,422 ticks in December 2026, of which 0.8 of 10,000 credits pay 8,000
        (2, 10_000, False, 3),
        (1, 10_000, True, 6),
        (4, 10_000, True, 23),
        (48, 10_000, False, 56),
        (48, 500_000, False, 2),
        (1, 500_000, True, 1),
        (1, 0, False, 390),
    ],
)
def test_the_cadence_is_the_shortest_that_the_months_credits_pay(
    calls: int, credits_left: int, around_the_clock: bool, minutes: int
) -> None:
    cadence = choose_cadence(
        calls, per_tick=100, credits_left=credits_left, now=DECEMBER, around_the_clock=around_the_clock
    )
    assert cadence == Cadence(minutes)


@pytest.mark.parametrize("credits_left", [0, 1])
def test_a_month_that_has_no_tick_left_needs_no_pace(credits_left: int) -> None:
    last_weekend = datetime(2026, 5, 30, tzinfo=UTC)
    cadence = choose_cadence(1, per_tick=1, credits_left=credits_left, now=last_weekend, around_the_clock=False)
    assert cadence == Cadence(1)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 20_000), INSTANTS, st.booleans())
@example(7, 1, 184, datetime(2026, 7, 27, 18, tzinfo=UTC), False)  # 150 minutes are left of the day, and 147 credits
def test_no_cadence_spends_more_than_its_part_of_the_credits_and_none_shorter_would_do(
    calls: int, per_tick: int, credits_left: int, now: datetime, around_the_clock: bool
) -> None:
    cadence = choose_cadence(
        calls, per_tick=per_tick, credits_left=credits_left, now=now, around_the_clock=around_the_clock
    )
    longest = 1440 if around_the_clock else 390
    spent = calls * rounds_left(cadence.minutes, now, around_the_clock=around_the_clock)
    assert spent <= CREDITS_USED * credits_left or cadence.minutes == longest
    assert cadence.parts * per_tick >= calls
    for minutes in range(cadence.parts, cadence.minutes):
        assert calls * rounds_left(minutes, now, around_the_clock=around_the_clock) > int(CREDITS_USED * credits_left)


@settings(max_examples=20)
@given(st.integers(1, 60), INSTANTS, st.booleans())
def test_rounds_are_counted_by_the_calendar(minutes: int, now: datetime, around_the_clock: bool) -> None:
    ticks = ticks_left(now, around_the_clock=around_the_clock)
    due = rounds(Cadence(minutes), ticks, around_the_clock=around_the_clock)
    anchored = sum(due.values())
    # the day may have begun before: then its first round, missed before now, is made up for
    assert anchored - rounds_left(minutes, now, around_the_clock=around_the_clock) in {0, 1}


@pytest.mark.fault("U31")
@pytest.mark.parametrize("around_the_clock", [False, True])
@pytest.mark.parametrize("calls", [1, 48])
@pytest.mark.parametrize("batch_each_day", [0, 300])
def test_a_month_of_ticks_never_spends_more_credits_than_the_month_has(
    batch_each_day: int, calls: int, around_the_clock: bool
) -> None:
    """Tick by tick as the flow decides, from the month before on, with batch spending nine tenths at most beside it."""
    ticks = ticks_left(DECEMBER, around_the_clock=around_the_clock)
    cadence, decided_at, asked_at = Cadence(1), ticks[0] - timedelta(days=2), ticks[0] - timedelta(days=2)
    spent, rounds_made, decisions, day = 0, 0, 0, None
    for tick in ticks:
        if tick.date() != day:
            day, spent = tick.date(), max(spent, min(spent + batch_each_day, 9_000))
        limits = {"per_tick": 60, "credits_left": 10_000 - spent, "now": tick, "around_the_clock": around_the_clock}
        if not still_fits(cadence.minutes, calls, decided_at=decided_at, **limits):
            cadence, decided_at = choose_cadence(calls, **limits), tick
            decisions += 1
        if due_part(cadence, tick, around_the_clock=around_the_clock, last_asked_at=asked_at) is not None:
            spent, asked_at, rounds_made = spent + calls, tick, rounds_made + 1
    assert spent <= 10_000
    assert rounds_made * calls >= (4_000 if not batch_each_day else 500), "what is there is used"
    assert decisions < 40


@given(st.integers(1, 30), st.integers(0, 30))
def test_each_part_is_due_once_a_cadence_at_a_tick_of_its_own(parts: int, more: int) -> None:
    cadence = Cadence(parts + more, parts)
    start = session_open(date(2026, 11, 20))
    for begin in range(0, 390 - cadence.minutes, cadence.minutes):
        ticks = [start + (begin + minute) * MINUTE for minute in range(cadence.minutes)]
        assert rounds(cadence, ticks, around_the_clock=False) == Counter(range(parts))


def test_a_tick_of_no_vendor_is_due_only_where_a_round_was_missed() -> None:
    tick = session_open(date(2026, 11, 20)) + 7 * MINUTE
    due = [
        due_part(Cadence(5), tick, around_the_clock=False, last_asked_at=asked_at)
        for asked_at in (tick - 2 * MINUTE, tick - 3 * MINUTE, None)
    ]
    assert due == [None, 0, 0]


@given(st.integers(0, 500), st.integers(1, 40))
def test_the_parts_are_together_all_assets_once(assets: int, parts: int) -> None:
    slices = [part_of(range(assets), part, parts) for part in range(parts)]
    assert [asset for part in slices for asset in part] == list(range(assets))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


@pytest.mark.parametrize(
    ("moment", "stocks"),
    [
        ("2026-11-20T14:29:59+00:00", False),
        ("2026-11-20T14:30:00+00:00", True),
        ("2026-11-20T21:00:00+00:00", True),
        ("2026-11-20T21:00:01+00:00", False),
        ("2026-11-21T15:00:00+00:00", False),  # a Saturday
        ("2026-11-26T15:00:00+00:00", False),  # Thanksgiving
        ("2026-11-27T18:00:00+00:00", True),  # closes at 13:00
        ("2026-11-27T18:01:00+00:00", False),
        ("2026-10-30T13:30:00+00:00", True),  # summer time still
        ("2026-11-02T13:30:00+00:00", False),
    ],
)
def test_stocks_are_followed_from_the_open_to_the_close_and_coins_too_or_always(moment: str, stocks: bool) -> None:
    instant = datetime.fromisoformat(moment)
    assert is_trading("polygon", instant, around_the_clock=False) is stocks
    assert is_trading("coingecko", instant, around_the_clock=False) is stocks
    assert is_trading("polygon", instant, around_the_clock=True) is stocks
    assert is_trading("coingecko", instant, around_the_clock=True)


def test_a_delayed_plan_is_asked_until_it_has_told_the_close() -> None:
    close, delay = session_close(date(2026, 11, 20)), timedelta(minutes=15)
    asked = [
        is_trading("polygon", close + minutes * MINUTE, around_the_clock=True, delay=delay) for minutes in (15, 16)
    ]
    assert asked == [True, False]
