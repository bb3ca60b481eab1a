"""Minutes of both realtime DAGs through the real scheduler: with nothing beside them, then beside historical runs.

Coins around the clock, since stocks tick in the exchange's hours only. ``MARKETDATA_BENCH_MINUTES`` makes it shorter.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import redis

from local.addresses import Addresses
from local.airflow_api import AirflowApi
from local.processes import free_port
from local.simulator.admin import SimulatorAdmin
from local.stack import Stack
from marketdata.domain.sessions import expected_through, sessions
from marketdata.storage.assets import load_assets
from marketdata.storage.warehouse import Warehouse
from tests.bench.scenes import Figure, grouped_target
from tests.bench.scheduled import forget, wait_for_the_scheduled_run
from tests.bench.stage import EXTRA_STOCKS, cover_until, tickers
from tests.bench.stage import Stage as _Stage

HISTORY, LATEST, HOURLY = "historical_daily", "realtime_latest", "realtime_hourly"
COINS, STOCKS = 300, 12_000
MINUTE = timedelta(minutes=1)
_HISTORY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Tick:
    """One minute: when its task started and when its prices could be read, in seconds after it; infinite for never."""

    minute: datetime
    started: float
    readable: float


@dataclass(frozen=True, slots=True)
class Observed:
    """So many minutes: their ticks, and those of either DAG that are missing, made twice or failed."""

    ticks: Sequence[Tick]
    wrong: Sequence[str]


def realtime_scheduled(_: _Stage) -> list[Figure]:
    """A stack of its own, its clocks at real time."""
    os.environ.pop("MARKETDATA_NOW", None)
    minutes = int(os.environ.get("MARKETDATA_BENCH_MINUTES", "10"))
    with tempfile.TemporaryDirectory(prefix="marketdata-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        stack = Stack(
            home,
            environ={"PATH": os.environ["PATH"], "MARKETDATA_AIRFLOW_PORT": str(free_port())},
            simulator_options=("--extra-stocks", str(EXTRA_STOCKS), "--extra-coins", str(COINS)),
            airflow_settings={"MARKETDATA_CRYPTO_HOURS": "always"},
        )
        addresses = stack.up()
        try:
            scene = Scene(addresses)
            scene.prepare()
            alone = scene.observe(minutes)
            with scene.busy_history() as history:
                beside = scene.observe(minutes)
        finally:
            stack.down()
    busy = f"beside historical runs over {STOCKS:,} stocks, one after the other"
    return [
        *_figures(alone, "nothing beside", most=6.0),
        *_figures(beside, busy, most=15.0, runs=len(history.seconds)),
    ]


@dataclass(slots=True)
class History:
    """The historical runs that have ended, with the seconds that each took."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Scene:
    """The stack with some hundred coins that somebody watches, and stocks for history only."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.api = self._log_in()
        self.vendor = SimulatorAdmin(addresses.SIMULATOR_URL)
        self.days: list[date] = []

    def _log_in(self) -> AirflowApi:
        return AirflowApi(self.addresses.AIRFLOW_URL, self.addresses.AIRFLOW_USER, self.addresses.AIRFLOW_PASSWORD)

    def prepare(self) -> None:
        """Load the assets, compute the vendor's answers for history, and let the first ticks pass."""
        newest = expected_through("stock", datetime.now(UTC))
        cover_until(self.addresses.MARKETDATA_DSN, newest)
        wait_for_the_scheduled_run(self.api)
        self.days = sessions(newest - timedelta(days=30), newest)[1:]
        self.vendor.prepare("demo-polygon-starter", [grouped_target(day) for day in self.days])
        with Warehouse.open(self.addresses.MARKETDATA_DSN) as warehouse:
            warehouse.transact(load_assets, [{"symbol": symbol, "asset_class": "stock"} for symbol in tickers(STOCKS)])
            warehouse.transact(load_assets, [
                {
                    "symbol": _symbol(number), "asset_class": "crypto", "vendor_symbol": f"synthetic-coin-{number:05d}",
                    "watchlists": "Bench",
                }
                for number in range(COINS)
            ])  # fmt: skip
        for dag_id in (LATEST, HOURLY):
            self.api.unpause(dag_id)
        deadline = time.monotonic() + 180
        while not [run for run in self.api.runs(LATEST) if run["state"] == "success"]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no tick has succeeded: {self.api.runs(LATEST)} {self.api.import_errors()}")
            time.sleep(0.5)

    def observe(self, minutes: int) -> Observed:
        """Watch the cache for so many whole minutes from the next one on, then ask Airflow what it did in them."""
        first = datetime.now(UTC).replace(second=0, microsecond=0) + MINUTE
        expected = [first + number * MINUTE for number in range(minutes)]
        readable = self._watch_cache(expected)
        wrong: list[str] = []
        runs = self._runs(LATEST, expected, wrong)
        self._runs(HOURLY, [minute for minute in expected if minute.minute % 10 == 0], wrong)
        ticks = [
            Tick(minute, self._started(runs[minute]) if minute in runs else math.inf, readable.get(minute, math.inf))
            for minute in expected
        ]
        wrong += [f"no price of {tick.minute:%H:%M}" for tick in ticks if math.isinf(tick.readable)]
        return Observed(ticks, wrong)

    def _watch_cache(self, expected: Sequence[datetime]) -> dict[datetime, float]:
        """For each minute the seconds after it at which the prices that the vendor gave in it were in the cache.

        All prices of a tick are one pipeline, so that the first coin and the last one stand for all.
        """
        keys = [f"latest_price:{_symbol(number)}" for number in (0, COINS - 1)]
        found: dict[datetime, float] = {}
        with redis.Redis.from_url(self.addresses.REDIS_URL) as cache:
            while len(found) < len(expected) and datetime.now(UTC) < expected[-1] + MINUTE:
                texts = cache.mget(keys)
                now = datetime.now(UTC)
                if all(texts):
                    given = min(datetime.fromisoformat(json.loads(text)["as_of"]) for text in texts)
                    minute = given.replace(second=0, microsecond=0)
                    if minute in expected:
                        found.setdefault(minute, (now - minute).total_seconds())
                time.sleep(0.02)
        return found

    def _runs(self, dag_id: str, expected: Sequence[datetime], wrong: list[str]) -> dict[datetime, str]:
        """The scheduled run of each expected tick; what is missing, doubled or failed goes into ``wrong``."""
        found: dict[datetime, str] = {}
        for run in self.api.runs(dag_id):
            tick = datetime.fromisoformat(run["run_after"])
            if run["run_type"] != "scheduled" or tick not in expected:
                continue
            if tick in found:
                wrong.append(f"{dag_id} of {tick:%H:%M} twice")
            found[tick] = run["dag_run_id"]
            if self.api.wait_for_run(dag_id, run["dag_run_id"], seconds=60) != "success":
                wrong.append(f"{dag_id} of {tick:%H:%M} failed: {self.api.first_error(dag_id, run['dag_run_id'])}")
        wrong += [f"no {dag_id} of {tick:%H:%M}" for tick in expected if tick not in found]
        return found

    def _started(self, run_id: str) -> float:
        (task,) = self.api.tasks(LATEST, run_id)
        minute = datetime.fromisoformat(run_id.removeprefix("scheduled__"))
        return (datetime.fromisoformat(task["start_date"]) - minute).total_seconds()

    @contextlib.contextmanager
    def busy_history(self) -> Iterator[History]:
        """Historical runs over all stocks, one after the other, for the length of a ``with``."""
        history, stop = History(), threading.Event()
        worker = threading.Thread(target=self._run_history, args=(history, stop))
        worker.start()
        try:
            yield history
        finally:
            stop.set()
            worker.join()
        if history.errors or not history.seconds:
            raise RuntimeError(f"history was not busy: {history.errors}")

    def _run_history(self, history: History, stop: threading.Event) -> None:
        api = self._log_in()
        while not stop.is_set() and not history.errors:
            self._forget_a_month()
            started = time.monotonic()
            run_id = api.trigger(HISTORY, {"range": "1M"}).json()["dag_run_id"]
            state = api.wait_for_run(HISTORY, run_id, seconds=_HISTORY_SECONDS)
            report = api.xcom(HISTORY, run_id, "close_run") or {}
            if state != "success" or report.get("received", 0) < STOCKS * len(self.days) // 2:
                history.errors.append(f"{state} {report}")
            history.seconds.append(time.monotonic() - started)

    def _forget_a_month(self) -> None:
        """The stocks miss a month, the coins nothing."""
        dsn = self.addresses.MARKETDATA_DSN
        forget(dsn)
        cover_until(dsn, self.days[0] - timedelta(days=1))
        with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
            connection.execute(
                "update coverage set verified = datemultirange(daterange(null, current_date))"
                " from asset where asset.asset_id = coverage.asset_id and asset_class = 'crypto'"
            )


def _symbol(number: int) -> str:
    return f"X:SC{number}USD"


def _figures(observed: Observed, beside: str, *, most: float, runs: int = 0) -> list[Figure]:
    ticks = observed.ticks
    what = f"{COINS} coins through the scheduler, {len(ticks)} minutes of both realtime DAGs, {beside}"
    readable = [tick.readable for tick in ticks]
    starts = [tick.started for tick in ticks]
    ours = [tick.readable - tick.started for tick in ticks]
    slowest = _percentile(readable, 95)
    parts = f"until the task starts {_spoken(starts)}; from there {_spoken(ours)}"
    during = f" during {runs} runs" if runs else ""
    return [
        Figure(f"{what}: ticks lost, doubled or failed", "0",
               f"{len(observed.wrong)}{during}{''.join(f'; {one}' for one in observed.wrong)}", not observed.wrong),
        Figure(f"{what}: from the minute until its prices are readable in Redis", f"p95 at most {most:g} s",
               f"{_spoken(readable)}, of which {parts}", slowest <= most),
    ]  # fmt: skip


def _spoken(seconds: Sequence[float]) -> str:
    return f"p50 {_percentile(seconds, 50):.1f} s, p95 {_percentile(seconds, 95):.1f} s"


def _percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent of them do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]
