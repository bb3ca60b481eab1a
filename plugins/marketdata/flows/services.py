"""What the flows work with: the warehouse and a hook for each vendor, opened together and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from marketdata.flows.entitled import Entitled
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import VendorConnection, from_airflow
from marketdata.hooks.databases import cache_url, warehouse_dsn
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Quota
from marketdata.storage.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Services:
    """An open warehouse, both vendors and what is known of our keys there. For one thread at a time."""

    warehouse: Warehouse
    polygon: PolygonHook
    coingecko: CoinGeckoHook
    polygon_key: Entitled
    coingecko_key: Entitled


@contextmanager
def open_services() -> Iterator[Services]:
    """Everything from the Airflow connections, for the length of a ``with``.

    Raises ConfigurationError or StorageError before anything is asked of a vendor.
    """
    with Warehouse.open(warehouse_dsn()) as warehouse:
        redis_url = cache_url()
        polygon = from_airflow(PolygonHook.default_conn_name, "polygon")
        coingecko = from_airflow(CoinGeckoHook.default_conn_name, "coingecko")
        with connected(warehouse, polygon, coingecko, redis_url) as services:
            yield services


@contextmanager
def connected(
    warehouse: Warehouse, polygon: VendorConnection, coingecko: VendorConnection, redis_url: str | None
) -> Iterator[Services]:
    """The same from explicit connections, without Airflow."""
    with ExitStack() as stack:
        stocks = PolygonHook(connection=polygon, quota=Quota.of(polygon, redis_url))
        coins = CoinGeckoHook(connection=coingecko, quota=Quota.of(coingecko, redis_url))
        stack.callback(stocks.close)
        stack.callback(coins.close)
        yield Services(warehouse, stocks, coins, Entitled(warehouse, polygon), Entitled(warehouse, coingecko))
