"""Why the New York Stock Exchange is closed on a day, in words."""

from __future__ import annotations

from datetime import date

from marketdata.domain.sessions import UNSCHEDULED_CLOSURES, is_session

_SATURDAY = 5
_LAST_NEW_YEAR = 2  # a New Year's Day on a Sunday is made up for on Monday, the 2nd
_HOLIDAYS = {
    2: "Presidents' Day",
    3: "Good Friday",
    4: "Good Friday",
    5: "Memorial Day",
    6: "Juneteenth",
    7: "Independence Day",
    9: "Labor Day",
    11: "Thanksgiving Day",
    12: "Christmas Day",
}
"""The only holiday of each month; January has two."""


def why_closed(day: date) -> str:
    """``a Saturday``, ``Thanksgiving Day`` or ``mourning for Jimmy Carter``; empty for a trading day."""
    if is_session(day):
        return ""
    if day.weekday() >= _SATURDAY:
        return f"a {day:%A}"
    if day in UNSCHEDULED_CLOSURES:
        return UNSCHEDULED_CLOSURES[day]
    if day.month == 1:
        return "New Year's Day" if day.day <= _LAST_NEW_YEAR else "Martin Luther King Jr. Day"
    return _HOLIDAYS[day.month]
