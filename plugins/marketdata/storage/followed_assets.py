"""What is followed: assets added one by one, no longer followed, and listed with what is stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from psycopg.rows import class_row

from marketdata.domain.bars import AssetClass
from marketdata.storage.assets import find_assets
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement
from marketdata.storage.watchlists import add_members, create_lists

Outcome = Literal["added", "followed again", "followed already"]
Status = Literal["followed", "inactive", "delisted"]


@dataclass(frozen=True, slots=True)
class NewAsset:
    """An asset to follow. ``listed_on`` None: unknown, so that its whole history is looked for."""

    symbol: str
    asset_class: AssetClass
    vendor_symbol: str
    name: str = ""
    listed_on: date | None = None
    watchlists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownAsset:
    """An asset that is there; ``inactive_since`` None: it is followed."""

    symbol: str
    asset_class: AssetClass
    vendor_symbol: str
    name: str
    inactive_since: date | None


@dataclass(frozen=True, slots=True)
class ListedAsset:
    """An asset with what is stored of it.

    ``covered_first`` to ``covered_last``, both inclusive, is the span in which a vendor gave answers (None: none yet);
    there may be gaps in it. ``bars`` is how many daily bars are stored. ``former_names`` as the vendor spelled them.
    """

    symbol: str
    asset_class: AssetClass
    vendor_symbol: str
    name: str
    status: Status
    listed_on: date | None
    delisted_on: date | None
    inactive_since: date | None
    covered_first: date | None
    covered_last: date | None
    bars: int
    former_names: list[str]
    watchlists: list[str]
    overview_position: int | None


def find_known(connection: Connection, symbol: str, coin_id: str | None = None) -> list[KnownAsset]:
    """The asset of a house symbol, and one of another symbol that follows this coin; the former first."""
    with connection.cursor(row_factory=class_row(KnownAsset)) as cursor:
        return cursor.execute(statement("assets/find_known"), {"symbol": symbol, "coin_id": coin_id}).fetchall()


def add_asset(connection: Connection, new: NewAsset) -> Outcome:
    """Follow an asset and put it on its lists, which are made where they are not there.

    What is known of an asset that is there already, its history and its places on lists, stays as it is.
    """
    values = {
        "symbol": new.symbol,
        "asset_class": new.asset_class,
        "vendor_symbol": new.vendor_symbol,
        "name": new.name,
        "listed_on": new.listed_on,
    }
    written = connection.execute(statement("assets/add"), values).fetchone()
    create_lists(connection, new.watchlists)
    for name in new.watchlists:
        add_members(connection, name, [new.symbol])
    if written is None:
        return "followed already"
    return "added" if written == (True,) else "followed again"


def remove_assets(connection: Connection, symbols: Sequence[str], on: date) -> list[ListedAsset]:
    """Follow these assets no longer, from ``on`` on; they are returned with what stays stored of them.

    One that nobody follows already stays as it is. InvalidRequest names each unknown symbol; nothing is changed then.
    """
    find_assets(connection, symbols)
    connection.execute(statement("assets/remove"), {"symbols": list(symbols), "on": on})
    return list_assets(connection, symbols, today=on, with_inactive=True)


def list_assets(
    connection: Connection, symbols: Sequence[str] | None, *, today: date, with_inactive: bool
) -> list[ListedAsset]:
    """Assets by symbol: these (None: all), those that nobody follows only ``with_inactive``."""
    values = {"symbols": None if symbols is None else list(symbols), "with_inactive": with_inactive, "today": today}
    with connection.cursor(row_factory=class_row(ListedAsset)) as cursor:
        return cursor.execute(statement("assets/list"), values).fetchall()
