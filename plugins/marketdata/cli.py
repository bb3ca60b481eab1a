"""The command line: ``marketdata migrate``, ``doctor`` and ``assets load``, for people or, with --json, for programs.

The database is ``MARKETDATA_DSN``. Exit status 0: done; 1: not done, with the cause and the next step on stderr.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketdata import settings
from marketdata.errors import InvalidRequest, MarketDataError

app = typer.Typer(help="Market-data ingestion: schema, health and assets.", no_args_is_help=True)
assets_app = typer.Typer(help="The assets that are followed.", no_args_is_help=True)
app.add_typer(assets_app, name="assets")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Create the schema, or bring it up to date; safe to repeat and to start twice at once."""
    from marketdata.storage import migrations

    with _told(as_json):
        applied = migrations.migrate(settings.database_dsn())
        if as_json:
            _print_json({"applied": applied})
        else:
            done = f"applied: {', '.join(applied)}" if applied else "nothing to apply: the schema is up to date"
            Console().print(done)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at the database and the cache; exit status 1 if anything needs repair."""
    from marketdata.storage.doctor import examine

    with _told(as_json):
        findings = examine()
        healthy = all(finding.health != "failed" for finding in findings)
        if as_json:
            _print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
        else:
            table = Table("check", "", "found", "next step")
            for finding in findings:
                health = f"[{_COLOURS[finding.health]}]{finding.health}[/]"
                table.add_row(finding.check, health, escape(finding.found), escape(finding.next_step))
            Console().print(table)
    if not healthy:
        raise typer.Exit(1)


@assets_app.command("load")
def load_assets(
    file: Annotated[Path, typer.Argument(help="CSV with a header; only symbol and asset_class are required.")],
    as_json: AsJson = False,
) -> None:
    """Insert or update assets, their watchlists and their place in the market overview."""
    from marketdata.storage.warehouse import Warehouse

    with _told(as_json):
        rows = _read_rows(file)
        with Warehouse.open(settings.database_dsn()) as warehouse:
            loaded = warehouse.load_assets(rows)
        if as_json:
            _print_json(asdict(loaded))
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


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """Turn an error of ours into its message and exit status 1."""
    try:
        yield
    except MarketDataError as error:
        if as_json:
            _print_json({"error": error.kind, "what": error.what, "why": error.why, "next_step": error.next_step})
        else:
            Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from error


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value))


if __name__ == "__main__":
    app()
