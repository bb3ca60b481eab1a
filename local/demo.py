"""``make demo`` and ``make down``: the whole product on this machine, with a simulated vendor and real runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.addresses import Addresses
from local.airflow import ROOT
from local.airflow_api import AirflowApi
from local.demo_realtime import REPORTING_TASKS, print_prices, run_ticks
from local.processes import StackError
from local.simulator.admin import SimulatorAdmin
from local.stack import Stack
from marketdata.errors import MarketDataError

HOME = ROOT / ".local"
DAG_ID = "historical_daily"
REFERENCE = "reference_sync"
WEEKLY = "historical_backfill"
_PARSE_SECONDS = 300.0
_RUN_SECONDS = 1800.0
_PASSED_ON = (
    "MARKETDATA_CRYPTO_HOURS",
    "MARKETDATA_STALE_AFTER",
    "MARKETDATA_NOTIFIERS",
    "MARKETDATA_RUNBOOKS",
    "AIRFLOW_CONN_APPRISE_DEFAULT",
)
_FIGURES = {
    "records received": "received",
    "inserted": "inserted",
    "changed": "changed",
    "unchanged": "unchanged",
    "quarantined": "quarantined",
}

console = Console(highlight=False, soft_wrap=True)


@contextlib.contextmanager
def timed(name: str) -> Iterator[None]:
    """Print a step when it is done, with the seconds that it took."""
    started = time.monotonic()
    try:
        yield
    except BaseException:
        console.print(f"  [red]✗[/] {name}")
        raise
    console.print(f"  [green]✓[/] {name:<36}{time.monotonic() - started:6.1f} s")


def say(text: str) -> None:
    """One line of progress."""
    console.print(f"  … {text}", markup=False)


def run_demo(stack: Stack) -> int:
    """Bring the stack up, run history and one tick of realtime through the scheduler, and report; the exit code."""
    started = time.monotonic()
    console.print("[bold]Starting the stack[/]")
    addresses = stack.up(say)
    api = AirflowApi(addresses.AIRFLOW_URL, addresses.AIRFLOW_USER, addresses.AIRFLOW_PASSWORD)
    known = known_runs(api, DAG_ID)
    console.print("[bold]Running through the scheduler[/]")
    with timed(REFERENCE):
        unpause(api, {REFERENCE})
        wait_for_first_run(api, REFERENCE)
    with timed(DAG_ID):
        unpause(api, {DAG_ID})
        reports = run_and_wait(api, DAG_ID, known)
    print_reports(reports)
    unpause(api, set(REPORTING_TASKS))
    run_ticks(api, SimulatorAdmin(addresses.SIMULATOR_URL), timed)
    print_prices(api, console)
    unpause(api, {path.stem for path in (ROOT / "dags").glob("*.py")})
    console.print(f"{WEEKLY} was unpaused last: its newest Sunday compares what is stored, in the background.")
    print_addresses(addresses, stack.home)
    console.print(f"Done in {time.monotonic() - started:.0f} s. [bold]make down[/] stops everything.")
    return 1 if any(report["state"] == "failed" for report in reports.values()) else 0


def known_runs(api: AirflowApi, dag_id: str) -> set[str]:
    """The runs that a DAG has had; none while Airflow has not parsed it."""
    return {run["dag_run_id"] for run in api.runs(dag_id)} if api.call("GET", f"dags/{dag_id}").ok else set()


def unpause(api: AirflowApi, dag_ids: set[str]) -> None:
    """Unpause DAGs, each as soon as Airflow has parsed it."""
    waiting = dag_ids
    deadline = time.monotonic() + _PARSE_SECONDS
    while waiting:
        errors = api.import_errors()
        if errors:
            raise StackError("a DAG file cannot be imported", errors[0], "mend it, then make demo")
        waiting = {dag_id for dag_id in waiting if not api.unpause(dag_id)}
        if time.monotonic() > deadline:
            raise StackError(
                f"Airflow has not parsed {', '.join(sorted(waiting))}",
                "no import error is shown",
                "read dag-processor.log",
            )
        time.sleep(0.25)


def wait_for_first_run(api: AirflowApi, dag_id: str) -> None:
    """Wait for the run that unpausing a new DAG sets off: that of the newest session. One that has run well, has."""
    deadline = time.monotonic() + _PARSE_SECONDS
    while not (runs := api.runs(dag_id)):
        if time.monotonic() > deadline:
            raise StackError(f"the schedule of {dag_id} started no run", "none is listed", "read scheduler.log")
        time.sleep(0.25)
    if any(run["state"] == "success" for run in runs):
        return
    run_id = runs[0]["dag_run_id"]
    if api.wait_for_run(dag_id, run_id, seconds=_RUN_SECONDS) != "success":
        where = f"look at {api.url}/dags/{dag_id}/runs/{run_id}"
        raise StackError(f"run {run_id} of {dag_id} failed", api.first_error(dag_id, run_id), where)


def run_and_wait(api: AirflowApi, dag_id: str, known: set[str]) -> dict[str, dict[str, Any]]:
    """Trigger a DAG, wait for it and for a scheduled run that unpausing set off; their reports by run."""
    answer = api.trigger(dag_id, {})
    if not answer.ok:
        raise StackError(f"{dag_id} was not triggered", answer.text[:500], "look at the Airflow page")
    triggered = answer.json()["dag_run_id"]
    api.wait_for_run(dag_id, triggered, seconds=_RUN_SECONDS)
    new = [run["dag_run_id"] for run in api.runs(dag_id) if run["dag_run_id"] not in known]
    reports = {}
    for run_id in reversed(new):
        state = api.wait_for_run(dag_id, run_id, seconds=_RUN_SECONDS)
        report = api.xcom(dag_id, run_id, "close_run")
        if report is None:
            raise StackError(
                f"run {run_id} of {dag_id} ended as {state} without a report",
                api.first_error(dag_id, run_id),
                f"look at {api.url}/dags/{dag_id}/runs/{run_id}",
            )
        reports[run_id] = report
    return reports


def print_reports(reports: dict[str, dict[str, Any]]) -> None:
    """What each run brought, and the symbols that failed."""
    for run_id, report in reports.items():
        if "failed_symbols" not in report:
            raise StackError(f"run {run_id} failed", report["summary"], f"look at the run of {DAG_ID} in Airflow")
    table = Table("", *(run_id.split("T")[0].replace("__", " ") for run_id in reports))
    table.add_row("state", *(report["state"] for report in reports.values()))
    for name, figure in _FIGURES.items():
        table.add_row(name, *(f"{report[figure]:,}" for report in reports.values()))
    table.add_row("failed symbols", *(str(len(report["failed_symbols"])) for report in reports.values()))
    table.add_row("seconds", *(f"{report['seconds']:.1f}" for report in reports.values()))
    console.print(table)
    for report in reports.values():
        for failed_symbol in report["failed_symbols"]:
            console.print(f"  {failed_symbol}", markup=False)


def print_addresses(addresses: Addresses, home: Path) -> None:
    """Where to go from here."""
    console.print(f"Airflow    {addresses.AIRFLOW_URL}  user {addresses.AIRFLOW_USER}", markup=False)
    console.print(f"           password {addresses.AIRFLOW_PASSWORD}", markup=False)
    console.print(f"database   {addresses.MARKETDATA_DSN}", markup=False)
    console.print(f"cache      {addresses.REDIS_URL}", markup=False)
    console.print(f"simulator  {addresses.SIMULATOR_URL}", markup=False)
    console.print(f"all of it in {home / 'stack.env'}, logs in {home / 'logs'}", markup=False)


def run_down(stack: Stack) -> int:
    """Stop what make demo started; the exit code."""
    stopped = stack.down(say)
    console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was up.")
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("command", choices=("up", "down"), nargs="?", default="up")
    parser.add_argument("--executor", choices=("local", "celery"), default="local")
    parser.add_argument("--workers", type=int, default=2, help="Celery workers; the local executor has none")
    options = parser.parse_args()
    celery = options.executor == "celery"
    stack = Stack(
        HOME,
        executor="CeleryExecutor" if celery else "LocalExecutor",
        workers=options.workers if celery else 0,
        airflow_settings={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        step=timed,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as after Ctrl-C: nothing half started stays
    try:
        return run_demo(stack) if options.command == "up" else run_down(stack)
    except MarketDataError as error:
        console.print("[bold red]Failed[/]")
        console.print(f"  what: {error.what}\n  why:  {error.why}\n  next: {error.next_step}", markup=False)
        return 1
    except KeyboardInterrupt:
        left = "The stack is up; make down stops it." if stack.state.stack_env.exists() else "Nothing stays up."
        console.print(f"Interrupted. {left}")
        return 130


if __name__ == "__main__":
    sys.exit(main())
