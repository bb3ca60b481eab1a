"""A small market in a database and a cache, the read API on it, and a server that speaks HTTP for it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import requests
import uvicorn
from fastapi import FastAPI

from marketdata.storage.market_reader import MarketReader
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.prices import LatestPrice
from marketdata.storage.read_pool import ReadPool
from marketdata.web.app import create_app
from marketdata.web.login import requires_reader
from marketdata.web.sources import Sources

FRIDAY = date(2026, 11, 20)
CLOSE = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
STOCKS = ("AAPL", "BRK.B", "GSpJ")
COIN = "X:BTCUSD"
QUIET = "QUIET"
"""A stock that nobody has ever seen a price of."""

_ASSETS = """
    insert into asset (symbol, asset_class, vendor_symbol, listed_on)
    values ('AAPL', 'stock', 'AAPL', '2000-01-03'), ('BRK.B', 'stock', 'BRK.B', '2000-01-03'),
        ('GSpJ', 'stock', 'GSpJ', '2000-01-03'), ('X:BTCUSD', 'crypto', 'bitcoin', '2013-04-28'),
        ('QUIET', 'stock', 'QUIET', '2000-01-03')
"""
_DAYS = """
    insert into bar_daily (asset_id, fetched_at, run_id, open, high, low, close, volume, session, is_final, source)
    select a.asset_id, t.session + time '22:00' at time zone 'UTC', 1, 100, 500, 90, 100 + extract(doy from t.session),
        1000, t.session, true, 'polygon'
    from asset as a cross join trading_session as t
    where a.symbol in ('AAPL', 'BRK.B') and t.session between '2025-01-02' and '2026-11-20'
"""
_HOURS = """
    insert into bar_hourly (asset_id, starts_at, fetched_at, run_id, open, high, low, close, volume, is_final, source)
    select asset_id, start, start + interval '1 hour 1 minute', 1, 100, 500, 90, 100 + extract(hour from start), 50,
        true, 'polygon'
    from asset cross join (
        select generate_series(timestamptz '2026-11-19 14:30Z', '2026-11-19 20:30Z', '1 hour')
        union all select generate_series(timestamptz '2026-11-20 14:30Z', '2026-11-20 20:30Z', '1 hour')
    ) as hours (start)
    where symbol = 'AAPL'
"""
_LATEST = """
    insert into latest_price (asset_id, at, price, previous_close, previous_session, change, change_percent, session,
        source, delayed, fetched_at, seen_at, run_id)
    select asset_id, %(at)s, %(price)s, 100, '2026-11-19', %(price)s - 100, %(price)s - 100, '2026-11-20', 'polygon',
        false, %(fetched_at)s, %(fetched_at)s, 1
    from asset where symbol = any(%(symbols)s)
    on conflict (asset_id) do update set at = excluded.at, price = excluded.price, fetched_at = excluded.fetched_at
"""


@dataclass
class Market:
    """A database with a week of prices, an empty cache, and a reader with its own clock at ``now``."""

    dsn: str
    redis_url: str | None
    reader: MarketReader
    now: datetime = SATURDAY

    @property
    def cache(self) -> PriceCache:
        return self.reader.cache

    def execute(self, query: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement in a session of its own and commit; its rows, if it gives any."""
        with psycopg.connect(self.dsn, options="-c search_path=marketdata") as connection:
            cursor = connection.execute(query, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def price(self, price: float, at: datetime = CLOSE, *symbols: str) -> None:
        """Store a latest price as the minute job does, without the cache."""
        values = {"symbols": list(symbols or (*STOCKS, COIN)), "at": at, "fetched_at": at, "price": price}
        self.execute(_LATEST, values)


@contextlib.contextmanager
def away(dsn: str) -> Iterator[None]:
    """The database of ``dsn`` takes no connections and has ended those that it had."""
    name = dsn.rpartition("/")[2]
    with psycopg.connect(psycopg.conninfo.make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"alter database {name} allow_connections false")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        try:
            yield
        finally:
            connection.execute(f"alter database {name} allow_connections true")


def fill(dsn: str) -> None:
    """Four assets with prices at the close of a Friday, daily bars of two of them, hours of one."""
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        for statement in (_ASSETS, _DAYS, _HOURS):
            connection.execute(statement)
        values = {"symbols": [*STOCKS, COIN], "at": CLOSE, "fetched_at": CLOSE + timedelta(seconds=3), "price": 110.5}
        connection.execute(_LATEST, values)


@contextlib.contextmanager
def open_market(dsn: str, redis_url: str | None) -> Iterator[Market]:
    """A market on a migrated, empty database."""
    fill(dsn)
    pool, cache = ReadPool(dsn), PriceCache(redis_url)
    market = Market(dsn, redis_url, MarketReader(pool, cache, clock=lambda: market.now))
    try:
        yield market
    finally:
        pool.close()
        cache.close()


def app_of(market: Market) -> FastAPI:
    """The read API on a market, everybody logged in."""
    sources = Sources(lambda: market.dsn, lambda: market.redis_url)
    sources._reader = market.reader
    app = create_app(sources)
    app.dependency_overrides[requires_reader] = lambda: None
    return app


@contextlib.contextmanager
def serving(app: Callable[..., object]) -> Iterator[str]:
    """The URL of a real HTTP server for an application, in a thread of its own."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def latest(symbol: str, price: float, at: datetime) -> LatestPrice:
    """A latest price as the minute job publishes it."""
    change = price - 100
    return LatestPrice(
        1, symbol, "stock", at, price, 100.0, FRIDAY, change, change, None, None, at.date(), "polygon", False, at, at
    )


@dataclass
class Client:
    """Speaks HTTP to one server; ``headers`` go with every request."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, params: dict[str, str] | None = None, **options: object) -> requests.Response:
        """A GET; no redirect is followed."""
        return self.ask("GET", path, params=params, **options)

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        """Any request."""
        headers = self.headers | options.pop("headers", {})
        given = {"timeout": 30, "allow_redirects": False, **options}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, headers=headers, **given)
