"""``marketdata why``: why a bar is there or not, in plain words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketdata import settings
from marketdata.cli.instants import read_day
from marketdata.cli.output import AsJson, print_json, told

if TYPE_CHECKING:
    from marketdata.domain.explanation import Explanation


def why(
    symbol: Annotated[str, typer.Argument(help="A house symbol, or a ticker that an asset had on that day.")],
    day: Annotated[str, typer.Argument(metavar="DATE", help="Like 2026-11-20; of a coin the UTC day.")],
    as_json: AsJson = False,
) -> None:
    """Say of one bar whether it is stored, proven absent or missing, why, who asked for it, and when it is tried next.

    Asks no vendor. Exit status 0 whatever the answer is.
    """
    from marketdata.domain.explanation import explain
    from marketdata.storage.day_facts import find_facts
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        asked, now = read_day("DATE", day), settings.now()
        with Warehouse.open(settings.database_dsn()) as warehouse:
            facts = warehouse.transact(find_facts, symbol, asked, now=now)
        explanation = explain(facts, now)
        if as_json:
            said = {**asdict(explanation), "lines": [[line.label, line.text] for line in explanation.lines]}
            print_json({**said, "facts": asdict(facts)})
        else:
            _print(explanation)


def _print(explanation: Explanation) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]{escape(explanation.headline)}[/]")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for line in explanation.lines:
        table.add_row(f"  {line.label}", escape(line.text))
    console.print(table)
