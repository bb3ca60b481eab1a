"""What is missing: expected sessions minus coverage, counted by the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from marketdata.domain.coverage import Gap, Span
from marketdata.storage.connection import Connection
from marketdata.storage.day_ranges import spans
from marketdata.storage.statements import statement

Market = Literal["us", "crypto"]

_CLASSES: dict[Market, list[str]] = {"us": ["stock", "etf"], "crypto": ["crypto"]}


def missing(
    connection: Connection, market: Market, window: Span, *, asset_ids: Sequence[int] | None, today: date
) -> list[Gap]:
    """The gaps of the assets of a market (all that are followed, or those given) within ``window``, from listing to
    delisting. A gap's spans begin and end on sessions; days off inside them are not missing.

    A bar seen before its day was over covers that day as long as the day is ``today`` or later.
    """
    values = {
        "asset_classes": _CLASSES[market],
        "asset_ids": None if asset_ids is None else list(asset_ids),
        "first": window.first,
        "last": window.last,
        "today": today,
        "is_exchange": market == "us",
    }
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement("coverage/missing"), values)
        return [Gap(tuple(ids), spans(firsts, lasts)) for ids, firsts, lasts in cursor]  # type: ignore[arg-type]


def missing_symbols(connection: Connection, market: Market, session: date, *, today: date) -> dict[str, int]:
    """Vendor symbol and asset_id of the followed assets of a market that miss one session; see :func:`missing`."""
    values = {"asset_classes": _CLASSES[market], "session": session, "today": today}
    rows = connection.execute(statement("coverage/missing_symbols"), values).fetchall()
    return {str(symbol): int(str(asset_id)) for symbol, asset_id in rows}


def rows_of_last_market_day(connection: Connection, session: date) -> int | None:
    """How many rows the newest market day before ``session`` had; None when none was asked for yet."""
    row = connection.execute(statement("calls/find_last_market_day"), {"session": session}).fetchone()
    return None if row is None else int(str(row[0]))
