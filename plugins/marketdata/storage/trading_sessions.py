"""Keeps the table of trading days in step with the calendar, so that SQL can count expected sessions."""

from __future__ import annotations

from datetime import date

from marketdata.domain.sessions import session_close, session_open, sessions
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

FIRST_SESSION = date(2003, 1, 1)
YEARS_AHEAD = 2


def fill(connection: Connection, today: date) -> int:
    """Make the table hold exactly the calendar from 2003 to the end of the second year after ``today``.

    Returns the number of rows written; 0 when it held just that.
    """
    last = date(today.year + YEARS_AHEAD, 12, 31)
    days = sessions(FIRST_SESSION, last)
    values = {
        "sessions": days,
        "opens_at": [session_open(day) for day in days],
        "closes_at": [session_close(day) for day in days],
        "first": FIRST_SESSION,
        "last": last,
    }
    return connection.execute(statement("sessions/fill"), values).rowcount


def ensure_reach(connection: Connection, today: date) -> None:
    """Fill the table if it ends less than a year after ``today``."""
    row = connection.execute(statement("sessions/find_last")).fetchone()
    last = row[0] if row else None
    if not isinstance(last, date) or (last - today).days < 365:
        fill(connection, today)
