"""``marketdata revisions``: what the vendors changed of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from marketdata import settings
from marketdata.cli.instants import new_york_midnight, read_day
from marketdata.cli.output import AsJson, print_json, told
from marketdata.domain.sessions import new_york_date

if TYPE_CHECKING:
    from marketdata.storage.known_bars import BarChange, DayOfChanges

_DAYS_SHOWN = 7


def revisions(
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="SYMBOL", help="House symbols; none: all assets.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="First New York date of the changes, like 2026-11-20; default: 7 days with today."),
    ] = None,
    corrections: Annotated[
        bool, typer.Option("--corrections", help="Leave out bars that were taken before their day was over.")
    ] = False,
    most: Annotated[
        int, typer.Option("--limit", min=0, help="At most so many changes, the newest; days are complete.")
    ] = 200,
    as_json: AsJson = False,
) -> None:
    """Show what the vendors changed: for each day a sum, for each bar its figures before and after.

    A bar taken before its day was over is provisional; that it changes is no correction.
    """
    from marketdata.storage.assets import find_assets
    from marketdata.storage.known_bars import ChangesWanted, bar_changes, changes_by_day
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        week = new_york_date(settings.now()) - timedelta(days=_DAYS_SHOWN - 1)
        first = read_day("--since", since) if since else week
        with Warehouse.open(settings.database_dsn()) as warehouse:
            ids = [asset.asset_id for asset in warehouse.transact(find_assets, symbols)] if symbols else None
            wanted = ChangesWanted(ids, new_york_midnight(first), only_final=corrections)
            days = warehouse.transact(changes_by_day, wanted)
            changes = warehouse.transact(bar_changes, wanted, most)
        if as_json:
            shown = [_as_json(change) for change in changes]
            print_json({"since": first, "days": [asdict(day) for day in days], "changes": shown})
        elif not days:
            Console().print(f"no {'final ' if corrections else ''}bar was changed since {first}")
        else:
            _print(days, changes)


def _as_json(change: BarChange) -> dict[str, object]:
    figures = {
        difference.field: {"old": difference.old, "new": difference.new, "relative": difference.relative}
        for difference in change.differences
    }
    return {**asdict(change), "differences": figures}


def _print(days: Sequence[DayOfChanges], changes: Sequence[BarChange]) -> None:
    console = Console()
    console.print(_days_table(days))
    if changes:
        console.print(_changes_table(changes))
    left = sum(day.changes for day in days) - len(changes)
    if left:
        console.print(f"{left:,} older changes are not shown: --limit shows more, symbols and --since choose")


def _days_table(days: Sequence[DayOfChanges]) -> Table:
    table = Table("day", "changed bars", "of them final", "assets", "sessions", "close that moved most", title="By day")
    for day in days:
        table.add_row(
            str(day.day), f"{day.changes:,}", f"{day.corrections:,}", f"{day.assets:,}", f"{day.first} to {day.last}",
            f"{day.most_changed} {day.relative:+.4%}" if day.relative else "none moved",
        )  # fmt: skip
    return table


def _changes_table(changes: Sequence[BarChange]) -> Table:
    table = Table("symbol", "session", "figure", "before", "after", "change", "changed at", "runs", title="By bar")
    for change in changes:
        runs = f"{change.run_id} → {change.changed_by_run_id}"
        gone = "taken back" if change.new_source is None else "not given"
        seen = f"{change.changed_at:%Y-%m-%d %H:%M}Z" + ("" if change.was_final else " (provisional)")
        for place, difference in enumerate(change.differences):
            relative = "" if difference.relative is None else f"{difference.relative:+.4%}"
            head = (change.symbol, str(change.session)) if place == 0 else ("", "")
            tail = (seen, runs) if place == 0 else ("", "")
            table.add_row(
                *head, difference.field, _figure(difference.old), _figure(difference.new, gone), relative, *tail
            )
    return table


def _figure(value: float | None, otherwise: str = "not given") -> str:
    """The shortest text that is this number; whole numbers without a point."""
    if value is None:
        return otherwise
    return f"{value:.0f}" if value.is_integer() and value < 1e15 else repr(value)
