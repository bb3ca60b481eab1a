"""What a run did at its vendors and what it left of their quotas, for metrics."""

from __future__ import annotations

from marketdata.domain.run_figures import QuotaLeft, RunFigures
from marketdata.flows.services import Services
from marketdata.storage.run_figures import count_calls


def run_figures(services: Services, run_id: int) -> RunFigures:
    """The run's calls by how they ended, and what may still be sent to each vendor that it asked (by realtime)."""
    calls = services.warehouse.transact(count_calls, run_id)
    asked = {made.vendor for made in calls}
    hooks = [hook for hook in (services.polygon, services.coingecko) if hook.vendor in asked]
    left = [(hook.vendor, hook.quota.left("realtime")) for hook in hooks]
    return RunFigures(tuple(calls), tuple(QuotaLeft(vendor, found.requests, found.credits) for vendor, found in left))
