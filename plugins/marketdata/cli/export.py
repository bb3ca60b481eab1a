"""``marketdata export``: stored bars as a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from marketdata import settings
from marketdata.cli.instants import read_day, read_instant
from marketdata.cli.output import AsJson, print_json, told
from marketdata.cli.progress import progress
from marketdata.domain.ranges import RANGES
from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from marketdata.flows.export import Exported

_Format = Literal["csv", "parquet"]
_Adjusted = Literal["none", "splits", "total-return"]

INTERRUPTED = 130


def export(
    out: Annotated[Path, typer.Option(help="The file to make; its folder must be there.")],
    symbols: Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", help="House symbols; none: all.")] = None,
    range_name: Annotated[str | None, typer.Option("--range", help=f"{' '.join(RANGES)}; default: MAX.")] = None,
    first: Annotated[str | None, typer.Option(help="First session instead of a range, like 2026-01-02.")] = None,
    last: Annotated[str | None, typer.Option(help="Last session instead of a range, inclusive.")] = None,
    file_format: Annotated[_Format | None, typer.Option("--format", help="Default: by the file's ending.")] = None,
    adjusted: Annotated[
        _Adjusted, typer.Option(help="Raw prices, or adjusted for splits, or for dividends too.")
    ] = "none",
    as_of: Annotated[
        str | None, typer.Option(help="The series as it was known then: an instant like 2026-11-20T21:00:00Z.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write daily bars to a CSV or Parquet file, and say how many sessions of the range are unknown.

    The file is there whole or not at all. Numbers come back from it bit for bit. A text that a spreadsheet would take
    for a formula has a ' in front in CSV.
    """
    from marketdata.flows.export import ExportRequest, count_assets
    from marketdata.flows.export import export as write
    from marketdata.storage.exports import Series
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        if range_name is not None and (first or last):
            raise InvalidRequest("--range and --first, --last", "they contradict each other", "give one of them")
        request = ExportRequest(
            tuple(symbols or ()),
            file_format or _by_ending(out),
            range_name or "MAX",
            read_day("--first", first) if first else None,
            read_day("--last", last) if last else None,
            Series(adjusted, read_instant("--as-of", as_of) if as_of else None),
        )
        try:
            with Warehouse.open(settings.database_dsn()) as warehouse:
                total = count_assets(warehouse, request)
                with progress("exporting", total, hidden=as_json) as advance:
                    written = write(warehouse, request, out, force=force, now=settings.now(), advance=advance)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        if as_json:
            print_json(asdict(written))
        else:
            _print(written)


def _by_ending(out: Path) -> _Format:
    endings: dict[str, _Format] = {".csv": "csv", ".parquet": "parquet"}
    if out.suffix.lower() not in endings:
        raise InvalidRequest(f"file {out}", "its ending names no format", "give --format csv or --format parquet")
    return endings[out.suffix.lower()]


def _print(written: Exported) -> None:
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    if written.unknown_sessions:
        errors.print(
            f"[yellow]note:[/] {written.unknown_sessions:,} sessions of the range are unknown: no vendor has answered"
            " for them yet. Which ones: marketdata gaps"
        )
    assets = f"{written.assets:,} asset{'' if written.assets == 1 else 's'}"
    line = f"{written.file}: {written.rows:,} bars of {assets}, {written.bytes:,} bytes"
    Console(soft_wrap=True, highlight=False).print(escape(line))
