"""Ours, run as its DAGs wire it: reference data, then history; on Sundays with verification.

``python -m tests.bench.peer_ours DSN POLYGON_URL FOLDER FIRST LAST TICKER...`` is one run.
"""

from __future__ import annotations

import os
import sys
import time

from marketdata import settings
from marketdata.errors import RateLimited
from marketdata.flows import fetch, history, reference
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services, connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.warehouse import Warehouse
from tests.bench.stage import KEY, ready_file

_SUNDAY = 6


def main(dsn: str, polygon_url: str, folder: str, _first: str, _last: str, *tickers: str) -> None:
    """Complete one year of the tickers; exit status 1 when something failed."""
    ready_file(folder).write_text(str(time.time()), encoding="utf-8")
    stocks = VendorConnection("polygon", polygon_url, KEY, "advanced", requests_per_minute=1_000_000)
    coins = VendorConnection("coingecko", polygon_url, plan="keyless")
    now = settings.now()
    names = {"airflow_run_id": now.isoformat()}
    with Warehouse.open(dsn) as warehouse, connected(warehouse, stocks, coins, os.environ["REDIS_URL"]) as services:
        if not warehouse.transact(find_assets, None):
            warehouse.transact(load_assets, [{"symbol": ticker, "asset_class": "stock"} for ticker in tickers])
        reference.sync_reference(services, dag_id="reference_sync", now=now, **names)
        request = HistoryRequest("1Y", verify_hours=1.0 if now.weekday() == _SUNDAY else 0.0)
        plan = history.plan_run(services, request, dag_id="history", as_of=now, now=now, **names)
        for batch in plan.batches:
            _fetch(services, batch)
        report = history.close_run(services, dag_id="history", **names)
    if report is None or report.state != "success":
        sys.exit(1)


def _fetch(services: Services, batch: history.Batch) -> None:
    """One mapped task, with the retries that its DAG gives it."""
    for _ in range(2):
        try:
            fetch.fetch_batch(services, batch.run_id, batch.batch)
        except RateLimited as error:
            time.sleep(error.retry_after or 60.0)
        else:
            return
    fetch.fetch_batch(services, batch.run_id, batch.batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
