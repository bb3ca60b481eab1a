"""What is measured. Each scene returns figures; ``__main__`` turns them into the page."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from marketdata.domain.sessions import sessions
from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services
from marketdata.storage.runs import RunReport
from tests.bench.stage import FRIDAY, KEY, NOW, ROOT, Stage, cover_until, follow, tickers

RUNS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page: what, the goal in words, what was measured, and whether the goal was met."""

    what: str
    goal: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says below the lines, in Markdown."""

    text: str


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Median with minimum and maximum."""
    median, least, most = (_three_digits(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{median} {unit} ({least} to {most}, n={len(values)})"


def _three_digits(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run_flow(services: Services, range_name: str, name: str) -> RunReport:
    """Plan, fetch, close, in this process."""
    plan = history.plan_run(
        services, HistoryRequest(range_name), dag_id="bench", airflow_run_id=name, as_of=NOW, now=NOW
    )
    for batch in plan.batches:
        fetch.fetch_batch(services, batch.run_id, batch.batch)
    report = history.close_run(services, dag_id="bench", airflow_run_id=name)
    if report is None or report.state != "success":
        raise RuntimeError(f"the bench's own run did not succeed: {report}")
    return report


def vendor_calls(stage: Stage) -> list[Figure]:
    """How many requests reach the vendor, counted by the simulator."""
    figures = []
    for stocks, range_name, covered_until, most in (
        (12_000, "7D", FRIDAY - timedelta(days=1), 1),
        (1_000, "1Y", None, 252),
        (100, "5Y", None, 100),
    ):
        dsn = stage.fresh_database()
        with stage.services(dsn) as services:
            follow(services, tickers(stocks))
            if covered_until is not None:
                cover_until(dsn, covered_until)
            stage.admin.forget_requests()
            report = run_flow(services, range_name, "calls")
        calls = stage.count_calls()
        missing = "one session" if covered_until else range_name
        what = f"vendor calls, {stocks:,} stocks that miss {missing} ({report.received:,} bars)"
        figures.append(Figure(what, f"at most {most}", str(calls), calls <= most))
    return figures


def market_day(stage: Stage) -> list[Figure]:
    """One grouped day of 12,000 stocks through the flow: HTTP, decode, validate, write, coverage."""
    dsn = stage.fresh_database()
    days = sessions(FRIDAY - timedelta(days=14), FRIDAY)[-(RUNS + 1) :]
    stage.admin.prepare(KEY, [grouped_target(day) for day in days])
    with stage.services(dsn) as services:
        follow(services, tickers(12_000))
        seconds = []
        for day in days:
            cover_until(dsn, day - timedelta(days=1))
            as_of = NOW if day == FRIDAY else NOW - (FRIDAY - day)
            plan = history.plan_run(
                services, HistoryRequest("7D"), dag_id="bench", airflow_run_id=f"day {day}", as_of=as_of, now=NOW
            )
            (batch,) = plan.batches
            seconds.append(timed(lambda batch=batch: fetch.fetch_batch(services, batch.run_id, batch.batch)))
    warm = seconds[1:]
    what = "one market day of 12,000 stocks through the flow, warm"
    return [Figure(what, "under 1.0 s", spread(warm), statistics.median(warm) < 1.0)]


def grouped_target(day: date) -> str:
    return f"/massive/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=false&include_otc=false"


def range_target(ticker: str, first: date, last: date) -> str:
    return f"/massive/v2/aggs/ticker/{ticker}/range/1/day/{first}/{last}?adjusted=false&sort=asc&limit=50000"


def imports(_: Stage) -> list[Figure]:
    """What importing each DAG file costs over importing airflow.sdk itself."""
    code = (
        "import importlib.util, sys, time\nimport airflow.sdk\nstarted = time.perf_counter()\n"
        "spec = importlib.util.spec_from_file_location('dag_file', sys.argv[1])\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\nprint(time.perf_counter() - started)"
    )
    figures = []
    for path in sorted((ROOT / "dags").glob("*.py")):
        seconds = [_python_seconds(code, path) for _ in range(RUNS)]
        what = f"importing dags/{path.name} over airflow.sdk"
        figures.append(Figure(what, "at most 0.3 s", spread(seconds), statistics.median(seconds) <= 0.3))
    return figures


def _python_seconds(code: str, path: Path) -> float:
    finished = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(finished.stdout.split()[-1])
