"""Trading days: the New York Stock Exchange by rule (XNYS), UTC days for crypto, and when a day counts as over.

The exchange's calendar is computed, not downloaded: holidays follow fixed rules, and what no rule can know
(mourning, storms, attacks) stands in ``UNSCHEDULED_CLOSURES``. Years 1990 to 2100. Instants are aware.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from marketdata.domain.bars import AssetClass

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2100, 12, 31)
"""The calendar's bounds, both inclusive; asking for a day beyond them raises InvalidRequest."""

UNSCHEDULED_CLOSURES: dict[date, str] = {
    date(1994, 4, 27): "mourning for Richard Nixon",
    date(2001, 9, 11): "attacks on New York",
    date(2001, 9, 12): "attacks on New York",
    date(2001, 9, 13): "attacks on New York",
    date(2001, 9, 14): "attacks on New York",
    date(2004, 6, 11): "mourning for Ronald Reagan",
    date(2007, 1, 2): "mourning for Gerald Ford",
    date(2012, 10, 29): "hurricane Sandy",
    date(2012, 10, 30): "hurricane Sandy",
    date(2018, 12, 5): "mourning for George H. W. Bush",
    date(2025, 1, 9): "mourning for Jimmy Carter",
}
UNSCHEDULED_EARLY_CLOSES = frozenset({date(1997, 12, 26), date(1999, 12, 31), date(2003, 12, 26)})

_OPEN, _CLOSE = time(9, 30), time(16)
_EARLY_CLOSE, _EARLY_CLOSE_BEFORE_1993 = time(13), time(14)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6

_SETTLED_AT_NEW_YORK = time(12)
_SETTLED_AT_UTC = time(1)
_COIN_DAY_PUBLISHED_AFTER = timedelta(minutes=10)


def is_session(day: date) -> bool:
    """Whether the exchange trades on ``day``."""
    _refuse_beyond_calendar(day)
    return day.weekday() < _SATURDAY and day not in closures(day.year)


def sessions(first: date, last: date) -> list[date]:
    """The trading days from ``first`` to ``last``, both inclusive, ascending; empty if there is none between them."""
    _refuse_beyond_calendar(first)
    _refuse_beyond_calendar(last)
    found: list[date] = []
    for year in range(first.year, last.year + 1):
        found.extend(_sessions_of(year))
    return found[bisect_left(found, first) : bisect_right(found, last)]


def utc_days(first: date, last: date) -> list[date]:
    """The days from ``first`` to ``last``, both inclusive, ascending: the sessions of crypto."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def session_open(day: date) -> datetime:
    """09:30 New York of a trading day, in UTC; InvalidRequest if ``day`` is none."""
    _refuse_closed(day)
    return _new_york_instant(day, _OPEN)


def session_close(day: date) -> datetime:
    """The close of a trading day in UTC: 16:00 New York, 13:00 on an early-close day; InvalidRequest if it is none."""
    _refuse_closed(day)
    if day not in early_closes(day.year):
        return _new_york_instant(day, _CLOSE)
    return _new_york_instant(day, _EARLY_CLOSE if day.year >= 1993 else _EARLY_CLOSE_BEFORE_1993)


def previous_session(day: date) -> date:
    """The newest trading day that is not after ``day`` (``day`` itself if it is one)."""
    _refuse_beyond_calendar(day)
    while not is_session(day):
        day -= timedelta(days=1)
    return day


def next_session(day: date) -> date:
    """The first trading day that is not before ``day`` (``day`` itself if it is one)."""
    _refuse_beyond_calendar(day)
    while not is_session(day):
        day += timedelta(days=1)
    return day


def latest_session(now: datetime) -> date:
    """The newest session that has opened at or before ``now``: the current one, or the last one there was."""
    session = previous_session(new_york_date(now))
    return session if session_open(session) <= now else previous_session(session - timedelta(days=1))


def new_york_date(instant: datetime) -> date:
    """The date on a clock in New York; ValueError for a naive ``instant``."""
    return _aware(instant).astimezone(NEW_YORK).date()


def utc_date(instant: datetime) -> date:
    """The date in UTC; ValueError for a naive ``instant``."""
    return _aware(instant).astimezone(UTC).date()


def today(asset_class: AssetClass, now: datetime) -> date:
    """The day that it is for an asset: the date in UTC for crypto, else in New York."""
    return utc_date(now) if asset_class == "crypto" else new_york_date(now)


def final_through(asset_class: AssetClass, seen_at: datetime) -> date:
    """The last day that was over when an answer was seen: bars up to it, inclusive, are final."""
    return today(asset_class, seen_at) - timedelta(days=1)


def is_final(asset_class: AssetClass, session: date, seen_at: datetime) -> bool:
    """Whether the day of ``session`` was over, on the asset's own clock, when its bar was seen."""
    return session <= final_through(asset_class, seen_at)


def settled_through(asset_class: AssetClass, seen_at: datetime) -> date:
    """The last day for which an empty answer seen then proves that there is no bar, inclusive.

    Vendors publish late: a stock's day is settled from noon New York of the next calendar day, a coin's from 01:00 UTC.
    """
    zone, hour = (UTC, _SETTLED_AT_UTC) if asset_class == "crypto" else (NEW_YORK, _SETTLED_AT_NEW_YORK)
    local = _aware(seen_at).astimezone(zone)
    return local.date() - timedelta(days=1 if local.time() >= hour else 2)


def is_settled(asset_class: AssetClass, session: date, seen_at: datetime) -> bool:
    """Whether an empty answer seen at ``seen_at`` proves that ``session`` has no bar."""
    return session <= settled_through(asset_class, seen_at)


def expected_through(asset_class: AssetClass, now: datetime) -> date:
    """The last session that may be asked for at ``now``, inclusive.

    Stocks and ETFs: the newest session that has closed. Crypto: the last UTC day that is over, from 00:10 UTC on, when
    the vendor publishes it.
    """
    if asset_class == "crypto":
        return utc_date(now - _COIN_DAY_PUBLISHED_AFTER) - timedelta(days=1)
    session = previous_session(new_york_date(now))
    return session if session_close(session) <= now else previous_session(session - timedelta(days=1))


@cache
def closures(year: int) -> frozenset[date]:
    """The weekdays of ``year`` on which the exchange stays closed, holidays and unscheduled closures."""
    thanksgiving = _nth_weekday(year, 11, _THURSDAY, 4)
    holidays = {
        _sunday_to_monday(date(year, 1, 1)),  # on a Saturday it is not made up for
        _nth_weekday(year, 2, _MONDAY, 3),
        _easter(year) - timedelta(days=2),
        _last_monday_of_may(year),
        _nearest_weekday(date(year, 7, 4)),
        _nth_weekday(year, 9, _MONDAY, 1),
        thanksgiving,
        _nearest_weekday(date(year, 12, 25)),
    }
    if year >= 1998:
        holidays.add(_nth_weekday(year, 1, _MONDAY, 3))
    if year >= 2022:
        holidays.add(_nearest_weekday(date(year, 6, 19)))
    holidays.update(day for day in UNSCHEDULED_CLOSURES if day.year == year)
    return frozenset(day for day in holidays if day.weekday() < _SATURDAY)


@cache
def early_closes(year: int) -> frozenset[date]:
    """The sessions of ``year`` that end at 13:00 New York (14:00 before 1993)."""
    candidates = {day for day in UNSCHEDULED_EARLY_CLOSES if day.year == year}
    candidates.add(date(year, 12, 24))
    if year >= 1992:
        candidates.add(_nth_weekday(year, 11, _THURSDAY, 4) + timedelta(days=1))
    independence_day = date(year, 7, 4)
    if year >= 1995 and not (independence_day.weekday() == _THURSDAY and year < 2013):
        candidates.add(independence_day - timedelta(days=1))
    elif year >= 1995:
        candidates.add(independence_day + timedelta(days=1))
    return frozenset(day for day in candidates if is_session(day))


@cache
def _sessions_of(year: int) -> tuple[date, ...]:
    return tuple(day for day in utc_days(date(year, 1, 1), date(year, 12, 31)) if is_session(day))


def _nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th (from 1) such weekday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def _sunday_to_monday(day: date) -> date:
    return day + timedelta(days=1) if day.weekday() == _SUNDAY else day


def _nearest_weekday(day: date) -> date:
    """A holiday as the exchange observes it: Saturday's on Friday, Sunday's on Monday."""
    return day - timedelta(days=1) if day.weekday() == _SATURDAY else _sunday_to_monday(day)


def _easter(year: int) -> date:
    """Easter Sunday, Gregorian, by the algorithm of Meeus, Jones and Butcher."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)


def _new_york_instant(day: date, at: time) -> datetime:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone")
    return instant


def _refuse_closed(day: date) -> None:
    if not is_session(day):
        reason = UNSCHEDULED_CLOSURES.get(day, "a weekend or a holiday")
        raise InvalidRequest(f"session {day}", f"the exchange is closed: {reason}", "ask for a trading day")


def _refuse_beyond_calendar(day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidRequest(
            f"day {day}", f"the calendar knows {FIRST_DAY} to {LAST_DAY}", "ask for a day between them"
        )
