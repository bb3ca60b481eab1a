"""A tick of the latest prices of many stocks: from the vendor's snapshot to the database and to Redis."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import psycopg
import redis

from marketdata.domain.sessions import session_open
from marketdata.flows.realtime.latest import update_prices
from marketdata.flows.services import Services, connected
from marketdata.storage.watchlists import add_members, create_lists
from tests.bench.scenes import RUNS, Figure, spread, timed
from tests.bench.stage import FRIDAY, KEY, NOW, Stage, follow, tickers

MINUTE = timedelta(minutes=1)
FIRST_TICK = session_open(FRIDAY) + 30 * MINUTE
WHOLE_MARKET = "/massive/v2/snapshot/locale/us/markets/stocks/tickers?include_otc=false"
HISTORY_DAYS = 30


def ticks(stage: Stage) -> list[Figure]:
    """Minute after minute, each with another price of every stock; all have a month of daily bars."""
    figures = []
    for stocks, most in ((1_000, 0.4), (10_000, 2.0)):
        seconds, calls = _ticks(stage, stocks)
        what = f"one tick of {stocks:,} active stocks, snapshot to database and Redis readable"
        warm = seconds[1:]
        figures.append(Figure(f"{what}, warm", f"under {most} s", spread(warm), statistics.median(warm) < most))
        figures.append(Figure(f"{what}: vendor calls", "1 a tick", f"{calls:g} a tick", calls == 1))
    return figures


def _ticks(stage: Stage, stocks: int) -> tuple[list[float], float]:
    """The seconds of each tick, the first one cold, and the vendor calls a tick."""
    dsn = stage.fresh_database()
    seconds, calls = [], 0
    with stage.services(dsn) as prepared, _realtime(stage, prepared) as services, _clock(stage) as set_clock:
        chosen = tickers(stocks)
        follow(services, chosen)
        services.warehouse.transact(create_lists, ["bench"])
        services.warehouse.transact(add_members, "bench", chosen)
        _give_history(dsn)
        for number in range(RUNS + 1):
            tick = FIRST_TICK + number * MINUTE
            set_clock(tick + timedelta(seconds=1))
            stage.admin.prepare(KEY, [WHOLE_MARKET])
            stage.admin.forget_requests()
            seconds.append(timed(lambda tick=tick: _tick(services, tick)))
            calls += stage.count_calls()
            _assert_readable(stage, chosen, tick)
    return seconds, calls / (RUNS + 1)


def _tick(services: Services, tick: datetime) -> None:
    name, now = f"tick {tick}", tick + timedelta(seconds=1)
    report = update_prices(services, dag_id="bench", airflow_run_id=name, tick=tick, now=now)
    if report.state != "success":
        raise RuntimeError(f"the bench's own tick did not succeed: {report}")


def _assert_readable(stage: Stage, symbols: list[str], tick: datetime) -> None:
    """Nearly every stock trades in any minute: a reader finds the price that the tick brought, none from before."""
    with redis.Redis.from_url(stage.redis_url) as client:
        values = client.mget([f"latest_price:{symbol}" for symbol in symbols])
    found = sum(value is not None and datetime.fromisoformat(json.loads(value)["as_of"]) > tick for value in values)
    if found < 0.99 * len(symbols):
        raise RuntimeError(f"after the tick of {tick} only {found} of {len(symbols)} prices in Redis are of it")


@contextlib.contextmanager
def _realtime(stage: Stage, prepared: Services) -> Iterator[Services]:
    """The same services with realtime's priority."""
    connections = prepared.polygon.connection, prepared.coingecko.connection
    with connected(prepared.warehouse, *connections, stage.redis_url, priority="realtime") as services:
        yield services


@contextlib.contextmanager
def _clock(stage: Stage) -> Iterator[Callable[[datetime], None]]:
    """Moves our clock and the vendor's, and sets both back at the end."""

    def set_clock(now: datetime) -> None:
        os.environ["MARKETDATA_NOW"] = now.isoformat()
        stage.admin.set_clock(now)

    try:
        yield set_clock
    finally:
        set_clock(NOW)


def _give_history(dsn: str) -> None:
    """Daily bars of the month before, for the change since the close."""
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        connection.execute(
            "insert into bar_daily (asset_id, session, open, high, low, close, volume, source, is_final, fetched_at,"
            " run_id) select asset_id, day::date, 50, 51, 49, 50, 1000, 'polygon', true, now(), 1 from asset"
            " cross join generate_series(%(first)s::date, %(last)s::date, '1 day') as day",
            {"first": FRIDAY - timedelta(days=HISTORY_DAYS), "last": FRIDAY - timedelta(days=1)},
        )
        connection.execute("analyze")
