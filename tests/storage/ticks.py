"""A small world for tests of realtime storage: answers of prices in one line, stored by a session of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import nan

import numpy as np

from marketdata.domain.bars import Vendor
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.domain.prices import Prices
from marketdata.storage.calls import Call, CallFacts, QuarantineRow
from marketdata.storage.connection import Connection, connect
from marketdata.storage.prices import StoredPrices, store_prices
from marketdata.storage.reference_calls import open_call
from marketdata.storage.warehouse import Warehouse
from tests.storage.ledger import Ledger

SECOND = timedelta(seconds=1)
FRIDAY = date(2026, 11, 20)
FACTS = CallFacts("/v2/snapshot", 200, 1, 0, 3, 1000, 12.5, "ab" * 32)


def instant(hour: int, minute: int = 0, second: int = 0, *, day: date = FRIDAY) -> datetime:
    """An instant of ``day``, UTC; 14:30 is the open in New York."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)


@dataclass(frozen=True)
class Tick:
    """An answer with one price for each asset of ``prices``, all of the vendor's time ``at``."""

    at: datetime
    prices: Mapping[int, float]
    fetched_at: datetime
    volume: float = nan
    volume_24h: float = nan
    silent: tuple[int, ...] = ()
    delayed: bool = False
    vendor: Vendor = "polygon"
    quarantined: tuple[QuarantineRow, ...] = ()

    def columns(self) -> Prices:
        """The prices as a hook gives them."""
        return prices_of(dict.fromkeys(self.prices, self.at), self.prices, self.volume, self.volume_24h)


def prices_of(
    at: Mapping[int, datetime], prices: Mapping[int, float], volume: float = nan, volume_24h: float = nan
) -> Prices:
    """One price an asset, each of its own time."""
    instants = [at[asset_id].astimezone(UTC).replace(tzinfo=None) for asset_id in prices]
    return Prices(
        symbols=np.array([f"A{asset_id}" for asset_id in prices], dtype=np.object_),
        at=np.array(instants, dtype="datetime64[us]"),
        price=np.array(list(prices.values()), dtype=np.float64),
        volume=np.full(len(prices), volume),
        volume_24h=np.full(len(prices), volume_24h),
    )


def tick(price: float, at: datetime, fetched_at: datetime | None = None, **given: float) -> Tick:
    """An answer with a price of asset 1 that came two seconds after its time."""
    return Tick(at, {1: price}, fetched_at or at + 2 * SECOND, **given)


def add_bar(ledger: Ledger, session: date, close: float, asset_id: int = 1) -> None:
    """A stored daily bar."""
    with connect(ledger.dsn) as connection:
        connection.execute(
            "insert into bar_daily (asset_id, session, close, is_final, source, fetched_at, run_id)"
            " values (%s, %s, %s, true, 'polygon', now(), %s)",
            (asset_id, session, close, ledger.run_id),
        )


def open_tick(warehouse: Warehouse, run_id: int, vendor: Vendor = "polygon", day: date = FRIDAY) -> Call:
    """A call for present prices that is about to be made."""
    kind = CallKind.SNAPSHOT if vendor == "polygon" else CallKind.SIMPLE_PRICE
    return warehouse.transact(open_call, run_id, PlannedCall(kind, vendor, None, None, day, day, "realtime"))


def store(warehouse: Warehouse, run_id: int, tick: Tick) -> StoredPrices:
    """Ask, and store the answer."""
    call = open_tick(warehouse, run_id, tick.vendor)
    return warehouse.transact(write, call, tick)


def write(connection: Connection, call: Call, tick: Tick) -> StoredPrices:
    """Store an answer in the caller's transaction."""
    return store_prices(
        connection,
        call,
        replace(FACTS, received=len(tick.prices)),
        asset_ids=list(tick.prices),
        prices=tick.columns(),
        seen=[*tick.prices, *tick.silent],
        delayed=tick.delayed,
        fetched_at=tick.fetched_at,
        quarantined=tick.quarantined,
    )


def counts(stored: StoredPrices) -> Sequence[int]:
    """Inserted, changed, unchanged."""
    return stored.inserted, stored.changed, stored.unchanged
