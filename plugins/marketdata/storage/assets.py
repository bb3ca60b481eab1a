"""The universe: which assets there are, on which lists, and how to find them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from psycopg.rows import class_row

from marketdata.domain.bars import VENDOR_OF, Asset
from marketdata.errors import InvalidRequest
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

COLUMNS = (
    "symbol",
    "asset_class",
    "vendor_symbol",
    "name",
    "listed_on",
    "delisted_on",
    "watchlists",
    "market_overview",
)
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,31}")


@dataclass(frozen=True, slots=True)
class LoadedAssets:
    """What a load did: assets new, changed, and the same as before; members of lists and overview added."""

    inserted: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class _Row:
    symbol: str
    asset_class: str
    vendor_symbol: str
    name: str
    listed_on: date | None
    delisted_on: date | None
    watchlists: tuple[str, ...]
    position: int | None


def load_assets(connection: Connection, rows: Sequence[Mapping[str, str | None]]) -> LoadedAssets:
    """Insert or update assets with their lists. ``rows`` have ``COLUMNS``, all text, empty for unknown.

    ``watchlists`` are separated by ``;``, ``market_overview`` is a place from 1. A loaded asset is on just the lists
    that its row names. Assets that no row names stay as they are. InvalidRequest names the first bad row; nothing is
    loaded then.
    """
    parsed = [_parse(number, row) for number, row in enumerate(rows, start=1)]
    _refuse_repeated(parsed)
    symbols = [row.symbol for row in parsed]
    written = connection.execute(
        statement("assets/upsert"),
        {
            "symbols": symbols,
            "asset_classes": [row.asset_class for row in parsed],
            "vendor_symbols": [row.vendor_symbol for row in parsed],
            "names": [row.name for row in parsed],
            "listed_on": [row.listed_on for row in parsed],
            "delisted_on": [row.delisted_on for row in parsed],
        },
    ).fetchall()
    members = [(row.symbol, name) for row in parsed for name in row.watchlists]
    names = sorted({name for _, name in members})
    connection.execute(statement("watchlists/create"), {"names": names})
    connection.execute(
        statement("watchlists/set_members"),
        {
            "symbols": symbols,
            "member_symbols": [symbol for symbol, _ in members],
            "member_lists": [name for _, name in members],
        },
    )
    positions = [row.position for row in parsed]
    connection.execute(statement("watchlists/set_overview"), {"symbols": symbols, "positions": positions})
    inserted = sum(1 for (is_new,) in written if is_new)
    return LoadedAssets(inserted, len(written) - inserted, len(parsed) - len(written))


def find_assets(connection: Connection, symbols: Sequence[str] | None) -> list[Asset]:
    """The assets with these house symbols, or all that are followed for None, by asset_id.

    InvalidRequest names each unknown symbol with its near matches.
    """
    wanted = None if symbols is None else list(symbols)
    with connection.cursor(row_factory=class_row(Asset)) as cursor:
        found = cursor.execute(statement("assets/find"), {"symbols": wanted}).fetchall()
    unknown = sorted(set(wanted or ()) - {asset.symbol for asset in found})
    if unknown:
        raise _unknown(connection, unknown)
    return found


def find_symbols(connection: Connection, asset_ids: Sequence[int]) -> list[str]:
    """The house symbols of these assets."""
    rows = connection.execute(statement("assets/list_symbols_of"), {"asset_ids": list(asset_ids)})
    return [str(symbol) for (symbol,) in rows]


def find_written(connection: Connection, run_id: int, batch: int | None = None) -> list[str]:
    """The house symbols of the assets that the calls of a run, or of one batch of it, may have written to so far."""
    rows = connection.execute(statement("assets/list_written"), {"run_id": run_id, "batch": batch})
    return [str(symbol) for (symbol,) in rows]


def _unknown(connection: Connection, unknown: Sequence[str]) -> InvalidRequest:
    existing = [str(symbol) for (symbol,) in connection.execute(statement("assets/list_symbols"))]
    named = []
    for symbol in unknown[:10]:
        near = get_close_matches(symbol, existing, n=3)
        named.append(f"{symbol!r:.40}" + (f" (near: {', '.join(near)})" if near else ""))
    more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
    return InvalidRequest(
        f"symbol {', '.join(named)}{more}",
        f"not among the {len(existing)} assets that there are",
        "use one of them (marketdata assets list --all), or follow it: marketdata assets add SYMBOL",
    )


def _parse(number: int, row: Mapping[str, str | None]) -> _Row:
    def text(column: str) -> str:
        return (row.get(column) or "").strip()

    def refuse(column: str, why: str, next_step: str) -> InvalidRequest:
        return InvalidRequest(f"row {number}, {column} {text(column)!r:.60}", why, next_step)

    def day(column: str) -> date | None:
        try:
            return date.fromisoformat(text(column)) if text(column) else None
        except ValueError as error:
            raise refuse(column, "it is no date", "write it like 2019-03-29, or leave it empty") from error

    if not _SYMBOL.fullmatch(text("symbol")):
        raise refuse("symbol", "it is missing or malformed", "letters, digits, '.', ':' and '-', at most 32")
    if text("asset_class") not in VENDOR_OF:
        raise refuse("asset_class", "there is none of that name", f"use one of {', '.join(VENDOR_OF)}")
    position = text("market_overview")
    if position and not (position.isdecimal() and int(position) > 0):
        raise refuse("market_overview", "it is no place", "a number from 1, or empty")
    listed_on, delisted_on = day("listed_on"), day("delisted_on")
    if listed_on and delisted_on and delisted_on < listed_on:
        raise refuse("delisted_on", "it is before listed_on", "correct one of them")
    return _Row(
        symbol=text("symbol"),
        asset_class=text("asset_class"),
        vendor_symbol=text("vendor_symbol") or text("symbol"),
        name=text("name"),
        listed_on=listed_on,
        delisted_on=delisted_on,
        watchlists=tuple(dict.fromkeys(name.strip() for name in text("watchlists").split(";") if name.strip())),
        position=int(position) if position else None,
    )


def _refuse_repeated(rows: Sequence[_Row]) -> None:
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if row.symbol in seen:
            raise InvalidRequest(
                f"row {number}, symbol {row.symbol!r}", "it stands there twice", "keep one of the rows"
            )
        seen.add(row.symbol)
