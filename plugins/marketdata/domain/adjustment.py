"""What splits and dividends do to a series: cumulative factors, and how an adjusted series is told right from wrong.

Bars stay raw, as traded. A raw price times its factor is a price on the share count of the day looked from; with
dividends worked in too, the adjusted series moves as the wealth of a holder who reinvests. The views of the database do
the same; a test holds them to this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import DailyBars

Days = NDArray[np.datetime64]
Floats = NDArray[np.float64]

LONGEST_PAUSE_DAYS = 10
"""A close older than this before an ex-date or a split says nothing about it."""

# A split of 4 for 3 or less is lost in the moves of a normal night.
_TELLING = math.log(1.25)
_SURELY_OFF = math.log(2)
_FITS_WITHIN = math.log(1.5)

# Vendors round adjusted prices to 4 digits after the point, and cumulative factors to 6.
_PRICE_ROUNDING, _PRICE_SHARE = 1.1e-4, 6e-4
_VOLUME_ROUNDING, _VOLUME_SHARE = 1.0, 1e-3
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, order=True)
class Split:
    """``split_from`` shares became ``split_to``; ``executed_on`` is the first session at the new share count."""

    executed_on: date
    split_from: float
    split_to: float

    @property
    def ratio(self) -> float:
        """New shares for an old one: 4.0 for a 4-for-1, 0.1 for a reverse split of 1 for 10."""
        return self.split_to / self.split_from

    def __str__(self) -> str:
        return f"{self.split_to:g}-for-{self.split_from:g} of {self.executed_on}"


@dataclass(frozen=True, slots=True, order=True)
class Dividend:
    """``cash_amount`` a share in ``currency``; ``ex_date`` is the first session at which a buyer no longer gets it."""

    ex_date: date
    cash_amount: float
    currency: str = "USD"


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """One element a session: raw prices are multiplied with ``price``, volumes divided by ``shares``.

    ``left_out``: dividends that could not be worked in, for their currency or for want of a close before them.
    """

    price: Floats
    shares: Floats
    left_out: tuple[Dividend, ...] = ()


def split_factors(session: Days, splits: Iterable[Split], *, today: date) -> Factors:
    """The factors of ``session`` (ascending or not) for the splits executed up to ``today``; 1 after the last one."""
    steps = sorted((split for split in splits if split.executed_on <= today), reverse=True)
    before, after = np.ones(len(session)), np.ones(len(session))
    for split in steps:  # numerator and denominator apart: both stay whole numbers, so that the quotient is exact
        is_before = session < np.datetime64(split.executed_on, "D")
        before[is_before] *= split.split_from
        after[is_before] *= split.split_to
    factor = before / after
    return Factors(factor, factor)


def total_return_factors(
    session: Days, close: Floats, splits: Iterable[Split], dividends: Iterable[Dividend], *, today: date
) -> Factors:
    """The factors with dividends up to ``today`` worked in: each takes off its share of the raw close before it.

    ``session`` is ascending and ``close`` raw. A dividend counts in US dollars only, when a close of at most
    ``LONGEST_PAUSE_DAYS`` before its ex-date is there and is larger.
    """
    shares = split_factors(session, splits, today=today).shares
    kept = np.ones(len(session))
    left_out = []
    for dividend in sorted((one for one in dividends if one.ex_date <= today), reverse=True):
        ex_date = np.datetime64(dividend.ex_date, "D")
        at = int(np.searchsorted(session, ex_date)) - 1
        is_recent = at >= 0 and session[at] >= ex_date - LONGEST_PAUSE_DAYS
        if dividend.currency != "USD" or not is_recent or dividend.cash_amount >= close[at]:
            left_out.append(dividend)
            continue
        kept[: at + 1] *= 1 - dividend.cash_amount / close[at]
    return Factors(shares * kept, shares, tuple(left_out))


def adjust(bars: DailyBars, factors: Factors) -> DailyBars:
    """Raw bars as adjusted ones; ``factors`` has one element a bar. Rolling volume and trades stay as they are."""
    return _scaled(bars, factors.price, factors.shares)


def unadjust(bars: DailyBars, factors: Factors) -> DailyBars:
    """Adjusted bars as they were traded: the way back of :func:`adjust`, up to the rounding of one product."""
    return _scaled(bars, 1 / factors.price, 1 / factors.shares)


class Movement(StrEnum):
    """What the night before a split says about it."""

    FITS = "fits"
    CONTRADICTS = "contradicts"
    UNCLEAR = "unclear"


def distance(ratio: float, close_before: float, open_after: float) -> float:
    """How far prices moved from what a split of ``ratio`` makes of them, as a logarithm; 0 is just that."""
    return abs(math.log(open_after / close_before) + math.log(ratio))


def judge_movement(ratio: float, close_before: float | None, open_after: float | None) -> Movement:
    """Hold a split against the raw close before it and the raw open on its day.

    UNCLEAR without one of them, for a ratio near 1, and for a move half way between. It contradicts when prices are
    nearer to no split at all, or off by more than a factor of 2.
    """
    size = abs(math.log(ratio))
    if close_before is None or open_after is None or size < _TELLING:
        return Movement.UNCLEAR
    off = distance(ratio, close_before, open_after)
    if off > min(size / 2, _SURELY_OFF):
        return Movement.CONTRADICTS
    return Movement.FITS if off <= _FITS_WITHIN else Movement.UNCLEAR


@dataclass(frozen=True, slots=True)
class Difference:
    """Two series do not agree in one figure of one session."""

    session: date
    figure: str
    ours: float
    theirs: float

    def __str__(self) -> str:
        return f"{self.session} {self.figure}: ours {self.ours:.10g}, the vendor's {self.theirs:.10g}"


def compare(ours: DailyBars, theirs: DailyBars) -> tuple[int, tuple[Difference, ...]]:
    """How many sessions both series have, and where they differ beyond what rounding explains, oldest first.

    Both hold one asset, each session once. Figures that one of them does not give are not compared.
    """
    shared, at_ours, at_theirs = np.intersect1d(
        ours.session.astype(np.int64), theirs.session.astype(np.int64), assume_unique=True, return_indices=True
    )
    left, right = ours.take(at_ours), theirs.take(at_theirs)
    found = [
        Difference(
            left.session[row].item(), figure, float(getattr(left, figure)[row]), float(getattr(right, figure)[row])
        )
        for figure in (*_PRICES, "volume")
        for row in np.flatnonzero(_beyond_rounding(figure, getattr(left, figure), getattr(right, figure)))
    ]
    return len(shared), tuple(sorted(found, key=lambda one: (one.session, (*_PRICES, "volume").index(one.figure))))


def _beyond_rounding(figure: str, ours: Floats, theirs: Floats) -> NDArray[np.bool_]:
    least, share = (_VOLUME_ROUNDING, _VOLUME_SHARE) if figure == "volume" else (_PRICE_ROUNDING, _PRICE_SHARE)
    beyond: NDArray[np.bool_] = np.abs(ours - theirs) > np.maximum(least, share * np.abs(theirs))  # False for NaN
    return beyond


def _scaled(bars: DailyBars, price: Floats, shares: Floats) -> DailyBars:
    prices = {name: getattr(bars, name) * price for name in (*_PRICES, "vwap")}
    return replace(bars, **prices, volume=bars.volume / shares)


def is_same_ratio(one: Split, other: Split) -> bool:
    """Whether two splits multiply shares alike, however they are written: 2-for-1 is 4-for-2."""
    return math.isclose(one.ratio, other.ratio, rel_tol=1e-9)
