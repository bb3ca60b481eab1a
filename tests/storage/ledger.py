"""A small world for storage tests: a few assets, one open run, answers in one line, and a view of what is stored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span, Spans, normalise
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage import runs
from marketdata.storage.assets import load_assets
from marketdata.storage.calls import Call, CallFacts, DailyAnswer, QuarantineRow
from marketdata.storage.connection import connect
from marketdata.storage.warehouse import Warehouse

MONDAY = date(2026, 11, 16)
WEEK = [MONDAY + timedelta(days=offset) for offset in range(5)]
SEEN = datetime(2026, 11, 21, 12, tzinfo=UTC)
FACTS = CallFacts("/v2/aggs", 200, 1, 0, 0, 1000, 12.5, "ab" * 32)
DOOMED = "doomed"
"""How a process that is to be killed names its sessions, in ``PGAPPNAME``."""


def bars(closes: Mapping[date, float], **given: float) -> DailyBars:
    """One bar a session; o/h/l/vwap/volume as ``given`` or as the close, ``volume_24h`` and ``trades`` not given."""
    close = np.array(list(closes.values()), dtype=np.float64)

    def column(name: str, otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(close), given[name]) if name in given else otherwise.copy()

    return DailyBars(
        symbols=np.full(len(close), "X", dtype=np.object_),
        session=np.array(list(closes), dtype="datetime64[D]"),
        open=column("open", close),
        high=column("high", close),
        low=column("low", close),
        close=close,
        volume=column("volume", np.full(len(close), 100.0)),
        volume_24h=column("volume_24h", np.full(len(close), np.nan)),
        vwap=column("vwap", close),
        trades=np.full(len(close), int(given.get("trades", -1)), dtype=np.int64),
    )


def answer(
    asset_ids: int | Sequence[int],
    content: DailyBars,
    *,
    seen: datetime = SEEN,
    verified: Spans | None = None,
    provisional: Spans = (),
    absent: tuple[tuple[int, date], ...] = (),
    quarantined: tuple[QuarantineRow, ...] = (),
    is_final: bool = True,
    facts: CallFacts = FACTS,
) -> DailyAnswer:
    """An answer for one asset, or with one bar for each asset; it verifies the sessions of its bars unless told."""
    ids = np.full(len(content), asset_ids) if isinstance(asset_ids, int) else np.array(asset_ids)
    covered = [asset_ids] if isinstance(asset_ids, int) else sorted(set(asset_ids))
    return DailyAnswer(
        bars=content,
        asset_ids=ids.astype(np.int64),
        is_final=np.full(len(content), is_final),
        fetched_at=seen,
        covered=np.array(covered, dtype=np.int64),
        verified=normalise(Span(day, day) for day in content.session.tolist()) if verified is None else verified,
        facts=facts,
        provisional=provisional,
        absent=absent,
        quarantined=quarantined,
    )


@dataclass
class Ledger:
    """A warehouse with assets of ids 1..n named A1..An and an open run; ``read`` runs SQL beside it."""

    dsn: str
    warehouse: Warehouse
    run_id: int

    def call(self, asset_id: int | None = 1, first: date = WEEK[0], last: date = WEEK[-1]) -> Call:
        """A pending call for one asset, or for the whole market on ``last``."""
        symbol = None if asset_id is None else f"A{asset_id}"
        kind = CallKind.MARKET_DAY if asset_id is None else CallKind.TICKER_RANGE
        self.warehouse.transact(
            runs.save_plan, self.run_id, [[PlannedCall(kind, "polygon", asset_id, symbol, first, last)]]
        )
        return self.warehouse.transact(runs.pending_calls, self.run_id, 0)[0]

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query, in a session of its own."""
        with connect(self.dsn) as connection:
            return connection.execute(query).fetchall()

    def closes(self) -> dict[tuple[int, date], float]:
        """All stored closes."""
        return {(a, s): c for a, s, c in self.read("select asset_id, session, close from bar_daily")}

    def verified(self, asset_id: int = 1) -> Spans:
        """The verified spans of an asset."""
        rows = self.read(
            f"select lower(r), upper(r) - 1 from coverage, unnest(verified) r where asset_id = {asset_id} order by 1"
        )
        return tuple(Span(first, last) for first, last in rows)


@contextmanager
def open_ledger(dsn: str, assets: int = 3) -> Iterator[Ledger]:
    """A ledger on a migrated, empty database."""
    with Warehouse.open(dsn) as warehouse:
        warehouse.transact(load_assets, [{"symbol": f"A{n}", "asset_class": "stock"} for n in range(1, assets + 1)])
        run_id = warehouse.transact(runs.open_run, "historical_daily", "manual__1", "7D", None, WEEK[-1])
        yield Ledger(dsn, warehouse, run_id)


def kill_other_sessions(dsn: str) -> int:
    """End every other session of the database, as an operator or a crash would; returns how many."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).rowcount


def wait_for_the_dead(dsn: str) -> None:
    """Wait until the database has ended the sessions of killed processes, and made each commit that they had sent."""
    sessions = "select from pg_stat_activity where datname = current_database() and application_name = %s"
    deadline = time.monotonic() + 60
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(sessions, [DOOMED]).fetchone() is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
