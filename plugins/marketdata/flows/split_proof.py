"""Proves our adjusted series against the vendor's own: one call a newly applied split, and none without stored bars."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from marketdata.domain.adjustment import Difference, Split, compare
from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span
from marketdata.domain.planner import CallKind
from marketdata.domain.tickers import Periods, pieces
from marketdata.flows.corporate_actions import Subjects
from marketdata.flows.inquiry import Asked, Inquiry
from marketdata.storage.connection import Connection
from marketdata.storage.reference_calls import Brought
from marketdata.storage.split_proofs import DAYS_BEFORE, Proof, list_unproven, read_adjusted, store_proofs

log = logging.getLogger(__name__)

_DAYS_AFTER = timedelta(days=14)
_COMPARED_AGAIN_AFTER = timedelta(days=7)
_ONE_DAY = timedelta(days=1)


def prove_splits(inquiry: Inquiry, subjects: Subjects, histories: Mapping[int, Periods]) -> None:
    """Compare our adjusted bars around each split that is not proven yet with the vendor's, and keep what that shows.

    The last one of ``tickers`` of a subject is its present one. A split without a bar before its day stays pending.
    """
    waiting = inquiry.services.warehouse.transact(
        list_unproven, list(subjects), today=inquiry.today, again_before=inquiry.now - _COMPARED_AGAIN_AFTER
    )
    for asset_id, splits in waiting.items():
        for split in splits:
            if not inquiry.has_time_for_one():
                return
            _prove(inquiry, asset_id, subjects[asset_id].symbol, split, _asked_as(subjects, histories, asset_id, split))


def _asked_as(subjects: Subjects, histories: Mapping[int, Periods], asset_id: int, split: Split) -> tuple[str, Span]:
    """The ticker on the day of the split, and the days around it on which it was the asset's."""
    around = Span(split.executed_on - timedelta(days=DAYS_BEFORE), split.executed_on + _DAYS_AFTER)
    present = subjects[asset_id].tickers[-1]
    return next(
        piece for piece in pieces(around, present, histories.get(asset_id, ())) if split.executed_on in piece[1]
    )


def _prove(inquiry: Inquiry, asset_id: int, symbol: str, split: Split, asked_as: tuple[str, Span]) -> None:
    services, (ticker, around) = inquiry.services, asked_as
    earliest = services.polygon_key.earliest(inquiry.today) or around.first
    if earliest >= split.executed_on:
        return
    span = Span(max(around.first, earliest), min(around.last, inquiry.today))
    ours = services.warehouse.transact(read_adjusted, asset_id, span)
    if not _count_before(ours, split):
        return
    asked = inquiry.ask(
        CallKind.ADJUSTED_RANGE,
        lambda: services.polygon.daily_bars(ticker, span.first, span.last, adjusted=True),
        asset_id=asset_id,
        symbol=ticker,
        first=span.first,
        last=span.last,
        purpose="proof",
    )
    if not isinstance(asked, Asked):
        return
    proof = judge(asset_id, split, ours, asked.answer.data)
    warnings = []
    if proof is None:
        log.info("no bar before the split to compare symbol=%s split=%s", symbol, split)
    else:
        inquiry.count(f"splits_{proof.outcome}")
        if proof.outcome == "differs":
            warnings.append(f"{symbol}: adjusted bars around the split {split} differ from polygon's: {proof.note}")

    def store(connection: Connection) -> Brought:
        if proof is not None:
            store_proofs(connection, [proof], asked.answer.received_at)
        return Brought()

    inquiry.keep(asked, store, warnings=warnings)


def judge(asset_id: int, split: Split, ours: DailyBars, theirs: DailyBars) -> Proof | None:
    """What the two adjusted series show of a split; None where they share no session before its day."""
    before = ours.take(ours.session < np.datetime64(split.executed_on, "D"))
    if not compare(before, theirs)[0]:
        return None
    shared, differences = compare(ours, theirs)
    if not differences:
        sessions = ours.session[[0, -1]].tolist()
        return Proof(asset_id, split, "proven", f"{shared} sessions from {sessions[0]} to {sessions[-1]} agree")
    note = f"{_most_telling(differences)}; {len(differences)} figures of {shared} sessions differ"
    return Proof(asset_id, split, "differs", note)


def _most_telling(differences: tuple[Difference, ...]) -> Difference:
    """The newest close that differs, else the first difference."""
    closes = [one for one in differences if one.figure == "close"]
    return closes[-1] if closes else differences[0]


def _count_before(bars: DailyBars, split: Split) -> int:
    return int(np.count_nonzero(bars.session < np.datetime64(split.executed_on, "D")))
