"""The history flow: plan the fewest calls, fetch them batch by batch, close the run with a verdict.

``historical_daily`` and ``historical_backfill`` wire these three verbs; nothing here needs Airflow but the connections
in ``open_services``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from marketdata.domain.bars import Asset, AssetClass, Vendor
from marketdata.domain.coverage import Gap, Span
from marketdata.domain.planner import CallPlan, Limits, PlannedCall, plan_coin_calls, plan_stock_calls, to_batches
from marketdata.domain.ranges import due_with, window
from marketdata.domain.sessions import expected_through, new_york_date, today
from marketdata.flows.probing import with_probe
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services
from marketdata.flows.stale_charts import drop_left_behind
from marketdata.flows.verification import plan_verification, requests_within
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import rates_of
from marketdata.storage import runs
from marketdata.storage.aliases import find_periods
from marketdata.storage.assets import find_assets
from marketdata.storage.gaps import missing
from marketdata.storage.runs import RunReport

log = logging.getLogger(__name__)

# Each mapped task costs the scheduler 0.15 s and more: at most 200 a run, shared so that neither vendor waits behind
# the other's pace.
_STOCK_BATCHES, _COIN_BATCHES = 150, 50
# What a run that also verifies keeps of them for that.
_VERIFYING_BATCHES = (50, 20)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a mapped task is given: numbers and a label, never rows."""

    run_id: int
    batch: int
    label: str


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The stored plan. ``minutes`` is how long its calls take at the pace of the vendors' plans.

    ``stocks`` and ``coins`` are what fills the gaps, with what the vendors' plans leave out.
    """

    run_id: int
    batches: tuple[Batch, ...]
    calls: int
    minutes: float
    warnings: tuple[str, ...]
    stocks: CallPlan
    coins: CallPlan


def vantage(interval_end: datetime | None, logical_date: datetime | None, now: datetime) -> datetime:
    """The instant that a run looks back from: what is missing is asked for as if it were then.

    A scheduled or backfilled run looks from the end of its data interval. So does a manual one whose logical date names
    a session; the trigger form's logical date is the present, which is later than the newest session's interval.
    Without either it is ``now``.
    """
    return max((instant for instant in (interval_end, logical_date) if instant is not None), default=now)


def own_session(run_type: str, interval_start: datetime | None, conf: Mapping[str, object]) -> date | None:
    """The trading day that a run of ``airflow backfill`` is for; None when its ``conf`` names a range, and for others.

    The data interval of a trading day starts at that date, 00:00 UTC. The UI's form always sends a range, so its
    default ``MAX`` counts as none.
    """
    if run_type != "backfill" or interval_start is None or conf.get("range", "MAX") != "MAX":
        return None
    return interval_start.astimezone(UTC).date()


def plan_run(
    services: Services, request: HistoryRequest, *, dag_id: str, airflow_run_id: str, as_of: datetime, now: datetime
) -> RunPlan:
    """Store the fewest calls that fetch what is missing of ``request``, as seen from ``as_of`` (at most ``now``).

    The range ends at the day of ``as_of``; sessions that have not closed by then are not asked for. After them come the
    calls that verify what is stored, as many as ``request`` allows. Repeating it for the same Airflow run plans what is
    still to do. Raises InvalidRequest for unknown symbols, StorageError.
    """
    warehouse = services.warehouse
    as_of = min(as_of, now)
    assets = warehouse.transact(find_assets, request.symbols or None)
    run_id = warehouse.transact(
        runs.open_run,
        dag_id,
        airflow_run_id,
        request.range_name,
        request.symbols or None,
        new_york_date(as_of),
        dry_run=request.dry_run,
    )
    stocks = _plan_stocks(services, request, assets, as_of, now)
    coins = _plan_coins(services, request, assets, as_of, now)
    warnings = (*_left_out("polygon", stocks), *_left_out("coingecko", coins))
    verifying = _plan_verification(services, request, assets, run_id, now, filling=(stocks, coins))
    batches = _batches((stocks.calls, coins.calls), verifying)
    lacking = {asset_id for plan in (stocks, coins) for gap in plan.clipped for asset_id in gap.asset_ids}
    named = {call.asset_id for plan in (stocks, coins) for call in plan.calls if call.asset_id is not None}
    whole_market = any(call.asset_id is None for call in stocks.calls)
    touched = len(assets) if whole_market else len(lacking | named)
    warehouse.transact(
        runs.save_plan,
        run_id,
        [] if request.dry_run else batches,
        assets=touched,
        naive_calls=len(assets),
        warnings=warnings,
    )
    of_stocks, of_coins = ((*fill.calls, *more) for fill, more in zip((stocks, coins), verifying, strict=True))
    minutes = max(_minutes(of_stocks, services.polygon), _minutes(of_coins, services.coingecko))
    calls = len(of_stocks) + len(of_coins)
    log.info(
        "planned run_id=%d range=%s as_of=%s assets=%d calls=%d verifying=%d minutes=%.1f dry_run=%s",
        run_id, request.range_name, new_york_date(as_of), len(assets), calls, sum(map(len, verifying)), minutes,
        request.dry_run,
    )  # fmt: skip
    for warning in warnings:
        log.warning("%s run_id=%d", warning, run_id)
    stored = () if request.dry_run else warehouse.transact(runs.batches, run_id)
    numbered = tuple(Batch(run_id, number, label) for number, label in stored)
    return RunPlan(run_id, numbered, calls, minutes, warnings, stocks, coins)


def close_run(services: Services, *, dag_id: str, airflow_run_id: str) -> RunReport | None:
    """Sum up the run, store its verdict and log it: figures, each failed symbol with its cause, warnings.

    None when the run was never opened, because its request was refused.
    """
    run_id = services.warehouse.transact(runs.find_run, dag_id, airflow_run_id)
    if run_id is None:
        log.error("no run was opened dag_id=%s airflow_run_id=%s: see the log of the plan", dag_id, airflow_run_id)
        return None
    report = services.warehouse.transact(runs.close_run, run_id)
    if report.calls_pending:  # a batch was given up, maybe killed between a commit and dropping its charts
        drop_left_behind(services, run_id)
    for failed in report.failed_symbols:
        log.error("failed symbol=%s kind=%s %s", failed.symbol, failed.kind, failed.message)
    for warning in report.warnings:
        log.warning("%s run_id=%d", warning, run_id)
    log.info("%s", summary(report))
    return report


def summary(report: RunReport) -> str:
    """The run in one line, for logs, XCom and the asset event."""
    return (
        f"run_id={report.run_id} state={report.state} received={report.received} inserted={report.inserted}"
        f" changed={report.changed} unchanged={report.unchanged} quarantined={report.quarantined}"
        f" absent={report.absent} verified={report.verified} differing={report.differing}"
        f" calls={report.calls_done} failed_calls={report.calls_failed} pending_calls={report.calls_pending}"
        f" naive_calls={report.naive_calls} requests={report.requests} rate_limited={report.rate_limited}"
        f" seconds={report.seconds:.1f}"
    )


def published(report: RunReport | None) -> dict[str, Any]:
    """The run as XCom and the asset event carry it: counts, state and at most 50 failed symbols; JSON types only."""
    if report is None:
        return {"state": "failed", "summary": "no run was opened: see the log of plan_calls"}
    figures = {name: value for name, value in asdict(report).items() if name not in {"failed_symbols", "warnings"}}
    return {
        **figures,
        "summary": summary(report),
        "failed_symbols": [": ".join(failed) for failed in report.failed_symbols[:50]],
        "warnings": list(report.warnings[:50]),
    }


def _plan_stocks(
    services: Services, request: HistoryRequest, assets: Sequence[Asset], as_of: datetime, now: datetime
) -> CallPlan:
    followed = _followed(assets, "polygon")
    gaps = _gaps(services, request, followed, "stock", as_of, now)
    periods = services.warehouse.transact(find_periods)
    plan = plan_stock_calls(gaps, followed, _stock_limits(services, now), periods)
    is_fresh = services.polygon_key.earliest(new_york_date(now)) is not None
    return plan if is_fresh else with_probe(plan, followed, periods, expected_through("stock", as_of))


def _stock_limits(services: Services, now: datetime) -> Limits:
    on, key = new_york_date(now), services.polygon_key
    return Limits(market_day=key.allows("market_day", on), earliest=key.earliest_remembered(on))


def _plan_coins(
    services: Services, request: HistoryRequest, assets: Sequence[Asset], as_of: datetime, now: datetime
) -> CallPlan:
    followed = _followed(assets, "coingecko")
    gaps = _gaps(services, request, followed, "crypto", as_of, now)
    credits_left = services.coingecko.get_conn().quota.left("batch").credits
    return plan_coin_calls(gaps, followed, replace(_coin_limits(services, now), max_calls=credits_left))


def _coin_limits(services: Services, now: datetime) -> Limits:
    on, key = today("crypto", now), services.coingecko_key
    ohlc = key.connection.is_paid and key.allows("coin_ohlc", on)
    return Limits(earliest=key.earliest(on), ohlc=ohlc)


def _plan_verification(
    services: Services,
    request: HistoryRequest,
    assets: Sequence[Asset],
    run_id: int,
    now: datetime,
    *,
    filling: tuple[CallPlan, CallPlan],
) -> tuple[list[PlannedCall], list[PlannedCall]]:
    """The calls that compare stocks and coins with the vendor, in what filling the gaps leaves of the hours."""
    if not request.verify_hours:
        return [], []
    stocks, coins = _followed(assets, "polygon"), _followed(assets, "coingecko")
    stock_limits = replace(_stock_limits(services, now), market_day=False)
    periods = services.warehouse.transact(find_periods)
    of_stocks, of_coins = (
        requests_within(hook, request.verify_hours, filling=plan.requests)
        for hook, plan in zip((services.polygon, services.coingecko), filling, strict=True)
    )
    return (
        plan_verification(
            services, "stock", stocks, lambda gaps: plan_stock_calls(gaps, stocks, stock_limits, periods),
            run_id=run_id, most_requests=of_stocks,
        ),
        plan_verification(
            services, "crypto", coins, lambda gaps: plan_coin_calls(gaps, coins, _coin_limits(services, now)),
            run_id=run_id, most_requests=of_coins,
        ),
    )  # fmt: skip


def _followed(assets: Sequence[Asset], vendor: Vendor) -> dict[int, str]:
    return {asset.asset_id: asset.vendor_symbol for asset in assets if asset.vendor == vendor}


def _batches(
    filling: Sequence[Sequence[PlannedCall]], verifying: Sequence[Sequence[PlannedCall]]
) -> list[tuple[PlannedCall, ...]]:
    """What fills gaps in front, what verifies behind it; within each, stocks in front."""
    kept = [most if calls else 0 for calls, most in zip(verifying, _VERIFYING_BATCHES, strict=True)]
    most = (_STOCK_BATCHES - kept[0], _COIN_BATCHES - kept[1])
    front = [to_batches(calls, count) for calls, count in zip(filling, most, strict=True)]
    behind = [to_batches(calls, count) for calls, count in zip(verifying, kept, strict=True)]
    return [batch for batches in (*front, *behind) for batch in batches]


def _gaps(
    services: Services,
    request: HistoryRequest,
    followed: dict[int, str],
    asset_class: AssetClass,
    as_of: datetime,
    now: datetime,
) -> list[Gap]:
    """What the followed assets of a vendor miss in the range, up to the last session that was over at ``as_of``."""
    if not followed:
        return []
    if request.session is not None:
        asked = due_with(request.session, asset_class=asset_class)
    else:
        asked = window(request.range_name, today(asset_class, as_of), asset_class=asset_class)
    last = min(asked.last, expected_through(asset_class, as_of))
    if last < asked.first:
        return []
    return services.warehouse.transact(
        missing,
        "crypto" if asset_class == "crypto" else "us",
        Span(asked.first, last),
        asset_ids=list(followed) if request.symbols else None,
        today=today(asset_class, now),
    )


def _minutes(calls: Sequence[PlannedCall], hook: PolygonHook | CoinGeckoHook) -> float:
    """How long the calls take at the pace that the vendor allows to batch."""
    rate = rates_of(hook.get_conn().connection)[-1]
    return sum(call.requests for call in calls) * rate.seconds / max(1, rate.amount - rate.reserve) / 60


def _left_out(vendor: str, plan: CallPlan) -> list[str]:
    """A line for the history that the vendor's plan does not reach, and one for calls that its credits do not pay."""
    lines = []
    if plan.deferred:
        lines.append(f"{vendor}: no credits left for {len(plan.deferred)} calls; a later run makes them")
    if not plan.clipped:
        return lines
    assets = {asset_id for gap in plan.clipped for asset_id in gap.asset_ids}
    first: date = min(gap.missing[0].first for gap in plan.clipped)
    last: date = max(gap.missing[-1].last for gap in plan.clipped)
    lines.append(f"{vendor}: the plan's history does not reach {first} to {last} assets={len(assets)}; still missing")
    return lines
