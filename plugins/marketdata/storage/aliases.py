"""Which ticker means which asset, now and before; what the vendor's lists of tickers change about our assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from marketdata.domain.coverage import Span
from marketdata.domain.identity import Followed
from marketdata.domain.succession import Succession
from marketdata.domain.tickers import Periods, TickerBook, TickerPeriod, period
from marketdata.storage.connection import Connection
from marketdata.storage.day_ranges import multirange
from marketdata.storage.statements import statement


@dataclass(frozen=True, slots=True)
class _Period:
    asset_id: int
    symbol: str | None
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class _Alias(_Period):
    vendor_symbol: str
    delisted_on: date | None


def find_followed(
    connection: Connection, symbols: Sequence[str] | None, *, asset_ids: Sequence[int] | None = None
) -> list[Followed]:
    """The stocks and ETFs whose reference data are kept up, or those of these house symbols or ids, by asset_id.

    Besides all that are followed these are the ones that the vendor did not know for a while (see :func:`mark_gone`).
    """
    values = {
        "symbols": None if symbols is None else list(symbols),
        "asset_ids": None if asset_ids is None else list(asset_ids),
    }
    with connection.cursor(row_factory=class_row(Followed)) as cursor:
        return cursor.execute(statement("aliases/list_followed"), values).fetchall()


def find_histories(connection: Connection) -> dict[int, Periods]:
    """The ticker history of every stock and ETF, as it is stored."""
    return _by_asset(_aliases(connection))


def find_periods(connection: Connection) -> dict[int, Periods]:
    """What to ask for under which ticker, for the few assets whose present ticker alone does not tell.

    A period without a symbol comes first: nobody is to be asked for its days, since the ticker was another asset's.
    """
    with connection.cursor(row_factory=class_row(_Period)) as cursor:
        return _by_asset(cursor.execute(statement("aliases/list_periods")).fetchall())


def find_ticker_book(connection: Connection) -> TickerBook:
    """Whose share a ticker meant on a day, for all stocks and ETFs."""
    entries: dict[str, list[tuple[Span, int]]] = {}
    lives: dict[int, tuple[str, list[Span]]] = {}
    for alias in _aliases(connection):
        start, end = alias.first or date.min, min(alias.last or date.max, alias.delisted_on or date.max)
        if alias.symbol is not None and start <= end:
            entries.setdefault(alias.symbol, []).append((Span(start, end), alias.asset_id))
            lives.setdefault(alias.asset_id, (alias.vendor_symbol, []))[1].append(Span(start, end))
    relabelled = {
        vendor_symbol: (asset_id, Span(spans[0].first, spans[-1].last))
        for asset_id, (vendor_symbol, spans) in lives.items()
        if len(spans) > 1
    }
    return TickerBook(entries, relabelled)


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling an asset did besides: bars that were ``retracted``, and what the asset is called now that was
    ``displaced`` from its house symbol (empty: none was).
    """

    retracted: int
    displaced: str


def settle(connection: Connection, after: Succession, *, run_id: int, at: datetime, today: date) -> Settled:
    """Let an asset stand as ``after`` says, and note it as identified.

    Bars that were not its own are retracted: kept as revisions, and their days, asked for under a wrong ticker, are
    missing again. An asset that had the house symbol until now is called after its ticker and its last session.
    """
    connection.execute(statement("bars/lock_asset"), {"vendor": "polygon", "asset_id": after.asset_id})
    asset = {"asset_id": after.asset_id, "symbol": after.symbol}
    holder = connection.execute(statement("aliases/free_symbol"), {**asset, "today": today}).fetchone()
    displaced = str(holder[0]) if holder else ""
    connection.execute(
        statement("aliases/update_asset"),
        {
            **asset,
            "vendor_symbol": after.vendor_symbol,
            "figi": after.figi,
            "name": after.name,
            "listed_on": after.listed_on,
            "delisted_on": after.delisted_on,
        },
    )
    connection.execute(statement("aliases/drop"), {"asset_id": after.asset_id})
    named = [one for one in after.periods if one.symbol is not None]
    connection.execute(
        statement("aliases/add"),
        {
            "asset_id": after.asset_id,
            "symbols": [one.symbol for one in named],
            "firsts": [None if one.span.first == date.min else one.span.first for one in named],
            "lasts": [None if one.span.last == date.max else one.span.last for one in named],
        },
    )
    identified = {"asset_id": after.asset_id, "today": today, "in_full": bool(after.moved)}
    connection.execute(statement("reference/identify"), identified)
    if not after.moved:
        return Settled(0, displaced)
    days = {"asset_id": after.asset_id, "days": multirange(after.moved), "at": at, "run_id": run_id}
    row = connection.execute(statement("aliases/retract"), days).fetchone()
    return Settled(int(str(row[0])) if row else 0, displaced)


def mark_gone(connection: Connection, asset_id: int, vendor_symbol: str, on: date) -> bool:
    """End the daily tries for an asset whose present ``vendor_symbol`` the vendor does not know; its history stays.

    False if they had ended, or if it is a former symbol of the asset.
    """
    values = {"asset_id": asset_id, "vendor_symbol": vendor_symbol, "on": on}
    return connection.execute(statement("aliases/mark_gone"), values).rowcount > 0


def revive_coins(connection: Connection, before: date) -> list[str]:
    """Follow again the coins that the vendor did not know on or before a day; returns their house symbols."""
    rows = connection.execute(statement("aliases/revive_coins"), {"before": before}).fetchall()
    return [str(symbol) for (symbol,) in rows]


def _aliases(connection: Connection) -> list[_Alias]:
    with connection.cursor(row_factory=class_row(_Alias)) as cursor:
        return cursor.execute(statement("aliases/list_all")).fetchall()


def _by_asset(rows: Iterable[_Period]) -> dict[int, Periods]:
    found: dict[int, list[TickerPeriod]] = {}
    for row in rows:
        found.setdefault(row.asset_id, []).append(period(row.symbol, row.first, row.last))
    return {asset_id: tuple(periods) for asset_id, periods in found.items()}
