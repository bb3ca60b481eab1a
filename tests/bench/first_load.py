"""The first load against one bare COPY of the very same rows, by one worker process and by two at a time."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from marketdata.domain.sessions import sessions
from marketdata.flows import history
from marketdata.flows.request import HistoryRequest
from tests.bench.scenes import RUNS, Figure, range_target, spread
from tests.bench.stage import FIVE_YEARS_AGO, FRIDAY, KEY, NOW, ROOT, Stage, follow, tickers

STOCKS = 1_000
AT_A_TIME = 2  # one a core of a small machine; the pool "history" lets a run have six


@dataclass(frozen=True, slots=True)
class Loaded:
    """One first load and, right after it, the bare COPY of what it stored. ``peak_mb``: its largest worker process."""

    rows: int
    seconds: float
    copy_seconds: float
    peak_mb: float

    @property
    def ratio(self) -> float:
        return self.copy_seconds / self.seconds


def first_load(stage: Stage) -> list[Figure]:
    """1,000 stocks x 5 years from plan to closed run, alternating with the bare COPY and one worker with two."""
    symbols = tickers(STOCKS)
    days = sessions(FIVE_YEARS_AGO, FRIDAY)
    stage.admin.prepare(KEY, [range_target(symbol, days[0], days[-1]) for symbol in symbols])
    pairs = [(_load(stage, symbols, 1), _load(stage, symbols, AT_A_TIME)) for _ in range(RUNS)]
    single, usual = [one for one, _ in pairs], [two for _, two in pairs]
    peaks = [load.peak_mb for load in (*single, *usual)]
    peak_of_100 = _load(stage, symbols[:100], 1).peak_mb
    what = f"first load of {STOCKS:,} stocks x 5 years ({usual[0].rows:,} bars)"
    by_two = f"{what} by {AT_A_TIME} processes at a time"
    copies = [load.rows / load.copy_seconds for load in (*single, *usual)]
    return [
        Figure(f"{by_two}: rows/s of both together against a bare binary COPY", "at least 0.5",
               spread([load.ratio for load in usual], "of COPY"),
               statistics.median(load.ratio for load in usual) >= 0.5),
        Figure(f"{what} by a single process: rows/s against a bare binary COPY", "",
               spread([load.ratio for load in single], "of COPY"), met=True),
        Figure(f"{by_two}", "", spread(_rates(usual), "rows/s"), met=True),
        Figure(f"{what} by a single process", "", spread(_rates(single), "rows/s"), met=True),
        Figure("bare COPY of the same rows by a single process", "", spread(copies, "rows/s"), met=True),
        Figure("peak memory of each of its processes", "under 400 MB", spread(peaks, "MB"), max(peaks) < 400),
        Figure("peak memory with 100 stocks instead", "flat: within 20 %", f"{peak_of_100:.0f} MB",
               statistics.median(load.peak_mb for load in single) < 1.2 * peak_of_100),
    ]  # fmt: skip


def _rates(loads: Sequence[Loaded]) -> list[float]:
    return [load.rows / load.seconds for load in loads]


def _load(stage: Stage, symbols: Sequence[str], workers: int) -> Loaded:
    """Plan here, fetch in worker processes that are connected already, close here."""
    dsn = stage.fresh_database()
    processes = [start_worker(stage.redis_url, dsn, stage.polygon_url, number, workers) for number in range(workers)]
    try:
        with stage.services(dsn) as services:
            follow(services, symbols)
            started = time.perf_counter()
            plan = history.plan_run(
                services, HistoryRequest("5Y"), dag_id="bench", airflow_run_id="load", as_of=NOW, now=NOW
            )
            batches = " ".join(str(number) for number in (plan.run_id, *(batch.batch for batch in plan.batches)))
            peaks = [float(line) for line in work(processes, batches)]
            report = history.close_run(services, dag_id="bench", airflow_run_id="load")
            seconds = time.perf_counter() - started
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    if report is None or report.state != "success" or report.calls_done != len(symbols):
        raise RuntimeError(f"the bench's own run did not succeed: {report}")
    return Loaded(report.inserted, seconds, _bare_copy(dsn), max(peaks))


def start_worker(
    redis_url: str, dsn: str, polygon_url: str, number: int, of: int, *coins_url: str
) -> subprocess.Popen[str]:
    """Worker ``number`` of ``of``, connected and waiting to be told the run; see ``load``."""
    command = [sys.executable, "-m", "tests.bench.load", dsn, redis_url, polygon_url, str(number), str(of), *coins_url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise RuntimeError("a worker of the first load did not start")
    return process


def work(processes: Sequence[subprocess.Popen[str]], batches: str) -> list[str]:
    """Tell all workers to begin; the last line of each."""
    for process in processes:
        if process.stdin is not None:
            process.stdin.write(f"{batches}\n")
            process.stdin.flush()
    return [process.communicate()[0] for process in processes]


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
