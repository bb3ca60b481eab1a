"""A verification pass over what is stored against the first load that stored it, on the same database.

Database time is the server's own: what its session spent executing statements (``active_time`` of pg_stat_database).
What the worker spends inside ``Database.transact`` is shown too: the way to the server and back is in it, which on a
small machine costs a short transaction more than its work. Plan and closing are in both, vendors' answers in neither.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from marketdata.domain.sessions import sessions
from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services, connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.connection import Connection, Database
from marketdata.storage.runs import RunReport
from marketdata.storage.warehouse import Warehouse
from tests.bench.scenes import Figure, range_target, spread
from tests.bench.stage import FIVE_YEARS_AGO, FRIDAY, KEY, NOW, Stage, follow, tickers

STOCKS = 1_000
RUNS = 3
MOST = 0.1

T = TypeVar("T")


class TimedDatabase(Database):
    """A session that adds up what its transactions take."""

    seconds = 0.0

    def _repeated(self, run: Callable[[Connection], T]) -> T:
        started = time.perf_counter()
        try:
            return super()._repeated(run)
        finally:
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Pass:
    """One run: its report, its time, and the parts of it that the server and the worker's transactions took."""

    report: RunReport
    seconds: float
    server_seconds: float
    transact_seconds: float


@dataclass(frozen=True, slots=True)
class Passes:
    """A first load, a pass that finds no digests, and one that finds all. ``written``: rows that the passes wrote."""

    load: Pass
    first: Pass
    second: Pass
    written: int


def verification(stage: Stage) -> list[Figure]:
    """Load, verify twice; nothing has changed."""
    symbols = tickers(STOCKS)
    days = sessions(FIVE_YEARS_AGO, FRIDAY)
    stage.admin.prepare(KEY, [range_target(symbol, days[0], days[-1]) for symbol in symbols])
    rounds = [_round(stage, symbols) for _ in range(RUNS)]
    bars = rounds[0].load.report.inserted
    written = sum(one.written for one in rounds)
    what = f"verification of {STOCKS:,} stocks x 5 years ({bars:,} bars), nothing changed"
    server, transact = "the server's time against the first load's", "time in transactions against the first load's"
    again = [one.second.server_seconds / one.load.server_seconds for one in rounds]
    anew = [one.first.server_seconds / one.load.server_seconds for one in rounds]
    waited = [one.second.transact_seconds / one.load.transact_seconds for one in rounds]
    return [
        Figure(f"{what}: bars written", "0", str(written), written == 0),
        Figure(f"{what}: {server}", f"at most {MOST}", spread(again, "of it"), statistics.median(again) <= MOST),
        Figure(f"{what}, the first after the load, which makes the digests: {server}", "", spread(anew, "of it"),
               met=True),
        Figure(f"{what}: {transact}, as the worker sees it", "", spread(waited, "of it"), met=True),
        Figure(f"{what}: the server's time", "", spread([one.second.server_seconds for one in rounds]), met=True),
        Figure("that first load: the server's time", "", spread([one.load.server_seconds for one in rounds]), met=True),
        Figure(f"{what}: time through the flow", "", spread([one.second.seconds for one in rounds]), met=True),
    ]  # fmt: skip


def _round(stage: Stage, symbols: Sequence[str]) -> Passes:
    dsn = stage.fresh_database()
    database = TimedDatabase(dsn)
    with _services(stage, database) as services:
        follow(services, symbols)
        load = _pass(services, database, "load", hours=0.0)
        before = _versions(dsn)
        first, second = (_pass(services, database, name, hours=24.0) for name in ("first", "second"))
        after = _versions(dsn)
    for one in (first, second):
        if (one.report.verified, one.report.differing, one.report.requests) != (len(symbols), 0, len(symbols)):
            raise RuntimeError(f"the bench's own pass did not verify all: {one.report}")
    return Passes(load, first, second, written=abs(after[0] - before[0]) + int(after[1] != before[1]))


def _pass(services: Services, database: TimedDatabase, name: str, *, hours: float) -> Pass:
    """Plan, fetch or compare, close."""
    active, started, spent = _server_seconds(database), time.perf_counter(), database.seconds
    plan = history.plan_run(
        services, HistoryRequest("5Y", verify_hours=hours), dag_id="bench", airflow_run_id=name, as_of=NOW, now=NOW
    )
    for batch in plan.batches:
        fetch.fetch_batch(services, batch.run_id, batch.batch)
    report = history.close_run(services, dag_id="bench", airflow_run_id=name)
    if report is None or report.state != "success":
        raise RuntimeError(f"the bench's own run did not succeed: {report}")
    seconds, transact_seconds = time.perf_counter() - started, database.seconds - spent
    return Pass(report, seconds, _server_seconds(database) - active, transact_seconds)


def _server_seconds(database: Database) -> float:
    """What the server has spent on statements of this database so far, once its session has told."""
    connection = database.connection()
    connection.execute("select pg_stat_force_next_flush()")
    connection.commit()
    query = "select active_time / 1e3 from pg_stat_database where datname = current_database()"
    (seconds,) = connection.execute(query).fetchone() or (0.0,)
    connection.commit()
    return float(str(seconds))


@contextmanager
def _services(stage: Stage, database: Database) -> Iterator[Services]:
    stocks = VendorConnection("polygon", stage.polygon_url, KEY, "advanced", requests_per_minute=1_000_000)
    coins = VendorConnection("coingecko", stage.polygon_url, plan="keyless")
    try:
        with connected(Warehouse(database), stocks, coins, stage.redis_url) as services:
            yield services
    finally:
        database.close()


def _versions(dsn: str) -> tuple[int, int]:
    """How many bars and revisions there are, and the newest transaction that wrote one."""
    query = (
        "select count(*), max(xmin::text::bigint) from"
        " (select xmin from bar_daily union all select xmin from bar_revision) as written"
    )
    with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
        rows, newest = connection.execute(query).fetchone() or (0, 0)
    return int(rows), int(newest)
