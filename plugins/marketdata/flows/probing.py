"""Finds out now and then whether a key's history still begins where it did, with one asset's call instead of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from marketdata.domain.coverage import Gap, Span, normalise
from marketdata.domain.planner import CallPlan, Limits, plan_stock_calls

if TYPE_CHECKING:
    from datetime import date

    from marketdata.domain.tickers import Periods


def with_probe(plan: CallPlan, symbols: Mapping[int, str], periods: Mapping[int, Periods], newest: date) -> CallPlan:
    """``plan`` with one asset asking for all that it misses up to ``newest``, what the key was found not to reach
    included; the answer's first bar tells where the history begins today. The same plan where nothing is clipped.

    ``newest`` is a session that the key reaches: a call that lies outside its history altogether would be refused. An
    asset with former tickers has a call for each, so it is not taken.
    """
    found = ((asset_id, gap) for gap in plan.clipped for asset_id in gap.asset_ids if asset_id not in periods)
    asset_id, clipped = next(found, (None, None))
    if asset_id is None or clipped is None:
        return plan
    whole = Gap((asset_id,), normalise((*clipped.missing, Span(newest, newest))))
    probe = plan_stock_calls([whole], symbols, Limits(market_day=False))
    return replace(plan, calls=(*probe.calls, *(call for call in plan.calls if call.asset_id != asset_id)))
