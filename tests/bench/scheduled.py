"""One market day of 12,000 stocks through the real scheduler, from trigger to closed run."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from local.airflow_api import AirflowApi
from local.processes import free_port
from local.simulator.admin import SimulatorAdmin
from local.stack import Stack
from marketdata.domain.sessions import expected_through, previous_session
from marketdata.storage.assets import load_assets
from marketdata.storage.warehouse import Warehouse
from tests.bench.scenes import RUNS, Figure, grouped_target, spread
from tests.bench.stage import EXTRA_STOCKS, cover_until, tickers
from tests.bench.stage import Stage as _Stage

DAG_ID = "historical_daily"
_SECONDS = 300.0


def scheduled(_: _Stage) -> list[Figure]:
    """A stack of its own; each run misses the newest session of every stock."""
    os.environ.pop("MARKETDATA_NOW", None)
    with tempfile.TemporaryDirectory(prefix="marketdata-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        environ = {"PATH": os.environ["PATH"], "MARKETDATA_AIRFLOW_PORT": str(free_port())}
        stack = Stack(home, environ=environ, simulator_options=("--extra-stocks", str(EXTRA_STOCKS)))
        addresses = stack.up()
        try:
            api = AirflowApi(addresses.AIRFLOW_URL, addresses.AIRFLOW_USER, addresses.AIRFLOW_PASSWORD)
            seconds = _runs(api, addresses.MARKETDATA_DSN, SimulatorAdmin(addresses.SIMULATOR_URL))
        finally:
            stack.down()
    what = "one market day of 12,000 stocks through the scheduler, from trigger to ended run"
    return [Figure(what, "under 40 s", spread(seconds), max(seconds) < 40)]


def _runs(api: AirflowApi, dsn: str, vendor: SimulatorAdmin) -> list[float]:
    newest = expected_through("stock", datetime.now(UTC))
    before = previous_session(newest - timedelta(days=1))
    wait_for_the_scheduled_run(api)
    with Warehouse.open(dsn) as warehouse:
        warehouse.transact(load_assets, [{"symbol": symbol, "asset_class": "stock"} for symbol in tickers(12_000)])
    vendor.prepare("demo-polygon-starter", [grouped_target(newest)])
    seconds = []
    for _ in range(RUNS):
        forget(dsn)
        cover_until(dsn, before)
        started = time.perf_counter()
        run_id = api.trigger(DAG_ID, {"range": "7D"}).json()["dag_run_id"]
        state = api.wait_for_run(DAG_ID, run_id, seconds=_SECONDS)
        seconds.append(time.perf_counter() - started)
        report = api.xcom(DAG_ID, run_id, "close_run")
        if state != "success" or report["received"] < 11_000 or report["calls_done"] > 20:
            raise RuntimeError(f"the run is not the one to measure: {state} {report}")
    return seconds


def wait_for_the_scheduled_run(api: AirflowApi) -> None:
    """Unpausing starts the newest due session by itself; let it pass."""
    deadline = time.monotonic() + _SECONDS
    while not api.unpause(DAG_ID) or not api.runs(DAG_ID):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no run was scheduled: {api.import_errors()}")
        time.sleep(0.5)
    for run in api.runs(DAG_ID):
        api.wait_for_run(DAG_ID, run["dag_run_id"], seconds=_SECONDS)


def forget(dsn: str) -> None:
    """No bar is stored and none is known to be."""
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        connection.execute("truncate bar_daily, bar_revision, absence, coverage")
