"""What a chart shows of one asset: its daily bars over a range, or the hours of its newest session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from psycopg.rows import class_row

from marketdata.domain.bars import VENDOR_OF
from marketdata.errors import UnknownAsset
from marketdata.storage.cache_values import DayValue, instant_text
from marketdata.storage.feeds import find_feeds
from marketdata.storage.hourly_bars import HourBar
from marketdata.storage.statements import statement

if TYPE_CHECKING:
    from datetime import date, datetime

    from marketdata.domain.bars import AssetClass
    from marketdata.domain.coverage import Span
    from marketdata.storage.connection import Connection

MOST_POINTS = 10_000
"""A chart has no more points than this; where there are more, the newest are shown."""


def find_charted(connection: Connection, symbol: str) -> tuple[int, AssetClass]:
    """Id and class of an asset; UnknownAsset where there is none of that symbol."""
    row = connection.execute(statement("charts/find_asset"), {"symbol": symbol}).fetchone()
    if row is None:
        raise unknown_asset([symbol])
    return cast("tuple[int, AssetClass]", row)


def find_known(connection: Connection, symbols: Sequence[str]) -> set[str]:
    """Those of the symbols that are assets."""
    return {str(symbol) for (symbol,) in connection.execute(statement("charts/list_known"), {"symbols": list(symbols)})}


def read_days(
    connection: Connection, asset_id: int, window: Span, adjusted: str, *, most: int = MOST_POINTS
) -> list[DayValue]:
    """The daily bars within ``window``, both ends inclusive, oldest first; the newest ``most`` where there are more.

    ``adjusted``: ``none``, ``splits`` or ``total-return``.
    """
    values = {"asset_id": asset_id, "first": window.first, "last": window.last, "adjusted": adjusted, "most": most}
    rows = connection.cursor(binary=True).execute(statement("charts/list_days"), values).fetchall()
    return [_day(*row) for row in reversed(cast("list[_Row]", rows))]


def read_newest_hours(
    connection: Connection, asset_id: int, symbol: str, asset_class: AssetClass, adjusted: str
) -> list[HourBar]:
    """The hours of the newest session that has any, oldest first; empty where none has."""
    zone = "UTC" if asset_class == "crypto" else "America/New_York"
    values = {"asset_id": asset_id, "symbol": symbol, "zone": zone, "adjusted": adjusted}
    with connection.cursor(row_factory=class_row(HourBar), binary=True) as cursor:
        return cursor.execute(statement("charts/list_hours"), values).fetchall()


def are_hours_delayed(connection: Connection, asset_class: AssetClass) -> bool:
    """Whether the vendor's plan delays the hours of a class."""
    feed = find_feeds(connection).get((VENDOR_OF[asset_class], "hourly"))
    return feed is not None and feed.delay_seconds > 0


def unknown_asset(symbols: Sequence[str]) -> UnknownAsset:
    """What a caller is told who asks for symbols that are none."""
    named = ", ".join(repr(symbol)[:40] for symbol in symbols[:10])
    return UnknownAsset(
        f"symbol {named}", "there is no such asset", "case matters: AAPL, BRK.B, X:BTCUSD; or follow it first"
    )


if TYPE_CHECKING:
    _Price = float | None
    _Row = tuple[date, _Price, _Price, _Price, float, _Price, datetime, str, bool]


def _day(
    session: date,
    first: _Price,
    high: _Price,
    low: _Price,
    close: float,
    volume: _Price,
    fetched_at: datetime,
    source: str,
    is_final: bool,
) -> DayValue:
    return DayValue(session.isoformat(), first, high, low, close, volume, instant_text(fetched_at), source, is_final)
