"""CoinGecko's points and candles as daily bars of UTC days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import DailyBars

_MS_PER_DAY = 86_400_000

_Point = tuple[int, float | None]
Candle = tuple[int, float | None, float | None, float | None, float | None]
"""End of the candle in milliseconds, then open, high, low and close in US dollars."""


class Chart(msgspec.Struct):
    """A market_chart: instants in milliseconds with prices and rolling volumes in US dollars."""

    prices: list[_Point]
    total_volumes: list[_Point]


def closes_of(chart: Chart, coin_id: str, first: date, last: date) -> DailyBars:
    """The prices at midnight, each the close of the day before, within ``first`` to ``last``; any other is left out."""
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


def candles_of(candles: Sequence[Candle], coin_id: str, first: date, last: date, seen_at: datetime) -> DailyBars:
    """The candles of whole days within ``first`` to ``last`` that had ended when they were seen, oldest first."""
    now_ms = int(seen_at.timestamp() * 1000)
    # Neighbouring requests share a day: the same candle twice is one.
    whole = dict.fromkeys(candle for candle in candles if candle[0] % _MS_PER_DAY == 0 and candle[0] <= now_ms)
    days = sorted(whole, key=lambda candle: candle[0])
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
