"""The dates and times of an import file: each distinct one is read once, by the spec's format and in its time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from marketdata.domain.sessions import NEW_YORK

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UNITS = {"epoch": 1, "epoch_ms": 1000}
_LARGEST_EPOCH = 10**14
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Moment:
    """A session, which is the same day everywhere, or the start of an hour with the days that it belongs to.

    ``seconds`` since 1970 of the hour's start, 0 for a session.
    """

    new_york_day: date
    utc_day: date
    seconds: int = 0


@lru_cache(maxsize=1 << 16)
def read_session(value: object, form: str, zone: str | None) -> Moment | str:
    """The session that a value names, or why it names none: a time of day other than midnight is no session."""
    if value is None or value == "":
        return "session is missing"
    try:
        day = value if isinstance(value, date) else _read(value, form)
    except (ValueError, OverflowError):
        return f"session {str(value)[:_SHOWN]!r} is no date of format {form}"
    return _midnight(day, zone) if isinstance(day, datetime) else Moment(day, day)


@lru_cache(maxsize=1 << 16)
def read_hour(value: object, form: str, zone: str | None) -> Moment | str:
    """The start of the hour that a value names, or why it names none, or two."""
    if value is None or value == "":
        return "starts_at is missing"
    try:
        local = value if isinstance(value, datetime) else _read(value, form)
    except (ValueError, OverflowError):
        return f"starts_at {str(value)[:_SHOWN]!r} is no time of format {form}"
    instant = local if local.tzinfo is not None else _placed(local, zone)
    if isinstance(instant, str):
        return instant
    if instant.microsecond or not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        return f"starts_at {str(value)[:_SHOWN]!r} is no whole second of a year from {_FIRST_YEAR} to {_LAST_YEAR}"
    instant = instant.astimezone(UTC)
    seconds = (instant - _EPOCH) // timedelta(seconds=1)
    return Moment(instant.astimezone(NEW_YORK).date(), instant.date(), seconds)


def _read(value: object, form: str) -> datetime:
    """What a text, or a number since 1970, says; without a time zone if it names none. ValueError if it is no time."""
    text = str(value).strip()
    if form in _EPOCH_UNITS:
        return _since_epoch(text, form)
    return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007 - the spec says the zone


def _midnight(instant: datetime, zone: str | None) -> Moment | str:
    if instant.tzinfo is not None:
        if zone is None:
            return f"session {instant} is an instant: the spec needs the zone whose date it means"
        instant = instant.astimezone(ZoneInfo(zone))
    if instant.time() != time():
        return f"session {instant} has a time of day"
    return Moment(instant.date(), instant.date())


def _placed(local: datetime, zone: str | None) -> datetime | str:
    """A clock's time in its zone; clocks that are put back or forward show some times twice, and some never."""
    if zone is None:
        return f"starts_at {local} has no offset, and the spec names no zone"
    earlier, later = (local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if earlier.utcoffset() != later.utcoffset():
        return f"starts_at {local} is shown twice or never by clocks in {zone}"
    return earlier


def _since_epoch(text: str, form: str) -> datetime:
    try:
        units = Decimal(text)
        if abs(units) > _LARGEST_EPOCH:
            raise ValueError(text)
        return _EPOCH + timedelta(microseconds=int(units * 1_000_000 / _EPOCH_UNITS[form]))
    except ArithmeticError as error:
        raise ValueError(text) from error
