"""What becomes of an asset once a finding about it is certain: its names, its life, and what is stored in error.

An asset that changes its ticker keeps its bars and its identity. One that loses its ticker to another company keeps its
bars too, and is called after the ticker and its last session, so that the ticker is free for the other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from marketdata.domain.coverage import Span, Spans
from marketdata.domain.identity import Finding, Followed, Status
from marketdata.domain.sessions import previous_session
from marketdata.domain.tickers import Periods, TickerChange, TickerPeriod, history_of, moved_days, period

_ONE_DAY = timedelta(days=1)
_LONGEST_SYMBOL = 32
_PUNCTUATION = str.maketrans("", "", ".:-")


@dataclass(frozen=True, slots=True)
class Succession:
    """An asset as it shall stand. ``moved`` are the days that were asked for under another company's ticker or none.

    What is stored of those days must go, and is asked for again where the asset is still expected to have a bar.
    """

    asset_id: int
    symbol: str
    vendor_symbol: str
    figi: str
    name: str
    listed_on: date | None
    delisted_on: date | None
    periods: Periods
    moved: Spans = ()


def succeed(found: Finding, periods: Periods, changes: Sequence[TickerChange], today: date) -> Succession | None:
    """The asset of ``found`` as it shall stand; None where ``found`` settles nothing.

    ``periods`` is its ticker history so far. ``changes`` is what the vendor tells of the tickers of its company (of the
    company that has its ticker now, where that was REPLACED); empty where it was not asked or did not answer.
    """
    match found.status:
        case Status.LISTED:
            return _listed(found, periods, changes)
        case Status.RENAMED:
            return _renamed(found, periods, changes, today)
        case Status.DELISTED:
            return _delisted(found, periods, found.delisted_on or found.asset.last_session or today)
        case Status.REPLACED if changes:
            return _replaced(found, periods, changes)
        case _:
            return None


def name_of_ended(ticker: str, last_session: date) -> str:
    """The house symbol of an asset that lost its ticker to another company."""
    return f"{ticker}-{last_session:%Y%m%d}"


def _listed(found: Finding, periods: Periods, changes: Sequence[TickerChange]) -> Succession:
    asset = found.asset
    history = history_of(changes)
    if history and history[-1].symbol == found.ticker:
        first = history[0].span.first
        before = _nobody(date.min, first - _ONE_DAY) if first > date.min else ()
        moved = moved_days(periods, (*before, *history), asset.vendor_symbol, found.ticker)
        return _standing(found, asset, history, listed_on=first, moved=moved)
    listed_on = asset.listed_on
    if listed_on is not None and len(periods) > 1 and date.min < periods[0].span.first < listed_on:
        listed_on = periods[0].span.first  # somebody loaded the day of the rename as that of the listing
    return _standing(found, asset, _reopened(periods, found.ticker), listed_on=listed_on)


def _renamed(found: Finding, periods: Periods, changes: Sequence[TickerChange], today: date) -> Succession:
    asset = found.asset
    history = history_of(changes)
    listed_on = asset.listed_on
    knows_past = bool(history) and history[-1].symbol == found.ticker
    if knows_past and not asset.is_identified and any(one.symbol == asset.vendor_symbol for one in history):
        listed_on = history[0].span.first
    else:
        on = history[-1].span.first if knows_past else _next_day(asset.last_session, today)
        history = (*_clipped(periods or (period(asset.vendor_symbol, None, None),), on), period(found.ticker, on, None))
    moved = moved_days(periods, history, asset.vendor_symbol, found.ticker)
    follows = _is_named_after_ticker(asset) and _can_be_house_symbol(found.ticker)
    renamed = replace(asset, symbol=found.ticker if follows else asset.symbol)
    return _standing(found, renamed, history, listed_on=listed_on, moved=moved)


def _delisted(found: Finding, periods: Periods, delisted_on: date) -> Succession:
    asset = found.asset
    history = _clipped(periods or (period(asset.vendor_symbol, None, None),), delisted_on + _ONE_DAY)
    moved: Spans = ()
    symbol = asset.symbol
    if found.is_reused:
        after = _nobody(delisted_on + _ONE_DAY, date.max)
        moved = moved_days(periods, (*history, *after), asset.vendor_symbol, asset.vendor_symbol)
        if symbol == asset.vendor_symbol:
            last = previous_session(min(asset.last_session or delisted_on, delisted_on))
            symbol = name_of_ended(asset.vendor_symbol, last)
    return Succession(
        asset_id=asset.asset_id,
        symbol=symbol,
        vendor_symbol=asset.vendor_symbol,
        figi=found.figi or asset.figi,
        name=asset.name or found.name,
        listed_on=asset.listed_on,
        delisted_on=delisted_on,
        periods=history,
        moved=moved,
    )


def _replaced(found: Finding, periods: Periods, changes: Sequence[TickerChange]) -> Succession:
    """A new FIGI is a new identity of the same company if that had the ticker while our asset still traded."""
    asset = found.asset
    since = history_of(changes)[-1].span.first
    if asset.last_session is None or since <= asset.last_session:
        return _listed(found, periods, ())
    return _delisted(replace(found, figi=asset.figi), periods, since - _ONE_DAY)


def _standing(
    found: Finding, asset: Followed, periods: Periods, *, listed_on: date | None, moved: Spans = ()
) -> Succession:
    """An asset that trades today."""
    return Succession(
        asset_id=asset.asset_id,
        symbol=asset.symbol,
        vendor_symbol=found.ticker,
        figi=found.figi or asset.figi,
        name=asset.name or found.name,
        listed_on=listed_on,
        delisted_on=None,
        periods=periods or (period(found.ticker, listed_on, None),),
        moved=moved,
    )


def _is_named_after_ticker(asset: Followed) -> bool:
    """Whether the house symbol is the ticker, or was made of it when it was lost."""
    suffix = asset.symbol.removeprefix(asset.vendor_symbol)
    is_dated = len(suffix) == len("-20261120") and suffix[0] == "-" and suffix[1:].isdecimal()
    return asset.symbol == asset.vendor_symbol or (asset.symbol.startswith(asset.vendor_symbol) and is_dated)


def _can_be_house_symbol(ticker: str) -> bool:
    return len(ticker) <= _LONGEST_SYMBOL and ticker.isascii() and ticker.translate(_PUNCTUATION).isalnum()


def _clipped(periods: Periods, until: date) -> Periods:
    """The periods before a day."""
    return tuple(
        replace(one, span=Span(one.span.first, min(one.span.last, until - _ONE_DAY)))
        for one in periods
        if one.span.first < until
    )


def _reopened(periods: Periods, ticker: str) -> Periods:
    """The periods with the last one, of the ticker that trades today, going on."""
    if not periods or periods[-1].symbol != ticker:
        return periods
    return (*periods[:-1], replace(periods[-1], span=Span(periods[-1].span.first, date.max)))


def _nobody(first: date, last: date) -> Periods:
    return (TickerPeriod(None, Span(first, last)),)


def _next_day(last_session: date | None, today: date) -> date:
    """When a rename without a date took place: right after the last bar under the old ticker."""
    return today if last_session is None else last_session + _ONE_DAY
