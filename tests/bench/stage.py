"""The servers of a bench run, and a universe of synthetic stocks on a fresh database."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from local import postgres, processes, valkey
from local.simulator.admin import SimulatorAdmin
from local.simulator.listings import load_universe
from marketdata.flows.services import Services, connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.assets import load_assets
from marketdata.storage.migrations import migrate
from marketdata.storage.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[2]
EXTRA_STOCKS = 15_000
KEY = "demo-polygon-advanced"
NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)  # a Saturday: every session of the week is settled
FRIDAY = date(2026, 11, 20)
FIVE_YEARS_AGO = date(2021, 11, 21)


@dataclass(frozen=True, slots=True)
class Stage:
    """Running servers: PostgreSQL with durable settings, Valkey, the simulator with its clock at ``NOW``."""

    database: postgres.PostgresServer
    redis_url: str
    polygon_url: str
    admin: SimulatorAdmin

    def fresh_database(self) -> str:
        """The DSN of a new database with the schema."""
        dsn = self.database.create_database(f"bench_{secrets.token_hex(4)}")
        migrate(dsn)
        return dsn

    @contextlib.contextmanager
    def services(self, dsn: str) -> Iterator[Services]:
        """The flow's services, on a plan without limits that matter."""
        stocks = VendorConnection("polygon", self.polygon_url, KEY, "advanced", requests_per_minute=1_000_000)
        coins = VendorConnection("coingecko", self.polygon_url, plan="keyless")
        with Warehouse.open(dsn) as warehouse, connected(warehouse, stocks, coins, self.redis_url) as services:
            yield services

    def count_calls(self) -> int:
        """Requests that reached the vendor since the log was emptied."""
        return len(self.admin.requests(vendor="massive"))


@contextlib.contextmanager
def raised() -> Iterator[Stage]:
    """All servers, stopped at the end."""
    os.environ["MARKETDATA_ALLOW_LOOPBACK"] = "1"
    os.environ["MARKETDATA_NOW"] = NOW.isoformat()
    with tempfile.TemporaryDirectory(prefix="marketdata-bench-") as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        home.chmod(0o755)
        database = postgres.start(home / "data", password=secrets.token_hex(8), log=home / "postgres.log")
        stack.callback(processes.stop, [database.process])
        cache = valkey.start(home / "valkey", password=secrets.token_hex(8), log=home / "valkey.log")
        stack.callback(processes.stop, [cache.process])
        urls = stack.enter_context(simulator(home, "--extra-stocks", str(EXTRA_STOCKS)))
        yield Stage(database, cache.url(), urls["polygon_url"], SimulatorAdmin(urls["base_url"]))


@contextlib.contextmanager
def simulator(home: Path, *options: str) -> Iterator[dict[str, str]]:
    """A vendor simulator in a process of its own, its clock at ``NOW``: its addresses by name."""
    state = home / "simulator.json"
    command = [sys.executable, "-m", "local.simulator", "--now", NOW.isoformat(), "--state-file", str(state), *options]
    process = processes.spawn("simulator", command, log=home / "simulator.log", cwd=ROOT)
    try:
        processes.wait_until(state.exists, process, seconds=120)
        yield json.loads(state.read_text(encoding="utf-8"))
    finally:
        processes.stop([process])


def ready_file(folder: str) -> Path:
    """Where a peer's process leaves the time at which its imports are done and its work begins."""
    return Path(f"{folder}.ready")


def tickers(count: int) -> list[str]:
    """Synthetic stocks that were listed before the last five years and still are."""
    universe = load_universe(extra_stocks=EXTRA_STOCKS)
    found = [
        listing.ticker
        for listing in universe.listings
        if listing.ticker.startswith("Z") and listing.ticker[1:].isdigit()
        and listing.listed_on < FIVE_YEARS_AGO and listing.delisted_on is None and listing.quiet < 0.01
    ]  # fmt: skip
    if len(found) < count:
        raise ValueError(f"the simulator has {len(found)} such stocks, {count} are wanted")
    return found[:count]


def follow(services: Services, symbols: Sequence[str]) -> None:
    """Load the stocks as assets."""
    services.warehouse.transact(
        load_assets, [{"symbol": symbol, "asset_class": "stock", "listed_on": "2008-01-02"} for symbol in symbols]
    )


def cover_until(dsn: str, last: date) -> None:
    """Mark everything up to ``last`` as verified, as after years of daily runs."""
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        connection.execute(
            "insert into coverage (asset_id, interval, verified, updated_at)"
            " select asset_id, '1d', datemultirange(daterange(null, %s, '[]')), now() from asset"
            " on conflict (asset_id, interval) do update set verified = excluded.verified",
            (last,),
        )
