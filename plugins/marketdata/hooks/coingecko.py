"""CoinGeckoHook: daily closes and daily candles of coins in US dollars."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketdata import settings
from marketdata.domain.bars import DailyBars
from marketdata.errors import NotEntitled, RateLimited, VendorError
from marketdata.hooks import coingecko_refusals
from marketdata.hooks.answer import Answer
from marketdata.hooks.paths import segment
from marketdata.hooks.vendor_hook import VendorHook

CHART = "/coins/{id}/market_chart"
CANDLES = "/coins/{id}/ohlc/range"
PING = "/ping"
KEY = "/key"

FIRST_CANDLE = date(2018, 2, 9)
_DAYS_A_CALL = 180
_ONE_DAY = timedelta(days=1)
_MS_PER_DAY = 86_400_000

_Point = tuple[int, float | None]
_Candle = tuple[int, float | None, float | None, float | None, float | None]


class _Chart(msgspec.Struct):
    prices: list[_Point]
    total_volumes: list[_Point]


class _Ping(msgspec.Struct):
    gecko_says: str


class _Key(msgspec.Struct):
    plan: str
    rate_limit_request_per_minute: int
    monthly_call_credit: int
    current_remaining_monthly_calls: int


_chart = msgspec.json.Decoder(_Chart)
_candles = msgspec.json.Decoder(list[_Candle])
_ping = msgspec.json.Decoder(_Ping)
_key = msgspec.json.Decoder(_Key)


class CoinGeckoHook(VendorHook):
    """Calls of one CoinGecko account: see VendorHook for what its methods raise and need."""

    vendor = "coingecko"
    classify = staticmethod(coingecko_refusals.classify)
    conn_type = "coingecko"
    default_conn_name = "coingecko_default"
    hook_name = "CoinGecko"

    def daily_closes(self, coin_id: str, first: date, last: date, *, now: datetime | None = None) -> Answer[DailyBars]:
        """Closes of the UTC days ``first`` to ``last``, both inclusive, in the vendor's order; no open, high or low.

        GET /coins/{id}/market_chart with days and interval=daily. The price at 00:00:00.000Z is the close of the day
        before; any other point (the last one is the price of this moment) is left out. ``volume_24h`` is the rolling
        volume at that instant. ``now`` (the clock's by default) anchors ``days``, which the vendor counts back from
        the present. One call gives any window: the range form takes no interval on free plans and turns hourly below
        90 days, so it is not used. A window older than the plan's history is clipped: see ``clipped_to``.
        """
        today = (now or settings.now()).astimezone(UTC).date()
        # The vendor counts today's 00:00Z, yesterday's close, as the first day back; one day more does no harm.
        needed = max(1, (today - first).days)
        allowed = self.connection.history_days or needed + 1
        params = {
            "vs_currency": "usd",
            "days": str(min(needed + 1, allowed)),
            "interval": "daily",
            "precision": "full",
        }
        exchange = self.get_conn().exchange(f"{coin_id} {first} to {last}", CHART)
        chart = exchange.get(CHART.format(id=segment(coin_id)), params, _chart)
        clipped_to = today - timedelta(days=allowed) if needed > allowed else None
        return exchange.answer(_closes(chart, coin_id, first, last), clipped_to=clipped_to)

    def daily_ohlc(self, coin_id: str, first: date, last: date, *, now: datetime | None = None) -> Answer[DailyBars]:
        """Candles of the UTC days ``first`` to ``last``, both inclusive, oldest first; no volume.

        GET /coins/{id}/ohlc/range with interval=daily, at most 180 days a request; paid plans only, else NotEntitled.
        A candle bears the time of its close, so 00:00Z belongs to the day before; the unfinished one, stamped in the
        future, is left out. The vendor has none before 2018-02-09: see ``clipped_to``.
        """
        seen_at = now or settings.now()
        exchange = self.get_conn().exchange(f"{coin_id} {first} to {last}", CANDLES)
        path = CANDLES.format(id=segment(coin_id))
        start = max(first, FIRST_CANDLE)
        candles: list[_Candle] = []
        for low, high in _pieces(start, last):
            params = {
                "vs_currency": "usd",
                "from": low.isoformat(),
                "to": (high + _ONE_DAY).isoformat(),
                "interval": "daily",
            }
            piece = exchange.get(path, params, _candles)
            candles += piece
        bars = _finished(candles, coin_id, start, last, seen_at)
        return exchange.answer(bars, clipped_to=start if start > first else None)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the key works, and in words what the plan gives: credits, history, daily candles."""
        try:
            connection = self.connection
            self.get_conn().exchange("connection test, key", PING).get(PING, {}, _ping)
            facts = [self._credits() if connection.is_paid else f"plan {connection.plan}"]
            facts.append(f"{connection.requests_per_minute} calls a minute are used at most")
            facts.append(f"history: {connection.history_days} days" if connection.history_days else "history: all")
            facts.append(f"daily candles: {self._candles()}")
        except VendorError as error:
            return False, str(error)
        return True, "; ".join(facts)

    def _credits(self) -> str:
        key = self.get_conn().exchange("connection test, credits", KEY).get(KEY, {}, _key)
        return (
            f"plan {key.plan}, {key.rate_limit_request_per_minute} calls a minute allowed,"
            f" {key.current_remaining_monthly_calls:,} of {key.monthly_call_credit:,} credits left this month"
        )

    def _candles(self) -> str:
        yesterday = settings.now().date() - _ONE_DAY
        try:
            self.daily_ohlc("bitcoin", yesterday, yesterday)
        except NotEntitled:
            return "not in the plan"
        except RateLimited:
            return "not asked, the quota is used up"
        return "yes"


def _pieces(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The window cut into spans whose request, one day longer, stays within the vendor's longest."""
    step = timedelta(days=_DAYS_A_CALL - 1)
    while first <= last:
        yield first, min(last, first + step - _ONE_DAY)
        first += step


def _closes(chart: _Chart, coin_id: str, first: date, last: date) -> DailyBars:
    volumes = dict(chart.total_volumes)
    days = [(stamp, price) for stamp, price in chart.prices if stamp % _MS_PER_DAY == 0]
    stamps = np.array([stamp for stamp, _ in days], dtype=np.int64)
    nothing = np.full(len(days), math.nan)
    bars = DailyBars(
        symbols=np.full(len(days), coin_id, dtype=np.object_),
        session=_day_before(stamps),
        open=nothing,
        high=nothing,
        low=nothing,
        close=np.array([price for _, price in days], dtype=np.float64),
        volume=nothing,
        volume_24h=np.array([volumes.get(stamp) for stamp, _ in days], dtype=np.float64),
        vwap=nothing,
        trades=np.full(len(days), -1, dtype=np.int64),
    )
    return bars.take(_within(bars.session, first, last))


def _finished(candles: list[_Candle], coin_id: str, first: date, last: date, seen_at: datetime) -> DailyBars:
    now_ms = int(seen_at.timestamp() * 1000)
    # Neighbouring requests share a day: the same candle twice is one.
    days = sorted({candle for candle in candles if candle[0] % _MS_PER_DAY == 0 and candle[0] <= now_ms})
    stamps = np.array([candle[0] for candle in days], dtype=np.int64)
    opens, highs, lows, closes = (
        np.array([candle[column] for candle in days], dtype=np.float64) for column in range(1, 5)
    )
    nothing = np.full(len(days), math.nan)
    bars = DailyBars(
        symbols=np.full(len(days), coin_id, dtype=np.object_),
        session=_day_before(stamps),
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=nothing,
        volume_24h=nothing,
        vwap=nothing,
        trades=np.full(len(days), -1, dtype=np.int64),
    )
    return bars.take(_within(bars.session, first, last))


def _day_before(stamps: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return (stamps // _MS_PER_DAY - 1).astype("datetime64[D]")


def _within(sessions: NDArray[np.datetime64], first: date, last: date) -> NDArray[np.bool_]:
    return (sessions >= np.datetime64(first)) & (sessions <= np.datetime64(last))
