"""``marketdata assets``: the assets that are followed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketdata import settings
from marketdata.cli.instants import read_day
from marketdata.cli.output import AsJson, print_json, told
from marketdata.domain.sessions import new_york_date
from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from marketdata.flows.assets import Followed
    from marketdata.storage.followed_assets import ListedAsset

_Class = Literal["stock", "etf", "crypto"]
_DONE = {"added": "now followed", "followed again": "followed again", "followed already": "followed already"}

app = typer.Typer(help="The assets that are followed.", no_args_is_help=True)


@app.command("add")
def add_asset(
    symbol: Annotated[str, typer.Argument(help="House symbol: AAPL, BRK.B, X:BTCUSD; a coin also as btc.")],
    asset_class: Annotated[
        _Class | None, typer.Option("--class", help="Needed for a symbol that is not there yet.")
    ] = None,
    vendor_symbol: Annotated[
        str, typer.Option(help="Ticker or coin id, where the vendor calls it something else.")
    ] = "",
    name: Annotated[str, typer.Option(help="Full name; default: the vendor's.")] = "",
    listed_on: Annotated[
        str | None, typer.Option(help="First session there can be a bar for, like 1980-12-12; default: found out.")
    ] = None,
    watchlist: Annotated[
        list[str] | None, typer.Option(help="List to put it on, made if it is not there; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow one asset more, or again: the next run fetches its whole history.

    The vendor is asked who that is: a ticker or coin that it does not know, and a symbol that several coins have, are
    refused with what is near. Where it cannot be asked, a ticker or a coin id is added unverified, with a warning.
    """
    from marketdata.flows.assets import Wanted, follow
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        listed = read_day("--listed-on", listed_on) if listed_on else None
        wanted = Wanted(symbol, asset_class, vendor_symbol, name, listed, tuple(watchlist or ()))
        with Warehouse.open(settings.database_dsn()) as warehouse:
            followed = follow(warehouse, wanted)
        if as_json:
            print_json(asdict(followed))
        else:
            _print_followed(followed)


@app.command("remove")
def remove_assets(
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL", help="House symbols.")],
    as_json: AsJson = False,
) -> None:
    """Follow assets no longer: no run asks for them any more. All that is stored stays; add takes it back."""
    from marketdata.storage import followed_assets
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        today = new_york_date(settings.now())
        with Warehouse.open(settings.database_dsn()) as warehouse:
            removed = warehouse.transact(followed_assets.remove_assets, symbols, today)
        if as_json:
            print_json({"assets": [asdict(asset) for asset in removed]})
        else:
            _print_removed(removed)


@app.command("list")
def list_assets(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", help="House symbols; none: all.")] = None,
    with_inactive: Annotated[bool, typer.Option("--all", help="Also those that nobody follows any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the assets: class, status, listing, the span that is covered, and how many bars are stored."""
    from marketdata.storage import followed_assets
    from marketdata.storage.assets import find_assets
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        today = new_york_date(settings.now())
        with Warehouse.open(settings.database_dsn()) as warehouse:
            if symbols:
                warehouse.transact(find_assets, symbols)
            found = warehouse.transact(
                followed_assets.list_assets, symbols, today=today, with_inactive=with_inactive or bool(symbols)
            )
        if as_json:
            print_json({"assets": [asdict(asset) for asset in found]})
        else:
            _print_assets(found)


@app.command("load")
def load_assets(
    file: Annotated[Path, typer.Argument(help="CSV with a header; only symbol and asset_class are required.")],
    as_json: AsJson = False,
) -> None:
    """Insert or update assets, their watchlists and their place in the market overview."""
    from marketdata.storage import assets
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        rows = _read_rows(file)
        with Warehouse.open(settings.database_dsn()) as warehouse:
            loaded = warehouse.transact(assets.load_assets, rows)
        if as_json:
            print_json(asdict(loaded))
        else:
            Console().print(
                f"assets: {loaded.inserted} inserted, {loaded.changed} changed, {loaded.unchanged} unchanged"
            )


def _read_rows(file: Path) -> list[dict[str, str | None]]:
    from marketdata.storage.assets import COLUMNS

    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            rows = list(reader)
            header = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"file {file}", f"it cannot be read: {error}", "give a CSV file in UTF-8") from error
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or not {"symbol", "asset_class"} <= set(header):
        why = f"its header is {', '.join(header) or 'missing'}"
        raise InvalidRequest(f"file {file}", why, f"name columns of {', '.join(COLUMNS)}, the first two at least")
    return rows


def _print_followed(followed: Followed) -> None:
    asset = followed.asset
    for warning in followed.warnings:
        Console(stderr=True, soft_wrap=True).print(f"[yellow]warning:[/] {escape(warning)}")
    called = f" ({asset.name})" if asset.name else ""
    as_what = f"{asset.asset_class} {asset.vendor_symbol}{called}"
    console = Console(soft_wrap=True, highlight=False)
    console.print(escape(f"{asset.symbol}: {_DONE[followed.outcome]}, as {as_what}"))
    if followed.outcome != "followed already":
        console.print(
            f"The next run fetches what is missing of it; at once: marketdata run historical MAX {asset.symbol}"
        )


def _print_removed(removed: Sequence[ListedAsset]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for asset in removed:
        stored = f"{asset.bars:,} bars stay stored" if asset.bars else "no bar is stored"
        on_lists = f", it stays on {', '.join(asset.watchlists)}" if asset.watchlists else ""
        console.print(escape(f"{asset.symbol}: not followed since {asset.inactive_since}; {stored}{on_lists}"))
    console.print("To follow one again: marketdata assets add SYMBOL")


def _print_assets(assets: Sequence[ListedAsset]) -> None:
    table = Table("symbol", "class", "status", "listed", "covered", "bars", "name", "former names", "on lists")
    for asset in assets:
        ended = asset.delisted_on or asset.inactive_since if asset.status != "followed" else None
        lists = [*asset.watchlists, *([f"overview {asset.overview_position}"] if asset.overview_position else [])]
        table.add_row(
            asset.symbol,
            asset.asset_class,
            asset.status + (f" {ended}" if ended else ""),
            str(asset.listed_on or ""),
            f"{asset.covered_first} to {asset.covered_last}" if asset.covered_first else "nothing yet",
            f"{asset.bars:,}",
            escape(asset.name),
            escape(", ".join(asset.former_names)),
            escape(", ".join(lists)),
        )
    console = Console()
    console.print(table)
    console.print(f"{len(assets):,} assets")
