"""Chart ranges: a name such as ``1Y`` becomes the days it means."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING

from marketdata.domain.coverage import Span
from marketdata.domain.sessions import previous_session
from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from marketdata.domain.bars import AssetClass

RANGES = ("7D", "1M", "3M", "6M", "YTD", "1Y", "3Y", "5Y", "MAX")

EARLIEST: dict[AssetClass, date] = {
    "stock": date(2003, 9, 10),
    "etf": date(2003, 9, 10),
    "crypto": date(2013, 4, 28),
}
"""The first day that the vendor of an asset class has daily bars for."""

_MONTHS_BACK = {"1M": 1, "3M": 3, "6M": 6, "1Y": 12, "3Y": 36, "5Y": 60}


def window(range_name: str, today: date, *, asset_class: AssetClass = "stock") -> Span:
    """The days of a range that ends ``today``, both ends inclusive, calendar days and not only sessions.

    ``7D`` is today and the 6 days before. ``1M`` to ``5Y`` start on the same day of the month so many months ago, or on
    that month's last day where it is shorter. ``YTD`` starts on 1 January, ``MAX`` on the class's ``EARLIEST`` day.
    Raises InvalidRequest for any other name; names are case-sensitive.
    """
    if range_name == "7D":
        return Span(today - timedelta(days=6), today)
    if range_name == "YTD":
        return Span(today.replace(month=1, day=1), today)
    if range_name == "MAX":
        return Span(min(EARLIEST[asset_class], today), today)
    if range_name in _MONTHS_BACK:
        return Span(_months_before(today, _MONTHS_BACK[range_name]), today)
    raise InvalidRequest(f"range {range_name!r}", "there is no such range", f"use one of {', '.join(RANGES)}")


def due_with(session: date, *, asset_class: AssetClass = "stock") -> Span:
    """The days that became due with the run of one trading day, after its close.

    For stocks that is the day itself; for crypto the UTC days from the trading day before to the day before, so that
    the runs of consecutive trading days leave no weekend out.
    """
    if asset_class != "crypto":
        return Span(session, session)
    day_before = session - timedelta(days=1)
    return Span(previous_session(day_before), day_before)


def _months_before(day: date, months: int) -> date:
    """The same day of the month, ``months`` earlier, or that month's last day."""
    year, month_index = divmod(day.year * 12 + day.month - 1 - months, 12)
    month = month_index + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
