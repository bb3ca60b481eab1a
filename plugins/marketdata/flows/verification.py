"""Chooses what to compare with the vendor: stored history, least recently compared first, inside the quota left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from marketdata.domain.coverage import Gap, Span
from marketdata.domain.ranges import EARLIEST
from marketdata.hooks.quota import rates_of
from marketdata.storage.digests import list_due

if TYPE_CHECKING:
    from marketdata.domain.bars import AssetClass
    from marketdata.domain.planner import CallPlan, PlannedCall
    from marketdata.flows.services import Services
    from marketdata.hooks.vendor_hook import VendorHook


def plan_verification(
    services: Services,
    asset_class: AssetClass,
    asset_ids: Mapping[int, object],
    plan_calls: Callable[[list[Gap]], CallPlan],
    *,
    run_id: int,
    most_requests: int,
) -> list[PlannedCall]:
    """The calls that compare the covered history of the assets, of at most ``most_requests``.

    They come in the order least recently compared; an asset has all of its calls or none. ``plan_calls`` is the
    vendor's planner: a covered span is asked for as a missing one would be. What ``run_id`` has compared is left out.
    """
    if not most_requests or not asset_ids:
        return []
    due = services.warehouse.transact(list_due, asset_ids, run_id=run_id, earliest=EARLIEST[asset_class])
    alike: dict[Span, list[int]] = {}
    for asset_id, span in due.items():
        alike.setdefault(span, []).append(asset_id)
    calls: dict[int | None, list[PlannedCall]] = {}
    for call in plan_calls([Gap(tuple(sorted(ids)), (span,)) for span, ids in alike.items()]).calls:
        calls.setdefault(call.asset_id, []).append(replace(call, purpose="verify"))
    chosen: list[PlannedCall] = []
    for asset_id in due:
        of_asset = calls.get(asset_id, [])
        requests = sum(call.requests for call in of_asset)
        if requests <= most_requests:
            most_requests -= requests
            chosen.extend(of_asset)
    return chosen


def requests_within(hook: VendorHook, hours: float, *, filling: int) -> int:
    """How many requests verification may send: what ``filling`` requests leave of so many ``hours`` at batch's pace.

    Of the month's credits it takes at most half of what they leave.
    """
    session = hook.get_conn()
    rate = rates_of(session.connection)[-1]
    requests = int(hours * 3600 / rate.seconds * max(1, rate.amount - rate.reserve)) - filling
    credits_left = session.quota.left("batch").credits
    if credits_left is not None:
        requests = min(requests, (credits_left - filling) // 2)
    return max(0, requests)
