"""``marketdata assets``: the assets that are followed."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from marketdata import settings
from marketdata.cli.output import AsJson, print_json, told
from marketdata.errors import InvalidRequest

app = typer.Typer(help="The assets that are followed.", no_args_is_help=True)


@app.command("load")
def load_assets(
    file: Annotated[Path, typer.Argument(help="CSV with a header; only symbol and asset_class are required.")],
    as_json: AsJson = False,
) -> None:
    """Insert or update assets, their watchlists and their place in the market overview."""
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        rows = _read_rows(file)
        with Warehouse.open(settings.database_dsn()) as warehouse:
            loaded = warehouse.load_assets(rows)
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
