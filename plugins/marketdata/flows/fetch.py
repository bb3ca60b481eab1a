"""Makes the calls of one batch: ask, check, work out what the answer proves, store it, each call on its own.

A vendor error is recorded with its call and stops no other; only what concerns every call ends the batch: a database
that is away, or a pause that a vendor asks for and that is too long for a worker to sit out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, timedelta
from time import monotonic

from marketdata import settings
from marketdata.crash import crash_point
from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span
from marketdata.domain.planner import CallKind
from marketdata.domain.sessions import is_settled, new_york_date, today
from marketdata.errors import (
    BeyondHistory,
    Gone,
    KeyRejected,
    NotEntitled,
    NotYet,
    RateLimited,
    TransientFailure,
    VendorError,
)
from marketdata.flows.comparing import compare
from marketdata.flows.reading import read_market_day, read_single
from marketdata.flows.services import Services
from marketdata.flows.silence import Reach, answered_part, reach_of
from marketdata.flows.stale_charts import StaleCharts, drop_left_behind
from marketdata.hooks.answer import Answer
from marketdata.hooks.polygon import GROUPED, RANGE
from marketdata.storage import runs
from marketdata.storage.aliases import mark_gone
from marketdata.storage.calls import Call, DailyAnswer
from marketdata.storage.digests import note_compared
from marketdata.storage.failures import fail_call, fail_pending, record_failure
from marketdata.storage.gaps import missing_symbols, rows_of_last_market_day

log = logging.getLogger(__name__)

_ONE_DAY = timedelta(days=1)
# A failed call is worth another try after so long; the next run makes it in any case while the session is missing.
_TRY_AGAIN_AFTER = timedelta(minutes=15)
# A market day with fewer rows than this part of the one before it is not trusted to prove absences.
_COMPLETE_SHARE = 0.9
_COUNTERS = ("calls", "failed", "received", "inserted", "changed", "unchanged", "quarantined")


def fetch_batch(
    services: Services, run_id: int, batch: int, *, watch: Callable[[Call], object] | None = None
) -> dict[str, int]:
    """Make the calls of a batch that are still pending; return counters. ``watch`` is told of each call before it.

    Raises StorageError when the database is away, and RateLimited when the quota or a vendor asks for a long pause:
    what is left stays pending then, and a retry goes on there.
    """
    started = monotonic()
    counts = dict.fromkeys(_COUNTERS, 0)
    rejected: set[str] = set()
    pending = services.warehouse.transact_one(runs.pending_calls, run_id, batch)
    drop_left_behind(services, run_id, batch)
    with StaleCharts(services) as stale:
        for call in pending:
            if call.vendor in rejected:
                continue
            counts["calls"] += 1
            if watch is not None:
                watch(call)
            try:
                answer = _ask(services, call)
                crash_point("after_validate")
                if call.purpose == "verify":
                    answer, stored = compare(services, call, answer)
                else:
                    stored = services.warehouse.store_daily(call, answer, ahead=True)
            except RateLimited:
                raise
            except VendorError as error:
                counts["failed"] += 1
                _record(services, call, error)
                if isinstance(error, KeyRejected):
                    rejected.add(call.vendor)
                    services.warehouse.transact(fail_pending, run_id, call.vendor, error)
                continue
            stale.note(answer.asset_ids.tolist(), stored)
            counts["received"] += answer.facts.received
            counts["inserted"] += stored.inserted
            counts["changed"] += stored.changed
            counts["unchanged"] += stored.unchanged
            counts["quarantined"] += len(answer.quarantined)
            for warning in answer.facts.warnings:
                log.warning("%s label=%s call_id=%d", warning, call.label, call.call_id)
    if any(call.purpose == "verify" for call in pending):
        services.warehouse.transact(note_compared, run_id, batch)
    figures = " ".join(f"{name}={count}" for name, count in counts.items())
    log.info("fetched run_id=%d batch=%d %s seconds=%.2f", run_id, batch, figures, monotonic() - started)
    return counts


def _ask(services: Services, call: Call) -> DailyAnswer:
    """One call's authoritative answer, checked; VendorError where there is none."""
    match call.kind:
        case CallKind.TICKER_RANGE:
            return _ask_ticker(services, call)
        case CallKind.MARKET_DAY:
            return _ask_market_day(services, call)
        case CallKind.COIN_CHART:
            return _ask_coin(services, call)
        case CallKind.COIN_OHLC:
            return _ask_coin_candles(services, call)
        case _:
            raise ValueError(f"call {call.call_id} brings no bars: {call.kind}")


def _ask_ticker(services: Services, call: Call) -> DailyAnswer:
    on = today("stock", settings.now())
    earliest = services.polygon_key.earliest(on)
    _refuse_beyond_history(call, RANGE, earliest)
    asked = Span(max(call.first, earliest or call.first), call.last)
    answer = services.polygon.daily_bars(call.label, asked.first, asked.last)
    crash_point("after_fetch")
    if call.purpose == "verify":  # what precedes its first bar was answered for before: compare() probes where it must
        reach = answered_part(asked, answer.data)
    else:
        reach = reach_of(services.polygon, call.label, asked, answer.data)
    _learn_reach(services, call, asked, reach)
    warnings = [reach.warning] if reach.warning else []
    if reach.is_clipped or asked.first > call.first:
        warnings.append("polygon: the plan's history is shorter than asked; the sessions before it are still missing")
    return read_single(
        call, answer, reach.proven, asset_class="stock", extra_requests=reach.requests, warnings=warnings
    )


def _learn_reach(services: Services, call: Call, asked: Span, reach: Reach) -> None:
    """Remember where the key's history begins, or that it begins earlier than it did once."""
    on, key = today("stock", settings.now()), services.polygon_key
    remembered = key.earliest_remembered(on)
    if reach.is_clipped and reach.proven is not None:
        note = f"{call.label} asked from {asked.first}, answered from {reach.proven.first}"
        key.learn_earliest(reach.proven.first, on, note)
    elif remembered is not None and asked.first < remembered and reach.proven == asked:
        key.learn_no_limit(on, f"{call.label} asked from {asked.first}, answered from there")


def _ask_market_day(services: Services, call: Call) -> DailyAnswer:
    session, on = call.first, today("stock", settings.now())
    _refuse_beyond_history(call, GROUPED, services.polygon_key.earliest(on))
    try:
        answer = services.polygon.market_day(session)
    except NotEntitled as error:
        if error.scope == "history":
            services.polygon_key.learn_earliest(session + _ONE_DAY, on, str(error))
        else:
            services.polygon_key.learn_refusal("market_day", on, str(error))
        raise
    crash_point("after_fetch")
    received = len(answer.data)
    if not received:
        raise _empty_market(call, is_settled("stock", session, answer.seen_until))
    before = services.warehouse.transact(rows_of_last_market_day, session)
    is_complete = before is None or received >= _COMPLETE_SHARE * before
    warnings = () if is_complete else (f"market day with {received} rows after one with {before}: no absence proven",)
    wanted = services.warehouse.transact(missing_symbols, "us", session, today=on)
    return read_market_day(call, answer, wanted, warnings=warnings, is_complete=is_complete)


def _ask_coin(services: Services, call: Call, *, refused: int = 0) -> DailyAnswer:
    """``refused`` requests for candles went before it."""
    answer = services.coingecko.daily_closes(call.label, call.first, call.last, now=settings.now())
    crash_point("after_fetch")
    return _read_coin(services, call, answer, refused=refused)


def _ask_coin_candles(services: Services, call: Call) -> DailyAnswer:
    on = today("crypto", settings.now())
    if not services.coingecko_key.allows("coin_ohlc", on):
        return _ask_coin(services, call)
    try:
        answer = services.coingecko.daily_bars(call.label, call.first, call.last, now=settings.now())
    except NotEntitled as error:
        if error.scope == "history":
            raise
        services.coingecko_key.learn_refusal("coin_ohlc", on, str(error))
        return _ask_coin(services, call, refused=error.requests)
    crash_point("after_fetch")
    return _read_coin(services, call, answer)


def _read_coin(services: Services, call: Call, answer: Answer[DailyBars], *, refused: int = 0) -> DailyAnswer:
    first = max(call.first, answer.clipped_to or call.first)
    warnings = []
    if answer.clipped_to is not None:
        note = f"{call.label} asked from {call.first}, the plan reaches {answer.clipped_to}"
        services.coingecko_key.learn_earliest(answer.clipped_to, today("crypto", settings.now()), note)
    if first > call.first:
        warnings.append("coingecko: the history there is shorter than asked; the days before it are still missing")
    proven = Span(first, call.last) if first <= call.last else None
    return read_single(call, answer, proven, asset_class="crypto", extra_requests=refused, warnings=warnings)


def _refuse_beyond_history(call: Call, endpoint: str, earliest: date | None) -> None:
    """Spare a call that is known to be refused: all of it lies before the history that the key reaches."""
    if earliest is not None and call.last < earliest:
        raise BeyondHistory(
            f"polygon {call.label} {call.first} to {call.last}",
            f"the plan's history starts on {earliest}",
            "ask for later sessions, or take a plan with more history",
            vendor="polygon",
            endpoint=endpoint,
        )


def _empty_market(call: Call, settled: bool) -> VendorError:
    """An expected session without a single bar in the whole market proves nothing about any asset."""
    what = f"polygon market day {call.first}"
    if not settled:
        step = "nothing to do: a later run takes it"
        return NotYet(what, "no bars yet", step, vendor="polygon", endpoint=GROUPED, status=200)
    return TransientFailure(
        what,
        "not one bar in the whole market on an expected session",
        "if it repeats, the exchange was closed unexpectedly: add the day to UNSCHEDULED_CLOSURES",
        vendor="polygon",
        endpoint=GROUPED,
        status=200,
    )


def _record(services: Services, call: Call, error: VendorError) -> None:
    log.error("failed label=%s kind=%s call_id=%d %s", call.label, error.kind, call.call_id, error)
    if isinstance(error, Gone) and call.asset_id is not None:
        services.warehouse.transact(mark_gone, call.asset_id, call.label, new_york_date(settings.now()))
    if call.purpose != "fill":
        services.warehouse.transact(fail_call, call, error)
        return
    now = settings.now()
    services.warehouse.transact(
        record_failure,
        call,
        error,
        asset_ids=None if call.asset_id is None else [call.asset_id],
        sessions=(Span(call.first, call.last),),
        failed_at=now,
        retry_at=now + _TRY_AGAIN_AFTER if error.retryable else None,
    )
