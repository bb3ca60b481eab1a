"""``marketdata plan`` and ``marketdata run historical``: the history flow without Airflow's scheduler."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from marketdata import settings
from marketdata.cli.output import FAILED, INTERRUPTED, PARTIAL, AsJson, counted, print_json, quiet, run_name, told
from marketdata.cli.progress import progress
from marketdata.domain.ranges import RANGES

if TYPE_CHECKING:
    from marketdata.errors import RateLimited
    from marketdata.flows.forecast import Forecast, LeftOut
    from marketdata.flows.request import HistoryRequest
    from marketdata.flows.services import Services
    from marketdata.storage.runs import RunReport

DAG_ID = "marketdata run"
PLAN_ID = "marketdata plan"
"""What the run records say in place of a DAG."""

_FIGURES = (
    "received", "inserted", "changed", "unchanged", "quarantined", "absent",
    "calls_done", "calls_failed", "calls_pending", "requests", "rate_limited",
)  # fmt: skip

run_app = typer.Typer(help="Do by hand what the DAGs do on schedule.", no_args_is_help=True)

RangeName = Annotated[str, typer.Argument(metavar="RANGE", help=f"{' '.join(RANGES)}, ending today.")]
Symbols = Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", help="House symbols; none: all assets.")]


def plan(range_name: RangeName, symbols: Symbols = None, as_json: AsJson = False) -> None:
    """Show what a run would ask of the vendors: calls, minutes and the end, and what their plans leave out.

    Asks no vendor and stores nothing but the record of a dry run.
    """
    from marketdata.flows.request import HistoryRequest

    with told(as_json), quiet():
        request = HistoryRequest.from_conf({"range": range_name, "symbols": symbols or [], "dry_run": True})
        from marketdata.flows.forecast import forecast
        from marketdata.flows.history import plan_run
        from marketdata.flows.services import open_services

        with open_services() as services:
            now = settings.now()
            planned = plan_run(services, request, dag_id=PLAN_ID, airflow_run_id=run_name(now), as_of=now, now=now)
            coming = forecast(services, planned, request.symbols, now)
        if as_json:
            print_json({"range": range_name, "now": now, **asdict(coming), "warnings": planned.warnings})
        else:
            _print_forecast(coming, range_name)


@run_app.command("historical")
def run_historical(range_name: RangeName, symbols: Symbols = None, as_json: AsJson = False) -> None:
    """Fetch what is missing in a range: the flow of historical_daily, in this process.

    Exit status 0 for success, 1 failed or refused, 3 partial, 130 after Ctrl-C. Safe to repeat, and beside the DAGs:
    what is stored is not asked for again.
    """
    from marketdata.flows.request import HistoryRequest

    with told(as_json), quiet():
        request = HistoryRequest.from_conf({"range": range_name, "symbols": symbols or []})
        from marketdata.flows.services import open_services  # brings Airflow: after the request is known to be good

        with open_services() as services:
            outcome = _run(services, request, as_json)
        if as_json:
            print_json(_outcome_json(outcome))
        else:
            _print_outcome(outcome)
    raise typer.Exit(outcome.status)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a run; ``report`` None when it was interrupted before it was planned."""

    report: RunReport | None
    interrupted: bool = False
    refusal: RateLimited | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        if self.interrupted or self.report is None:
            return INTERRUPTED
        return {"success": 0, "partial": PARTIAL}.get(self.report.state, FAILED)


def _run(services: Services, request: HistoryRequest, as_json: bool) -> _Outcome:
    from marketdata.flows.alone import fetch_all
    from marketdata.flows.history import close_run, plan_run

    now = settings.now()
    name = run_name(now)
    interrupted, refusal = False, None
    try:
        planned = plan_run(services, request, dag_id=DAG_ID, airflow_run_id=name, as_of=now, now=now)
        with progress("fetching", planned.calls, hidden=as_json) as advance:
            refusal = fetch_all(services, planned, watch=lambda call: advance(1, call.label))
    except KeyboardInterrupt:
        interrupted = True
    report = close_run(services, dag_id=DAG_ID, airflow_run_id=name)
    return _Outcome(report, interrupted, refusal)


def _print_forecast(coming: Forecast, range_name: str) -> None:
    from marketdata.domain.spoken import instant

    console = Console(highlight=False)
    if coming.calls:
        table = Table("vendor", "call", "from", "to", "calls", "requests", "minutes")
        for part in coming.parts:
            figures = (f"{part.calls:,}", f"{part.requests:,}", _minutes(part.minutes))
            table.add_row(part.vendor, part.kind.value, str(part.first), str(part.last), *figures)
        console.print(table)
    for left in coming.left_out:
        console.print(_left_out(left), soft_wrap=True)
    if not coming.calls:
        console.print(f"{range_name}: nothing to ask for")
        return
    probes = f", at most {coming.probes:,} more to probe how far back histories go" if coming.probes else ""
    ends = f"{_minutes(coming.minutes)} minutes for one process; started now it ends {instant(coming.ends_at)}"
    console.print(f"{range_name}: {coming.calls:,} calls, {coming.requests:,} requests{probes}; {ends}", soft_wrap=True)


def _minutes(minutes: float) -> str:
    return f"{minutes:,.1f}" if minutes >= 0.1 else "under 0.1"


def _left_out(left: LeftOut) -> str:
    parts = []
    if left.deferred:
        parts.append(f"no credits are left for {left.deferred:,} calls, a later run makes them")
    if left.clipped_assets:
        reach = f"the plan does not reach {left.clipped_first} to {left.clipped_last}"
        parts.append(f"{reach} of {left.clipped_assets:,} assets, which stays missing")
    return f"{left.vendor}: {'; '.join(parts)}"


def _outcome_json(outcome: _Outcome) -> dict[str, object]:
    report = asdict(outcome.report) if outcome.report else {"state": "failed"}
    failed = [failed._asdict() for failed in outcome.report.failed_symbols] if outcome.report else []
    held_up = str(outcome.refusal) if outcome.refusal else None
    return {**report, "failed_symbols": failed, "interrupted": outcome.interrupted, "held_up": held_up}


def _print_outcome(outcome: _Outcome) -> None:
    report, errors = outcome.report, Console(stderr=True, soft_wrap=True, highlight=False)
    if report is not None:
        console = Console(highlight=False)
        console.print(_report_table(report))
        if report.failed_symbols:
            console.print(_failures_table(report))
        for warning in report.warnings:
            console.print(f"warning: {escape(warning)}", soft_wrap=True)
    if outcome.refusal is not None:
        errors.print(f"held up: {escape(str(outcome.refusal))}")
    if outcome.interrupted:
        left = f"{counted(report.calls_pending, 'call')} not made" if report else "nothing was planned yet"
        errors.print(f"interrupted: {left}, what is stored stays. Next: the same command again goes on from there")


def _report_table(report: RunReport) -> Table:
    table = Table(f"run {report.run_id}", report.state)
    for name in _FIGURES:
        table.add_row(name.replace("_", " "), f"{getattr(report, name):,}")
    table.add_row("seconds", f"{report.seconds:.1f}")
    return table


def _failures_table(report: RunReport) -> Table:
    table = Table("failed symbol", "kind", Column("cause and next step", overflow="fold"))
    for failed in report.failed_symbols:
        table.add_row(escape(failed.symbol), failed.kind, escape(failed.message))
    return table
