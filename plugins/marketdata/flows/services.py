"""What the flows work with: the warehouse, a hook for each vendor and the cache, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from marketdata.addresses import cache_url, warehouse_dsn
from marketdata.flows.entitled import Entitled
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import VendorConnection, from_airflow
from marketdata.hooks.http import Patience
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Priority, Quota
from marketdata.hooks.transport import Timeouts
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.warehouse import Warehouse

_PATIENCE: dict[Priority, Patience] = {
    "batch": Patience(),
    "realtime": Patience(
        Timeouts(connect=2.0, read=6.0, total=8.0), tries=2, quota_wait=10.0, retry_wait=2.0, whole=8.0
    ),
}
"""Realtime has seconds: one call ends within 16, and the next tick is the next try."""


@dataclass(frozen=True, slots=True)
class Services:
    """An open warehouse, both vendors, what is known of our keys there, and the cache. For one thread at a time."""

    warehouse: Warehouse
    polygon: PolygonHook
    coingecko: CoinGeckoHook
    polygon_key: Entitled
    coingecko_key: Entitled
    cache: PriceCache


@contextmanager
def open_services(priority: Priority = "batch") -> Iterator[Services]:
    """Everything from the Airflow connections, for the length of a ``with``; whose quota the calls use, and its haste.

    Raises ConfigurationError or StorageError before anything is asked of a vendor.
    """
    with Warehouse.open(warehouse_dsn()) as warehouse:
        redis_url = cache_url()
        polygon = from_airflow(PolygonHook.default_conn_name, "polygon")
        coingecko = from_airflow(CoinGeckoHook.default_conn_name, "coingecko")
        with connected(warehouse, polygon, coingecko, redis_url, priority=priority) as services:
            yield services


@contextmanager
def connected(
    warehouse: Warehouse,
    polygon: VendorConnection,
    coingecko: VendorConnection,
    redis_url: str | None,
    *,
    priority: Priority = "batch",
) -> Iterator[Services]:
    """The same from explicit connections, without Airflow."""
    patience = _PATIENCE[priority]
    with ExitStack() as stack:
        stocks = PolygonHook(
            connection=polygon, quota=Quota.of(polygon, redis_url), priority=priority, patience=patience
        )
        coins = CoinGeckoHook(
            connection=coingecko, quota=Quota.of(coingecko, redis_url), priority=priority, patience=patience
        )
        cache = PriceCache(redis_url)
        stack.callback(stocks.close)
        stack.callback(coins.close)
        stack.callback(cache.close)
        keys = Entitled(warehouse, polygon), Entitled(warehouse, coingecko)
        yield Services(warehouse, stocks, coins, *keys, cache)
