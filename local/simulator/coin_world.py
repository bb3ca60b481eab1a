"""Prices, volumes and market caps of the simulated coins at any instant: pure functions of (seed, coin, time)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from local.simulator.coin_listings import Coin
from local.simulator.listings import Universe
from local.simulator.noise import Floats, Ints, bell, keys, wave

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
ANCHOR_MS = 1_735_689_600_000  # 2025-01-01T00:00Z
YEAR_MS = 365 * DAY_MS
YEARLY_DRIFT = 0.35
VOLATILITY = 0.65
STABILITY_MS = 5 * MINUTE_MS

# Waves that add up to a price path: period, share of a year's volatility.
WAVES = (
    (900 * DAY_MS, 0.55),
    (200 * DAY_MS, 0.30),
    (45 * DAY_MS, 0.15),
    (10 * DAY_MS, 0.08),
    (2 * DAY_MS, 0.035),
    (8 * HOUR_MS, 0.015),
    (HOUR_MS, 0.006),
    (STABILITY_MS, 0.001),
)
SALT_VOLUME, SALT_JITTER = 301, 302

# What one US dollar is worth: enough to see that the currency is honoured.
FIXED_RATES = {"usd": 1.0, "eur": 0.92, "gbp": 0.79, "jpy": 151.0, "chf": 0.88}
COIN_RATES = {"btc": "bitcoin", "eth": "ethereum"}


@dataclass(frozen=True, slots=True)
class PriceCorrection:
    """Another price of a coin at one instant, and since when the vendor has had it; None for always."""

    coin_id: str
    at_ms: int
    price: float
    published_at: datetime | None


class CoinWorld:
    """The coins' history, in US dollars or another currency."""

    def __init__(self, universe: Universe, corrections: Iterable[PriceCorrection] = ()) -> None:
        self._universe = universe
        self.coins = {coin.coin_id: coin for coin in universe.coins}
        self._corrections = list(corrections)

    def reset(self) -> None:
        """Forget corrections."""
        self._corrections.clear()

    def correct(self, coin_id: str, at_ms: int, price: float, published_at: datetime | None = None) -> None:
        """The price at an instant is another one, from ``published_at`` on; the last correction holds."""
        if coin_id not in self.coins:
            raise LookupError(f"unknown coin {coin_id}")
        self._corrections.append(PriceCorrection(coin_id, at_ms, price, published_at))

    def known_at(self, now: datetime) -> CoinWorld:
        """The same coins without what the vendor corrects later."""
        known = (
            correction
            for correction in self._corrections
            if correction.published_at is None or correction.published_at <= now
        )
        return CoinWorld(self._universe, known)

    def knows_currency(self, currency: str) -> bool:
        return currency in FIXED_RATES or currency in COIN_RATES

    def price(self, coin: Coin, at: Ints, currency: str = "usd") -> Floats:
        """Prices at instants (milliseconds)."""
        prices: Floats = self.prices([coin], at, currency)[0]
        return prices

    def prices(self, coins: Sequence[Coin], at: Ints, currency: str = "usd") -> Floats:
        """Prices of coins by instants (milliseconds)."""
        prices = _dollars(coins, at)
        place = {coin.coin_id: row for row, coin in enumerate(coins)}
        for correction in self._corrections:
            if correction.coin_id in place:
                prices[place[correction.coin_id], at == correction.at_ms] = correction.price
        return prices * self._rate(currency, at)

    def volume_24h(self, coin: Coin, at: Ints, currency: str = "usd") -> Floats:
        """Turnover of the 24 hours before each instant."""
        volume: Floats = self.volumes_24h([coin], at, currency)[0]
        return volume

    def volumes_24h(self, coins: Sequence[Coin], at: Ints, currency: str = "usd") -> Floats:
        """Turnover of coins by instants (milliseconds), each of the 24 hours before it."""
        key = keys([coin.key for coin in coins])
        swing = 0.5 * wave(key, at, 20 * DAY_MS, SALT_VOLUME) + 0.2 * wave(key, at, DAY_MS, SALT_VOLUME)
        usual = np.array([[coin.volume] for coin in coins])
        volumes: Floats = usual * np.exp(swing) * self._rate(currency, at)
        return volumes

    def market_cap(self, coin: Coin, at: Ints, currency: str = "usd") -> Floats:
        """Price times the coins in circulation."""
        return self.price(coin, at, currency) * coin.supply

    def jitter(self, coin: Coin, at: Ints, width_ms: int) -> Ints:
        """How far off the grid a sample was taken: the same for the same grid point."""
        spread = np.abs(bell(keys([coin.key]), at // MINUTE_MS, SALT_JITTER)[0]) / 2.45
        off: Ints = (spread * width_ms).astype(np.int64)
        return off

    def _rate(self, currency: str, at: Ints) -> Floats:
        if currency in COIN_RATES:
            rate: Floats = 1.0 / _dollars([self.coins[COIN_RATES[currency]]], at)[0]
            return rate
        return np.full(len(at), FIXED_RATES[currency])


def _dollars(coins: Sequence[Coin], at: Ints) -> Floats:
    key = keys([coin.key for coin in coins])
    swing = sum(share * wave(key, at, period, salt) for salt, (period, share) in enumerate(WAVES))
    level = np.log(np.array([[coin.price] for coin in coins]))
    path: Floats = level + YEARLY_DRIFT * (at - ANCHOR_MS) / YEAR_MS + VOLATILITY * swing
    return np.exp(path)


def listed_ms(coin: Coin) -> int:
    """The coin's first instant."""
    return (coin.listed_on.toordinal() - 719_163) * DAY_MS


def day_start(ms: int) -> int:
    """00:00 UTC of the day."""
    return ms // DAY_MS * DAY_MS
