"""A worker as a process of its own, to be killed.

``python -m tests.flows.worker DSN POLYGON_URL REDIS_URL RUN [VERIFY_HOURS [RANGE]]``
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from marketdata import settings
from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.warehouse import Warehouse


def main(
    dsn: str,
    polygon_url: str,
    redis_url: str,
    run: str,
    verify_hours: str = "0",
    range_name: str = "1M",
    *,
    planned: Callable[[], object] = lambda: None,
) -> None:
    """Plan and fetch a range of all stocks of the database, and compare what is stored; ``planned`` is told between."""
    stocks = VendorConnection("polygon", polygon_url, "demo-polygon-advanced", "advanced")
    coins = VendorConnection("coingecko", polygon_url, plan="keyless")
    now = settings.now()
    with Warehouse.open(dsn) as warehouse, connected(warehouse, stocks, coins, redis_url) as services:
        plan = history.plan_run(
            services, HistoryRequest(range_name, verify_hours=float(verify_hours)), dag_id="historical_daily",
            airflow_run_id=run, as_of=now, now=now,
        )  # fmt: skip
        planned()
        for batch in plan.batches:
            fetch.fetch_batch(services, batch.run_id, batch.batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
