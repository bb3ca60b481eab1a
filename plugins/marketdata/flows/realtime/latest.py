"""The latest prices: ask each vendor in the way its plan gives, check, store, and then the cache.

``realtime_latest`` wires it, each minute of market hours. A tick has seconds: it never waits long, and what fails is
asked again by the next one. So that a reader never sees what could still be undone, the cache comes after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from time import monotonic

from marketdata.crash import crash_point
from marketdata.domain.bars import Asset, Vendor
from marketdata.domain.cadence import Cadence, due_part, part_of
from marketdata.domain.price_quality import CheckedPrices, check_prices
from marketdata.domain.prices import Prices
from marketdata.flows import history
from marketdata.flows.facts import facts_of
from marketdata.flows.realtime.asking import ask_latest
from marketdata.flows.realtime.feeds import CAPABILITY, DELAY_SECONDS, decide_latest, keep, keep_failed
from marketdata.flows.realtime.ticking import VENDORS, Asked, Tick, begin, symbols_of
from marketdata.flows.services import Services
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.feeds import Feed
from marketdata.storage.prices import store_prices
from marketdata.storage.runs import RunReport

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)


def update_prices(
    services: Services, *, dag_id: str, airflow_run_id: str, tick: datetime | None, now: datetime
) -> RunReport:
    """Bring the latest prices of the active assets into database and cache; the run's verdict.

    ``tick`` is the instant of the schedule, None for a run by hand, which asks whatever the hour. Stocks are asked for
    while their market is open, each vendor on the ticks of its own cadence. ``services`` should have the priority
    ``realtime``. Safe to repeat: an older price never replaces a newer one. Raises StorageError.
    """
    started = monotonic()
    found = begin(services, dag_id=dag_id, airflow_run_id=airflow_run_id, tick=tick, now=now, every=EVERY)
    for vendor in VENDORS:
        if found.is_followed(vendor):
            _update(found, vendor)
    report = history.close_run(services, dag_id=dag_id, airflow_run_id=airflow_run_id)
    log.info("ticked run_id=%d tick=%s seconds=%.2f", found.run_id, tick, monotonic() - started)
    if report is None:
        raise LookupError(f"run {found.run_id} is gone")  # nobody deletes runs
    return report


def _update(tick: Tick, vendor: Vendor) -> None:
    """Ask one vendor, in the next way where its plan refuses one, and keep what it says."""
    refused = True
    while refused:
        feed, cadence = decide_latest(tick, vendor, tick.assets[vendor])
        if feed.way == "none":
            keep(tick, feed, is_asked=False)
            return
        refused = False
        parts = _due_parts(tick, feed, cadence)
        if not parts and feed.last_asked_at is not None:
            keep(tick, feed, is_asked=False)  # a cadence that is new is said at once
        for part in parts:
            assets = part_of(tick.assets[vendor], part, cadence.parts)
            asked = ask_latest(tick, feed.way, assets)
            if isinstance(asked, Asked):
                keep(tick, replace(feed, delay_seconds=DELAY_SECONDS if asked.answer.delayed else 0))
                _store(tick, assets, asked)
                continue
            refused = asked.is_refusal and feed.way in CAPABILITY
            if refused:
                tick.supersede(asked)
                tick.key(vendor).learn_refusal(CAPABILITY[feed.way], tick.today(vendor), str(asked.error))
            else:
                keep_failed(tick, feed)
            break


def _due_parts(tick: Tick, feed: Feed, cadence: Cadence) -> Sequence[int]:
    """Which parts of the assets to ask for: by hand all, on a tick that is none of the vendor's nothing."""
    if tick.at is None:
        return range(cadence.parts)
    part = due_part(cadence, tick.moment, around_the_clock=tick.around_the_clock, last_asked_at=feed.last_asked_at)
    return () if part is None else (part,)


def _store(tick: Tick, assets: Sequence[Asset], asked: Asked[Prices]) -> None:
    """Check an answer, store it in one transaction, and let the cache follow."""
    crash_point("after_fetch")
    call, answer = asked.call, asked.answer
    of_symbol = {asset.vendor_symbol: asset for asset in assets}
    prices = answer.data
    checked = check_prices(prices, now=answer.received_at)
    named = {of_symbol[symbol].asset_id for symbol in prices.symbols.tolist()}
    left_out = [asset for asset in assets if asset.asset_id not in named]
    warnings = []
    if left_out:
        warnings.append(f"{call.vendor} names no price and not even the asset: {symbols_of(left_out)}")
    if checked.refused:
        refused = {of_symbol[prices.symbols[refusal.index]] for refusal in checked.refused}
        warnings.append(f"{call.vendor}: prices refused, see the quarantine: {symbols_of(list(refused))}")
    kept = prices.take(checked.kept)
    facts = replace(facts_of(answer), duplicates=checked.duplicates)
    crash_point("after_validate")
    stored = tick.services.warehouse.transact(
        store_prices,
        call,
        facts,
        asset_ids=[of_symbol[symbol].asset_id for symbol in kept.symbols.tolist()],
        prices=kept,
        seen=sorted(named),
        delayed=answer.delayed,
        fetched_at=answer.received_at,
        quarantined=_refused_rows(prices, checked, of_symbol),
        warnings=warnings,
    )
    crash_point("after_commit")
    tick.cached(lambda: tick.services.cache.put_prices(stored.latest))
    crash_point("after_cache")
    log.info(
        "priced vendor=%s kind=%s assets=%d inserted=%d changed=%d unchanged=%d silent=%d refused=%d left_out=%d",
        call.vendor, call.kind, len(assets), stored.inserted, stored.changed, stored.unchanged, len(checked.silent),
        len(checked.refused), len(left_out),
    )  # fmt: skip


def _refused_rows(prices: Prices, checked: CheckedPrices, of_symbol: Mapping[str, Asset]) -> tuple[QuarantineRow, ...]:
    rows = []
    for refusal in checked.refused:
        record = {column.name: str(getattr(prices, column.name)[refusal.index]) for column in fields(prices)}
        asset = of_symbol[record["symbols"]]
        rows.append(QuarantineRow(asset.vendor_symbol, None, record, str(refusal.reason), asset.asset_id))
    return tuple(rows)
