"""Stores one vendor answer in one transaction: bars, revisions, coverage, evidence, counters, all or nothing.

The steps: lock; look whether anything is stored there already; binary COPY, straight into the table on new ground, else
into a temporary table and one merge; then everything else travels with the commit, for which nobody waits. The lock
comes first and in one order (market, then asset), so that two writers of the same bars wait for each other instead of
colliding.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from marketdata.crash import crash_point
from marketdata.domain.coverage import Spans, normalise
from marketdata.domain.sessions import is_session
from marketdata.storage.binary_rows import Column, days_since_epoch, encode, instant_since_epoch
from marketdata.storage.calls import Call, DailyAnswer, Stored
from marketdata.storage.connection import Connection, Cursor, Database
from marketdata.storage.day_ranges import multirange
from marketdata.storage.refusals import keep_refused
from marketdata.storage.statements import statement

_OPTIONAL_PRICES = ("open", "high", "low", "volume", "volume_24h", "vwap")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An answer's bars ready to send, and the box of assets and sessions that they lie in."""

    count: int
    copies: list[bytes]
    asset_ids: list[int]
    first: date
    last: date

    @property
    def box(self) -> dict[str, object]:
        """The box as the parameters of a statement."""
        return {"asset_ids": self.asset_ids, "first": self.first, "last": self.last}


def store_daily(database: Database, call: Call, answer: DailyAnswer) -> Stored:
    """Store an answer and close its call; see :class:`DailyAnswer`. Returns what becomes of its bars.

    The commit is on its way then: see :meth:`Database.transact_ahead`.

    Sending the same answer again changes nothing. A bar is replaced only by one that was fetched later, and its earlier
    version goes to ``bar_revision``. Of bars for the same asset and session the last one counts.
    """
    prepared = _prepare(call, answer)
    finish = _finish_values(answer)

    def lock(connection: Connection) -> Cursor:
        return _lock(connection, call, prepared)

    def write_bars(connection: Connection, ground: Cursor) -> Stored:
        return _write_bars(connection, call, answer, prepared, ground.fetchone() == (True,))

    def write_proof(connection: Connection, stored: Stored) -> None:
        _write_proof(connection, call, answer, {**finish, **_counts(stored)}, prepared)
        crash_point("after_merge")

    stored = database.transact_ahead(lock, write_bars, write_proof)
    crash_point("after_commit")
    return stored


def _prepare(call: Call, answer: DailyAnswer) -> _Prepared:
    bars, asset_ids, is_final = answer.bars, answer.asset_ids, answer.is_final
    order = _last_of_each(asset_ids, bars.session)
    if order is not None:
        bars, asset_ids, is_final = bars.take(order), asset_ids[order], is_final[order]
    columns: dict[str, Column] = {
        "asset_id": asset_ids,
        "fetched_at": instant_since_epoch(answer.fetched_at),
        "run_id": np.int64(call.run_id),
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "close": bars.close,
        "volume": bars.volume,
        "volume_24h": bars.volume_24h,
        "vwap": bars.vwap,
        "trades": bars.trades,
        "session": days_since_epoch(bars.session),
        "is_final": is_final,
        "source": call.vendor.encode(),
    }
    given = {name: ~np.isnan(getattr(bars, name)) for name in _OPTIONAL_PRICES}
    given["trades"] = bars.trades >= 0
    return _Prepared(
        count=len(bars),
        copies=encode(columns, given, len(bars), rows_a_copy=_rows_a_copy(len(bars))),
        asset_ids=[call.asset_id] if call.asset_id is not None else asset_ids.tolist(),
        first=bars.session.min().item() if len(bars) else call.first,
        last=bars.session.max().item() if len(bars) else call.last,
    )


def _rows_a_copy(count: int) -> int:
    """Half of a small answer, all of a large one.

    Since version 17 a COPY pays for each of the first 1,000 rows in proportion to the rows before it (it looks up each
    buffered row's descriptor in one chain), and each COPY costs two round trips: on 18.6, storing 1,255 rows takes both
    sides 5.8 ms of CPU with one COPY, 5.1 ms with two, 5.7 ms with four.
    """
    return 640 if count <= 2_000 else count


def _last_of_each(asset_ids: NDArray[np.int64], session: NDArray[np.datetime64]) -> NDArray[np.intp] | None:
    """Indices that sort by asset and session and keep the last of equal ones; None if the rows are so already."""
    key = asset_ids * np.int64(1 << 20) + session.astype(np.int64)
    if (key[1:] > key[:-1]).all():
        return None
    order = np.argsort(key, kind="stable")
    in_order = key[order]
    lasts: NDArray[np.intp] = order[np.append(in_order[1:] != in_order[:-1], True)]
    return lasts


def _lock(connection: Connection, call: Call, prepared: _Prepared) -> Cursor:
    """Lock, and ask whether anything is stored in the box."""
    if call.asset_id is None:
        connection.execute(statement("bars/lock_market"), {"vendor": call.vendor})
    else:
        connection.execute(statement("bars/lock_asset"), {"vendor": call.vendor, "asset_id": call.asset_id})
    return connection.execute(statement("bars/is_new_ground"), prepared.box)


def _write_bars(
    connection: Connection, call: Call, answer: DailyAnswer, prepared: _Prepared, is_new_ground: bool
) -> Stored:
    if prepared.count == 0:
        return Stored(0, 0, 0)
    if is_new_ground:
        _copy(connection, "bars/copy_daily", prepared.copies)
        return Stored(prepared.count, 0, 0)
    connection.execute(statement("bars/create_staging"))
    _copy(connection, "bars/copy_staged", prepared.copies)
    if call.vendor == "coingecko":
        box = {"asset_id": call.asset_id, "first": prepared.first, "last": prepared.last}
        connection.execute(statement("bars/keep_candles"), box)
    values = {
        "first": prepared.first,
        "last": prepared.last,
        "lowest": min(prepared.asset_ids),
        "highest": max(prepared.asset_ids),
        "vendor": call.vendor,
        "at": answer.fetched_at,
    }
    row = connection.execute(statement("bars/merge_daily"), values, prepare=False).fetchone()
    inserted, changed, unchanged = (int(str(count)) for count in row or ())
    return Stored(inserted, changed, unchanged)


def _copy(connection: Connection, name: str, copies: list[bytes]) -> None:
    for data in copies:
        with connection.cursor() as cursor, cursor.copy(statement(name)) as copy:
            copy.write(data)
            crash_point("mid_copy")  # the server has rows, and waits for more or for the end
    crash_point("after_copy")


def _write_proof(
    connection: Connection, call: Call, answer: DailyAnswer, finish: dict[str, object], prepared: _Prepared
) -> None:
    verified = _with_days_off_before(answer.verified) if call.vendor == "polygon" else answer.verified
    shared = {"call_id": call.call_id, "at": answer.fetched_at}
    proof = {
        **shared,
        "vendor": call.vendor,
        "is_market": call.asset_id is None,
        "covered": answer.covered.tolist(),
        "verified": multirange(verified),
        "provisional": multirange(answer.provisional),
        "answered": multirange(normalise([*verified, *answer.provisional])),
        **prepared.box,
    }
    connection.execute(statement("calls/finish"), {**finish, **proof})
    if answer.absent:
        connection.execute(statement("absences/prove"), {**shared, **_absences(answer)})
    keep_refused(connection, call.call_id, answer.fetched_at, answer.quarantined)
    if answer.comparison is not None:
        found = {"differing": answer.comparison.differing, "alike": answer.comparison.alike}
        connection.execute(statement("digests/note_comparison"), {**shared, **found})


def _with_days_off_before(verified: Spans) -> Spans:
    """Spans stretched back over the days without trading before them.

    Those days need no answer, and sessions asked for one by one thus make one range: a year of daily runs would else
    leave some 50 ranges an asset, rewritten each day.
    """
    stretched = []
    for span in verified:
        first = span.first
        while not is_session(first - timedelta(days=1)):
            first -= timedelta(days=1)
        stretched.append(type(span)(first, span.last))
    return normalise(stretched)


def _finish_values(answer: DailyAnswer) -> dict[str, object]:
    facts = answer.facts
    return {
        "endpoint": facts.endpoint,
        "http_status": facts.status,
        "requests": facts.requests,
        "rate_limited": facts.rate_limited,
        "received": facts.received,
        "quarantined": len(answer.quarantined),
        "duplicates": facts.duplicates,
        "absent": len(answer.absent),
        "received_bytes": facts.received_bytes,
        "elapsed_ms": float(facts.elapsed_ms),
        "digest": facts.digest,
        "warnings": Jsonb(facts.warnings) if facts.warnings else None,
    }


def _counts(stored: Stored) -> dict[str, object]:
    return {"inserted": stored.inserted, "changed": stored.changed, "unchanged": stored.unchanged}


def _absences(answer: DailyAnswer) -> dict[str, object]:
    asset_ids, sessions = zip(*answer.absent, strict=True)
    return {"asset_ids": list(asset_ids), "sessions": list(sessions), "digest": answer.facts.digest}
