"""Stores the prices of one realtime answer in one transaction, and reads the newest ones.

The steps: binary COPY into a temporary table; lock, one writer a vendor; one merge into ``latest_price``, one into
``price_minute``; the call closed. All that is compared is compared under the lock, so that the rows are the same in
whatever order writers finish. Within a statement rows are written by asset_id: others that lock them so never deadlock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from marketdata.crash import crash_point
from marketdata.domain.bars import Asset, AssetClass
from marketdata.storage.binary_rows import Column, encode, instants_since_epoch
from marketdata.storage.calls import Call, CallFacts, QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.reference_calls import Brought, finish_call
from marketdata.storage.statements import statement

if TYPE_CHECKING:
    from marketdata.domain.prices import Prices

_RECENT = np.timedelta64(7, "D")


@dataclass(frozen=True, slots=True)
class LatestPrice:
    """The newest price of an asset: US dollars, raw as traded; ``volume`` shares of the session so far.

    ``at`` is the vendor's own time of it, ``fetched_at`` the newest answer that gave it, ``seen_at`` the newest one
    that named the asset, with or without a price; aware, UTC. ``session`` is the price's own. ``previous_close`` is
    that of ``previous_session`` on the share count of ``session``; these two, ``change`` (US dollars) and
    ``change_percent`` are None together: the session before has no bar.
    """

    asset_id: int
    symbol: str
    asset_class: AssetClass
    at: datetime
    price: float
    previous_close: float | None
    previous_session: date | None
    change: float | None
    change_percent: float | None
    volume: float | None
    volume_24h: float | None
    session: date
    source: str
    delayed: bool
    fetched_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPrices:
    """What became of an answer's prices among the minute prices, and the newest price of each asset that it named."""

    inserted: int
    changed: int
    unchanged: int
    latest: list[LatestPrice]


def store_prices(
    connection: Connection,
    call: Call,
    facts: CallFacts,
    *,
    asset_ids: Sequence[int],
    prices: Prices,
    seen: Sequence[int],
    delayed: bool,
    fetched_at: datetime,
    quarantined: Sequence[QuarantineRow] = (),
    warnings: Sequence[str] = (),
) -> StoredPrices:
    """Store an answer and close its call.

    ``prices`` are good ones, aligned with ``asset_ids``; of several for one asset the newest counts. ``seen`` are all
    assets that the answer named. A minute price is replaced by one of the same instant that was fetched later, and is
    ``changed`` where its figures differ; a newest price is replaced by one of a later instant, or of the same instant
    and fetched later. ``latest`` has the rows as they are now, by asset_id, assets that never had a price left out.
    """
    chosen = _newest_of_each(np.asarray(asset_ids, dtype=np.int64), prices.at)
    named = sorted({*seen, *asset_ids})
    answer = {"run_id": call.run_id, "vendor": call.vendor, "delayed": delayed, "at": fetched_at}
    connection.execute(statement("prices/create_staging"))
    if len(chosen):
        _copy(connection, np.asarray(asset_ids, dtype=np.int64)[chosen], prices.take(chosen))
    connection.execute(statement("prices/lock_writers"), {"vendor": call.vendor})
    inserted, changed = _merge(connection, answer, prices.at[chosen]) if len(chosen) else (0, 0)
    connection.execute(statement("prices/mark_seen"), {"asset_ids": named, "at": fetched_at})
    crash_point("after_merge")
    unchanged = len(chosen) - inserted - changed
    duplicates = facts.duplicates + len(prices) - len(chosen)
    brought = Brought(inserted, changed, unchanged, duplicates, tuple(quarantined), tuple(warnings))
    finish_call(connection, call, facts, fetched_at, brought)
    return StoredPrices(inserted, changed, unchanged, _read_latest(connection, asset_ids=named))


def find_active(connection: Connection) -> list[Asset]:
    """The assets that realtime asks for: watched or in the market overview, followed, not delisted; by asset_id."""
    with connection.cursor(row_factory=class_row(Asset)) as cursor:
        return cursor.execute(statement("prices/list_active")).fetchall()


def read_latest(connection: Connection, symbols: Sequence[str]) -> list[LatestPrice]:
    """The newest prices of these house symbols, by asset_id; unknown ones and those without a price are left out."""
    return _read_latest(connection, symbols=symbols)


def _newest_of_each(asset_ids: NDArray[np.int64], at: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Indices, by asset, of the newest price of each; of equal ones the last."""
    order = np.lexsort((np.arange(len(at)), at, asset_ids))
    in_order = asset_ids[order]
    newest: NDArray[np.intp] = order[np.append(in_order[1:] != in_order[:-1], True)] if len(order) else order
    return newest


def _copy(connection: Connection, asset_ids: NDArray[np.int64], prices: Prices) -> None:
    columns: dict[str, Column] = {
        "asset_id": asset_ids,
        "at": instants_since_epoch(prices.at),
        "price": prices.price,
        "volume": prices.volume,
        "volume_24h": prices.volume_24h,
    }
    given = {"volume": ~np.isnan(prices.volume), "volume_24h": ~np.isnan(prices.volume_24h)}
    for data in encode(columns, given, len(prices), rows_a_copy=len(prices)):
        with connection.cursor() as cursor, cursor.copy(statement("prices/copy_staged")) as copy:
            copy.write(data)
            crash_point("mid_copy")  # the server has rows, and waits for more or for the end
    crash_point("after_copy")


def _merge(connection: Connection, answer: Mapping[str, object], at: NDArray[np.datetime64]) -> tuple[int, int]:
    """How many minute prices were stored for the first time, and how many replaced by other figures."""
    days = at.astype("datetime64[D]")  # in UTC; a session is such a day, or in New York the one before
    sessions = {"earliest": days.min().item() - timedelta(days=1), "latest": days.max().item()}
    connection.execute(statement("prices/merge_latest"), {**answer, **sessions})
    recent = (at.max() - _RECENT).astype(datetime).replace(tzinfo=UTC)
    row = connection.execute(statement("prices/merge_minutes"), {**answer, "recent": recent}).fetchone()
    inserted, changed = (int(str(count)) for count in row or ())
    return inserted, changed


def _read_latest(
    connection: Connection, *, asset_ids: Sequence[int] | None = None, symbols: Sequence[str] | None = None
) -> list[LatestPrice]:
    values = {
        "asset_ids": None if asset_ids is None else list(asset_ids),
        "symbols": None if symbols is None else list(symbols),
    }
    with connection.cursor(row_factory=class_row(LatestPrice), binary=True) as cursor:
        return cursor.execute(statement("prices/read_latest"), values).fetchall()
