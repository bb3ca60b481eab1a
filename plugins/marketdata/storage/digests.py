"""Comparing an answer with what is stored: by digests in one statement, and row by row where they do not agree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from psycopg.types.json import Jsonb

from marketdata.domain.coverage import Span
from marketdata.domain.digests import (
    ROW,
    Difference,
    Rows,
    YearDigest,
    carry_over,
    compare,
    digest_years,
    of_years,
    within,
    year_span,
)
from marketdata.storage.binary_rows import HEADER, TRAILER
from marketdata.storage.calls import Call, CallFacts
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

# A row of a binary COPY: the number of fields, then each field behind its length.
_COPIED = np.dtype(
    [("fields", ">i2"), *(part for name in ROW.names or () for part in ((f"{name} length", ">i4"), (name, ROW[name])))]
)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to compare: its final bars, and the ``span`` of sessions that it speaks for.

    ``refused`` are sessions whose bars came and broke a rule: stored ones are not withdrawn. ``carries`` (coins): what
    the answer's endpoint leaves out is taken from the stored bar.
    """

    rows: Rows
    span: Span
    fetched_at: datetime
    refused: frozenset[date] = frozenset()
    carries: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """What disagrees, and the answer's rows as they are to be stored."""

    difference: Difference
    rows: Rows


def list_due(connection: Connection, asset_ids: Collection[int], *, run_id: int, earliest: date) -> dict[int, Span]:
    """The covered span of each asset that has one, least recently compared first, those of ``run_id`` left out."""
    values = {"asset_ids": list(asset_ids), "run_id": run_id, "earliest": earliest}
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement("digests/list_due"), values)
        return {asset_id: Span(first, last) for asset_id, first, last in cursor}  # type: ignore[misc, arg-type]


def confirm(
    connection: Connection, call: Call, facts: CallFacts, at: datetime, digests: Sequence[YearDigest], *, unchanged: int
) -> list[int]:
    """Close ``call`` if each year's digest is that of the stored bars; else write nothing and return the other years.

    ``at`` is the instant of the answer, ``unchanged`` how many bars were compared. A transaction of its own.
    """
    values = _values(call, facts, at, digests, unchanged)
    # One statement needs no rounds for its begin and commit. In all, 0.1 ms instead of 0.2 ms beside a local server.
    connection.autocommit = True
    try:
        row = connection.execute(statement("digests/confirm"), values).fetchone()
    finally:
        if not connection.closed:
            connection.autocommit = False
    return list(row[0] or ()) if row else []  # type: ignore[call-overload]


def compare_stored(
    connection: Connection, call: Call, facts: CallFacts, given: Given, years: Sequence[int]
) -> Compared:
    """Compare ``years`` row by row under the writers' lock; close ``call`` if nothing differs and nothing was refused.

    Makes the digests of the years that agree as a whole; a year that ``given`` speaks for in part gets none.
    """
    connection.execute(statement("bars/lock_asset"), {"vendor": call.vendor, "asset_id": call.asset_id})
    stored = _read_rows(connection, call, years)
    inside = within(stored, given.span)
    known, asked = of_years(inside, years), of_years(given.rows, years)
    sent = carry_over(known, asked) if given.carries else asked
    difference = _without(compare(known, sent), given.refused)
    differing = {day.year for day in (*difference.to_store, *difference.withdrawn)}
    whole = [
        one
        for one in digest_years(stored, sorted(set(years) - differing))
        if one.bars == len(within(inside, year_span(one.year)))
    ]
    _keep(connection, call, whole, given.fetched_at)
    if not difference.count and not given.refused:
        closing = _values(call, facts, given.fetched_at, [], len(given.rows))
        connection.execute(statement("digests/confirm"), closing)
    return Compared(difference, sent)


def _values(
    call: Call, facts: CallFacts, at: datetime, digests: Sequence[YearDigest], unchanged: int
) -> dict[str, object]:
    """The parameters of ``digests/confirm``; arrays as texts, which take the client a third of the time."""
    return {
        "call_id": call.call_id,
        "asset_id": call.asset_id,
        "at": at,
        "endpoint": facts.endpoint,
        "http_status": facts.status,
        "requests": facts.requests,
        "rate_limited": facts.rate_limited,
        "received": facts.received,
        "duplicates": facts.duplicates,
        "received_bytes": facts.received_bytes,
        "elapsed_ms": float(facts.elapsed_ms),
        "digest": facts.digest,
        "warnings": Jsonb(facts.warnings) if facts.warnings else None,
        "run_id": call.run_id,
        "unchanged": unchanged,
        "years": f"{{{','.join(str(one.year) for one in digests)}}}",
        "digests": f"{{{','.join(one.digest for one in digests)}}}",
    }


def _read_rows(connection: Connection, call: Call, years: Sequence[int]) -> Rows:
    """All final bars of the call's asset from the first to the last of ``years``."""
    values = {"asset_id": call.asset_id, "first": date(min(years), 1, 1), "last": date(max(years), 12, 31)}
    with connection.cursor() as cursor, cursor.copy(statement("digests/copy_stored"), values) as copy:
        data = b"".join(bytes(part) for part in copy)
    body = data[len(HEADER) : -len(TRAILER)]
    copied = np.frombuffer(body, dtype=_COPIED)
    rows = np.empty(len(copied), dtype=ROW)
    for name in ROW.names or ():
        rows[name] = copied[name]
    return rows


def _without(difference: Difference, refused: frozenset[date]) -> Difference:
    withdrawn = tuple(day for day in difference.withdrawn if day not in refused)
    return Difference(difference.changed, difference.lacking, withdrawn)


def _keep(connection: Connection, call: Call, digests: Sequence[YearDigest], at: datetime) -> None:
    if not digests:
        return
    values = {
        "asset_id": call.asset_id,
        "years": [one.year for one in digests],
        "bars": [one.bars for one in digests],
        "firsts": [one.first for one in digests],
        "lasts": [one.last for one in digests],
        "digests": [one.digest for one in digests],
        "at": at,
    }
    connection.execute(statement("digests/keep"), values)
