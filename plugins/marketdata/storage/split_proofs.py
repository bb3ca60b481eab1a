"""Which splits wait for a proof, our adjusted bars around them, and what comparing them with the vendor's shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import numpy as np

from marketdata.domain.adjustment import Split
from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

DAYS_BEFORE = 21
"""How many days before a split are compared; a final bar in them is what a proof needs."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a comparison has shown of one split of an asset."""

    asset_id: int
    split: Split
    outcome: Literal["proven", "differs"]
    note: str


def list_unproven(
    connection: Connection, asset_ids: Sequence[int], *, today: date, again_before: datetime
) -> dict[int, list[Split]]:
    """The applied splits to prove now, by asset, oldest first: their day has come and bars before it are stored.

    One that differed counts again in the first week after its day, and later when it was compared before
    ``again_before``.
    """
    values = {"asset_ids": list(asset_ids), "today": today, "before": DAYS_BEFORE, "again_before": again_before}
    found: dict[int, list[Split]] = {}
    with connection.cursor(binary=True) as cursor:
        for asset_id, *split in cursor.execute(statement("splits/list_unproven"), values):
            found.setdefault(asset_id, []).append(Split(*split))  # type: ignore[arg-type]
    return found


def read_adjusted(connection: Connection, asset_id: int, span: Span) -> DailyBars:
    """Our final split-adjusted bars of an asset in a span of sessions, oldest first."""
    values = {"asset_id": asset_id, "first": span.first, "last": span.last}
    rows = connection.execute(statement("splits/read_adjusted"), values).fetchall()
    session, *figures = zip(*rows, strict=True) if rows else ((),) * 6
    opened, high, low, close, volume = (np.array(column, dtype=np.float64) for column in figures)
    return DailyBars(
        symbols=np.full(len(rows), "", dtype=np.object_),
        session=np.array(session, dtype="datetime64[D]"),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        volume_24h=np.full(len(rows), np.nan),
        vwap=np.full(len(rows), np.nan),
        trades=np.full(len(rows), -1, dtype=np.int64),
    )


def store_proofs(connection: Connection, proofs: Sequence[Proof], at: datetime) -> None:
    """Keep what was shown; ``at`` is the instant of the vendor's answer."""
    if proofs:
        values = {
            "asset_ids": [proof.asset_id for proof in proofs],
            "executed_on": [proof.split.executed_on for proof in proofs],
            "split_from": [proof.split.split_from for proof in proofs],
            "split_to": [proof.split.split_to for proof in proofs],
            "proofs": [proof.outcome for proof in proofs],
            "notes": [proof.note for proof in proofs],
            "at": at,
        }
        connection.execute(statement("splits/prove"), values)
