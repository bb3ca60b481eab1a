"""Stores a part of an import in one transaction, or says what storing it would do.

Rows are copied into a temporary table and judged there against what is stored; a dry run stops at that. What a vendor
gave is never replaced. Writers of the same bars wait for each other by the vendors' market locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from marketdata.crash import crash_point
from marketdata.domain.bars import AssetClass
from marketdata.domain.import_rows import ImportRows, KnownSplit, covered_from
from marketdata.storage.binary_rows import Column, days_since_epoch, encode
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.refusals import keep_refused
from marketdata.storage.statements import statement

OUTCOMES = ("inserted", "changed", "unchanged", "held", "conflicting")
"""What becomes of a row that is not refused: ``held`` and ``conflicting`` ones leave a vendor's word as it is."""

_CONFLICTS_SHOWN = 20
_SECONDS_TO_2000 = 946_684_800
_FIGURES = ("open", "high", "low", "close", "volume", "volume_24h", "vwap")


@dataclass(frozen=True, slots=True)
class Bearer:
    """An asset that bears the symbol ``given``, or bore it from ``first`` until the day before ``until``."""

    given: str
    asset_id: int
    symbol: str
    asset_class: AssetClass
    is_present: bool
    first: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class BarConflict:
    """A bar of an import that a vendor contradicts; ``stored_close`` None: it proved that there is no such bar."""

    asset_id: int
    session: date
    starts_at: datetime | None
    close: float
    stored_close: float | None
    stored_source: str


@dataclass(frozen=True, slots=True)
class Judged:
    """How many rows had which outcome, by asset_id, and the first conflicts."""

    outcomes: Mapping[int, Mapping[str, int]]
    conflicts: tuple[BarConflict, ...] = ()

    def total(self, outcome: str) -> int:
        """How many rows of all assets had an outcome."""
        return sum(counts.get(outcome, 0) for counts in self.outcomes.values())


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part that a run will store: its number in the run, what a person calls it, and its first and last session."""

    number: int
    label: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class PartCall:
    """A planned part as the database knows it."""

    call_id: int
    run_id: int


@dataclass(frozen=True, slots=True)
class AdjustedCloses:
    """How many of some adjusted closes have a stored bar, and how many of these agree with each of our series."""

    compared: int
    split_adjusted: int
    total_return: int


@dataclass(frozen=True, slots=True, eq=False)
class ImportPart:
    """Good rows of one part, each bar once, and the account of the others.

    ``digest`` and ``part`` say which part it is. ``received`` rows were read: the good ones, ``duplicates``, and
    ``refused`` ones, of which ``quarantined`` keeps the records (one for a whole series that is refused). ``names`` are
    house symbols by asset_id, for what is said of conflicts. Reading took ``seconds``.
    """

    digest: str
    part: int
    source: str
    rows: ImportRows
    at: datetime
    received: int
    refused: int = 0
    duplicates: int = 0
    received_bytes: int = 0
    quarantined: tuple[QuarantineRow, ...] = ()
    warnings: tuple[str, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def find_bearers(connection: Connection, symbols: Sequence[str]) -> list[Bearer]:
    """The assets that bear these symbols, or bore them."""
    with connection.cursor(row_factory=class_row(Bearer)) as cursor:
        return cursor.execute(statement("imports/find_bearers"), {"symbols": list(symbols)}).fetchall()


def known_splits(connection: Connection, asset_ids: Sequence[int]) -> list[KnownSplit]:
    """The splits of these assets that count, oldest first."""
    with connection.cursor(row_factory=class_row(KnownSplit)) as cursor:
        return cursor.execute(statement("imports/list_splits"), {"asset_ids": list(asset_ids)}).fetchall()


def house_symbols(connection: Connection) -> list[str]:
    """The symbols of all assets, to name what is near an unknown one."""
    return [str(symbol) for (symbol,) in connection.execute(statement("assets/list_symbols"))]


def plan_parts(connection: Connection, run_id: int, parts: Sequence[PlannedPart]) -> dict[int, PartCall]:
    """Note the parts that a run will store; the call of each, by its number."""
    values = {
        "run_id": run_id,
        "parts": [part.number for part in parts],
        "labels": [part.label for part in parts],
        "firsts": [part.first for part in parts],
        "lasts": [part.last for part in parts],
    }
    rows = connection.execute(statement("imports/plan"), values).fetchall()
    return {int(str(number)): PartCall(int(str(call_id)), run_id) for number, call_id in rows}


def done_parts(connection: Connection, digest: str) -> set[int]:
    """The numbers of the parts that are stored."""
    rows = connection.execute(statement("imports/list_done"), {"digest": digest}).fetchall()
    return {int(str(part)) for (part,) in rows}


def compare_adjusted(
    connection: Connection, asset_id: int, sessions: Sequence[date], adjusted: Sequence[float]
) -> AdjustedCloses:
    """Another system's adjusted closes of one asset beside ours, as far as its bars are stored; none for no session."""
    if not sessions:
        return AdjustedCloses(0, 0, 0)
    values = {
        "asset_id": asset_id,
        "sessions": list(sessions),
        "adjusted": list(adjusted),
        "first": min(sessions),
        "last": max(sessions),
    }
    with connection.cursor(row_factory=class_row(AdjustedCloses)) as cursor:
        found = cursor.execute(statement("imports/compare_adjusted"), values).fetchone()
    return found or AdjustedCloses(0, 0, 0)


def judge_rows(connection: Connection, rows: ImportRows) -> Judged:
    """What storing these rows would do; nothing is stored."""
    if not len(rows):
        return Judged({})
    _stage(connection, rows)
    return _judge(connection, rows.starts_at is not None)


def store_part(connection: Connection, call: PartCall, part: ImportPart) -> Judged:
    """Store a part and close its call. Storing it again changes nothing."""
    judged = Judged({})
    if len(part.rows):
        _stage(connection, part.rows)
        for vendor in _vendors(part.rows):
            connection.execute(statement("bars/lock_market"), {"vendor": vendor})
        judged = _judge(connection, part.rows.starts_at is not None)
        _merge(connection, call, part, judged)
    with connection.pipeline():
        keep_refused(connection, call.call_id, part.at, part.quarantined)
        connection.execute(statement("imports/note_part"), _note_values(call, part, judged))
        connection.execute(statement("calls/close"), _close_values(call, part, judged))
    crash_point("after_merge")
    return judged


def _stage(connection: Connection, rows: ImportRows) -> None:
    with connection.pipeline():
        connection.execute(statement("imports/prefer_hash_joins"))
        connection.execute(statement("imports/create_staging"))
    for data in _encoded(rows):
        with connection.cursor() as cursor, cursor.copy(statement("imports/copy_staged")) as copy:
            copy.write(data)
            crash_point("mid_copy")
    crash_point("after_copy")


def _encoded(rows: ImportRows) -> list[bytes]:
    bars, count = rows.bars, len(rows)
    is_hourly = rows.starts_at is not None
    starts_at = np.zeros(count, dtype=np.int64) if rows.starts_at is None else rows.starts_at.astype(np.int64)
    columns: dict[str, Column] = {
        "asset_id": rows.asset_ids,
        **{name: getattr(bars, name) for name in _FIGURES},
        "trades": bars.trades,
        "session": days_since_epoch(bars.session),
        "covered_from": days_since_epoch(covered_from(bars.session, rows.is_crypto)),
        "starts_at": (starts_at - _SECONDS_TO_2000) * 1_000_000,
    }
    given = {name: ~np.isnan(getattr(bars, name)) for name in _FIGURES if name != "close"}
    given["trades"] = bars.trades >= 0
    given["starts_at"] = np.full(count, is_hourly)
    return encode(columns, given, count, rows_a_copy=count)


def _judge(connection: Connection, is_hourly: bool) -> Judged:
    with connection.pipeline():
        if is_hourly:
            connection.execute(statement("imports/judge_hourly"))
        else:
            connection.execute(statement("imports/judge_daily"))
            connection.execute(statement("imports/judge_absent"))
        counted = connection.execute(statement("imports/count_outcomes"))
    outcomes: dict[int, dict[str, int]] = {}
    for asset_id, outcome, bars in counted:
        outcomes.setdefault(int(str(asset_id)), {})[str(outcome)] = int(str(bars))
    if not any("conflicting" in counts for counts in outcomes.values()):
        return Judged(outcomes)
    with connection.cursor(row_factory=class_row(BarConflict)) as cursor:
        cursor.execute(statement("imports/list_conflicts"), {"at_most": _CONFLICTS_SHOWN})
        return Judged(outcomes, tuple(cursor.fetchall()))


def _merge(connection: Connection, call: PartCall, part: ImportPart, judged: Judged) -> None:
    values = {"at": part.at, "run_id": call.run_id, "source": part.source}
    is_hourly = part.rows.starts_at is not None
    is_written = judged.total("inserted") or judged.total("changed")
    with connection.pipeline():
        if is_written:
            connection.execute(statement("imports/store_hourly" if is_hourly else "imports/store_daily"), values)
        if is_written and not is_hourly:
            connection.execute(statement("imports/forget_digests"))
        if not is_hourly:
            connection.execute(statement("imports/cover"), {"at": part.at})


def _vendors(rows: ImportRows) -> list[str]:
    """The vendors whose bars these rows meet, in the order in which their markets are locked."""
    crypto = bool(rows.is_crypto.any())
    return [*(["coingecko"] if crypto else []), *([] if rows.is_crypto.all() else ["polygon"])]


def _note_values(call: PartCall, part: ImportPart, judged: Judged) -> dict[str, object]:
    left = {"held": judged.total("held"), "conflicting": judged.total("conflicting")}
    return {"call_id": call.call_id, "digest": part.digest, "part": part.part, **left}


def _close_values(call: PartCall, part: ImportPart, judged: Judged) -> dict[str, object]:
    warnings = [*part.warnings, *(_said(conflict, part.names) for conflict in judged.conflicts)]
    return {
        "call_id": call.call_id,
        "digest": part.digest,
        "endpoint": part.source,
        "http_status": None,
        "requests": 0,
        "rate_limited": 0,
        "at": part.at,
        "received": part.received,
        "inserted": judged.total("inserted"),
        "changed": judged.total("changed"),
        "unchanged": sum(judged.total(outcome) for outcome in ("unchanged", "held", "conflicting")),
        "quarantined": part.refused,
        "duplicates": part.duplicates,
        "received_bytes": part.received_bytes,
        "elapsed_ms": part.seconds * 1000,
        "warnings": Jsonb(warnings) if warnings else None,
    }


def _said(conflict: BarConflict, names: Mapping[int, str]) -> str:
    bar = f"{names.get(conflict.asset_id, conflict.asset_id)} {conflict.starts_at or conflict.session}"
    if conflict.stored_close is None:
        return f"conflict: {bar} closes at {conflict.close} here, and a vendor proved that there is no such bar"
    return (
        f"conflict: {bar} closes at {conflict.close} here, at {conflict.stored_close} as {conflict.stored_source}"
        " gave it; that bar stays"
    )
