"""Daily bars of the simulated stocks: raw, as traded, each a pure function of (seed, company, session)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray

from local.simulator import events
from local.simulator.actions import Dividend, Split
from local.simulator.listings import Listing, Universe
from local.simulator.noise import Floats, Ints, bell, uniform, wave
from local.simulator.roster import Roster
from local.simulator.trading_days import all_sessions, ordinal

ANCHOR = date(2025, 1, 2)
FRACTIONAL_SHARES_FROM = date(2025, 2, 24)
SESSIONS_A_YEAR = 252
ALWAYS = datetime.min.replace(tzinfo=UTC)

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


@dataclass(frozen=True, slots=True)
class Correction:
    """Fields of a bar that the vendor changed, and when it did; None for always."""

    published_at: datetime | None
    values: Mapping[str, float]


class StockWorld:
    """The stocks' history. What happens to companies makes another universe of it; ``correct`` changes single bars."""

    def __init__(self, universe: Universe) -> None:
        self._seeded = universe
        self._corrections: dict[tuple[str, int], list[Correction]] = {}
        self._become(universe)

    def _become(self, universe: Universe) -> None:
        self.universe = universe
        self.roster = Roster(universe)

    def reset(self) -> None:
        """As seeded: nothing has happened besides, nothing was corrected."""
        self._corrections.clear()
        self._become(self._seeded)

    def listing(self, row: int) -> Listing:
        return self.universe.listings[row]

    def rows(self, ticker: str) -> tuple[int, ...]:
        """Rows of the listings that ever had this ticker, in the order of their first day; empty if unknown."""
        return self.universe.by_ticker.get(ticker, ())

    def row_on(self, ticker: str, day: date) -> int | None:
        """The row of the company that has the ticker on ``day``."""
        return self.universe.row_on(ticker, day)

    def company_rows(self, company: str) -> tuple[int, ...]:
        """Rows of a company's listings, one a ticker that it had, in the order of their first day."""
        return self.universe.by_company[company]

    def ticker_on(self, company: str, day: date) -> str:
        """What the company is called on ``day``; before its listing and after its delisting the nearest name."""
        rows = self.company_rows(company)
        known = [row for row in rows if self.listing(row).listed_on <= day]
        return self.listing(known[-1] if known else rows[0]).ticker

    def correct(
        self, ticker: str, session: date, values: Mapping[str, float], published_at: datetime | None = None
    ) -> None:
        """Replace fields (``o h l c v vw n``) of one bar, as a vendor's late correction does, from an instant on."""
        unknown = set(values) - set(CORRECTABLE)
        if unknown:
            raise LookupError(f"no such bar field: {', '.join(sorted(unknown))}; there are {', '.join(CORRECTABLE)}")
        company = self.listing(events.owner(self.universe, ticker, session)).company
        corrections = self._corrections.setdefault((company, ordinal(session)), [])
        corrections.append(Correction(published_at, {CORRECTABLE[name]: value for name, value in values.items()}))
        corrections.sort(key=lambda correction: correction.published_at or ALWAYS)

    def add_split(self, split: Split) -> None:
        """From its execution date on, raw prices are divided by its ratio."""
        if min(split.split_from, split.split_to) <= 0:
            raise ValueError(f"a split of {split.split_from} into {split.split_to} shares")
        self._become(events.with_split(self.universe, split))

    def add_dividend(self, dividend: Dividend) -> None:
        self._become(events.with_dividend(self.universe, dividend))

    def rename(self, old: str, new: str, on: date) -> None:
        """From ``on`` the company that has the ticker ``old`` has ``new``."""
        self._become(events.renamed(self.universe, old, new, on))

    def delist(self, ticker: str, last_session: date) -> None:
        """After ``last_session`` nobody has the ticker."""
        self._become(events.delisted(self.universe, ticker, last_session))

    def halt(self, ticker: str, session: date) -> None:
        """Nobody trades the ticker on ``session``."""
        self._become(events.halted(self.universe, ticker, session))

    def list_company(self, listing: Listing) -> None:
        """A company that was not there before. ``price`` is its close on its first session."""
        self._become(events.with_company(self.universe, listing))
        rows, sessions = np.array([len(self.universe.listings) - 1]), np.array([ordinal(listing.listed_on)])
        level = float(self._level(rows, sessions)[0, 0])
        listings = [*self.universe.listings[:-1], replace(listing, price=listing.price**2 / level)]
        self._become(replace(self.universe, listings=tuple(listings)))

    def _level(self, rows: Ints, sessions: Ints) -> Floats:
        """The price path on the present share basis, before rounding."""
        key = self.roster.keys[rows]
        years = (sessions - ordinal(ANCHOR)) / SESSIONS_A_YEAR
        swing = sum(share * wave(key, sessions, period, salt) for salt, (period, share) in enumerate(WAVES))
        path: Floats = np.log(self.roster.columns["price"][rows]) + self.roster.drift[rows] * years
        path = path + self.roster.columns["volatility"][rows] * swing
        return np.exp(path)

    def daily(self, rows: Ints, sessions: Ints, known_at: datetime | None = None) -> Bars:
        """Raw daily bars of listings by sessions (ordinals). Complete bars, whatever the clock says.

        ``known_at`` leaves out what the vendor corrects later; None knows all corrections.
        """
        key = self.roster.keys[rows]
        basis = self.roster.basis(rows, sessions)
        spread = self.roster.columns["volatility"][rows] / SESSIONS_A_YEAR**0.5
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
        return self._corrected(bars, rows, sessions, known_at)

    def _volume(self, rows: Ints, sessions: Ints, basis: Floats) -> Floats:
        key = self.roster.keys[rows]
        swing = 0.3 * bell(key, sessions, SALT_VOLUME) + 0.25 * wave(key, sessions, 20, SALT_VOLUME)
        shares = np.floor(self.roster.columns["volume"][rows] / basis * np.exp(swing)) + 1
        draw = uniform(key, sessions, SALT_FRACTION)
        fractional = (draw < 0.3) & (all_sessions()[sessions] >= np.datetime64(FRACTIONAL_SHARES_FROM))
        return np.where(fractional, np.round(shares + draw, 4), shares)

    def _traded(self, rows: Ints, sessions: Ints) -> NDArray[np.bool_]:
        days = all_sessions()[sessions]
        first, last = self.roster.life
        traded = (days >= first[rows]) & (days <= last[rows])
        traded &= uniform(self.roster.keys[rows], sessions, SALT_QUIET) >= self.roster.columns["quiet"][rows]
        for at, row in enumerate(rows.tolist()):
            if halts := self.listing(row).halts:
                traded[at] &= ~np.isin(days, np.array(sorted(halts), dtype="datetime64[D]"))
        return traded

    def _corrected(self, bars: Bars, rows: Ints, sessions: Ints, known_at: datetime | None) -> Bars:
        for (company, session), corrections in self._corrections.items():
            when = np.flatnonzero(sessions == session)
            at = np.flatnonzero(np.isin(rows, self.company_rows(company))) if when.size else when
            for correction in corrections if at.size else ():
                if known_at is not None and (correction.published_at or ALWAYS) > known_at:
                    break
                for name, value in correction.values.items():
                    getattr(bars, name)[at, when[0]] = value
        return bars


def round_price(price: Floats) -> Floats:
    """To cents, below one dollar to hundredths of a cent, never to zero."""
    price = np.maximum(price, 0.0001)
    return np.where(price >= 1.0, np.round(price, 2), np.round(price, 4))


def adjusted(bars: Bars, factor: Floats) -> Bars:
    """Bars on the share basis that ``factor`` (see ``Roster.adjustment``) leads to."""
    opened, high, low, close = (np.round(price * factor, 4) for price in (bars.open, bars.high, bars.low, bars.close))
    volume = np.where(factor == 1.0, bars.volume, np.round(bars.volume / factor))
    vwap = np.round(bars.vwap * factor, 4)
    return Bars(opened, high, low, close, volume, vwap, bars.trades, bars.present)
