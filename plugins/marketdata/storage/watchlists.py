"""Named lists of assets that somebody watches, and the market overview, which is one list in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from psycopg.rows import class_row

from marketdata.domain.bars import AssetClass
from marketdata.errors import InvalidRequest
from marketdata.storage.assets import find_assets
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Watchlist:
    """A list and how many assets are on it."""

    name: str
    assets: int


@dataclass(frozen=True, slots=True)
class Member:
    """An asset on a list; ``inactive_since`` None: it is followed."""

    symbol: str
    asset_class: AssetClass
    name: str
    inactive_since: date | None


def list_watchlists(connection: Connection) -> list[Watchlist]:
    """All lists by name."""
    with connection.cursor(row_factory=class_row(Watchlist)) as cursor:
        return cursor.execute(statement("watchlists/list")).fetchall()


def list_members(connection: Connection, name: str) -> list[Member]:
    """The assets of a list by symbol; InvalidRequest for an unknown list."""
    _refuse_unknown(connection, name)
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        return cursor.execute(statement("watchlists/list_members"), {"name": name}).fetchall()


def create_lists(connection: Connection, names: Sequence[str]) -> None:
    """Make the lists that are not there yet; InvalidRequest for what is no name."""
    for name in names:
        if not name or name != name.strip() or len(name) > _LONGEST_NAME or ";" in name or not name.isprintable():
            raise InvalidRequest(
                f"list {name[:_LONGEST_NAME]!r}",
                "it is no name of a list",
                f"1 to {_LONGEST_NAME} printable characters without ';' and without blanks around them",
            )
    if names:
        connection.execute(statement("watchlists/create"), {"names": list(names)})


def add_members(connection: Connection, name: str, symbols: Sequence[str]) -> int:
    """Put assets on a list; how many were not on it. InvalidRequest for an unknown list or symbol."""
    _refuse_unknown(connection, name)
    find_assets(connection, symbols)
    return connection.execute(statement("watchlists/add_members"), {"name": name, "symbols": list(symbols)}).rowcount


def remove_members(connection: Connection, name: str, symbols: Sequence[str]) -> int:
    """Take assets off a list; how many were on it. InvalidRequest for an unknown list or symbol."""
    _refuse_unknown(connection, name)
    find_assets(connection, symbols)
    values = {"name": name, "symbols": list(symbols)}
    return connection.execute(statement("watchlists/remove_members"), values).rowcount


def delete_list(connection: Connection, name: str) -> None:
    """Delete a list; its assets stay. InvalidRequest for an unknown one."""
    _refuse_unknown(connection, name)
    connection.execute(statement("watchlists/delete"), {"name": name})


def list_overview(connection: Connection) -> list[Member]:
    """The assets of the market overview in their order."""
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        return cursor.execute(statement("watchlists/list_overview")).fetchall()


def set_overview(connection: Connection, symbols: Sequence[str]) -> None:
    """Make the market overview just these assets in this order, none for ``[]``.

    InvalidRequest for an unknown symbol, or one that stands there twice; nothing is changed then.
    """
    twice = next((symbol for place, symbol in enumerate(symbols) if symbol in symbols[:place]), None)
    if twice is not None:
        raise InvalidRequest(f"symbol {twice!r}", "it stands there twice", "name each symbol once")
    find_assets(connection, symbols)
    connection.execute(statement("watchlists/clear_overview"), {"symbols": list(symbols)})
    positions = list(range(1, len(symbols) + 1))
    connection.execute(statement("watchlists/set_overview"), {"symbols": list(symbols), "positions": positions})


def _refuse_unknown(connection: Connection, name: str) -> None:
    existing = [found.name for found in list_watchlists(connection)]
    if name in existing:
        return
    near = get_close_matches(name, existing, n=3)
    why = f"there is no such list (near: {', '.join(near)})" if near else "there is no such list"
    raise InvalidRequest(
        f"list {name[:_LONGEST_NAME]!r}", why, "see marketdata watchlist list, or make it: marketdata watchlist create"
    )
