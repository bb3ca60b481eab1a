"""The record of calls for reference data: opened before the vendor is asked, closed with what its answer brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb

from marketdata.domain.planner import PlannedCall
from marketdata.storage.calls import Call, CallFacts, QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.refusals import keep_refused
from marketdata.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of the records of an answer that concern our assets; the rest of a list is not ours to keep."""

    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicates: int = 0
    quarantined: tuple[QuarantineRow, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Brought) -> Brought:
        """Both together."""
        return Brought(
            self.inserted + other.inserted,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
            self.warnings + other.warnings,
        )


def open_call(connection: Connection, run_id: int, planned: PlannedCall) -> Call:
    """Note a call that is about to be made."""
    values = {
        "run_id": run_id,
        "vendor": planned.vendor,
        "kind": planned.kind.value,
        "asset_id": planned.asset_id,
        "symbol": planned.symbol,
        "first": planned.first,
        "last": planned.last,
        "purpose": planned.purpose,
    }
    with connection.cursor(row_factory=scalar_row) as cursor:
        call_id = cursor.execute(statement("reference/open_call"), values).fetchone()
    return Call(
        planned.kind,
        planned.vendor,
        planned.asset_id,
        planned.symbol,
        planned.first,
        planned.last,
        planned.purpose,
        call_id=int(call_id or 0),
        run_id=run_id,
    )


def finish_call(connection: Connection, call: Call, facts: CallFacts, at: datetime, brought: Brought) -> None:
    """Close a call with its counters and keep its refused records; ``at`` is the instant of the answer."""
    keep_refused(connection, call.call_id, at, brought.quarantined)
    told = replace(facts, duplicates=brought.duplicates, warnings=(*facts.warnings, *brought.warnings))
    figures = {name: value for name, value in asdict(told).items() if name != "warnings"}
    values = {
        "call_id": call.call_id,
        "at": at,
        **figures,
        "http_status": told.status,
        "inserted": brought.inserted,
        "changed": brought.changed,
        "unchanged": brought.unchanged,
        "quarantined": len(brought.quarantined),
        "warnings": Jsonb(list(told.warnings)) if told.warnings else None,
    }
    connection.execute(statement("calls/close"), values)


def add_warnings(connection: Connection, run_id: int, warnings: Sequence[str]) -> None:
    """Add to what a run warns of, where it belongs to no single call."""
    if warnings:
        connection.execute(statement("reference/add_warnings"), {"run_id": run_id, "warnings": Jsonb(list(warnings))})
