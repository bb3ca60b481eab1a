"""Why something is missing, in one word for programs and in a sentence for people, and when it is tried next."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from marketdata.domain.coverage import Span, Spans
from marketdata.domain.sessions import NEW_YORK, new_york_date, next_session, sessions, utc_days

if TYPE_CHECKING:
    from marketdata.domain.bars import AssetClass

DAILY_RUN, DAILY_AT = "historical_daily", time(16, 30)
WEEKLY_RUN, WEEKLY_AT = "historical_backfill", time(2)
"""The scheduled runs that fill what is missing, and their New York times: on trading days, and on Sundays."""

_SUNDAY = 6


class Cause(StrEnum):
    """What stands in the way of the next try, or stood in the way of the last one."""

    CLIPPED = "clipped"
    REFUSED = "refused"
    NOT_YET = "not_yet"
    FAILED = "failed"
    PROVISIONAL = "provisional"
    PLANNED = "planned"
    LEFT_OPEN = "left_open"
    NEVER_ASKED = "never_asked"


SAID: dict[Cause, str] = {
    Cause.CLIPPED: "the vendor's plan does not reach back so far",
    Cause.REFUSED: "the vendor's bar was refused and is in quarantine",
    Cause.NOT_YET: "the vendor has not published it yet",
    Cause.FAILED: "the last call failed",
    Cause.PROVISIONAL: "its bar was seen before the day was over, and not since",
    Cause.PLANNED: "a call for it is planned and not made yet",
    Cause.LEFT_OPEN: "it was asked for, and the answer proved nothing about it",
    Cause.NEVER_ASKED: "it was never asked for",
}


@dataclass(frozen=True, slots=True)
class NextRun:
    """A scheduled run and the aware instant at which it starts."""

    dag_id: str
    at: datetime


def next_run(now: datetime) -> NextRun:
    """The first scheduled run after ``now`` that asks for what is missing."""
    day = new_york_date(now)
    session = next_session(day)
    daily = _new_york(session, DAILY_AT)
    if daily <= now:
        daily = _new_york(next_session(session + timedelta(days=1)), DAILY_AT)
    sunday = day + timedelta(days=(_SUNDAY - day.weekday()) % 7)
    weekly = _new_york(sunday, WEEKLY_AT)
    if weekly <= now:
        weekly = _new_york(sunday + timedelta(days=7), WEEKLY_AT)
    return NextRun(DAILY_RUN, daily) if daily <= weekly else NextRun(WEEKLY_RUN, weekly)


def next_try(cause: Cause, retry_at: Iterable[datetime | None], now: datetime, *, is_followed: bool) -> NextRun | None:
    """The scheduled run that asks again, the first one that is not before any ``retry_at``.

    None for an asset that is not followed, and for history that the plan does not reach: no run asks for these.
    """
    if not is_followed or cause is Cause.CLIPPED:
        return None
    earliest = max((instant for instant in retry_at if instant is not None), default=now)
    return next_run(max(now, earliest - timedelta(microseconds=1)))


def on_sessions(spans: Spans, axis: Sequence[date]) -> tuple[Spans, int]:
    """``spans`` cut back to begin and end on sessions, and how many of them they hold.

    ``axis`` are all sessions from the first to the last of these days at least, ascending. Spans with nothing but days
    off between them become one; without any session there is nothing left.
    """
    runs: list[tuple[int, int]] = []
    for span in spans:
        start, stop = bisect_left(axis, span.first), bisect_right(axis, span.last)
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], stop)
        elif start < stop:
            runs.append((start, stop))
    kept = tuple(Span(axis[start], axis[stop - 1]) for start, stop in runs)
    return kept, sum(stop - start for start, stop in runs)


def axis_of(asset_class: AssetClass, first: date, last: date) -> list[date]:
    """The sessions of a class from ``first`` to ``last``, ascending: trading days, or every UTC day for crypto."""
    return utc_days(first, last) if asset_class == "crypto" else sessions(first, last)


def _new_york(day: date, at: time) -> datetime:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)
