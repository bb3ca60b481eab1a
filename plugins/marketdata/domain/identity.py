"""Whose share an asset is today: what the vendor's lists of tickers say about each asset that we follow.

A composite FIGI is the identity of a listing; its ticker is a name that may change, end, or go to another company.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from marketdata.domain.tickers import ListedTicker


class Status(StrEnum):
    """What became of an asset, as far as the lists tell."""

    LISTED = "listed"
    RENAMED = "renamed"
    DELISTED = "delisted"
    REPLACED = "replaced"
    TWICE = "twice"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Followed:
    """An asset as it stands before a comparison. ``figi`` is empty until it is known.

    ``is_gone``: it is followed no more since the vendor did not know its ticker. ``is_identified``: its ticker history
    was read once. ``first_session`` and ``last_session`` are those of its oldest and newest stored bar.
    """

    asset_id: int
    symbol: str
    vendor_symbol: str
    figi: str = ""
    name: str = ""
    listed_on: date | None = None
    delisted_on: date | None = None
    is_gone: bool = False
    is_identified: bool = False
    first_session: date | None = None
    last_session: date | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the lists say of ``asset``.

    LISTED: it trades under its ticker. RENAMED: it trades as ``ticker``. DELISTED: it ended on ``delisted_on`` (None:
    the vendor does not say when). REPLACED: its ticker has another FIGI and the old one is nowhere: a new identity of
    the same company, or another company. TWICE: it is the same company as the asset ``other``. UNKNOWN: neither list
    has it. ``is_reused``: another company has its ticker now. ``has_past``: the company had other tickers, or its
    ticker other companies: only its ticker history tells which days are its own.
    """

    asset: Followed
    status: Status
    figi: str = ""
    ticker: str = ""
    name: str = ""
    delisted_on: date | None = None
    is_reused: bool = False
    has_past: bool = False
    other: str = ""


class Listings:
    """A vendor's list of tickers, to be looked up by ticker and by FIGI."""

    def __init__(self, rows: Iterable[ListedTicker]) -> None:
        self._by_ticker: dict[str, list[ListedTicker]] = {}
        self._by_figi: dict[str, list[ListedTicker]] = {}
        for row in rows:
            self._by_ticker.setdefault(row.ticker, []).append(row)
            if row.figi:
                self._by_figi.setdefault(row.figi, []).append(row)

    def with_ticker(self, ticker: str) -> Sequence[ListedTicker]:
        """All rows of a ticker; several where companies followed each other."""
        return self._by_ticker.get(ticker, ())

    def with_figi(self, figi: str) -> Sequence[ListedTicker]:
        """All rows of a listing; none for an empty FIGI."""
        return self._by_figi.get(figi, ())


def is_settled(asset: Followed, active: Listings) -> bool:
    """Whether the list of active tickers alone says all there is to say about an asset that was identified before."""
    if not asset.is_identified:
        return False
    if asset.delisted_on is not None and not active.with_figi(asset.figi):
        return True
    return _trading(asset, active) is not None


def identify(assets: Sequence[Followed], active: Listings, inactive: Listings) -> list[Finding]:
    """One finding an asset, in their order. An asset that was delisted before and still is has none."""
    known = {asset.figi: asset.symbol for asset in assets if asset.figi}
    findings = []
    for asset in assets:
        if asset.is_identified and asset.delisted_on is not None and not active.with_figi(asset.figi):
            if active.with_ticker(asset.vendor_symbol):
                findings.append(_ended(asset, active, asset.figi, asset.delisted_on))
            continue
        found = _trading(asset, active) or _no_longer_trading(asset, active, inactive)
        holder = known.setdefault(found.figi, asset.symbol) if found.figi else asset.symbol
        if holder != asset.symbol:
            found = replace(found, status=Status.TWICE, other=holder)
        findings.append(replace(found, has_past=_has_past(found, inactive)))
    return findings


def _trading(asset: Followed, active: Listings) -> Finding | None:
    """The finding for an asset that trades today, under its ticker or another one; None if it does not."""
    here = next(iter(active.with_ticker(asset.vendor_symbol)), None)
    if here is not None and _is_same(here, asset):
        return Finding(asset, Status.LISTED, here.figi or asset.figi, here.ticker, here.name)
    elsewhere = next(iter(active.with_figi(asset.figi)), None)
    if elsewhere is None:
        return None
    return Finding(asset, Status.RENAMED, asset.figi, elsewhere.ticker, elsewhere.name)


def _is_same(here: ListedTicker, asset: Followed) -> bool:
    """Whether the company that has our asset's ticker is our asset; without both FIGIs, unless ours ended before."""
    return here.figi == asset.figi if here.figi and asset.figi else asset.delisted_on is None


def _no_longer_trading(asset: Followed, active: Listings, inactive: Listings) -> Finding:
    former = inactive.with_figi(asset.figi) or [
        row for row in inactive.with_ticker(asset.vendor_symbol) if not asset.figi or not row.figi
    ]
    here = next(iter(active.with_ticker(asset.vendor_symbol)), None)
    if not former:
        if here is None:
            return Finding(asset, Status.UNKNOWN)
        status = Status.REPLACED if asset.figi else Status.LISTED
        return Finding(asset, status, here.figi, here.ticker, here.name, is_reused=status is Status.REPLACED)
    row = max(former, key=lambda one: _nearness(one, asset))
    trading = next(iter(active.with_figi(row.figi)), None)
    if trading is None:
        return _ended(asset, active, row.figi or asset.figi, row.delisted_on)
    status = Status.LISTED if trading.ticker == asset.vendor_symbol else Status.RENAMED
    return Finding(asset, status, row.figi, trading.ticker, trading.name)


def _nearness(row: ListedTicker, asset: Followed) -> float:
    """Of several companies that had a ticker: the one that ended nearest to our asset, else the last one."""
    if row.delisted_on is None:
        return float("-inf")
    if asset.delisted_on is None:
        return float(row.delisted_on.toordinal())
    return -float(abs((row.delisted_on - asset.delisted_on).days))


def _ended(asset: Followed, active: Listings, figi: str, delisted_on: date | None) -> Finding:
    is_reused = bool(active.with_ticker(asset.vendor_symbol))
    return Finding(asset, Status.DELISTED, figi, asset.vendor_symbol, delisted_on=delisted_on, is_reused=is_reused)


def _has_past(found: Finding, inactive: Listings) -> bool:
    namesakes = (row for row in inactive.with_ticker(found.ticker) if row.figi != found.figi)
    former_names = (row for row in inactive.with_figi(found.figi) if row.ticker != found.ticker)
    return any(namesakes) or any(former_names)
