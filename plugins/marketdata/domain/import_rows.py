"""What the rows of an import must be before they are stored: the rules of a vendor's bars, and some of their own.

A row is refused with its reason, superseded by a later row for the same bar, or kept. A series whose prices show no
jump where its asset split was stored adjusted: it would spoil raw bars, so that all of it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import AssetClass, DailyBars
from marketdata.domain.coverage import Span
from marketdata.domain.proof import expected_sessions
from marketdata.domain.quality import check_daily
from marketdata.domain.sessions import FIRST_DAY, LAST_DAY, final_through

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Days = NDArray[np.datetime64]

NOT_OVER = "session is not over: an import brings history"
HOUR_NOT_OVER = "hour is not over: an import brings history"
OFF_GRID = "hour does not start on a whole minute"

_LONGEST_CLOSURE = timedelta(days=14)
_NEAR = np.timedelta64(10, "D")
# Below this ratio a split's jump is no larger than a day's move can be, and proves nothing.
_TELLING_RATIO = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class ImportRows:
    """Rows as columns of one length, in the order of their source.

    ``bars.symbols`` are spelled as the source does. ``asset_ids`` are ours, negative for assets that are still to be
    added. ``starts_at`` (datetime64[s], UTC) is None for daily bars; of hourly ones ``bars.session`` is the session
    that the hour belongs to. ``faults`` has the reason for each row that cannot be read, by its index.
    """

    bars: DailyBars
    asset_ids: Ids
    is_crypto: Mask
    starts_at: NDArray[np.datetime64] | None
    faults: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.asset_ids)

    def take(self, chosen: NDArray[np.intp]) -> ImportRows:
        """The rows at these indices, none of which may have a fault, in that order."""
        starts_at = None if self.starts_at is None else self.starts_at[chosen]
        return ImportRows(self.bars.take(chosen), self.asset_ids[chosen], self.is_crypto[chosen], starts_at, {})


@dataclass(frozen=True, slots=True, eq=False)
class Superseded:
    """Rows that a later row for the same bar replaces: ``equal`` ones say the same, ``differing`` ones do not."""

    mask: Mask
    equal: int
    differing: int


@dataclass(frozen=True, slots=True)
class KnownSplit:
    """An asset's shares were multiplied by ``ratio`` on ``executed_on``, so that its raw price was divided by it."""

    asset_id: int
    executed_on: date
    ratio: float


def refused_rows(rows: ImportRows, *, now: datetime) -> dict[int, str]:
    """Index and reason of each row that must not be stored, seen at ``now`` (aware), with no tolerance."""
    reasons = dict(rows.faults)
    readable = np.ones(len(rows), dtype=np.bool_)
    readable[list(reasons)] = False
    classes: tuple[tuple[AssetClass, Mask], ...] = (("stock", ~rows.is_crypto), ("crypto", rows.is_crypto))
    for asset_class, of_class in classes:
        chosen = np.flatnonzero(readable & of_class)
        if len(chosen):
            reasons.update(_refused_of(rows, chosen, asset_class, now))
    return reasons


def _refused_of(rows: ImportRows, chosen: NDArray[np.intp], asset_class: AssetClass, now: datetime) -> dict[int, str]:
    # Each row is a symbol of its own here: the rows that others supersede are looked for over the whole import.
    bars = replace(rows.bars.take(chosen), symbols=np.arange(len(chosen)).astype(np.object_))
    checked = check_daily(bars, asset_class=asset_class, asked=Span(FIRST_DAY, LAST_DAY), seen_at=now)
    reasons = {int(chosen[refusal.index]): str(refusal.reason) for refusal in checked.refused}
    kept = chosen[checked.kept]
    if rows.starts_at is None:
        early = rows.bars.session[kept] > np.datetime64(final_through(asset_class, now), "D")
        reasons.update(dict.fromkeys(kept[early].tolist(), NOT_OVER))
        return reasons
    starts_at = rows.starts_at[kept]
    whole = starts_at.astype("datetime64[m]").astype("datetime64[s]") == starts_at
    reasons.update(dict.fromkeys(kept[~whole].tolist(), OFF_GRID))
    over = starts_at + np.timedelta64(3600, "s") <= np.datetime64(int(now.timestamp()), "s")
    reasons.update(dict.fromkeys(kept[~over].tolist(), HOUR_NOT_OVER))
    return reasons


def bar_keys(rows: ImportRows) -> Ids:
    """One number a bar: equal for rows of the same asset and session, or of the same asset and hour."""
    if rows.starts_at is None:
        return rows.asset_ids * np.int64(1 << 20) + rows.bars.session.astype("datetime64[D]").astype(np.int64)
    return rows.asset_ids * np.int64(1 << 33) + rows.starts_at.astype(np.int64)


def figure_digests(bars: DailyBars) -> NDArray[np.uint64]:
    """One number a row, equal for rows that agree in every figure; figures that both do not give agree."""
    mixed = np.zeros(len(bars), dtype=np.uint64)
    figures = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.volume_24h, bars.vwap, bars.trades)
    for column in figures:
        bits = column.astype(np.float64) + 0.0  # adding nothing makes -0.0 a 0.0
        mixed = (mixed ^ bits.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def find_superseded(keys: Ids, digests: NDArray[np.uint64], good: Mask) -> Superseded:
    """Of the ``good`` rows with equal keys the last one counts; the others are superseded."""
    rows = np.flatnonzero(good)
    order = rows[np.argsort(keys[rows], kind="stable")]
    is_last = np.ones(len(order), dtype=np.bool_)
    is_last[:-1] = keys[order[1:]] != keys[order[:-1]]
    lasts = np.flatnonzero(is_last)
    winner = order[lasts[np.searchsorted(lasts, np.arange(len(order)))]]
    losers = order[~is_last]
    equal = int((digests[losers] == digests[winner[~is_last]]).sum())
    mask = np.zeros(len(keys), dtype=np.bool_)
    mask[losers] = True
    return Superseded(mask, equal, len(losers) - equal)


def covered_from(sessions: Days, is_crypto: Mask) -> Days:
    """The first day that each session's bar speaks for: the days without trading before a session need no answer."""
    if not len(sessions):
        return sessions
    first = max(FIRST_DAY, sessions.min().item() - _LONGEST_CLOSURE)
    trading = expected_sessions("stock", Span(first, sessions.max().item()))
    before = trading[np.maximum(np.searchsorted(trading, sessions) - 1, 0)]
    after_last = np.minimum(before + np.timedelta64(1, "D"), sessions)
    covered: Days = np.where(is_crypto, sessions, after_last)
    return covered


def near_splits(rows: ImportRows, splits: Sequence[KnownSplit]) -> NDArray[np.intp]:
    """Indices of the rows that lie within ten days of a split of their asset."""
    near = np.zeros(len(rows), dtype=np.bool_)
    days = rows.bars.session[~np.isnat(rows.bars.session)]
    if not len(days):
        return np.flatnonzero(near)
    first, last = days.min() - _NEAR, days.max() + _NEAR
    for split in splits:
        day = np.datetime64(split.executed_on, "D")
        if first <= day <= last:
            near |= (rows.asset_ids == split.asset_id) & (np.abs(rows.bars.session - day) <= _NEAR)
    return np.flatnonzero(near)


def stored_adjusted(
    asset_ids: Ids, sessions: Days, closes: NDArray[np.float64], splits: Sequence[KnownSplit]
) -> dict[int, KnownSplit]:
    """The assets whose closes do not jump where they split, each with the first split that shows it.

    Of each split the last close before it and the first one from it on are compared, both within ten days; where one of
    them is missing, or the ratio is too small to tell, nothing is said. Raw closes move by about one over the ratio.
    """
    order = np.lexsort((sessions, asset_ids))
    asset_ids, sessions, closes = asset_ids[order], sessions[order], closes[order]
    found: dict[int, KnownSplit] = {}
    for split in sorted(splits, key=lambda split: split.executed_on):
        if split.asset_id in found or max(split.ratio, 1 / split.ratio) < _TELLING_RATIO:
            continue
        start, stop = np.searchsorted(asset_ids, [split.asset_id, split.asset_id + 1])
        day = np.datetime64(split.executed_on, "D")
        at = start + np.searchsorted(sessions[start:stop], day)
        if at in {start, stop} or day - sessions[at - 1] > _NEAR or sessions[at] - day > _NEAR:
            continue
        moved = math.log(closes[at] / closes[at - 1])
        if abs(moved) < abs(moved + math.log(split.ratio)):
            found[split.asset_id] = split
    return found
