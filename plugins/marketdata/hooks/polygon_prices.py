"""Present prices and half-hour bars of stocks and ETFs from Polygon.io, now Massive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Annotated
from urllib.parse import quote

import msgspec
import numpy as np

from marketdata.domain.prices import Instants, IntradayBars, Prices, no_intraday_bars, no_prices
from marketdata.errors import ContractBroken, Gone, InvalidRequest
from marketdata.hooks import polygon_refusals
from marketdata.hooks.answer import Answer
from marketdata.hooks.forms import Form
from marketdata.hooks.http import Exchange
from marketdata.hooks.paths import segment
from marketdata.hooks.polygon_aggregates import MOST_BASE_BARS, Bar, aggregates, bars_of
from marketdata.hooks.vendor_hook import VendorHook

SNAPSHOTS = "/v2/snapshot/locale/us/markets/stocks/tickers"
LAST_TRADE = "/v2/last/trade/{ticker}"
MINUTES = "/v2/aggs/ticker/{ticker}/range/1/minute/{from}/{to}"
HALF_HOURS = "/v2/aggs/ticker/{ticker}/range/30/minute/{from}/{to}"

LONGEST_URL = 6_000

_GOOD = frozenset({"OK", "DELAYED"})
_TOO_LONG = 414
_MINUTE_MS = 60_000
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""Whole numbers since 1970, 0 for none: nanoseconds do not fit into a float."""


class _Trade(msgspec.Struct, gc=False):
    p: float | None = None
    t: _Nanoseconds | None = None


class _Minute(msgspec.Struct, gc=False):
    c: float | None = None
    t: _Milliseconds | None = None
    av: float | None = None


class _Day(msgspec.Struct, gc=False):
    c: float | None = None
    v: float | None = None


class _Snapshot(msgspec.Struct, gc=False):
    """One ticker: only what a price is taken from. Zeros stand for nothing, as before the open."""

    ticker: str
    last_trade: _Trade | None = msgspec.field(default=None, name="lastTrade")
    min: _Minute | None = None
    day: _Day | None = None
    updated: _Nanoseconds | None = None


class _Snapshots(msgspec.Struct):
    status: str
    tickers: list[_Snapshot] | None = None
    count: int | None = None


class _Last(msgspec.Struct):
    T: str
    p: float | None = None
    t: _Nanoseconds | None = None


class _LastTrade(msgspec.Struct):
    status: str
    results: _Last


_snapshots = Form(_Snapshots, judged=True)
_last_trade = Form(_LastTrade, judged=True)


class PolygonPrices(VendorHook):
    """The part of PolygonHook that asks what a stock is worth now, and what it did today.

    A plan without an endpoint refuses it with the words that also mean one symbol. So NotEntitled has the scope
    ``endpoint`` from ``snapshot``, which names no ticker in its path, and ``symbol`` from the other three: when the
    first two tickers are refused, take it for the endpoint. End-of-day plans refuse bars of today with NotYet.
    """

    vendor = "polygon"
    classify = staticmethod(polygon_refusals.classify)

    def snapshot(self, tickers: Sequence[str]) -> Answer[Prices]:
        """The prices of these tickers (case matters), in the vendor's order, without those that it does not name.

        GET /v2/snapshot/locale/us/markets/stocks/tickers: one request, which names the tickers while its URL has at
        most 6,000 characters, and else, or when the vendor finds it too long, asks for the whole market. The price is
        that of the last trade (the vendor's time of it), else the close of the last minute (its end), else of the day
        so far (the last update). A ticker whose figures are all zero has no price; yesterday's close is none either.
        """
        if not tickers:
            raise InvalidRequest("a snapshot of no ticker", "it would be the whole market", "name at least one")
        exchange = self.get_conn().exchange(_named(tickers), SNAPSHOTS)
        listed = ",".join(dict.fromkeys(tickers))
        page = self._ask_snapshots(exchange, listed)
        if page.status not in _GOOD:
            exchange.broken(f"status is {page.status!r} in an answer with HTTP 200")
        if page.tickers is None and page.count != 0:
            exchange.broken("there are no tickers, and no count of 0 that proves it")
        if page.count is not None and page.count > len(page.tickers or ()):
            exchange.broken(f"count is {page.count}, but {len(page.tickers or ())} tickers came")
        wanted = frozenset(tickers)
        rows = [row for row in page.tickers or () if row.ticker in wanted]
        return exchange.answer(_prices_of(rows), delayed=page.status == "DELAYED")

    def last_trade(self, ticker: str) -> Answer[Prices]:
        """The last trade of ``ticker``: one row, or none where the vendor knows no trade of it (404). No volume.

        GET /v2/last/trade/{ticker}. It may be an odd lot or a print outside trading hours.
        """
        exchange = self.get_conn().exchange(f"last trade of {ticker}", LAST_TRADE)
        try:
            one = exchange.get(LAST_TRADE.format(ticker=segment(ticker)), {}, _last_trade)
        except Gone:
            return exchange.answer(no_prices())
        if one.status not in _GOOD:
            exchange.broken(f"status is {one.status!r} in an answer with HTTP 200")
        if ticker != one.results.T:
            exchange.broken(f"{ticker} was asked for, but the trade is of {one.results.T!r}")
        trade = one.results
        prices = _one_price(ticker, (trade.t or 0) // 1_000, trade.p or math.nan)
        return exchange.answer(prices, delayed=one.status == "DELAYED")

    def minute_bar(self, ticker: str, session: date) -> Answer[Prices]:
        """The close of the newest minute of ``session`` with a trade, at that minute's end; one row, no volume.

        GET /v2/aggs/ticker/{ticker}/range/1/minute/{from}/{to}, newest first, one bar, hours outside the session
        included. Without any bar the row has no price: the vendor does not say whether it knows the ticker.
        """
        exchange = self.get_conn().exchange(f"minute of {ticker} on {session}", MINUTES)
        params = {"adjusted": "false", "sort": "desc", "limit": "1"}
        page = exchange.get(_range(MINUTES, ticker, session), params, aggregates)
        bars = bars_of(exchange, page)
        at, close = ((bars[0].t + _MINUTE_MS) * 1_000, bars[0].c) if bars else (0, None)
        return exchange.answer(_one_price(ticker, at, close or math.nan), delayed=page.is_delayed)

    def half_hours(self, ticker: str, session: date) -> Answer[IntradayBars]:
        """Raw bars of 30 minutes of ``session`` from 04:00 to 20:00 New York, oldest first; the last may be running.

        GET /v2/aggs/ticker/{ticker}/range/30/minute/{from}/{to}. Half hours without a trade have no bar.
        """
        exchange = self.get_conn().exchange(f"half hours of {ticker} on {session}", HALF_HOURS)
        params = {"adjusted": "false", "sort": "asc", "limit": MOST_BASE_BARS}
        page = exchange.get(_range(HALF_HOURS, ticker, session), params, aggregates)
        bars, delayed = bars_of(exchange, page), page.is_delayed
        while page.next_url:
            page = exchange.follow(page.next_url, aggregates)
            bars += bars_of(exchange, page)
            delayed |= page.is_delayed
        return exchange.answer(_intraday(ticker, bars), delayed=delayed)

    def _ask_snapshots(self, exchange: Exchange, listed: str) -> _Snapshots:
        everything = {"include_otc": "false"}
        length = len(f"{self.connection.base_url}{SNAPSHOTS}?tickers=&include_otc=false") + len(quote(listed, ","))
        if length > LONGEST_URL:
            return exchange.get(SNAPSHOTS, everything, _snapshots)
        try:
            return exchange.get(SNAPSHOTS, {"tickers": listed, **everything}, _snapshots)
        except ContractBroken as error:
            if error.status != _TOO_LONG:
                raise
            return exchange.get(SNAPSHOTS, everything, _snapshots)


def _named(tickers: Sequence[str]) -> str:
    return f"snapshot of {tickers[0]}" + (f" and {len(tickers) - 1} more" if len(tickers) > 1 else "")


def _range(template: str, ticker: str, session: date) -> str:
    day = session.isoformat()
    return template.format_map({"ticker": segment(ticker), "from": day, "to": day})


def _prices_of(rows: list[_Snapshot]) -> Prices:
    if not rows:
        return no_prices()
    found = [_price_of(row) for row in rows]
    symbols = np.empty(len(rows), dtype=np.object_)
    symbols[:] = [row.ticker for row in rows]
    return Prices(
        symbols=symbols,
        at=_instants([at for at, _ in found]),
        price=np.array([price for _, price in found], dtype=np.float64),
        volume=np.array([_volume_of(row) for row in rows], dtype=np.float64),
        volume_24h=np.full(len(rows), math.nan),
    )


def _price_of(row: _Snapshot) -> tuple[int, float]:
    """Time (microseconds, 0 for none) and price (NaN for none)."""
    if (trade := row.last_trade) is not None and trade.p:
        return (trade.t or 0) // 1_000, trade.p
    if (minute := row.min) is not None and minute.c:
        return (minute.t + _MINUTE_MS) * 1_000 if minute.t else 0, minute.c
    if (day := row.day) is not None and day.c:
        return (row.updated or 0) // 1_000, day.c
    return 0, math.nan


def _volume_of(row: _Snapshot) -> float:
    """Shares of the day so far, NaN for none: the day has none before the open, the last minute may."""
    in_day = row.day.v if row.day is not None else None
    return in_day or (row.min.av if row.min is not None else None) or math.nan


def _one_price(ticker: str, at: int, price: float) -> Prices:
    nothing = np.array([math.nan])
    return Prices(np.array([ticker], dtype=np.object_), _instants([at]), np.array([price]), nothing, nothing)


def _instants(microseconds: list[int]) -> Instants:
    """Microseconds since 1970 as instants, NaT for 0."""
    at = np.array(microseconds, dtype=np.int64).astype("datetime64[us]")
    at[at == np.datetime64(0, "us")] = np.datetime64("NaT")
    return at


def _intraday(ticker: str, bars: list[Bar]) -> IntradayBars:
    if not bars:
        return no_intraday_bars()
    trades = np.array([bar.n for bar in bars], dtype=np.float64)
    return IntradayBars(
        symbols=np.full(len(bars), ticker, dtype=np.object_),
        starts=_instants([bar.t * 1_000 for bar in bars]),
        open=np.array([bar.o for bar in bars], dtype=np.float64),
        high=np.array([bar.h for bar in bars], dtype=np.float64),
        low=np.array([bar.l for bar in bars], dtype=np.float64),
        close=np.array([bar.c for bar in bars], dtype=np.float64),
        volume=np.array([bar.v for bar in bars], dtype=np.float64),
        vwap=np.array([bar.vw for bar in bars], dtype=np.float64),
        trades=np.where(np.isnan(trades), -1.0, trades).astype(np.int64),
    )
