"""What a plan will take: requests, minutes and the end, for each vendor and kind of call, and what it leaves out."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from marketdata.domain.bars import Vendor
from marketdata.domain.planner import CallKind, CallPlan, PlannedCall
from marketdata.domain.sessions import new_york_date
from marketdata.hooks.quota import rates_of
from marketdata.storage.assets import find_assets
from marketdata.storage.questions import measure_pace

if TYPE_CHECKING:
    from marketdata.flows.history import RunPlan
    from marketdata.flows.services import Services
    from marketdata.hooks.vendor_hook import VendorHook

_SHORTEST_HISTORY = timedelta(days=700)
# What a request takes before any was measured, and what storing its answer takes besides.
_USUAL_SECONDS, _STORING_SECONDS = 0.2, 0.02


@dataclass(frozen=True, slots=True)
class Part:
    """Planned calls of one kind, for the sessions from ``first`` to ``last``.

    ``minutes`` at the pace that the vendor's plan leaves to batch, or at the vendor's own where that is slower.
    """

    vendor: Vendor
    kind: CallKind
    calls: int
    requests: int
    minutes: float
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a vendor's plan does not give: calls ``deferred`` for lack of credits, history before what it reaches."""

    vendor: Vendor
    deferred: int
    clipped_assets: int
    clipped_first: date | None
    clipped_last: date | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """``requests`` are what the parts take without a fault, up to ``probes`` more where only an answer can tell how far
    back a history goes. ``minutes`` is for one process that asks one vendor after the other and ends at ``ends_at``.
    """

    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    calls: int
    requests: int
    probes: int
    minutes: float
    ends_at: datetime


def forecast(services: Services, plan: RunPlan, symbols: Sequence[str], now: datetime) -> Forecast:
    """What ``plan``, made for ``symbols`` (none: all assets), will take when it starts at ``now``."""
    hooks: dict[Vendor, VendorHook] = {"polygon": services.polygon, "coingecko": services.coingecko}
    plans: dict[Vendor, CallPlan] = {"polygon": plan.stocks, "coingecko": plan.coins}
    unlisted = {
        asset.asset_id for asset in services.warehouse.transact(find_assets, symbols or None) if asset.listed_on is None
    }
    measured = services.warehouse.transact(measure_pace, list(plans))
    parts = tuple(
        part
        for vendor, of_vendor in plans.items()
        for part in _parts(of_vendor.calls, hooks[vendor], measured.get(vendor, _USUAL_SECONDS))
    )
    minutes = sum(part.minutes for part in parts)
    return Forecast(
        parts,
        tuple(left for vendor, of_vendor in plans.items() if (left := _left_out(vendor, of_vendor)) is not None),
        calls=sum(part.calls for part in parts),
        requests=sum(part.requests for part in parts),
        probes=_probes(services, plan.stocks.calls, unlisted, new_york_date(now)),
        minutes=minutes,
        ends_at=now + timedelta(minutes=minutes),
    )


def _parts(calls: Sequence[PlannedCall], hook: VendorHook, seconds: float) -> Iterable[Part]:
    """``seconds`` is what the vendor takes for a request."""
    rate = rates_of(hook.connection)[-1]
    minutes_a_request = max(rate.seconds / max(1, rate.amount - rate.reserve), seconds + _STORING_SECONDS) / 60
    for kind in CallKind:
        alike = [call for call in calls if call.kind is kind]
        if alike:
            requests = sum(call.requests for call in alike)
            yield Part(
                alike[0].vendor,
                kind,
                len(alike),
                requests,
                requests * minutes_a_request,
                min(call.first for call in alike),
                max(call.last for call in alike),
            )


def _left_out(vendor: Vendor, plan: CallPlan) -> LeftOut | None:
    if not plan.deferred and not plan.clipped:
        return None
    return LeftOut(
        vendor,
        len(plan.deferred),
        len({asset_id for gap in plan.clipped for asset_id in gap.asset_ids}),
        min((gap.missing[0].first for gap in plan.clipped), default=None),
        max((gap.missing[-1].last for gap in plan.clipped), default=None),
    )


def _probes(services: Services, calls: Sequence[PlannedCall], unlisted: Container[int | None], on: date) -> int:
    """How many ticker calls may take one more request, which asks whether a silence before the first bar is a clip.

    One finds out for the key, where nothing is known of its history; then each asset whose first session is unknown.
    """
    tickers = [call for call in calls if call.kind is CallKind.TICKER_RANGE]
    of_assets = sum(call.asset_id in unlisted for call in tickers)
    is_known = services.polygon_key.earliest(on) is not None
    reaches_back = any(call.first < on - _SHORTEST_HISTORY for call in tickers)
    return max(of_assets, int(reaches_back and not is_known))
