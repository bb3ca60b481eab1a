"""Hours of the current session: a stock's from the vendor's half hours, or, as a coin's, from the minute prices.

``realtime_hourly`` wires it, each ten minutes of market hours. Up to 60 stocks are asked for one by one; beyond that
the minute prices, which are there already, give the hours for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from time import monotonic
from typing import NamedTuple

from marketdata.crash import crash_point
from marketdata.domain.bars import Asset, Vendor
from marketdata.domain.hours import to_hours
from marketdata.domain.planner import CallKind
from marketdata.domain.price_quality import check_intraday
from marketdata.domain.prices import IntradayBars
from marketdata.domain.sessions import NEW_YORK, latest_session, previous_session, session_close, session_open
from marketdata.errors import KeyRejected, RateLimited, TransientFailure
from marketdata.flows import history
from marketdata.flows.facts import facts_of
from marketdata.flows.realtime.feeds import CAPABILITY, DELAY_SECONDS, calls_a_tick, decide, keep
from marketdata.flows.realtime.ticking import Asked, Tick, Unanswered, begin, symbols_of
from marketdata.flows.services import Services
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.hourly_bars import HourBar, build_hours, read_hours, store_hours
from marketdata.storage.runs import RunReport

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
MOST_SINGLE = 60
"""With more stocks the minute prices, one call for all, are cheaper than asking for the hours of each."""

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MINUTES = int(EVERY.total_seconds() // 60)
_SECONDS = 20.0
_FAILURES_IN_A_ROW = 3


class _Window(NamedTuple):
    """A session: its hours start at ``first``, one an hour, the last of them ends at ``last``."""

    first: datetime
    last: datetime


def update_hours(
    services: Services, *, dag_id: str, airflow_run_id: str, tick: datetime | None, now: datetime
) -> RunReport:
    """Bring the hours of the current session of the active assets into database and cache; the run's verdict.

    ``tick`` is the instant of the schedule, None for a run by hand, which asks whatever the hour. The last hour is
    provisional while it runs; the first tick of a session settles the hours of the one before. Safe to repeat: a
    vendor's hour is never replaced by one built from prices. Raises StorageError.
    """
    started = monotonic()
    found = begin(services, dag_id=dag_id, airflow_run_id=airflow_run_id, tick=tick, now=now, every=EVERY)
    if found.is_followed("polygon"):
        _update_stocks(found)
    if found.is_followed("coingecko"):
        _update_coins(found)
    report = history.close_run(services, dag_id=dag_id, airflow_run_id=airflow_run_id)
    log.info("ticked run_id=%d tick=%s seconds=%.2f", found.run_id, tick, monotonic() - started)
    if report is None:
        raise LookupError(f"run {found.run_id} is gone")  # nobody deletes runs
    return report


def _update_stocks(tick: Tick) -> None:
    assets, session = tick.assets["polygon"], _session(tick)
    window = _Window(session_open(session), session_close(session))
    delay = _ask_singly(tick, assets, session) if _asks_singly(tick, assets) else None
    if delay is None:
        latest = tick.feeds.get(("polygon", "latest"))
        delay = latest.delay_seconds if latest else 0
        if latest is not None and latest.way == "none":
            keep(tick, decide(tick, "polygon", "hourly", "none", _MINUTES, delay=delay), is_asked=False)
            return
        _build(tick, "polygon", window, delay=delay)
    _fill_cache(tick, assets, window, delayed=delay > 0)


def _update_coins(tick: Tick) -> None:
    midnight = datetime.combine(tick.today("coingecko"), time(), UTC)
    window = _Window(midnight, midnight + timedelta(days=1))
    _build(tick, "coingecko", window, delay=0)
    _fill_cache(tick, tick.assets["coingecko"], window, delayed=False)


def _session(tick: Tick) -> date:
    """The session that the tick is about: before there can be a half hour of today, the one before."""
    session = latest_session(tick.moment)
    if tick.at is not None and tick.moment < session_open(session) + EVERY:
        return previous_session(session - timedelta(days=1))
    return session


def _asks_singly(tick: Tick, assets: Sequence[Asset]) -> bool:
    key = tick.key("polygon")
    most = min(MOST_SINGLE, calls_a_tick(key.connection))
    return len(assets) <= most and key.allows(CAPABILITY["half_hours"], tick.today("polygon"))


def _ask_singly(tick: Tick, assets: Sequence[Asset], session: date) -> int | None:
    """Ask for each stock's half hours; the delay of the answers in seconds. None: the plan does not give them."""
    over_at, delay, answered, down = monotonic() + _SECONDS, 0, 0, 0
    refused: list[Unanswered] = []
    for place, asset in enumerate(assets):
        if monotonic() > over_at or down == _FAILURES_IN_A_ROW:
            tick.warn(f"polygon: the tick does not reach the hours of {symbols_of(assets[place:])}")
            break
        call = tick.note(CallKind.HALF_HOURS, "polygon", asset=asset, session=session)
        asked = tick.ask(call, partial(tick.services.polygon.half_hours, asset.vendor_symbol, session))
        if isinstance(asked, Asked):
            delay = DELAY_SECONDS if asked.answer.delayed else delay
            answered, down = answered + 1, 0
            _store(tick, asset, session, asked)
            continue
        if isinstance(asked.error, KeyRejected | RateLimited):
            break
        down = down + 1 if isinstance(asked.error, TransientFailure) else 0
        refused += [asked] if asked.is_refusal else []
        if not answered and len(refused) == min(2, len(assets)):
            tick.supersede(*refused)
            key = tick.key("polygon")
            key.learn_refusal(CAPABILITY["half_hours"], tick.today("polygon"), str(asked.error))
            return None
    keep(tick, decide(tick, "polygon", "hourly", "half_hours", _MINUTES, delay=delay))
    return delay


def _store(tick: Tick, asset: Asset, session: date, asked: Asked[IntradayBars]) -> None:
    """Check a stock's half hours, make them into hours, and store these."""
    crash_point("after_fetch")
    answer, bars = asked.answer, asked.answer.data
    midnight = datetime.combine(session, time(), NEW_YORK)
    checked = check_intraday(bars, first=midnight, last=midnight + timedelta(days=1), now=answer.received_at)
    rows = []
    for refusal in checked.refused:
        record = {column.name: str(getattr(bars, column.name)[refusal.index]) for column in fields(bars)}
        rows.append(QuarantineRow(asset.vendor_symbol, session, record, str(refusal.reason), asset.asset_id))
    delay = timedelta(seconds=DELAY_SECONDS if answer.delayed else 0)
    hours = to_hours(bars.take(checked.kept), session, seen_until=answer.seen_until - delay)
    crash_point("after_validate")
    tick.services.warehouse.transact(
        store_hours,
        asked.call,
        replace(facts_of(answer), duplicates=checked.duplicates),
        asset_id=asset.asset_id,
        bars=hours.bars,
        finals=hours.finals,
        source="polygon",
        fetched_at=answer.received_at,
        quarantined=rows,
    )
    crash_point("after_commit")


def _build(tick: Tick, vendor: Vendor, window: _Window, *, delay: int) -> None:
    """Build what the minute prices may have changed since the last time, from the hour before that one on."""
    kept = tick.feeds.get((vendor, "hourly"))
    since = kept.last_asked_at if kept else None
    windows = [window]
    eve = _Window(window.first - _DAY, window.first)
    if vendor == "coingecko" and since is not None and eve.first <= since < eve.last:
        windows = [eve, window]  # the UTC day before ended after its last tick
    for first, last in windows:
        hours = 0 if since is None else (min(since, last) - first) // _HOUR - 1
        built = tick.services.warehouse.transact(
            build_hours,
            tick.run_id,
            [asset.asset_id for asset in tick.assets[vendor]],
            first=first + max(hours, 0) * _HOUR,
            last=last,
            anchor=first,
            now=tick.now,
            seen_until=tick.now - timedelta(seconds=delay),
            vendor=vendor,
        )
        log.info(
            "built vendor=%s session=%s inserted=%d changed=%d unchanged=%d",
            vendor, first, built.inserted, built.changed, built.unchanged,
        )  # fmt: skip
    keep(tick, decide(tick, vendor, "hourly", "minute_prices", _MINUTES, delay=delay))


def _fill_cache(tick: Tick, assets: Sequence[Asset], window: _Window, *, delayed: bool) -> None:
    """Put the session's hours of each asset that has any into the cache."""
    ids = [asset.asset_id for asset in assets]
    rows = tick.services.warehouse.transact(read_hours, ids, first=window.first, last=window.last)
    hours: dict[str, list[HourBar]] = {}
    for row in rows:
        hours.setdefault(row.symbol, []).append(row)
    if hours:
        tick.cached(lambda: tick.services.cache.put_hours(hours, delayed=delayed))
    crash_point("after_cache")
