"""Days and instants as they are typed on the command line."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from marketdata.domain.sessions import NEW_YORK
from marketdata.errors import InvalidRequest


def read_day(option: str, text: str) -> date:
    """A day written like 2026-11-20; InvalidRequest names the option."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{option} {text!r:.40}", "it is no day", "write it like 2026-11-20") from error


def read_instant(option: str, text: str) -> datetime:
    """An instant with its offset, in UTC; InvalidRequest names the option."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidRequest(
            f"{option} {text!r:.40}",
            "it is no instant with an offset",
            "write it like 2026-11-20T16:00:00-05:00, or 2026-11-20T21:00:00Z",
        )
    return instant.astimezone(UTC)


def new_york_midnight(day: date) -> datetime:
    """The instant at which a day begins in New York."""
    return datetime.combine(day, time(), NEW_YORK)
