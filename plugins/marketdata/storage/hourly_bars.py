"""Hours of the current session: stored as a vendor gives them, or built from minute prices.

Both ways meet in one temporary table and one merge, which knows who outranks whom: a vendor's hour stands before one
that we built, and of equals the newer one counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from marketdata.crash import crash_point
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage.calls import Call, CallFacts, QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.reference_calls import Brought, finish_call, open_call
from marketdata.storage.statements import statement

if TYPE_CHECKING:
    from marketdata.domain.bars import Vendor
    from marketdata.domain.prices import IntradayBars

BUILT = ":minutes"
"""What the source of a built hour ends with, after its vendor."""

_HOUR = timedelta(hours=1)
_INSTANT = timedelta(microseconds=1)  # the finest that the database tells apart
_BEFORE_OPEN = timedelta(hours=9, minutes=30)  # nobody trades a US stock earlier in the day


@dataclass(frozen=True, slots=True)
class HourBar:
    """An hour of an asset: US dollars, raw as traded; ``volume`` in shares, None: not given. Instants aware, UTC."""

    asset_id: int
    symbol: str
    starts_at: datetime
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    is_final: bool
    source: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class StoredHours:
    """What became of hours: stored for the first time, replaced, left as they were."""

    inserted: int
    changed: int
    unchanged: int


def store_hours(
    connection: Connection,
    call: Call,
    facts: CallFacts,
    *,
    asset_id: int,
    bars: IntradayBars,
    finals: NDArray[np.bool_],
    source: str,
    fetched_at: datetime,
    quarantined: Sequence[QuarantineRow] = (),
    warnings: Sequence[str] = (),
) -> StoredHours:
    """Store an answer's hours of one asset and close its call; ``finals`` says of each hour whether it was over.

    Sending the same again changes nothing. An hour is replaced only by one that was fetched later, or one that we built
    by the vendor's. Of hours with the same start the last one counts.
    """
    last_of_each = {start: place for place, start in enumerate(bars.starts.tolist())}
    chosen = np.fromiter(last_of_each.values(), dtype=np.intp, count=len(last_of_each))
    stored = StoredHours(0, 0, 0)
    if len(chosen):
        hours = {"asset_id": asset_id, "run_id": call.run_id, "source": source, "at": fetched_at}
        connection.execute(statement("hours/create_staging"))
        connection.execute(statement("hours/stage"), {**hours, **_columns(bars.take(chosen), finals[chosen])})
        crash_point("after_copy")
        connection.execute(statement("hours/lock_writers"), {"vendor": call.vendor})
        starts = _aware(bars.starts)
        stored = _merge(connection, fetched_at, min(starts), max(starts))
    crash_point("after_merge")
    duplicates = facts.duplicates + len(bars) - len(chosen)
    counts = (stored.inserted, stored.changed, stored.unchanged, duplicates)
    finish_call(connection, call, facts, fetched_at, Brought(*counts, tuple(quarantined), tuple(warnings)))
    return stored


def build_hours(
    connection: Connection,
    run_id: int,
    asset_ids: Sequence[int],
    *,
    first: datetime,
    last: datetime,
    anchor: datetime,
    now: datetime,
    seen_until: datetime,
    vendor: Vendor,
) -> StoredHours:
    """Build and store hours from the minute prices of ``first`` to ``last``, in one statement for all assets.

    Hours start at ``anchor``, the open of a session or midnight UTC, and each hour after it; the one that ``first``
    lies in is the first to be built. ``last`` is the end of the session, inclusive: a last hour that it cuts short is
    over when ``seen_until``, up to which the prices tell, is past it. ``now`` is the instant from which on the hours
    are known. An hour without a price is not built. What was built counts in the run like an answered call.
    """
    after = anchor + max((first - anchor) // _HOUR, 0) * _HOUR
    connection.execute(statement("hours/create_staging"))
    connection.execute(statement("hours/lock_writers"), {"vendor": vendor})
    connection.execute(
        statement("hours/stage_minutes"),
        {
            "asset_ids": sorted(set(asset_ids)),
            "run_id": run_id,
            "source": f"{vendor}{BUILT}",
            "now": now,
            "seen_until": seen_until,
            "anchor": anchor,
            "lowest": after if after == anchor else after + _INSTANT,
            "last": last,
            "opened": anchor - _BEFORE_OPEN,
        },
    )
    built = _merge(connection, now, after, last)
    if count := built.inserted + built.changed + built.unchanged:
        planned = PlannedCall(CallKind.MINUTE_PRICES, vendor, None, None, anchor.date(), anchor.date(), "realtime")
        brought = Brought(built.inserted, built.changed, built.unchanged)
        finish_call(connection, open_call(connection, run_id, planned), _no_request(count), now, brought)
    return built


def read_hours(connection: Connection, asset_ids: Sequence[int], *, first: datetime, last: datetime) -> list[HourBar]:
    """The hours that start from ``first``, inclusive, to ``last``, exclusive; by asset_id, then by start."""
    with connection.cursor(row_factory=class_row(HourBar)) as cursor:
        values = {"asset_ids": list(asset_ids), "first": first, "last": last}
        return cursor.execute(statement("hours/read"), values).fetchall()


def _no_request(hours: int) -> CallFacts:
    """The facts of a call that asked nobody."""
    return CallFacts("price_minute", 0, 0, 0, hours, 0, 0.0, "")


def _columns(bars: IntradayBars, finals: NDArray[np.bool_]) -> dict[str, object]:
    return {
        "starts_at": _aware(bars.starts),
        "opens": _optional(bars.open),
        "highs": _optional(bars.high),
        "lows": _optional(bars.low),
        "closes": bars.close.tolist(),
        "volumes": _optional(bars.volume),
        "vwaps": _optional(bars.vwap),
        "trades": [count if count >= 0 else None for count in bars.trades.tolist()],
        "finals": finals.tolist(),
    }


def _aware(instants: NDArray[np.datetime64]) -> list[datetime]:
    return [instant.replace(tzinfo=UTC) for instant in instants.astype("datetime64[us]").tolist()]


def _optional(column: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in column.tolist()]


def _merge(connection: Connection, at: datetime, first: datetime, last: datetime) -> StoredHours:
    row = connection.execute(statement("hours/merge"), {"at": at, "first": first, "last": last}).fetchone()
    inserted, changed, unchanged = (int(str(count)) for count in row or ())
    return StoredHours(inserted, changed, unchanged)
