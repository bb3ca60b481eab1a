"""One worker of the first load, a process of its own: makes every ``of``-th batch of a run, one call after the other.

Prints ``ready`` when it is connected, reads the run and its batches from a line of standard input, and prints the
process's peak memory in MB when they are made. It ends as Airflow ends the process of a task, by ``os._exit``: to take
an interpreter down that is no longer needed costs 0.3 to 0.5 s.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
from pathlib import Path

from marketdata.flows import fetch
from marketdata.flows.services import connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.warehouse import Warehouse
from tests.bench.stage import KEY

COIN_KEY = "demo-coingecko-pro"


def main(dsn: str, redis_url: str, polygon_url: str, number: str, of: str, coins_url: str = "") -> None:
    """Make the batches ``number``, ``number + of`` and so on of the run that is named on standard input.

    ``coins_url`` is where a paid CoinGecko plan without limits that matter is; without it there is the keyless one.
    """
    stocks = VendorConnection("polygon", polygon_url, KEY, "advanced", requests_per_minute=1_000_000)
    coins = VendorConnection("coingecko", polygon_url, plan="keyless")
    if coins_url:
        coins = VendorConnection("coingecko", coins_url, COIN_KEY, "pro", requests_per_minute=1_000_000)
    with Warehouse.open(dsn) as warehouse, connected(warehouse, stocks, coins, redis_url) as services:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        run_id, *batches = (int(word) for word in sys.stdin.readline().split())
        for batch in batches[int(number) :: int(of)]:
            fetch.fetch_batch(services, run_id, batch)
    sys.stdout.write(f"{peak_memory_mb()}\n")


def peak_memory_mb() -> float:
    """The largest resident set that this process has had, without its parent's (Linux hands ``ru_maxrss`` down)."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
