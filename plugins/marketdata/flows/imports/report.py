"""The account of an import: of every row that was read, what became of it, by symbol and in all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.import_rows import ImportRows
from marketdata.storage.imports import BarConflict, Judged

SAMPLES = 20
_MOST_REASONS = 50
_QUOTED = re.compile(r"'.*'|\".*\"")


@dataclass(frozen=True, slots=True)
class SymbolCounts:
    """What became of the rows of one asset; ``rows`` is the sum of ``refused`` to ``conflicting``.

    ``refused`` rows broke a rule, ``duplicates`` are superseded by a later row, ``held`` and ``conflicting`` ones meet
    a vendor's bar, which stays. ``first`` and ``last`` session of the rows that are not refused. ``is_new``: the import
    adds the asset.
    """

    symbol: str
    rows: int = 0
    refused: int = 0
    duplicates: int = 0
    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    held: int = 0
    conflicting: int = 0
    first: date | None = None
    last: date | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A refused row as an example, as it came."""

    symbol: str
    session: date | None
    reason: str
    record: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """A row that a vendor contradicts, with both closes; ``stored_close`` None: it proved that there is no such bar."""

    symbol: str
    session: date
    close: float
    stored_close: float | None
    stored_source: str


@dataclass(frozen=True, slots=True)
class AdjustedCheck:
    """Of a legacy symbol, the closes that its ``adjusted_close`` differs from, beside our own adjusted series.

    ``compared`` of the ``differing`` ones have a stored bar; ``split_adjusted`` and ``total_return`` of these agree
    with our series of that name.
    """

    symbol: str
    differing: int
    compared: int
    split_adjusted: int
    total_return: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do; of its ``parts``, ``parts_done`` were stored before and are not counted again.

    ``rows`` were read; those of no known symbol, and lines that are no rows, are in ``refused`` only. ``left_out`` are
    rows of symbols that the spec skips. ``reasons`` counts refusals, ``refused_rows`` and ``conflicts`` are examples.
    ``unknown``: symbols that are no asset of ours, with the reason. ``unmapped``: columns not used. ``refusal`` is why
    the import that a dry run looked at would be refused as a whole, empty if it would not.
    """

    source: str
    origin: str
    interval: str
    state: str
    run_id: int | None
    rows: int
    left_out: int
    refused: int
    parts: int
    parts_done: int
    symbols: tuple[SymbolCounts, ...]
    reasons: Mapping[str, int]
    refused_rows: tuple[RefusedRow, ...]
    conflicts: tuple[ShownConflict, ...]
    warnings: tuple[str, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    refusal: str = ""
    adjusted: tuple[AdjustedCheck, ...] = ()

    def total(self, name: str) -> int:
        """The sum of one of the counts over all symbols."""
        return sum(int(getattr(counts, name)) for counts in self.symbols)


class Account:
    """Adds up the parts of an import."""

    def __init__(self) -> None:
        self.rows = 0
        self.left_out = 0
        self.reasons: dict[str, int] = {}
        self.refused_rows: list[RefusedRow] = []
        self.conflicts: list[ShownConflict] = []
        self.warnings: dict[str, None] = {}
        self.adjusted: list[AdjustedCheck] = []
        self._symbols: dict[str, SymbolCounts] = {}

    @property
    def refused(self) -> int:
        """All refusals."""
        return sum(self.reasons.values())

    @property
    def symbols(self) -> tuple[SymbolCounts, ...]:
        """The counts of each asset, by house symbol."""
        return tuple(counts for _, counts in sorted(self._symbols.items()))

    def add_rows(
        self,
        rows: ImportRows,
        names: Mapping[int, str],
        refused: NDArray[np.bool_],
        superseded: NDArray[np.bool_],
    ) -> None:
        """Count the rows of a part by asset; ``names`` are house symbols by asset_id."""
        self.rows += len(rows)
        ids, codes = np.unique(rows.asset_ids, return_inverse=True)
        if not len(ids):
            return
        masks = {"rows": np.ones(len(rows), dtype=np.bool_), "refused": refused, "duplicates": superseded}
        count = {name: np.bincount(codes[mask], minlength=len(ids)).tolist() for name, mask in masks.items()}
        spans = _spans(rows.bars.session[~refused], codes[~refused])
        for code, asset_id in enumerate(ids.tolist()):
            if asset_id:
                first, last = spans.get(code, (None, None))
                counts = SymbolCounts(names[asset_id], first=first, last=last, is_new=asset_id < 0)
                self._add(replace(counts, **{name: column[code] for name, column in count.items()}))

    def add_refusals(self, refusals: Iterable[RefusedRow], rows: int = 1) -> None:
        """Count refusals, each of them of so many rows, and keep some as examples."""
        for refusal in refusals:
            reason = _QUOTED.sub("…", refusal.reason)
            if reason not in self.reasons and len(self.reasons) >= _MOST_REASONS:
                reason = "other reasons"
            self.reasons[reason] = self.reasons.get(reason, 0) + rows
            if len(self.refused_rows) < SAMPLES:
                self.refused_rows.append(refusal)

    def add_outcomes(self, judged: Judged, names: Mapping[int, str]) -> None:
        """Count what storing a part did, or would do."""
        for asset_id, outcomes in judged.outcomes.items():
            counts: dict[str, Any] = dict(outcomes)
            self._add(SymbolCounts(names[asset_id], **counts))
        for conflict in judged.conflicts[: SAMPLES - len(self.conflicts)]:
            self.conflicts.append(_shown(conflict, names))

    def add_warnings(self, warnings: Sequence[str]) -> None:
        """Keep warnings, each text once."""
        self.warnings.update(dict.fromkeys(warnings))

    def _add(self, more: SymbolCounts) -> None:
        before = self._symbols.get(more.symbol)
        self._symbols[more.symbol] = more if before is None else _sum(before, more)


def _sum(one: SymbolCounts, other: SymbolCounts) -> SymbolCounts:
    counts = {
        name.name: getattr(one, name.name) + getattr(other, name.name)
        for name in fields(SymbolCounts)
        if name.type == "int"
    }
    firsts = [day for day in (one.first, other.first) if day is not None]
    lasts = [day for day in (one.last, other.last) if day is not None]
    return replace(
        one,
        **counts,
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        is_new=one.is_new or other.is_new,
    )


def _spans(sessions: NDArray[np.datetime64], codes: NDArray[np.intp]) -> dict[int, tuple[date, date]]:
    """First and last session of each code that occurs."""
    if not len(codes):
        return {}
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    days = sessions[order].astype("datetime64[D]").astype(np.int64)
    firsts = np.minimum.reduceat(days, starts).astype("datetime64[D]").tolist()
    lasts = np.maximum.reduceat(days, starts).astype("datetime64[D]").tolist()
    return {code: (first, last) for code, first, last in zip(present.tolist(), firsts, lasts, strict=True)}


def _shown(conflict: BarConflict, names: Mapping[int, str]) -> ShownConflict:
    return ShownConflict(
        names[conflict.asset_id],
        conflict.session,
        conflict.close,
        conflict.stored_close,
        conflict.stored_source,
    )
