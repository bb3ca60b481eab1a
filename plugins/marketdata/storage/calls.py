"""What travels between a flow and the database: planned calls with their identity, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Spans
from marketdata.domain.planner import PlannedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(PlannedCall):
    """A planned call as the database knows it."""

    call_id: int
    run_id: int


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the answer cost and held. ``elapsed_ms`` has waits in it; ``digest`` is the bodies' SHA-256, in hex."""

    endpoint: str
    status: int
    requests: int
    rate_limited: int
    received: int
    received_bytes: int
    elapsed_ms: float
    digest: str
    duplicates: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A refused record as it came; ``asset_id`` and ``session`` are None where they cannot be told."""

    symbol: str
    session: date | None
    record: Mapping[str, object]
    reason: str
    asset_id: int | None = None

    def as_json(self) -> dict[str, object]:
        """The record for JSON: NaN and infinity, which it has no numbers for, and dates as texts; the rest as it is."""
        return {name: _as_json(value) for name, value in self.record.items()}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing an answer with the stored bars found: how many differ, and how many agree beside those sent."""

    differing: int
    alike: int


@dataclass(frozen=True, slots=True, eq=False)
class DailyAnswer:
    """An authoritative answer to one call, checked, and what it proves.

    ``asset_ids`` and ``is_final`` have one element a bar. ``covered`` are the assets that the answer speaks for, with
    or without a bar; for each of them ``verified`` and ``provisional`` (disjoint) are the days now answered, and
    ``absent`` the (asset, session) pairs that it proves to have no bar. ``fetched_at`` is the aware instant of the
    answer. A bar is stored as given: what a later answer leaves out is null then, so sources that each give a part of a
    bar are joined before; but a coin's close without a candle never replaces a candle, nor a bar without a volume one
    with it. ``comparison`` is set where the answer was compared with what is stored and holds only the bars of the
    years that differ.
    """

    bars: DailyBars
    asset_ids: NDArray[np.int64]
    is_final: NDArray[np.bool_]
    fetched_at: datetime
    covered: NDArray[np.int64]
    verified: Spans
    facts: CallFacts
    provisional: Spans = ()
    absent: tuple[tuple[int, date], ...] = ()
    quarantined: tuple[QuarantineRow, ...] = ()
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Bars of one answer, by what storing them did; their sum is the number of distinct bars."""

    inserted: int
    changed: int
    unchanged: int


def _as_json(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
