"""From nothing to MAX: 200 stocks of more than 20 years and 20 coins, as the first run after an installation does it.

The optimum is what the planner states before the first call. What reached the vendors is the simulator's own count, so
probes, retries and pages are in it.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.simulator.admin import SimulatorAdmin
from local.simulator.listings import UNIVERSE, load_universe
from marketdata.flows import history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services, connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.assets import load_assets
from marketdata.storage.runs import RunReport
from marketdata.storage.warehouse import Warehouse
from tests.bench.first_load import AT_A_TIME, start_worker, work
from tests.bench.load import COIN_KEY
from tests.bench.scenes import Figure, spread
from tests.bench.stage import KEY, NOW, Stage, simulator

STOCKS, COINS = 200, 20
RUNS = 3
MOST_CALLS = 1.02
MOST_SECONDS = 60.0
_EXTRA = ("--extra-stocks", str(STOCKS))


@dataclass(frozen=True, slots=True)
class Loaded:
    """One load: its report, the requests that the plan stated, those that reached the vendors, and its time."""

    report: RunReport
    planned: int
    asked: int
    seconds: float


def history_max(stage: Stage) -> list[Figure]:
    """A rehearsal that shows what is asked, then the same with prepared answers, timed."""
    with tempfile.TemporaryDirectory(prefix="marketdata-max-") as folder:
        coins = _write_universe(Path(folder) / "universe.csv")
        with simulator(Path(folder), "--universe", str(Path(folder) / "universe.csv"), *_EXTRA) as urls:
            scene = Scene(stage, urls, coins)
            scene.load(listed=True)
            scene.prepare()
            loads = [scene.load(listed=True) for _ in range(RUNS)]
            unlisted = scene.load(listed=False)
    planned, asked, bars = loads[-1].planned, loads[-1].asked, loads[-1].report.received
    what = f"from empty to MAX, {STOCKS} stocks and {COINS} coins ({bars:,} bars)"
    most = max(load.asked / load.planned for load in loads)
    without = f"{what}, first trading days unknown"
    seconds = [load.seconds for load in loads]
    return [
        Figure(f"{what}: vendor calls against the {planned:,} of the plan", f"at most {MOST_CALLS} times",
               f"{most:.3f} times ({asked:,})", most <= MOST_CALLS),
        Figure(f"{without}: the same, with the probes that tell an absence from a clipped history", "",
               f"{unlisted.asked / unlisted.planned:.3f} times ({unlisted.asked:,})", met=True),
        Figure(f"{what}: time through the flow, {AT_A_TIME} tasks at a time", f"at most {MOST_SECONDS:g} s",
               spread(seconds), max(seconds) <= MOST_SECONDS),
    ]  # fmt: skip


class Scene:
    """A simulator that has the ``coins``, and the flow on it."""

    def __init__(self, stage: Stage, urls: dict[str, str], coins: list[dict[str, str]]) -> None:
        self.stage = stage
        self.urls = urls
        self.coins = coins
        self.admin = SimulatorAdmin(urls["base_url"])
        self.admin.put_key(COIN_KEY, requests_per_minute=None)

    def load(self, *, listed: bool) -> Loaded:
        """Plan here, fetch in two worker processes that are connected already, close here."""
        dsn = self.stage.fresh_database()
        coins_url = self.urls["coingecko_pro_url"]
        workers = [
            start_worker(self.stage.redis_url, dsn, self.urls["polygon_url"], number, AT_A_TIME, coins_url)
            for number in range(AT_A_TIME)
        ]
        try:
            with self._services(dsn) as services:
                services.warehouse.transact(load_assets, [*_stocks(listed=listed), *self.coins])
                self.admin.forget_requests()
                started = time.perf_counter()
                plan = history.plan_run(
                    services, HistoryRequest("MAX"), dag_id="bench", airflow_run_id="max", as_of=NOW, now=NOW
                )
                work(workers, " ".join(str(number) for number in (plan.run_id, *(one.batch for one in plan.batches))))
                report = history.close_run(services, dag_id="bench", airflow_run_id="max")
                seconds = time.perf_counter() - started
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
        if report is None or report.state != "success":
            raise RuntimeError(f"the bench's own run did not succeed: {report}")
        planned = plan.stocks.requests + plan.coins.requests
        return Loaded(report, planned, len(self.admin.requests()), seconds)

    def prepare(self) -> None:
        """Compute beforehand what was just asked for."""
        asked = self.admin.requests()
        stocks = [f"/massive{one.path}?{one.query}" for one in asked if one.vendor == "massive"]
        path = urlsplit(self.urls["coingecko_pro_url"]).path
        coins = [f"{path}{one.path}?{one.query}" for one in asked if one.vendor != "massive"]
        self.admin.prepare(KEY, stocks)
        self.admin.prepare(COIN_KEY, coins)

    @contextmanager
    def _services(self, dsn: str) -> Iterator[Services]:
        stocks = VendorConnection("polygon", self.urls["polygon_url"], KEY, "advanced", requests_per_minute=1_000_000)
        coins = VendorConnection(
            "coingecko", self.urls["coingecko_pro_url"], COIN_KEY, "pro", requests_per_minute=1_000_000
        )
        with Warehouse.open(dsn) as warehouse, connected(warehouse, stocks, coins, self.stage.redis_url) as services:
            yield services


def _write_universe(path: Path) -> list[dict[str, str]]:
    """The usual universe, its coins filled up to ``COINS``; those coins as assets."""
    with UNIVERSE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    coins = [row for row in rows if row["asset_class"] == "crypto"]
    blank = dict.fromkeys(rows[0], "")
    more = [
        {
            **blank, "symbol": f"X:COIN{number}USD", "asset_class": "crypto", "vendor_symbol": f"coin-{number}",
            "name": f"Coin {number}", "listed_on": f"{2014 + number % 8}-06-01",
        }
        for number in range(COINS - len(coins))
    ]  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(blank))
        writer.writeheader()
        writer.writerows([*rows, *more])
    return [*coins, *more]


def _stocks(*, listed: bool) -> list[dict[str, str]]:
    """All synthetic stocks as assets; ``listed`` False leaves their first trading days out."""
    listings = load_universe(extra_stocks=STOCKS).listings[-STOCKS:]
    return [
        {
            "symbol": one.ticker, "asset_class": "stock", "listed_on": str(one.listed_on) if listed else "",
            "delisted_on": str(one.delisted_on or ""),
        }
        for one in listings
    ]  # fmt: skip
