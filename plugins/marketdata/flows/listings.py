"""Whose share each asset is today: renames, listings, delistings, and tickers that went to another company."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from marketdata.domain.identity import Finding, Followed, Listings, Status, identify, is_settled
from marketdata.domain.planner import CallKind
from marketdata.domain.succession import Succession, succeed
from marketdata.domain.tickers import ListedTicker, Periods, TickerChange
from marketdata.errors import Gone, NotEntitled
from marketdata.flows.inquiry import Asked, Inquiry, named
from marketdata.storage.aliases import find_histories, settle

log = logging.getLogger(__name__)

_NEEDS_CHANGES = {Status.RENAMED, Status.REPLACED}


def identify_assets(inquiry: Inquiry, assets: Sequence[Followed]) -> None:
    """Hold the assets against the vendor's lists of tickers, and let each stand as they show it.

    Takes one call for the tickers that trade and, only where an asset is new or lost, one for those that did before;
    then one call for each company whose names changed. An asset that could not be settled is left for the next run.
    """
    listed = _ask_for(inquiry, active=True) if assets else None
    if listed is None:
        return
    active = Listings(listed)
    certain = [asset for asset in assets if is_settled(asset, active)]
    inactive = Listings(())
    if len(certain) < len(assets):
        former = _ask_for(inquiry, active=False)
        if former is not None:
            certain, inactive = list(assets), Listings(former)
    histories = inquiry.services.warehouse.transact(find_histories)
    findings = identify(certain, active, inactive)
    for found in in_order(findings):
        _settle(inquiry, found, histories.get(found.asset.asset_id, ()))
    inquiry.count("assets", len(assets))
    _warn_of_unknown(inquiry, findings)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Endings first, then renames so that a ticker is free before it is taken, then the rest."""
    renames = [found for found in findings if found.status is Status.RENAMED]
    ordered = [found for found in findings if found.status is Status.DELISTED]
    while renames:
        taken = {found.asset.vendor_symbol for found in renames}
        free = next((found for found in renames if found.ticker not in taken - {found.asset.vendor_symbol}), renames[0])
        renames.remove(free)
        ordered.append(free)
    return ordered + [found for found in findings if found.status not in {Status.DELISTED, Status.RENAMED}]


def _ask_for(inquiry: Inquiry, *, active: bool) -> tuple[ListedTicker, ...] | None:
    polygon = inquiry.services.polygon
    asked = inquiry.ask(CallKind.TICKERS, lambda: polygon.tickers(active=active))
    if not isinstance(asked, Asked):
        return None
    if not asked.answer.data:
        inquiry.keep(asked, warnings=["polygon: a list of tickers without one ticker proves nothing"])
        return None
    inquiry.keep(asked)
    return asked.answer.data


def _settle(inquiry: Inquiry, found: Finding, periods: Periods) -> None:
    asset = found.asset
    changes: Sequence[TickerChange] = ()
    if found.status in _NEEDS_CHANGES or (found.has_past and not asset.is_identified and found.status is Status.LISTED):
        told = _changes(inquiry, found)
        if told is None:
            return
        changes = told
    after = succeed(found, periods, changes, inquiry.today)
    if after is None:
        return
    if found.status is Status.LISTED and not asset.is_identified and after.listed_on is None:
        if not inquiry.has_time_for_one():
            return
        after = replace(after, listed_on=_listed_on(inquiry, found))
    if _stands_so(asset, periods, after):
        return
    done = inquiry.services.warehouse.transact(
        settle, after, run_id=inquiry.run_id, at=inquiry.now, today=inquiry.today
    )
    renamed = {asset.symbol, after.symbol, *([done.displaced] if done.displaced else [])}
    if done.retracted or len(renamed) > 1:
        inquiry.services.cache.drop_charts(sorted(renamed), hours=True)
    _tell(inquiry, found, after, done.retracted)
    if done.displaced:
        inquiry.warn(f"the asset that was called {after.symbol} before is called {done.displaced} now")


def _changes(inquiry: Inquiry, found: Finding) -> Sequence[TickerChange] | None:
    """The names that a company has had; empty where the vendor does not say, None where to ask again next time."""
    if inquiry.allows(CallKind.TICKER_EVENTS) and not inquiry.has_time_for_one():
        return None
    asset, ticker, polygon = found.asset, found.ticker, inquiry.services.polygon
    asked = inquiry.ask(
        CallKind.TICKER_EVENTS, lambda: polygon.ticker_events(ticker), asset_id=asset.asset_id, symbol=ticker
    )
    if isinstance(asked, Asked):
        inquiry.keep(asked)
        return asked.answer.data
    return () if asked is None or isinstance(asked, Gone | NotEntitled) else None


def _listed_on(inquiry: Inquiry, found: Finding) -> date | None:
    """The vendor's day of the listing, but none that is later than what is stored; None where it does not say."""
    asset, polygon = found.asset, inquiry.services.polygon
    asked = inquiry.ask(
        CallKind.TICKER_DETAILS,
        lambda: polygon.ticker_details(found.ticker),
        asset_id=asset.asset_id,
        symbol=found.ticker,
    )
    if not isinstance(asked, Asked):
        return None
    inquiry.keep(asked)
    listed_on = asked.answer.data.listed_on
    return None if listed_on is None else min(listed_on, asset.first_session or listed_on)


def _stands_so(asset: Followed, periods: Periods, after: Succession) -> bool:
    """Whether nothing is to be written."""
    stands = (asset.symbol, asset.vendor_symbol, asset.figi, asset.name, asset.listed_on, asset.delisted_on, periods)
    shall = (
        after.symbol,
        after.vendor_symbol,
        after.figi,
        after.name,
        after.listed_on,
        after.delisted_on,
        after.periods,
    )
    return asset.is_identified and not asset.is_gone and stands == shall


def _tell(inquiry: Inquiry, found: Finding, after: Succession, retracted: int) -> None:
    asset = found.asset
    again = f"; {retracted} bars stored under a ticker that was not its own are asked for anew" if retracted else ""
    if asset.vendor_symbol != after.vendor_symbol:
        inquiry.count("renamed")
        since = next(one.span.first for one in after.periods if one.symbol == after.vendor_symbol)
        inquiry.warn(
            f"{asset.symbol} is called {after.vendor_symbol} since {since}: house symbol {after.symbol}{again}"
        )
    elif after.delisted_on is not None and asset.delisted_on is None:
        inquiry.count("delisted")
        lost = (
            f"; {asset.vendor_symbol} is another company now, its symbol is {after.symbol}" if found.is_reused else ""
        )
        inquiry.warn(f"{asset.symbol} was delisted, its last day is {after.delisted_on}{lost}{again}")
    elif asset.symbol != after.symbol:
        inquiry.warn(f"{asset.symbol} is called {after.symbol}: its ticker is another company's now{again}")
    elif asset.delisted_on is not None and after.delisted_on is None:
        inquiry.warn(f"{asset.symbol} trades again")
    elif again:
        inquiry.warn(f"{asset.symbol} is itself since {after.listed_on} only{again}")
    elif asset.is_gone:
        inquiry.warn(f"{asset.symbol} is known to the vendor again, and followed again")


def _warn_of_unknown(inquiry: Inquiry, findings: Sequence[Finding]) -> None:
    unknown = [found.asset.symbol for found in findings if found.status is Status.UNKNOWN]
    if unknown:
        inquiry.count("unknown", len(unknown))
        inquiry.warn(f"neither active nor inactive at polygon: {named(unknown)}; correct vendor_symbol, or remove them")
    for found in findings:
        if found.status is Status.TWICE:
            inquiry.warn(f"{found.asset.symbol} is the same company as {found.other}: remove one of them")
