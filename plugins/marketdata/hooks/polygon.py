"""PolygonHook: raw daily bars of stocks and ETFs from Polygon.io, now Massive; PolygonReference, PolygonPrices."""

from __future__ import annotations

import math
from datetime import date, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketdata import settings
from marketdata.domain.bars import DailyBars, empty_daily_bars
from marketdata.domain.sessions import new_york_date, previous_session
from marketdata.errors import NotEntitled, RateLimited, VendorError
from marketdata.hooks.answer import Answer
from marketdata.hooks.forms import Form
from marketdata.hooks.new_york import new_york_dates
from marketdata.hooks.paths import segment
from marketdata.hooks.polygon_aggregates import MOST_BASE_BARS, Bar, aggregates, bars_of
from marketdata.hooks.polygon_prices import PolygonPrices
from marketdata.hooks.polygon_reference import PolygonReference

RANGE = "/v2/aggs/ticker/{ticker}/range/1/day/{from}/{to}"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/{date}"
PREVIOUS = "/v2/aggs/ticker/{ticker}/prev"
SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers/{ticker}"

_anything = Form(dict[str, msgspec.Raw])


class PolygonHook(PolygonReference, PolygonPrices):
    """Calls of one Polygon account: see VendorHook for what its methods raise and need."""

    conn_type = "polygon"
    default_conn_name = "polygon_default"
    hook_name = "Polygon.io / Massive"

    def daily_bars(self, ticker: str, first: date, last: date, *, adjusted: bool = False) -> Answer[DailyBars]:
        """Daily bars of ``ticker`` from ``first`` to ``last``, both inclusive, oldest first; raw unless ``adjusted``.

        GET /v2/aggs/ticker/{ticker}/range/1/day/{from}/{to}. The session is the New York date of a bar's start. Empty
        means that the vendor has none. A plan with a shorter history clips without a word: compare the first session.
        """
        path = RANGE.format_map({"ticker": segment(ticker), "from": first.isoformat(), "to": last.isoformat()})
        exchange = self.get_conn().exchange(f"{ticker} {first} to {last}", RANGE)
        page = exchange.get(path, {**_raw_or(adjusted), "sort": "asc", "limit": MOST_BASE_BARS}, aggregates)
        bars = bars_of(exchange, page)
        delayed = page.is_delayed
        while page.next_url:
            page = exchange.follow(page.next_url, aggregates)
            bars += bars_of(exchange, page)
            delayed |= page.is_delayed
        symbols = np.full(len(bars), ticker, dtype=np.object_)
        sessions = new_york_dates(np.array([bar.t for bar in bars], dtype=np.int64))
        return exchange.answer(_columns(bars, symbols, sessions), delayed=delayed)

    def market_day(self, session: date) -> Answer[DailyBars]:
        """Raw daily bars of every stock and ETF that traded in ``session``, in the vendor's order.

        GET /v2/aggs/grouped/locale/us/market/stocks/{date}. The session is the one asked for: the bars' own time is
        the end of trading. Empty on a day without trading. NotYet while the plan does not give the day yet.
        """
        exchange = self.get_conn().exchange(f"market day {session}", GROUPED)
        path = GROUPED.format(date=session.isoformat())
        page = exchange.get(path, {**_raw_or(adjusted=False), "include_otc": "false"}, aggregates)
        bars = bars_of(exchange, page)
        if page.next_url:
            exchange.broken("the whole market came with a next page, which this endpoint does not have")
        symbols = np.empty(len(bars), dtype=np.object_)
        symbols[:] = [bar.T for bar in bars]
        if not all(symbols):
            exchange.broken("a bar of the market day names no ticker")
        sessions = np.full(len(bars), np.datetime64(session, "D"))
        return exchange.answer(_columns(bars, symbols, sessions), delayed=page.is_delayed)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the key works, and in words what the plan gives: market day, intraday prices, first session."""
        today = new_york_date(settings.now())
        try:
            connection = self.connection
            self._probe("key", PREVIOUS.format(ticker="AAPL"), PREVIOUS)
            facts = [
                f"key accepted, plan {connection.plan} at {connection.requests_per_minute} calls a minute",
                self._allows("market day", GROUPED.format(date=previous_session(today - timedelta(days=7)))),
                self._allows("intraday prices", SNAPSHOT.format(ticker="AAPL")),
                self._first_session(today),
            ]
        except VendorError as error:
            return False, str(error)
        return True, "; ".join(facts)

    def _first_session(self, today: date) -> str:
        try:
            bars = self.daily_bars("AAPL", date(2003, 9, 10), today).data
        except NotEntitled:
            return "history: shorter than asked, and the vendor does not say since when"
        except RateLimited:
            return "history: not asked, the quota is used up"
        return f"history: from {bars.session[0]}" if len(bars) else "history: none"

    def _allows(self, name: str, path: str) -> str:
        try:
            self._probe(name, path, path)
        except NotEntitled:
            return f"{name}: not in the plan"
        except RateLimited:
            return f"{name}: not asked, the quota is used up"
        return f"{name}: yes"

    def _probe(self, what: str, path: str, endpoint: str) -> None:
        self.get_conn().exchange(f"connection test, {what}", endpoint).get(path, {}, _anything)


def _raw_or(adjusted: bool) -> dict[str, str]:
    return {"adjusted": "true" if adjusted else "false"}


def _columns(bars: list[Bar], symbols: NDArray[np.object_], sessions: NDArray[np.datetime64]) -> DailyBars:
    if not bars:
        return empty_daily_bars()
    opens = np.array([bar.o for bar in bars], dtype=np.float64)
    highs = np.array([bar.h for bar in bars], dtype=np.float64)
    lows = np.array([bar.l for bar in bars], dtype=np.float64)
    closes = np.array([bar.c for bar in bars], dtype=np.float64)
    trades = np.array([bar.n for bar in bars], dtype=np.float64)
    # A close alone is a crypto bar: a stock bar that lost its other prices must not pass for one.
    closes[np.isnan(opens) & np.isnan(highs) & np.isnan(lows)] = math.nan
    return DailyBars(
        symbols=symbols,
        session=sessions,
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=np.array([bar.v for bar in bars], dtype=np.float64),
        volume_24h=np.full(len(bars), math.nan),
        vwap=np.array([bar.vw for bar in bars], dtype=np.float64),
        trades=np.where(np.isnan(trades), -1.0, trades).astype(np.int64),
    )
