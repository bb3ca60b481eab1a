"""Minute bars of one session, drawn so that they add up to the daily bar exactly.

The daily open, high, low and close come from the regular minutes, the daily volume from all of them: the pre-market
from 04:00 New York, the regular session, and the after-hours until 20:00 (17:00 on an early close).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from local.simulator.noise import Floats, Ints, Keys, bell, uniform
from local.simulator.stocks import Bars, StockWorld, round_price
from local.simulator.trading_days import ordinal, regular_minutes

PRE_MINUTES = 330
LATE_MINUTES = 240
EVENING_SHARE = 0.05
PRE_SHARE = 0.03
SALT_HIGH_AT, SALT_LOW_AT, SALT_WOBBLE, SALT_WICK, SALT_SILENT, SALT_OUTSIDE, SALT_WEIGHT = range(201, 208)


def evening_volume(volume: Floats) -> Floats:
    """What of a day's volume is traded after the close, and so not in a bar taken right after it."""
    return np.round(volume - np.floor(volume * (1.0 - EVENING_SHARE)), 4)


def minute_bars(world: StockWorld, rows: Ints, day: date, known_at: datetime | None = None) -> Bars:
    """Raw minute bars (listings by minutes from 04:00) of one session; absent where the daily bar is."""
    session = ordinal(day)
    daily = world.daily(rows, np.array([session]), known_at)
    key = np.array([[world.listing(int(row)).key] for row in rows], dtype=np.uint64)
    regular = regular_minutes(day)
    path, forced = _path(key, daily, session, regular)
    step = _steps(session, regular)
    traded = _regular_bars(key, daily, path, step)
    outside = [
        _outside_bars(key, daily.open, _steps(session, PRE_MINUTES, offset=1000)),
        _outside_bars(key, daily.close, _steps(session, LATE_MINUTES, offset=2000)),
    ]
    silent = _silent(key, daily.trades, session, regular, forced)
    prices = [np.concatenate([outside[0][at], traded[at], outside[1][at]], axis=1) for at in range(4)]
    present = ~silent & daily.present
    volume, trades = _spread(key, daily, present, session, regular)
    vwap = np.round((prices[0] + prices[1] + prices[2] + prices[3]) / 4, 4)
    return Bars(prices[0], prices[1], prices[2], prices[3], volume, vwap, trades, present)


def _steps(session: int, count: int, offset: int = 0) -> Ints:
    """Where the random numbers of a session's minutes are."""
    return session * 4096 + offset + np.arange(count, dtype=np.int64)


def _path(key: Keys, daily: Bars, session: int, regular: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The price at each minute boundary, and which minutes must have a bar: they hold the day's high or low."""
    at = np.array([session], dtype=np.int64)
    high_at = 1 + (uniform(key, at, SALT_HIGH_AT) * (regular - 2)).astype(np.int64)
    low_at = 1 + (uniform(key, at, SALT_LOW_AT) * (regular - 3)).astype(np.int64)
    low_at = np.where(low_at >= high_at, low_at + 1, low_at)
    high_first = high_at < low_at
    one, two = np.minimum(high_at, low_at), np.maximum(high_at, low_at)
    price_one = np.where(high_first, daily.high, daily.low)
    price_two = np.where(high_first, daily.low, daily.high)
    t = np.arange(regular + 1, dtype=np.int64)
    before = daily.open + (price_one - daily.open) * t / one
    between = price_one + (price_two - price_one) * (t - one) / (two - one)
    after = price_two + (daily.close - price_two) * (t - two) / (regular - two)
    line = np.where(t <= one, before, np.where(t <= two, between, after))
    wobble = (daily.high - daily.low) * 0.05 * bell(key, _steps(session, regular + 1), SALT_WOBBLE)
    path = round_price(np.clip(line + wobble, daily.low, daily.high))
    knots = (t == one) | (t == two)
    path = np.where(t == high_at, daily.high, np.where(t == low_at, daily.low, path))
    path = np.where(t == 0, daily.open, np.where(t == regular, daily.close, path))
    minute = t[:-1]
    forced = knots[:, :-1] | (minute == 0) | (minute == regular - 1)
    return path, forced


def _regular_bars(key: Keys, daily: Bars, path: Floats, step: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    opened, close = path[:, :-1], path[:, 1:]
    wick = (daily.high - daily.low) * 0.02 * uniform(key, step, SALT_WICK)
    high = np.minimum(round_price(np.maximum(opened, close) + wick), daily.high)
    low = np.maximum(round_price(np.minimum(opened, close) - wick), daily.low)
    return opened, np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close)), close


def _outside_bars(key: Keys, around: Floats, step: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Pre-market and after-hours minutes: small moves around the open or the close."""
    opened = round_price(around * (1 + 0.0015 * bell(key, step, SALT_OUTSIDE)))
    close = round_price(around * (1 + 0.0015 * bell(key, step + 1, SALT_OUTSIDE)))
    return opened, np.maximum(opened, close), np.minimum(opened, close), close


def _silent(key: Keys, trades: Ints, session: int, regular: int, forced: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Minutes without a trade: many outside regular hours and in thin shares, none that hold the day's extremes."""
    busy = np.concatenate(
        [
            np.broadcast_to(np.minimum(trades / 200_000, 0.95), (len(key), PRE_MINUTES)),
            np.broadcast_to(np.minimum(trades / 2_000, 1.0), (len(key), regular)),
            np.broadcast_to(np.minimum(trades / 200_000, 0.95), (len(key), LATE_MINUTES)),
        ],
        axis=1,
    )
    silent = uniform(key, _steps(session, busy.shape[1]), SALT_SILENT) >= busy
    silent[:, PRE_MINUTES : PRE_MINUTES + regular] &= ~forced
    return silent


@lru_cache(maxsize=4)
def _profile(regular: int) -> Floats:
    """The shape of a day's trading: thin before the open, busy after it and before the close."""
    edge = np.abs(np.linspace(-1.0, 1.0, regular))
    weights = [
        np.full(PRE_MINUTES, PRE_SHARE / PRE_MINUTES),
        0.6 + edge**3,
        np.full(LATE_MINUTES, EVENING_SHARE / LATE_MINUTES),
    ]
    weights[1] *= (1 - PRE_SHARE - EVENING_SHARE) / weights[1].sum()
    return np.concatenate(weights)


def _spread(key: Keys, daily: Bars, present: NDArray[np.bool_], session: int, regular: int) -> tuple[Floats, Ints]:
    """The day's volume and trades over its minutes; what rounding leaves goes to the closing minute."""
    jitter = 0.5 + uniform(key, _steps(session, present.shape[1]), SALT_WEIGHT)
    weight = np.where(present, _profile(regular) * jitter, 0.0)
    close_at = PRE_MINUTES + regular
    late = evening_volume(daily.volume)
    early = np.round(daily.volume - late, 4)
    volume = np.zeros_like(weight)
    volume[:, :close_at] = _shares(weight[:, :close_at], early)
    volume[:, close_at:] = _shares(weight[:, close_at:], late)
    unspread = np.round(daily.volume - volume.sum(axis=1, keepdims=True), 4)
    volume[:, close_at - 1 : close_at] = np.round(volume[:, close_at - 1 : close_at] + unspread, 4)
    trades = np.where(present, np.maximum(_shares(weight, daily.trades.astype(np.float64)), 1), 0).astype(np.int64)
    return volume, trades


def _shares(weight: Floats, total: Floats) -> Floats:
    whole = weight.sum(axis=1, keepdims=True)
    part: Floats = np.divide(weight * total, whole, out=np.zeros_like(weight), where=whole > 0)
    return np.floor(part)
