"""The first load as a process of its own: prints rows, seconds and the process's peak memory in MB."""

from __future__ import annotations

import sys
import time

from marketdata.flows.services import connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.warehouse import Warehouse
from tests.bench.scenes import peak_memory_mb, run_flow
from tests.bench.stage import KEY


def main(dsn: str, redis_url: str, polygon_url: str) -> None:
    """Load five years of all assets of the database."""
    stocks = VendorConnection("polygon", polygon_url, KEY, "advanced", requests_per_minute=1_000_000)
    coins = VendorConnection("coingecko", polygon_url, plan="keyless")
    with Warehouse.open(dsn) as warehouse, connected(warehouse, stocks, coins, redis_url) as services:
        started = time.perf_counter()
        report = run_flow(services, "5Y", "load")
        seconds = time.perf_counter() - started
    sys.stdout.write(f"{report.inserted} {seconds} {peak_memory_mb()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
