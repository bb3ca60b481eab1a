"""``marketdata data-migration``: the schema, and history that was kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from marketdata import settings
from marketdata.cli.output import PARTIAL, AsJson, counted, print_json, quiet, run_name, told

if TYPE_CHECKING:
    from marketdata.flows.imports.job import RunName
    from marketdata.flows.imports.report import ImportReport
    from marketdata.storage.price_cache import PriceCache
    from marketdata.storage.warehouse import Warehouse

    Watch = Callable[[str, int, int | None], None]

COMMAND_ID = "marketdata data-migration"
"""What the run records say in place of a DAG."""

REFUSED, INTERRUPTED = 1, 130
_COUNTS = ("rows", "inserted", "changed", "unchanged", "held", "conflicting", "duplicates", "refused")
_ALWAYS = {"rows", "inserted", "refused"}
_SYMBOLS_SHOWN = 40

app = typer.Typer(help="Bring the schema up to date, then import history from elsewhere.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Store nothing: show what would happen.")]
Again = Annotated[bool, typer.Option("--again", help="Look at parts that are stored already once more.")]


@app.command("file")
def import_a_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .csv, .csv.gz or .parquet file.")],
    spec: Annotated[str, typer.Option(help="A .toml or .json file that says which column is what.")],
    dry_run: DryRun = False,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """Apply pending schema migrations, then import a CSV or Parquet file under a declared spec.

    Exit status 0 for success, 1 failed or refused, 3 partial (single rows were refused), 130 after Ctrl-C. Safe to
    repeat: parts that are stored are skipped. Bars that a vendor gave stay as they are.
    """
    from marketdata.flows.imports.files import read_spec
    from marketdata.flows.imports.flow import import_file

    def work(warehouse: Warehouse, cache: PriceCache, name: RunName, watch: Watch) -> list[ImportReport]:
        read = read_spec(spec, base=None)
        now = settings.now()
        return [
            import_file(
                warehouse,
                file,
                read,
                base=None,
                name=name,
                now=now,
                dry_run=dry_run,
                again=again,
                progress=watch,
                cache=cache,
            )
        ]

    _run(work, dry_run=dry_run, as_json=as_json)


@app.command("legacy")
def import_old_system(
    dsn: Annotated[
        str,
        typer.Option(
            envvar="MARKETDATA_LEGACY_DSN",
            show_envvar=True,
            help="Address of the old system's PostgreSQL. Give it by the environment: what stands on a command line"
            " is shown to every user of the machine.",
        ),
    ],
    spec: Annotated[str | None, typer.Option(help="A .toml or .json file: symbols, skip, add_assets ...")] = None,
    dry_run: DryRun = False,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """Apply pending schema migrations, then import the table asset_data of an old system's PostgreSQL.

    Reads there in read-only transactions, stores raw prices, and refuses a series that was stored split-adjusted. Exit
    status as of file. Safe to repeat: parts that have not changed are skipped.
    """
    from marketdata.flows.imports.files import read_spec_keys
    from marketdata.flows.imports.legacy import import_legacy

    def work(warehouse: Warehouse, cache: PriceCache, name: RunName, watch: Watch) -> list[ImportReport]:
        given = read_spec_keys(spec, base=None) if spec else {}
        now = settings.now()
        return import_legacy(
            warehouse, dsn, given, name=name, now=now, dry_run=dry_run, again=again, progress=watch, cache=cache
        )

    _run(work, dry_run=dry_run, as_json=as_json)


def _run(
    work: Callable[[Warehouse, PriceCache, RunName, Watch], list[ImportReport]], *, dry_run: bool, as_json: bool
) -> None:
    from marketdata.flows.imports.job import RunName
    from marketdata.storage.migrations import migrate, pending_migrations
    from marketdata.storage.price_cache import PriceCache
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), quiet():
        database = settings.database_dsn()
        migrations = pending_migrations(database) if dry_run else migrate(database)
        name = RunName(COMMAND_ID, run_name(settings.now()))
        try:
            with (
                closing(PriceCache(settings.redis_url())) as cache,
                Warehouse.open(database) as warehouse,
                _progress(hidden=as_json) as watch,
            ):
                reports = work(warehouse, cache, name, watch)
        except KeyboardInterrupt:
            Console(stderr=True, soft_wrap=True).print(
                "interrupted: what is stored stays. Next: the same command again goes on from there"
            )
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        key = "pending_migrations" if dry_run else "applied_migrations"
        print_json({key: migrations, "dry_run": dry_run, "imports": [_as_json(report) for report in reports]})
    else:
        _print(migrations, reports, dry_run=dry_run)
    raise typer.Exit(_status(reports))


def _status(reports: Sequence[ImportReport]) -> int:
    states = {report.state for report in reports}
    if states & {"refused", "failed"}:
        return REFUSED
    return PARTIAL if "partial" in states else 0


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Watch]:
    """A bar of rows on stderr; none with --json, or where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    disable = hidden or not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disable) as bar:
        task = bar.add_task("reading", total=None)

        def watch(doing: str, done: int, of: int | None) -> None:
            bar.update(task, description=doing, completed=done, total=of)

        yield watch


def _as_json(report: ImportReport) -> dict[str, object]:
    totals = {name: report.total(name) for name in _COUNTS if name not in {"rows", "refused"}}
    return {**asdict(report), **totals}


def _print(migrations: Sequence[str], reports: Sequence[ImportReport], *, dry_run: bool) -> None:
    console = Console(highlight=False)
    if migrations:
        console.print(f"schema: {', '.join(migrations)} {'would be applied' if dry_run else 'applied'}")
    for report in reports:
        _print_report(console, report, dry_run=dry_run)


def _print_report(console: Console, report: ImportReport, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    console.print(
        f"{escape(report.origin)}, {report.interval} bars as {report.source}: {counted(report.rows, 'row')},"
        f" {report.total('inserted'):,} {would}inserted, {report.refused:,} {would}refused",
        soft_wrap=True,
    )
    tables = (
        (report.symbols, _symbols_table),
        (report.refused_rows, _refusals_table),
        (report.conflicts, _conflicts_table),
        (report.adjusted, _adjusted_table),
    )
    for rows, table in tables:
        if rows:
            console.print(table(report))
    for line in _lines(report, would):
        console.print(line, soft_wrap=True)
    if report.refusal:
        errors = Console(stderr=True, soft_wrap=True, highlight=False)
        errors.print(f"[red]would be refused:[/] {escape(report.refusal)}")


def _lines(report: ImportReport, would: str) -> Iterator[str]:
    """What no table shows, one fact a line, escaped."""
    if report.parts_done:
        yield f"stored before and skipped: {report.parts_done:,} of {counted(report.parts, 'part')}"
    if report.left_out:
        yield f"left out, as the spec skips their symbols: {counted(report.left_out, 'row')}"
    if report.unmapped:
        yield f"columns that are not used: {escape(', '.join(report.unmapped))}"
    if report.added:
        yield f"assets {would}added: {escape(', '.join(report.added))}"
    yield from (f"warning: {escape(text)}" for text in report.warnings if not text.startswith("conflict: "))


def _symbols_table(report: ImportReport) -> Table:
    """What became of the rows of each symbol, in the columns that have something to say."""
    shown = [name for name in _COUNTS if report.total(name) or name in _ALWAYS]
    table = Table("symbol", "first", "last")
    for name in shown:
        table.add_column(name, justify="right")
    for counts in report.symbols[:_SYMBOLS_SHOWN]:
        days = [str(day) if day else "" for day in (counts.first, counts.last)]
        table.add_row(escape(counts.symbol), *days, *(f"{getattr(counts, name):,}" for name in shown))
    if len(report.symbols) > _SYMBOLS_SHOWN:
        table.add_row(f"and {len(report.symbols) - _SYMBOLS_SHOWN:,} more")
    if len(report.symbols) > 1:
        table.add_section()
        table.add_row("all", "", "", *(f"{report.total(name):,}" for name in shown))
    return table


def _refusals_table(report: ImportReport) -> Table:
    table = Table("symbol", "session", "refused because", title="refused rows, the first ones", title_justify="left")
    for row in report.refused_rows:
        table.add_row(escape(row.symbol), str(row.session or ""), escape(row.reason))
    return table


def _conflicts_table(report: ImportReport) -> Table:
    table = Table("symbol", "session", "close here", "close stored", "from", title="conflicts: the stored bar stays")
    for conflict in report.conflicts:
        stored = "proven absent" if conflict.stored_close is None else str(conflict.stored_close)
        source = "" if conflict.stored_close is None else conflict.stored_source
        table.add_row(escape(conflict.symbol), str(conflict.session), str(conflict.close), stored, source)
    return table


def _adjusted_table(report: ImportReport) -> Table:
    title = "adjusted_close where it differs from close, beside our own series"
    table = Table("symbol", "differing", "compared", "as split-adjusted", "as total return", title=title)
    for check in report.adjusted[:_SYMBOLS_SHOWN]:
        figures = (check.differing, check.compared, check.split_adjusted, check.total_return)
        table.add_row(escape(check.symbol), *(f"{figure:,}" for figure in figures))
    return table
