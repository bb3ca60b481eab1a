"""A universe's stocks as arrays, one row a listing, and what each company did to its shares."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from local.simulator.actions import Dividend, Split
from local.simulator.listings import Universe
from local.simulator.noise import Floats, Ints, Keys, keys
from local.simulator.trading_days import all_sessions

YEARLY_DRIFT = 0.06
SPLIT_YEARS = 25


class Roster:
    """What bars are computed from. It never changes: another universe has another roster."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Price, volume, volatility and quietness as columns."""
        names = ("price", "volume", "volatility", "quiet")
        listings = self.universe.listings
        return {
            name: np.array([getattr(listing, name) for listing in listings], dtype=np.float64).reshape(-1, 1)
            for name in names
        }

    @cached_property
    def keys(self) -> Keys:
        return keys([listing.key for listing in self.universe.listings])

    @cached_property
    def life(self) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
        """First and last days as columns."""
        listings = self.universe.listings
        first = np.array([listing.listed_on for listing in listings], dtype="datetime64[D]")
        last = np.array([listing.delisted_on or date.max for listing in listings], dtype="datetime64[D]")
        return first.reshape(-1, 1), last.reshape(-1, 1)

    @cached_property
    def drift(self) -> Floats:
        """Yearly growth of log price: companies that split are those that grew. Added splits came by surprise."""
        drift = np.full((len(self.universe.listings), 1), YEARLY_DRIFT)
        for split in self.universe.splits:
            if not split.added:
                drift[list(self.universe.by_company[split.company])] += np.log(split.ratio) / SPLIT_YEARS
        return drift

    @cached_property
    def splits(self) -> dict[str, list[Split]]:
        """The true splits of each company, oldest first."""
        splits: dict[str, list[Split]] = defaultdict(list)
        for split in self.universe.splits:
            splits[split.company].append(split)
        return splits

    @cached_property
    def dividends(self) -> dict[str, list[Dividend]]:
        """What each company pays beside its quarterly dividends, oldest first."""
        dividends: dict[str, list[Dividend]] = defaultdict(list)
        for dividend in self.universe.dividends:
            dividends[dividend.company].append(dividend)
        return dividends

    def basis(self, rows: Ints, sessions: Ints) -> Floats:
        """How many present shares one share of that session is: raw price = level times basis."""
        days = all_sessions()[sessions]
        basis = np.ones((len(rows), len(sessions)))
        for at, row in enumerate(rows.tolist()):
            for split in self.splits_of(row):
                execution = np.datetime64(split.execution_date)
                if split.added:
                    basis[at, days >= execution] /= split.ratio
                else:
                    basis[at, days < execution] *= split.ratio
        return basis

    def adjustment(self, rows: Ints, sessions: Ints, today: date) -> Floats:
        """What a raw price is multiplied with (a volume divided by) for the splits executed up to ``today``."""
        days = all_sessions()[sessions]
        factor = np.ones((len(rows), len(sessions)))
        for at, row in enumerate(rows.tolist()):
            for split in self.splits_of(row):
                if split.execution_date <= today:
                    factor[at, days < np.datetime64(split.execution_date)] /= split.ratio
        return factor

    def splits_of(self, row: int) -> list[Split]:
        """The splits of a listing's company, whatever its ticker then was, oldest first."""
        return self.splits.get(self.universe.listings[row].company, [])
