"""A small universe behind the simulator, and the flow's services on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services, connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.assets import load_assets
from marketdata.storage.runs import RunReport
from marketdata.storage.warehouse import Warehouse
from tests.flows.passing_time import let_pass, wait_no_more

if TYPE_CHECKING:
    from local.simulator.server import Addresses
    from tests.flows.floor import Floor
    from tests.flows.office import Office

FRIDAY_EVENING = datetime.fromisoformat("2026-11-20T22:00:00+00:00")
SATURDAY_NOON = datetime.fromisoformat("2026-11-21T18:00:00+00:00")
NOWHERE = "redis://127.0.0.1:1/0"

ASSETS = [
    {"symbol": "AAPL", "asset_class": "stock", "listed_on": "1980-12-12"},
    {"symbol": "MSFT", "asset_class": "stock", "listed_on": "1986-03-13"},
    {"symbol": "GOOGL", "asset_class": "stock", "listed_on": "2014-04-03"},
    {"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"},
]


@dataclass
class Desk:
    """The flow on one database and one simulator, with the clock in hand."""

    services: Services
    simulator: Addresses
    dsn: str
    set_clock: Callable[[datetime], None]
    now: datetime
    redis: redis.Redis

    def at(self, now: datetime) -> None:
        """Move both clocks, ours and the vendors': pauses and open circuits pass with the time."""
        let_pass(self.redis, max(0.0, (now - self.now).total_seconds()))
        self.now = now
        self.set_clock(now)
        self.simulator.admin.set_clock(now)

    def plan(
        self, range_name: str, symbols: Sequence[str] = (), run: str = "manual", dry_run: bool = False
    ) -> history.RunPlan:
        request = HistoryRequest(range_name, tuple(symbols), dry_run)
        return history.plan_run(
            self.services, request, dag_id="historical_daily", airflow_run_id=run, as_of=self.now, now=self.now
        )

    def run(self, range_name: str, symbols: Sequence[str] = (), run: str = "manual") -> RunReport:
        """Plan, fetch every batch, close."""
        for batch in self.plan(range_name, symbols, run).batches:
            fetch.fetch_batch(self.services, batch.run_id, batch.batch)
        report = history.close_run(self.services, dag_id="historical_daily", airflow_run_id=run)
        assert report is not None
        return report

    def query(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, options="-c search_path=marketdata") as connection:
            return connection.execute(sql, values).fetchall()

    def rows(self) -> list[tuple[Any, ...]]:
        """Every stored bar, without what differs from run to run."""
        return self.query(
            "select symbol, session, open, high, low, close, volume, volume_24h, vwap, trades, is_final"
            " from bar_daily join asset using (asset_id) order by symbol, session"
        )

    def missing(self, symbol: str, first: date, last: date) -> int:
        """How many days of a span coverage does not hold."""
        ((days,),) = self.query(
            "select count(*) from asset left join coverage using (asset_id)"
            " cross join generate_series(%(first)s::date, %(last)s, '1 day') as day"
            " where symbol = %(symbol)s and not coalesce(verified @> day::date, false)",
            symbol=symbol, first=first, last=last,
        )  # fmt: skip
        return int(days)


def end_pauses(client: redis.Redis) -> None:
    """Let the pauses of all open circuits pass: the next request is the probe."""
    for key in (*client.scan_iter("marketdata:quota:*:down"), *client.scan_iter("marketdata:quota:*:probe")):
        client.delete(key)


@pytest.fixture
def make_desk(
    dsn: str, redis_url: str, simulator: Addresses, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Desk]]:
    """Build a desk for given plans; the default ones have no limits that matter."""
    monkeypatch.setenv("MARKETDATA_ALLOW_LOOPBACK", "1")
    opened: list[Any] = []
    client = redis.Redis.from_url(redis_url)

    def build(
        polygon: str = "advanced",
        coingecko: str = "demo",
        assets: Sequence[dict[str, str]] = ASSETS,
        redis_url: str = redis_url,
    ) -> Desk:
        warehouse_context = Warehouse.open(dsn)
        warehouse = warehouse_context.__enter__()
        warehouse.transact(load_assets, assets)
        is_public = coingecko in {"demo", "keyless"}
        coins = VendorConnection(
            "coingecko",
            simulator.coingecko_url if is_public else simulator.coingecko_pro_url,
            f"demo-coingecko-{coingecko}",
            coingecko,
            requests_per_minute=10_000,
        )
        stocks = VendorConnection(
            "polygon", simulator.polygon_url, f"demo-polygon-{polygon}", polygon, requests_per_minute=10_000
        )
        simulator.admin.put_key(stocks.key, requests_per_minute=None)
        simulator.admin.put_key(coins.key, requests_per_minute=None)
        services_context = connected(warehouse, stocks, coins, redis_url)
        opened.extend([warehouse_context, services_context])
        desk = Desk(
            services_context.__enter__(),
            simulator,
            dsn,
            lambda now: monkeypatch.setenv("MARKETDATA_NOW", now.isoformat()),
            SATURDAY_NOON,
            client,
        )
        desk.at(SATURDAY_NOON)
        wait_no_more(desk.services, client)
        return desk

    yield build
    for context in reversed(opened):
        context.__exit__(None, None, None)
    client.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """Four assets on plans without limits, on a Saturday noon in November 2026."""
    return make_desk()


@pytest.fixture
def make_office(make_desk: Callable[..., Desk]) -> Callable[..., Office]:
    """Build a desk that keeps reference data, for stocks of which nothing but the ticker is known."""
    from tests.flows.office import Office

    return lambda *symbols: Office(make_desk(assets=[{"symbol": symbol, "asset_class": "stock"} for symbol in symbols]))


@pytest.fixture
def office(desk: Desk) -> Office:
    """The desk of four assets with its reference half, on Friday evening; nothing synced yet."""
    from tests.flows.office import Office, new_york

    desk.at(new_york(date(2026, 11, 20), 18))
    return Office(desk)


@pytest.fixture
def make_floor(make_desk: Callable[..., Desk], redis_url: str) -> Iterator[Callable[..., Floor]]:
    """Build a desk whose assets are all active, with services of realtime's priority; Friday before the open."""
    from tests.flows.floor import open_floor

    with ExitStack() as stack:

        def build(*, cache_url: str | None = redis_url, **desk: Any) -> Floor:  # noqa: ANN401 - make_desk's
            return stack.enter_context(open_floor(make_desk(**desk), redis_url, cache_url))

        yield build


@pytest.fixture
def floor(make_floor: Callable[..., Floor]) -> Floor:
    """Four active assets on plans without limits, with a week of history."""
    made = make_floor()
    made.desk.run("7D", run="history")
    made.forget()
    return made
