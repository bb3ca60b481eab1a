"""Comparing an answer with what is stored: by digests in one statement, and row by row where they do not agree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

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
    years_of,
)
from marketdata.storage.calls import Call, CallFacts
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to compare: its final bars in the ``span`` that it speaks for, and the digests of its years.

    ``refused`` are sessions whose bars came and broke a rule: stored ones are not withdrawn. ``carries`` (coins): what
    the answer's endpoint leaves out is taken from the stored bar.
    """

    rows: Rows
    span: Span
    fetched_at: datetime
    refused: frozenset[date]
    carries: bool
    digests: tuple[YearDigest, ...]

    @classmethod
    def of(
        cls,
        rows: Rows,
        span: Span,
        fetched_at: datetime,
        *,
        refused: frozenset[date] = frozenset(),
        carries: bool = False,
    ) -> Self:
        """Bars outside ``span`` are left out."""
        inside = within(rows, span)
        digests = tuple(digest_years(inside, years_of(span)))
        return cls(inside, span, fetched_at, refused, carries, digests)

    def narrowed(self, span: Span) -> Self:
        """The same answer, found to speak for a part only."""
        return self.of(self.rows, span, self.fetched_at, refused=self.refused, carries=self.carries)


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


def confirm(connection: Connection, call: Call, facts: CallFacts, given: Given) -> bool:
    """Close ``call`` if the answer's years are those stored, by their digests; else write nothing and return False.

    One statement, for ``transact_one``: the usual end of a comparison.
    """
    return _close(connection, call, facts, given, given.digests)


def compare_stored(connection: Connection, call: Call, facts: CallFacts, given: Given) -> Compared:
    """Compare row by row the years that no digest speaks for, under the writers' lock.

    Closes ``call`` if nothing differs and nothing was refused. Makes the digests of the years that agree as a whole; a
    year that ``given`` speaks for in part gets none.
    """
    connection.execute(statement("bars/lock_asset"), {"vendor": call.vendor, "asset_id": call.asset_id})
    years = _unlike_years(connection, call, given)
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
        _close(connection, call, facts, given, None)
    return Compared(difference, sent)


def note_compared(connection: Connection, run_id: int, batch: int) -> None:
    """Set when the assets were last compared whose comparisons in a batch are all done."""
    connection.execute(statement("digests/note_compared"), {"run_id": run_id, "batch": batch})


def _close(
    connection: Connection, call: Call, facts: CallFacts, given: Given, digests: Sequence[YearDigest] | None
) -> bool:
    """Whether the call could be closed; ``digests`` None: without looking. An array as text is a third of the work."""
    values = {
        "call_id": call.call_id,
        "asset_id": call.asset_id,
        "at": given.fetched_at,
        "endpoint": facts.endpoint,
        "http_status": facts.status,
        "requests": facts.requests,
        "rate_limited": facts.rate_limited,
        "received": facts.received,
        "unchanged": len(given.rows),
        "duplicates": facts.duplicates,
        "received_bytes": facts.received_bytes,
        "elapsed_ms": float(facts.elapsed_ms),
        "digest": facts.digest,
        "warnings": Jsonb(facts.warnings) if facts.warnings else None,
        "first_year": given.span.first.year,
        "last_year": given.span.last.year,
        "digests": None if digests is None else f"{{{','.join(one.digest for one in digests)}}}",
    }
    return connection.execute(statement("digests/confirm"), values).fetchone() is not None


def _unlike_years(connection: Connection, call: Call, given: Given) -> list[int]:
    values = {
        "asset_id": call.asset_id,
        "years": [one.year for one in given.digests],
        "digests": [one.digest for one in given.digests],
    }
    return [int(str(year)) for (year,) in connection.execute(statement("digests/list_unlike"), values)]


def _read_rows(connection: Connection, call: Call, years: Sequence[int]) -> Rows:
    """All final bars of the call's asset from the first to the last of ``years``; none for no years."""
    if not years:
        return np.empty(0, dtype=ROW)
    values = {"asset_id": call.asset_id, "first": date(min(years), 1, 1), "last": date(max(years), 12, 31)}
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(statement("digests/pack_stored"), values).fetchone()
    packed = row[0] if row else None
    return np.frombuffer(packed, dtype=ROW) if isinstance(packed, bytes) else np.empty(0, dtype=ROW)


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
