"""Daily bars of the simulated stocks: raw, as traded, each a pure function of (seed, company, session)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from local.simulator.listings import Listing, Split, Universe
from local.simulator.noise import Floats, Ints, Keys, bell, keys, uniform, wave
from local.simulator.trading_days import all_sessions, ordinal

ANCHOR = date(2025, 1, 2)
FRACTIONAL_SHARES_FROM = date(2025, 2, 24)
YEARLY_DRIFT = 0.06
SPLIT_YEARS = 25
SESSIONS_A_YEAR = 252

# Waves that add up to a price path: period in sessions, share of a year's volatility.
WAVES = ((750, 0.45), (250, 0.30), (60, 0.16), (15, 0.08), (4, 0.045), (1, 0.028))
SALT_GAP, SALT_HIGH, SALT_LOW, SALT_VOLUME, SALT_VWAP, SALT_TRADES, SALT_QUIET, SALT_FRACTION = range(101, 109)

CORRECTABLE = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vw": "vwap", "n": "trades"}


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars as arrays of one shape (listings by sessions). Where ``present`` is false there is no bar."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Ints
    present: NDArray[np.bool_]

    def __getitem__(self, chosen: object) -> Self:
        """The same selection of every array."""
        return type(self)(*(getattr(self, column.name)[chosen] for column in fields(self)))


class StockWorld:
    """The stocks' history. ``correct`` and ``add_split`` change it the way a vendor or a company would."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.added_splits: list[Split] = []
        self._corrections: dict[tuple[int, int], Mapping[str, float]] = {}

    @property
    def splits(self) -> list[Split]:
        """All splits, oldest first."""
        return sorted([*self.universe.splits, *self.added_splits], key=lambda split: split.execution_date)

    def listing(self, row: int) -> Listing:
        return self.universe.listings[row]

    def rows(self, ticker: str) -> tuple[int, ...]:
        """Rows of the listings that ever had this ticker, in the order of their first day; empty if unknown."""
        return self.universe.by_ticker.get(ticker, ())

    def row_on(self, ticker: str, day: date) -> int | None:
        """The row of the company that has the ticker on ``day``."""
        return next((row for row in self.rows(ticker) if self.listing(row).active_on(day)), None)

    def correct(self, ticker: str, session: date, values: Mapping[str, float]) -> None:
        """Replace fields (``o h l c v vw n``) of one bar from now on, as a vendor's late correction does."""
        row = self.row_on(ticker, session)
        if row is None:
            raise LookupError(f"{ticker} is not listed on {session}")
        unknown = set(values) - set(CORRECTABLE)
        if unknown:
            raise LookupError(f"no such bar field: {', '.join(sorted(unknown))}; there are {', '.join(CORRECTABLE)}")
        self._corrections[row, ordinal(session)] = {CORRECTABLE[name]: value for name, value in values.items()}

    def add_split(self, split: Split) -> None:
        """From its execution date on, raw prices are divided by its ratio."""
        if not self.rows(split.ticker):
            raise LookupError(f"unknown ticker {split.ticker}")
        self.added_splits.append(split)

    def reset(self) -> None:
        """Forget corrections and added splits."""
        self.added_splits.clear()
        self._corrections.clear()

    @cached_property
    def _columns(self) -> dict[str, Floats]:
        names = ("price", "volume", "volatility", "quiet")
        listings = self.universe.listings
        return {
            name: np.array([getattr(listing, name) for listing in listings], dtype=np.float64).reshape(-1, 1)
            for name in names
        }

    @cached_property
    def _keys(self) -> Keys:
        return keys([listing.key for listing in self.universe.listings])

    @cached_property
    def _life(self) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
        listings = self.universe.listings
        first = np.array([listing.listed_on for listing in listings], dtype="datetime64[D]")
        last = np.array([listing.delisted_on or date.max for listing in listings], dtype="datetime64[D]")
        return first.reshape(-1, 1), last.reshape(-1, 1)

    @cached_property
    def _drift(self) -> Floats:
        """Yearly growth of log price: companies that split are those that grew."""
        drift = np.full((len(self.universe.listings), 1), YEARLY_DRIFT)
        for split in self.universe.splits:
            drift[list(self.rows(split.ticker))] += np.log(split.ratio) / SPLIT_YEARS
        return drift

    def _level(self, rows: Ints, sessions: Ints) -> Floats:
        """The price path on the present share basis, before rounding."""
        key = self._keys[rows]
        years = (sessions - ordinal(ANCHOR)) / SESSIONS_A_YEAR
        swing = sum(share * wave(key, sessions, period, salt) for salt, (period, share) in enumerate(WAVES))
        path: Floats = np.log(self._columns["price"][rows]) + self._drift[rows] * years
        path = path + self._columns["volatility"][rows] * swing
        return np.exp(path)

    def _split_basis(self, rows: Ints, sessions: Ints) -> Floats:
        """How many present shares one share of that session is: raw price = level times basis."""
        days = all_sessions()[sessions]
        basis = np.ones((len(rows), len(sessions)))
        for at, row in enumerate(rows.tolist()):
            for split in self._splits_of(row):
                execution = np.datetime64(split.execution_date)
                if split in self.added_splits:
                    basis[at, days >= execution] /= split.ratio
                else:
                    basis[at, days < execution] *= split.ratio
        return basis

    def adjustment(self, rows: Ints, sessions: Ints, today: date) -> Floats:
        """What a raw price is multiplied with (a volume divided by) for the splits executed up to ``today``."""
        days = all_sessions()[sessions]
        factor = np.ones((len(rows), len(sessions)))
        for at, row in enumerate(rows.tolist()):
            for split in self._splits_of(row):
                if split.execution_date <= today:
                    factor[at, days < np.datetime64(split.execution_date)] /= split.ratio
        return factor

    def _splits_of(self, row: int) -> list[Split]:
        """The splits of a listing's ticker, oldest first."""
        ticker = self.universe.listings[row].ticker
        splits = self._splits_by_ticker.get(ticker, [])
        if not self.added_splits:
            return splits
        return sorted(
            [*splits, *(split for split in self.added_splits if split.ticker == ticker)],
            key=lambda split: split.execution_date,
        )

    @cached_property
    def _splits_by_ticker(self) -> dict[str, list[Split]]:
        splits: dict[str, list[Split]] = {}
        for split in self.universe.splits:
            splits.setdefault(split.ticker, []).append(split)
        return splits

    def daily(self, rows: Ints, sessions: Ints) -> Bars:
        """Raw daily bars of listings by sessions (ordinals). Complete bars, whatever the clock says."""
        key = self._keys[rows]
        basis = self._split_basis(rows, sessions)
        spread = self._columns["volatility"][rows] / SESSIONS_A_YEAR**0.5
        close = self._level(rows, sessions) * basis
        gap = np.exp(0.3 * spread * bell(key, sessions, SALT_GAP))
        opened = self._level(rows, sessions - 1) * basis * gap
        high = np.maximum(opened, close) * np.exp(0.4 * spread * np.abs(bell(key, sessions, SALT_HIGH)))
        low = np.minimum(opened, close) * np.exp(-0.4 * spread * np.abs(bell(key, sessions, SALT_LOW)))
        opened, high, low, close = (round_price(price) for price in (opened, high, low, close))
        vwap = np.round(low + (high - low) * (0.35 + 0.3 * uniform(key, sessions, SALT_VWAP)), 4)
        volume = self._volume(rows, sessions, basis)
        trades = (volume / (60 + 80 * uniform(key, sessions, SALT_TRADES))).astype(np.int64) + 1
        bars = Bars(opened, high, low, close, volume, vwap, trades, self._traded(rows, sessions))
        return self._corrected(bars, rows, sessions)

    def _volume(self, rows: Ints, sessions: Ints, basis: Floats) -> Floats:
        key = self._keys[rows]
        swing = 0.3 * bell(key, sessions, SALT_VOLUME) + 0.25 * wave(key, sessions, 20, SALT_VOLUME)
        shares = np.floor(self._columns["volume"][rows] / basis * np.exp(swing)) + 1
        draw = uniform(key, sessions, SALT_FRACTION)
        fractional = (draw < 0.3) & (all_sessions()[sessions] >= np.datetime64(FRACTIONAL_SHARES_FROM))
        return np.where(fractional, np.round(shares + draw, 4), shares)

    def _traded(self, rows: Ints, sessions: Ints) -> NDArray[np.bool_]:
        days = all_sessions()[sessions]
        first, last = self._life
        traded = (days >= first[rows]) & (days <= last[rows])
        traded &= uniform(self._keys[rows], sessions, SALT_QUIET) >= self._columns["quiet"][rows]
        for at, row in enumerate(rows.tolist()):
            if halts := self.listing(row).halts:
                traded[at] &= ~np.isin(days, np.array(sorted(halts), dtype="datetime64[D]"))
        return traded

    def _corrected(self, bars: Bars, rows: Ints, sessions: Ints) -> Bars:
        for (row, session), values in self._corrections.items():
            at, when = np.flatnonzero(rows == row), np.flatnonzero(sessions == session)
            if at.size and when.size:
                for name, value in values.items():
                    getattr(bars, name)[at[0], when[0]] = value
        return bars


def round_price(price: Floats) -> Floats:
    """To cents, below one dollar to hundredths of a cent, never to zero."""
    price = np.maximum(price, 0.0001)
    return np.where(price >= 1.0, np.round(price, 2), np.round(price, 4))


def adjusted(bars: Bars, factor: Floats) -> Bars:
    """Bars on the share basis that ``factor`` (see ``StockWorld.adjustment``) leads to."""
    opened, high, low, close = (np.round(price * factor, 4) for price in (bars.open, bars.high, bars.low, bars.close))
    volume = np.where(factor == 1.0, bars.volume, np.round(bars.volume / factor))
    vwap = np.round(bars.vwap * factor, 4)
    return Bars(opened, high, low, close, volume, vwap, bars.trades, bars.present)
