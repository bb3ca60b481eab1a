"""The desk's third half, the trading floor: ticks of realtime, and what they left in database and cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
import redis

from marketdata.flows.realtime import hours, latest
from marketdata.flows.services import Services, connected
from marketdata.storage.runs import RunReport
from marketdata.storage.watchlists import add_members, create_lists
from tests.flows.conftest import Desk
from tests.flows.office import new_york
from tests.flows.passing_time import wait_no_more

THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
OPEN = new_york(FRIDAY, 9, 30)
MINUTE = timedelta(minutes=1)


@dataclass
class Floor:
    """A desk that ticks; its clock is moved by each tick to a second after its instant."""

    desk: Desk
    services: Services
    redis: redis.Redis
    runs: int = 0

    @property
    def admin(self) -> Any:  # noqa: ANN401 - the simulator's client
        return self.desk.simulator.admin

    def activate(self, *symbols: str) -> None:
        """Put assets on a watchlist."""
        self.services.warehouse.transact(create_lists, ["ours"])
        self.services.warehouse.transact(add_members, "ours", list(symbols))

    def tick(
        self, at: datetime, *, late: timedelta = timedelta(seconds=1), services: Services | None = None
    ) -> RunReport:
        """A scheduled tick of the latest prices, which starts a second after its instant."""
        self.desk.at(at + late)
        return self.update(at, services)

    def update(self, at: datetime | None, services: Services | None = None) -> RunReport:
        """The same at the desk's present instant; ``at`` None: by hand."""
        self.runs += 1
        return latest.update_prices(
            services or self.services, dag_id="realtime_latest", airflow_run_id=f"tick {self.runs}", tick=at,
            now=self.desk.now,
        )  # fmt: skip

    def tick_hours(self, at: datetime, *, late: timedelta = timedelta(seconds=5)) -> RunReport:
        """A scheduled tick of the hours."""
        self.desk.at(at + late)
        return self.update_hours(at)

    def update_hours(self, at: datetime | None) -> RunReport:
        self.runs += 1
        return hours.update_hours(
            self.services, dag_id="realtime_hourly", airflow_run_id=f"hours {self.runs}", tick=at, now=self.desk.now
        )

    def price(self, symbol: str) -> dict[str, Any] | None:
        """What the cache has as an asset's latest price."""
        return self._decoded(f"latest_price:{symbol}")

    def cached_hours(self, symbol: str) -> list[dict[str, Any]] | None:
        return self._decoded(f"hourly_data:{symbol}:1D")

    def latest(self, symbol: str) -> dict[str, Any]:
        """The row of an asset's latest price."""
        rows = self.desk.query(
            "select to_jsonb(latest_price) from latest_price join asset using (asset_id) where symbol = %(symbol)s",
            symbol=symbol,
        )
        return dict(rows[0][0]) if rows else {}

    def minutes(self, symbol: str) -> list[tuple[Any, ...]]:
        return self.desk.query(
            "select at, price from price_minute join asset using (asset_id) where symbol = %(symbol)s order by at",
            symbol=symbol,
        )

    def stored(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Every latest and every minute price, without what differs from run to run."""
        return (
            self.desk.query("select asset_id, at, price, change, volume, session from latest_price order by 1"),
            self.desk.query("select asset_id, at, price, volume from price_minute order by 1, 2"),
        )

    def hours_of(self, symbol: str) -> list[tuple[Any, ...]]:
        return self.desk.query(
            "select starts_at, open, high, low, close, volume, is_final, source"
            " from bar_hourly join asset using (asset_id) where symbol = %(symbol)s order by 1",
            symbol=symbol,
        )

    def feed(self, vendor: str, feed: str = "latest") -> tuple[str, int, int] | None:
        rows = self.desk.query(
            "select way, cadence_minutes, delay_seconds from realtime_feed"
            " where vendor = %(vendor)s and feed = %(feed)s",
            vendor=vendor, feed=feed,
        )  # fmt: skip
        return rows[0] if rows else None

    def asked(self, part: str = "") -> list[str]:
        """The targets that both vendors were asked for since the log was emptied."""
        targets = (unquote(f"{entry.path}?{entry.query}") for entry in self.admin.requests())
        return [target for target in targets if part in target]

    def forget(self) -> None:
        self.admin.forget_requests()

    def _decoded(self, key: str) -> Any:  # noqa: ANN401 - JSON
        value = self.redis.get(key)
        return None if value is None else msgspec.json.decode(value)


@contextmanager
def open_floor(desk: Desk, redis_url: str, cache_url: str | None) -> Iterator[Floor]:
    """A floor on a desk, all of whose assets are active, on Friday a minute before the open."""
    services = desk.services
    connections = services.polygon.connection, services.coingecko.connection
    client = redis.Redis.from_url(redis_url)
    with client, connected(services.warehouse, *connections, cache_url, priority="realtime") as realtime_services:
        wait_no_more(realtime_services, client)
        floor = Floor(desk, realtime_services, client)
        floor.activate(*(row[0] for row in desk.query("select symbol from asset order by 1")))
        desk.at(OPEN - MINUTE)
        yield floor
