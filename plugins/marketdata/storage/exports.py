"""Daily bars as the text of a CSV file: a bounded number of assets at a time, every double with its shortest digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from marketdata.domain.coverage import Span
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

Adjusted = Literal["none", "splits", "total-return"]

COLUMNS = (
    "symbol",
    "session",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "volume_24h",
    "vwap",
    "trades",
    "is_final",
    "factor",
    "source",
    "known_since",
)
"""What a row has, in this order."""


@dataclass(frozen=True, slots=True)
class Series:
    """Which series of an asset: raw or adjusted, and as it was known at ``as_of`` (None: as it is known now).

    Adjusted ones count splits and dividends up to the New York date of ``as_of``, as they are known now.
    """

    adjusted: Adjusted = "none"
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """So many bars as ``text``, one a line."""

    count: int
    text: bytes


def read_bars(connection: Connection, asset_ids: Sequence[int], window: Span, series: Series, *, guarded: bool) -> Rows:
    """The bars of these assets within ``window``, both ends inclusive, by symbol and session; no header.

    Texts are UTF-8, what is not given is empty, instants have their offset. ``guarded``: a text that a spreadsheet
    would take for a formula has a ``'`` in front (fault S08).
    """
    if series.as_of is not None:
        connection.execute(statement("exports/set_date"), {"at": series.as_of})
    values = {
        "asset_ids": list(asset_ids),
        "first": window.first,
        "last": window.last,
        "known_at": series.as_of or "infinity",
        "adjusted": series.adjusted,
        "is_guarded": guarded,
    }
    bars = statement("exports/list_bars")
    with connection.cursor() as cursor:
        with cursor.copy(f"copy (\n{bars}\n) to stdout (format csv)", values) as copy:
            text = b"".join(bytes(part) for part in copy)
        return Rows(cursor.rowcount, text)
