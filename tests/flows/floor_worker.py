"""A tick as a process of its own, to be killed.

``python -m tests.flows.floor_worker DSN POLYGON_URL COINGECKO_URL REDIS_URL RUN TICK``
"""

from __future__ import annotations

import sys
from datetime import datetime

from marketdata import settings
from marketdata.flows.realtime import hours, latest
from marketdata.flows.services import connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.warehouse import Warehouse


def main(dsn: str, polygon_url: str, coingecko_url: str, redis_url: str, run: str, tick: str) -> None:
    """One scheduled tick, of the hours where the run's name says so."""
    stocks = VendorConnection("polygon", polygon_url, "demo-polygon-advanced", "advanced", requests_per_minute=10_000)
    coins = VendorConnection("coingecko", coingecko_url, "demo-coingecko-demo", "demo", requests_per_minute=10_000)
    update = hours.update_hours if run.startswith("hours") else latest.update_prices
    with (
        Warehouse.open(dsn) as warehouse,
        connected(warehouse, stocks, coins, redis_url, priority="realtime") as services,
    ):
        at = datetime.fromisoformat(tick)
        update(services, dag_id="killed", airflow_run_id=run, tick=at, now=settings.now())


if __name__ == "__main__":
    main(*sys.argv[1:])
