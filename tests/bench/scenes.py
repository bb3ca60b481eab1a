"""What is measured. Each scene returns figures; ``__main__`` turns them into the page."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psycopg

from marketdata.domain.sessions import sessions
from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services
from marketdata.storage.runs import RunReport
from tests.bench.stage import FIVE_YEARS_AGO, FRIDAY, KEY, NOW, ROOT, Stage, cover_until, follow, tickers

RUNS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page: what, the goal in words, what was measured, and whether the goal was met."""

    what: str
    goal: str
    measured: str
    met: bool


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Median with minimum and maximum."""
    return f"{statistics.median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g}, n={len(values)})"


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


def first_load(stage: Stage) -> list[Figure]:
    """1,000 stocks x 5 years through the flow, against one bare binary COPY of the very same rows."""
    symbols = tickers(1_000)
    days = sessions(FIVE_YEARS_AGO, FRIDAY)
    stage.admin.prepare(KEY, [range_target(symbol, days[0], days[-1]) for symbol in symbols])
    rates, copies, peaks, rows = [], [], [], 0
    for _ in range(RUNS):
        dsn = stage.fresh_database()
        with stage.services(dsn) as services:
            follow(services, symbols)
        loaded = _load_in_a_process_of_its_own(stage, dsn)
        rows = loaded["rows"]
        rates.append(rows / loaded["seconds"])
        peaks.append(loaded["peak_mb"])
        copies.append(rows / _bare_copy(dsn))
    ratios = [flow / copy for flow, copy in zip(rates, copies, strict=True)]
    small = stage.fresh_database()
    with stage.services(small) as services:
        follow(services, symbols[:100])
    peak_of_100 = _load_in_a_process_of_its_own(stage, small)["peak_mb"]
    what = f"first load of 1,000 stocks x 5 years ({rows:,} bars)"
    return [
        Figure(f"{what}, rows/s against a bare binary COPY", "at least 0.5", spread(ratios, "of COPY"),
               statistics.median(ratios) >= 0.5),
        Figure(f"{what}, rows/s of the flow", "", spread(rates, "rows/s"), met=True),
        Figure(f"{what}, rows/s of the bare COPY", "", spread(copies, "rows/s"), met=True),
        Figure("peak memory of the process during it", "under 400 MB", spread(peaks, "MB"), max(peaks) < 400),
        Figure("peak memory with 100 stocks instead", "flat: within 20 %", f"{peak_of_100:.0f} MB",
               statistics.median(peaks) < 1.2 * peak_of_100),
    ]  # fmt: skip


def _load_in_a_process_of_its_own(stage: Stage, dsn: str) -> dict[str, float]:
    """Run the whole flow as a fresh process would, so that its peak memory is its own."""
    command = [sys.executable, "-m", "tests.bench.load", dsn, stage.redis_url, stage.polygon_url]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows, seconds, peak = finished.stdout.split()[-3:]
    return {"rows": int(rows), "seconds": float(seconds), "peak_mb": float(peak)}


def _bare_copy(dsn: str) -> float:
    """Seconds that one COPY of all stored rows, already encoded, takes into an empty table of the same shape."""
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        with connection.cursor().copy("copy bar_daily to stdout (format binary)") as copy:
            data = b"".join(bytes(part) for part in copy)
        connection.execute("create table bar_copy (like bar_daily including all)")
        connection.commit()
        started = time.perf_counter()
        with connection.cursor().copy("copy bar_copy from stdin (format binary)") as copy:
            for start in range(0, len(data), 1 << 20):
                copy.write(data[start : start + (1 << 20)])
        connection.commit()
        return time.perf_counter() - started


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


def peak_memory_mb() -> float:
    """The largest resident set that this process has had, without its parent's (Linux hands ``ru_maxrss`` down)."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
