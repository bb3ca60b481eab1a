"""The read API as front ends use it: through Airflow's API server, its login included, over HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import psycopg
import redis
import requests

from local import processes
from marketdata.storage.market_reader import MarketReader
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.prices import LatestPrice
from marketdata.web.lazy import MOUNTED_AT
from tests.bench.scenes import Figure, timed
from tests.bench.stage import FIVE_YEARS_AGO, FRIDAY, NOW, ROOT, Stage
from tests.web.api_server import ApiServer, started
from tests.web.market import Client

ASSETS = 500
READS = 400
READERS = 50
LISTENERS = 100
TICKS = 50
PRICES_A_TICK = 100
CACHED_MS, STORED_MS, PUSHED_MS = 5, 30, 100

_ASSETS = """insert into asset (symbol, asset_class, vendor_symbol, listed_on)
    select 'Z' || n, 'stock', 'Z' || n, '2008-01-02' from generate_series(1, %(assets)s) as n"""
_BARS = """insert into bar_daily (asset_id, fetched_at, run_id, open, high, low, close, volume, vwap, trades, session,
        is_final, source)
    select a.asset_id, %(now)s, 1, 50, 51, 49, 50 + sin(t.session - date '2020-01-01'), 1e6, 50, 1000, t.session, true,
        'polygon'
    from asset as a cross join trading_session as t
    where t.session between %(first)s and %(last)s"""
_SPLITS = """insert into split (asset_id, executed_on, split_from, split_to, vendor_id, kind, fetched_at)
    select asset_id, '2026-03-02', 1, 4, 'S' || asset_id, 'forward_split', %(now)s from asset where asset_id %% 4 = 0"""


def reads(stage: Stage) -> list[Figure]:
    """Charts from cache and database, a stampede on a cold key, and pushed prices."""
    dsn = stage.fresh_database()
    _generate(dsn)
    metadata = stage.database.create_database("bench_airflow")
    figures = [_stampede(dsn, stage.redis_url)]
    with (
        tempfile.TemporaryDirectory(prefix="marketdata-bench-") as folder,
        started(Path(folder), metadata=metadata, dsn=dsn, redis_url=stage.redis_url, now=NOW) as server,
        redis.Redis.from_url(stage.redis_url) as cache,
    ):
        with _alone(server, Path(folder)) as viewer:
            stored = _milliseconds(viewer, _chart, before=cache.flushall)
            figures.append(_chart_figure("chart 1Y from the database, HTTP and login included", stored, STORED_MS))
            cached = _milliseconds(viewer, lambda _: _chart(1))
            figures.append(_chart_figure("chart 1Y from the cache, HTTP and login included", cached, CACHED_MS))
        viewer = server.logged_in["viewer"]
        whole = _milliseconds(viewer, lambda _: _chart(1))
        figures.append(_chart_figure("the same through the whole of Airflow's API server, compressed", whole, None))
        bare = _milliseconds(viewer, lambda _: "/nothing")
        figures.append(_chart_figure("what Airflow's API server takes for a path that there is not", bare, None))
        figures.append(_pushed(viewer, stage.redis_url))
    stage.database.drop_database(dsn.rpartition("/")[2])
    stage.database.drop_database("bench_airflow")
    return figures


def _chart(number: int) -> str:
    """A chart of assets all over the table."""
    return f"/api/assets/Z{1 + 7919 * number % ASSETS}/chart?range=1Y"


@contextlib.contextmanager
def _alone(server: ApiServer, home: Path) -> Iterator[Client]:
    """A logged-in client of the read API in a process of its own: Airflow's login, none of its middleware."""
    port = processes.free_port()
    command = [sys.executable, "-m", "tests.bench.read_server", str(port)]
    process = processes.spawn("reads", command, log=home / "reads.log", env=dict(server.environment), cwd=ROOT)
    try:
        processes.wait_until(lambda: processes.is_taken(port), process, seconds=120)
        yield Client(f"http://127.0.0.1:{port}", server.logged_in["viewer"].headers)
    finally:
        processes.stop([process])


def _generate(dsn: str) -> None:
    values = {"assets": ASSETS, "now": NOW, "first": FIVE_YEARS_AGO, "last": FRIDAY}
    with psycopg.connect(dsn, options="-c search_path=marketdata", autocommit=True) as connection:
        for statement in (_ASSETS, _BARS, _SPLITS, "vacuum analyze"):
            connection.execute(statement, values)


def _stampede(dsn: str, redis_url: str) -> Figure:
    """Readers that ask for a key that is not cached, at the same moment."""
    start = threading.Barrier(READERS)
    with MarketReader.open(dsn, redis_url) as reader, ThreadPoolExecutor(READERS) as threads:

        def read(_: int) -> int:
            start.wait()
            return len(bytes(reader.chart("Z1", "5Y").bars))

        if min(threads.map(read, range(READERS))) < 10_000:
            raise RuntimeError("the chart is not five years long")
        loads = reader.loads
    return Figure(f"{READERS} readers at once of a cold key, database queries", "1", str(loads), loads == 1)


def _milliseconds(
    client: Client, path: Callable[[int], str], *, before: Callable[[], object] | None = None
) -> list[float]:
    """How long each of many reads takes, one after another on one connection."""
    found = []
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(client.headers)
        for number in range(READS + 20):
            if before is not None:
                before()
            url = f"{client.url}{MOUNTED_AT}{path(number)}"
            found.append(1000 * timed(lambda url=url: session.get(url, timeout=30)))
        if session.get(url, timeout=30).status_code not in {200, 404}:
            raise RuntimeError(f"{url} is not answered")
    return found[20:]


def _chart_figure(what: str, milliseconds: list[float], most: float | None) -> Figure:
    slow = statistics.quantiles(milliseconds, n=20)[-1]
    measured = f"{slow:.1f} ms (median {statistics.median(milliseconds):.1f}, n={len(milliseconds)})"
    goal = "" if most is None else f"under {most} ms"
    return Figure(f"{what}, 95th percentile", goal, measured, most is None or slow < most)


def _pushed(client: Client, redis_url: str) -> Figure:
    delays = [1000 * delay for delay in asyncio.run(_push(client, redis_url))]
    if len(delays) != LISTENERS * TICKS:
        raise RuntimeError(f"{len(delays)} of {LISTENERS * TICKS} events came")
    slow = statistics.quantiles(delays, n=20)[-1]
    what = f"push: {LISTENERS} listeners, {PRICES_A_TICK} prices an event, commit to event, 95th percentile"
    measured = f"{slow:.0f} ms (median {statistics.median(delays):.0f}, n={len(delays):,})"
    return Figure(what, f"under {PUSHED_MS} ms", measured, slow < PUSHED_MS)


async def _push(client: Client, redis_url: str) -> list[float]:
    """Seconds from before a price is committed to the cache until each listener has the whole event."""
    committed: list[float] = []
    delays: list[float] = []
    listeners = [await _connected(client) for _ in range(LISTENERS)]
    reading = [asyncio.create_task(_read(reader, committed, delays)) for reader, _ in listeners]
    cache = PriceCache(redis_url)
    for number in range(TICKS):
        prices = [_price(f"Z{index}", number) for index in range(PRICES_A_TICK)]
        committed.append(perf_counter())
        await asyncio.to_thread(cache.put_prices, prices)
        await asyncio.sleep(0.2)  # one tick after another, as they come
    await asyncio.wait(reading, timeout=10)
    for _, writer in listeners:
        writer.close()
    cache.close()
    return delays


async def _connected(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
    headers = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "bench", **client.headers}.items())
    writer.write(f"GET {MOUNTED_AT}/api/prices/stream HTTP/1.1\r\n{headers}\r\n".encode())
    await reader.readuntil(b"\nid: ")
    return reader, writer


async def _read(reader: asyncio.StreamReader, committed: list[float], delays: list[float]) -> None:
    for number in range(TICKS):
        await reader.readuntil(b"data: [")
        await reader.readuntil(b"]\n\n")
        delays.append(perf_counter() - committed[number])


def _price(symbol: str, number: int) -> LatestPrice:
    at = datetime(2026, 11, 20, 20, 0, tzinfo=UTC) + timedelta(seconds=number)
    price, day = 50.0 + number, date(2026, 11, 20)
    return LatestPrice(
        1, symbol, "stock", at, price, 50.0, day, float(number), 2.0 * number, 1e6, None, day, "polygon", False, at, at
    )
