"""``marketdata watchlist`` and ``marketdata overview``: which assets somebody watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketdata import settings
from marketdata.cli.output import AsJson, print_json, told

if TYPE_CHECKING:
    from marketdata.storage.watchlists import Member

Name = Annotated[str, typer.Argument(help="Name of the list.")]
Symbols = Annotated[list[str], typer.Argument(metavar="SYMBOL", help="House symbols.")]

app = typer.Typer(help="Lists of assets that somebody watches.", no_args_is_help=True)
overview_app = typer.Typer(help="The market overview: assets in an order.", no_args_is_help=True)


@app.command("list")
def list_watchlists(as_json: AsJson = False) -> None:
    """Show the lists and how many assets are on each."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        with Warehouse.open(settings.database_dsn()) as warehouse:
            found = warehouse.transact(watchlists.list_watchlists)
        if as_json:
            print_json({"watchlists": [asdict(each) for each in found]})
            return
        table = Table("list", "assets")
        for each in found:
            table.add_row(escape(each.name), f"{each.assets:,}")
        Console().print(table)


@app.command("show")
def show_watchlist(name: Name, as_json: AsJson = False) -> None:
    """Show the assets of a list."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        _show(name, warehouse.transact(watchlists.list_members, name), as_json)


@app.command("create")
def create_watchlist(name: Name, as_json: AsJson = False) -> None:
    """Make a list; one that is there stays as it is."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        warehouse.transact(watchlists.create_lists, [name])
        _tell({"name": name}, f"list {name} is there", as_json)


@app.command("add")
def add_members(name: Name, symbols: Symbols, as_json: AsJson = False) -> None:
    """Put assets on a list."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        added = warehouse.transact(watchlists.add_members, name, symbols)
        _tell({"name": name, "added": added}, f"list {name}: {added} added", as_json)


@app.command("remove")
def remove_members(name: Name, symbols: Symbols, as_json: AsJson = False) -> None:
    """Take assets off a list; they stay followed."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        removed = warehouse.transact(watchlists.remove_members, name, symbols)
        _tell({"name": name, "removed": removed}, f"list {name}: {removed} removed", as_json)


@app.command("delete")
def delete_watchlist(name: Name, as_json: AsJson = False) -> None:
    """Delete a list; its assets stay followed."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        warehouse.transact(watchlists.delete_list, name)
        _tell({"deleted": name}, f"list {name} is deleted, its assets stay followed", as_json)


@overview_app.command("show")
def show_overview(as_json: AsJson = False) -> None:
    """Show the assets of the market overview in their order."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        _show("market overview", warehouse.transact(watchlists.list_overview), as_json)


@overview_app.command("set")
def set_overview(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", help="House symbols; none: empty.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the market overview just these assets, in this order."""
    from marketdata.storage import watchlists
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        warehouse.transact(watchlists.set_overview, symbols or [])
        _show("market overview", warehouse.transact(watchlists.list_overview), as_json)


def _show(name: str, members: Sequence[Member], as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "assets": [asdict(member) for member in members]})
        return
    table = Table("symbol", "class", "name", "status", title=escape(name), title_justify="left")
    for member in members:
        status = f"inactive {member.inactive_since}" if member.inactive_since else "followed"
        table.add_row(member.symbol, member.asset_class, escape(member.name), status)
    Console().print(table)


def _tell(facts: dict[str, object], words: str, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        Console(soft_wrap=True, highlight=False).print(escape(words))
