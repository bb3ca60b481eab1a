"""Sorts the rows of one part: what is stored, what is refused with its record, and what a later row supersedes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.import_rows import ImportRows, KnownSplit
from marketdata.flows.imports.reading import Reading
from marketdata.flows.imports.report import RefusedRow
from marketdata.flows.imports.tables import Malformed
from marketdata.storage.calls import QuarantineRow


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """A part's rows by what becomes of them. A refused series is one refusal, of ``rows`` of its rows here."""

    kept: ImportRows
    refused: NDArray[np.bool_]
    superseded: NDArray[np.bool_]
    refusals: tuple[RefusedRow, ...]
    series: tuple[tuple[RefusedRow, int], ...]
    quarantined: tuple[QuarantineRow, ...]

    @property
    def refused_count(self) -> int:
        return len(self.refusals) + sum(rows for _, rows in self.series)


def sort_rows(
    reading: Reading,
    reasons: Mapping[int, str],
    superseded: NDArray[np.bool_],
    adjusted: Mapping[int, KnownSplit],
    malformed: Sequence[Malformed] = (),
) -> Sorted:
    """Sort a part; ``reasons`` are of the rows that break a rule, ``adjusted`` the assets whose series is refused."""
    rows = reading.rows
    refused = np.zeros(len(rows), dtype=np.bool_)
    refused[list(reasons)] = True
    of_series = np.isin(rows.asset_ids, list(adjusted)) & ~refused & ~superseded
    refusals = [_refusal(reading, index, reason) for index, reason in sorted(reasons.items())]
    ids: list[int | None] = [rows.asset_ids[index].item() or None for index in sorted(reasons)]
    lines = [RefusedRow("", None, bad.reason, {"line": bad.line, "text": bad.text}) for bad in malformed]
    series = [
        (_refused_series(rows, of_series & (rows.asset_ids == asset_id), split), asset_id)
        for asset_id, split in adjusted.items()
        if (of_series & (rows.asset_ids == asset_id)).any()
    ]
    everything = [
        *zip(refusals, ids, strict=True),
        *((line, None) for line in lines),
        *((refusal, asset_id) for (refusal, _), asset_id in series),
    ]
    return Sorted(
        kept=rows.take(np.flatnonzero(~refused & ~superseded & ~of_series)),
        refused=refused | of_series,
        superseded=superseded,
        refusals=(*refusals, *lines),
        series=tuple(found for found, _ in series),
        quarantined=tuple(
            QuarantineRow(refusal.symbol, refusal.session, refusal.record, refusal.reason, asset_id)
            for refusal, asset_id in everything
        ),
    )


def _refusal(reading: Reading, index: int, reason: str) -> RefusedRow:
    day = reading.rows.bars.session[index]
    session: date | None = None if np.isnat(day) else day.item()
    symbol = str(reading.rows.bars.symbols[index]).replace("\0", "\ufffd")
    return RefusedRow(symbol, session if isinstance(session, date) else None, reason, reading.record(index))


def _refused_series(rows: ImportRows, chosen: NDArray[np.bool_], split: KnownSplit) -> tuple[RefusedRow, int]:
    days, count = rows.bars.session[chosen], int(chosen.sum())
    symbol = str(rows.bars.symbols[np.argmax(chosen)])
    reason = (
        f"series is stored split-adjusted: no jump at the split of {split.ratio:g} for 1 on {split.executed_on};"
        " bars are stored raw"
    )
    record = {"symbol": symbol, "rows": count, "first": str(days.min()), "last": str(days.max())}
    return RefusedRow(symbol, split.executed_on, reason, record), count
