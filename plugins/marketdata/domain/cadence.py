"""How often a vendor is asked for present prices: as often as realtime's rate and the month's credits allow.

A *tick* is a minute of the schedule. A vendor's own ticks are those whose minute, counted from the open (or from
midnight UTC around the clock), the cadence divides. Calls too many for one tick are made in *parts*, over several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from marketdata.domain.sessions import (
    is_session,
    new_york_date,
    next_session,
    session_close,
    session_open,
    sessions,
    utc_date,
    utc_days,
)

if TYPE_CHECKING:
    from marketdata.domain.bars import Vendor

T = TypeVar("T")

FeedName = Literal["latest", "hourly"]
Way = Literal["snapshot", "last_trade", "minute_bar", "simple_price", "half_hours", "minute_prices", "none"]

CREDITS_USED = 0.8
"""The part of the credits left that the cadence plans to use: runs by hand and batch have the rest."""

_MINUTE = timedelta(minutes=1)
_MINUTES_OF_SESSION, _MINUTES_OF_DAY = 390, 1440


@dataclass(frozen=True, slots=True)
class Cadence:
    """Each asset is asked for every ``minutes``, its vendor's calls spread over ``parts`` ticks of that time."""

    minutes: int
    parts: int = 1


def choose_cadence(
    calls: int, *, per_tick: int, credits_left: int | None, now: datetime, around_the_clock: bool
) -> Cadence:
    """The shortest cadence at which ``calls`` a round fit ``per_tick`` calls a tick and the credits left of the month.

    ``credits_left`` None: not counted. Where they do not even pay one round a day, it is one round a day all the same:
    the quota stops what cannot be paid. Ticks are counted by the calendar, from ``now`` to the month's end in UTC.
    """
    longest = _MINUTES_OF_DAY if around_the_clock else _MINUTES_OF_SESSION
    parts = min(parts_of(calls, per_tick), longest)
    if credits_left is None or not calls:
        return Cadence(parts, parts)
    budget = int(credits_left * CREDITS_USED)
    days = _days_left(now, around_the_clock)
    minutes = parts  # a day that has begun may hold fewer rounds than its length: no division tells where to begin
    while minutes < longest and calls * _rounds(days, minutes) > budget:
        minutes += 1
    return Cadence(minutes, parts)


def still_fits(
    minutes: int,
    calls: int,
    *,
    per_tick: int,
    credits_left: int | None,
    decided_at: datetime,
    now: datetime,
    around_the_clock: bool,
) -> bool:
    """Whether a cadence that was chosen once will do: in the same month, while what is left of its credits lasts."""
    if minutes < parts_of(calls, per_tick):
        return False
    if credits_left is None:
        return True
    if utc_date(decided_at).replace(day=1) != utc_date(now).replace(day=1):
        return False
    return calls * rounds_left(minutes, now, around_the_clock=around_the_clock) <= credits_left


def parts_of(calls: int, per_tick: int) -> int:
    """Over how many ticks so many calls are spread, ``per_tick`` at most in each."""
    return max(1, -(-calls // max(1, per_tick)))


def rounds_left(minutes: int, now: datetime, *, around_the_clock: bool) -> int:
    """How many rounds at this cadence are left in the month of ``now`` (UTC)."""
    return _rounds(_days_left(now, around_the_clock), minutes)


def due_part(cadence: Cadence, tick: datetime, *, around_the_clock: bool, last_asked_at: datetime | None) -> int | None:
    """Which part of the calls is made at a tick, from 0; None where it is none of the vendor's ticks.

    A round whose tick was missed, or that never was, is made up for at the next tick, unless it has several parts.
    """
    minute = _minute_of(tick, around_the_clock)
    offset = minute % cadence.minutes
    part = offset * cadence.parts // cadence.minutes
    if -(-part * cadence.minutes // cadence.parts) == offset:
        return part
    missed = last_asked_at is None or last_asked_at < tick - offset * _MINUTE
    return 0 if missed and cadence.parts == 1 else None


def part_of(assets: Sequence[T], part: int, parts: int) -> Sequence[T]:
    """One of ``parts`` slices of about one length that together are all ``assets``."""
    return assets[len(assets) * part // parts : len(assets) * (part + 1) // parts]


def is_trading(vendor: Vendor, moment: datetime, *, around_the_clock: bool, delay: timedelta = timedelta()) -> bool:
    """Whether the vendor's market is followed at ``moment``: from the open to the close, ``delay`` added, inclusive.

    Coins are followed in the same hours, or always ``around_the_clock``; their prices bear no delay.
    """
    if vendor == "coingecko":
        if around_the_clock:
            return True
        delay = timedelta()
    day = new_york_date(moment)
    return is_session(day) and session_open(day) <= moment <= session_close(day) + delay


def _minute_of(tick: datetime, around_the_clock: bool) -> int:
    """Whole minutes from the open of the tick's day, or from midnight UTC."""
    if around_the_clock:
        start = datetime.combine(utc_date(tick), time(), UTC)
    else:
        start = session_open(next_session(new_york_date(tick)))
    return (tick - start) // _MINUTE


def _days_left(now: datetime, around_the_clock: bool) -> list[tuple[int, int]]:
    """First and last minute, from its start, of the ticks of each day that is left of the month, this one included."""
    today, last = utc_date(now), _last_of_month(utc_date(now))
    if around_the_clock:
        days = [(datetime.combine(day, time(), UTC), _MINUTES_OF_DAY - 1) for day in utc_days(today, last)]
    else:
        days = [
            (session_open(day), (session_close(day) - session_open(day)) // _MINUTE) for day in sessions(today, last)
        ]
    return [(max(0, -((start - now) // _MINUTE)), length) for start, length in days]


def _rounds(days: Sequence[tuple[int, int]], minutes: int) -> int:
    """How many of the days' ticks the cadence divides."""
    return sum(max(0, length // minutes - -(-first // minutes) + 1) for first, length in days)


def _last_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
