"""A run of bars with their start times, and what can be done with it: choose, join, group into longer bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from local.simulator.noise import Floats, Ints
from local.simulator.stocks import Bars


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Bars in order of time. ``starts`` in milliseconds; ``base`` counts the base bars that each one is made of."""

    starts: Ints
    bars: Bars
    base: Ints

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def of(cls, starts: Ints, bars: Bars) -> Self:
        """A series of base bars."""
        return cls(starts, bars, np.ones(len(starts), dtype=np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The parts in order of time; they do not overlap."""
        if not parts:
            number, whole = np.empty(0), np.empty(0, dtype=np.int64)
            return cls.of(whole, Bars(number, number, number, number, number, number, whole, whole.astype(bool)))
        order = np.argsort(np.concatenate([part.starts for part in parts]), kind="stable")
        columns = [
            np.concatenate([getattr(part.bars, column.name) for part in parts])[order] for column in fields(Bars)
        ]
        starts = np.concatenate([part.starts for part in parts])[order]
        return cls(starts, Bars(*columns), np.concatenate([part.base for part in parts])[order])

    def take(self, chosen: NDArray[np.bool_] | slice) -> Self:
        """The bars that a mask or a slice picks."""
        return type(self)(self.starts[chosen], self.bars[chosen], self.base[chosen])

    def grouped_by(self, bucket_starts: Ints) -> Self:
        """Longer bars: one for each run of equal ``bucket_starts``."""
        if not len(self):
            return self
        first = np.flatnonzero(np.diff(bucket_starts, prepend=bucket_starts[0] - 1))
        last = np.append(first[1:], len(self)) - 1
        bars = self.bars
        total: Floats = np.add.reduceat(bars.volume, first)
        volume = np.round(total, 4)
        turnover: Floats = np.add.reduceat(bars.vwap * bars.volume, first)
        return type(self)(
            bucket_starts[first],
            Bars(
                open=bars.open[first],
                high=np.maximum.reduceat(bars.high, first),
                low=np.minimum.reduceat(bars.low, first),
                close=bars.close[last],
                volume=volume,
                vwap=np.round(mean_price(turnover, volume), 4),
                trades=np.add.reduceat(bars.trades, first),
                present=np.ones(len(first), dtype=bool),
            ),
            np.add.reduceat(self.base, first),
        )


def mean_price(turnover: Floats, volume: Floats) -> Floats:
    """Turnover by volume; 0 where nothing was traded."""
    mean: Floats = turnover / np.where(volume > 0, volume, 1.0)
    return mean
