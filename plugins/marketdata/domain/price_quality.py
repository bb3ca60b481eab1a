"""What a present price or a bar within the day must be before it is stored; a refused one keeps its reason (P7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.prices import Instants, IntradayBars, Prices
from marketdata.domain.sessions import FIRST_DAY

CLOCK_TOLERANCE = timedelta(seconds=60)
"""How far ahead of ours a vendor's clock may be."""

Mask = NDArray[np.bool_]


class PriceReason(StrEnum):
    """Why a price or an intraday bar is refused, in the order of the checks: a row gets the first that applies."""

    NO_TIME = "price without a time"
    WRONG_UNIT = "time before 1990: a timestamp in another unit"
    IN_FUTURE = "time more than 60 s in the future"
    NOT_ASKED = "start outside the time asked for"
    BAD_PRICE = "a price is missing, not positive or not finite"
    HIGH_BELOW_LOW = "high is below low"
    OUTSIDE_HIGH_LOW = "open or close is outside low to high"
    BAD_VOLUME = "volume is negative or not finite"
    BAD_VWAP = "volume-weighted price is negative or not finite"
    BAD_TRADES = "number of trades is negative"
    SUPERSEDED = "the same answer tells it another way, at a later time or further down"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Row ``index`` of what was checked must not be stored."""

    index: int
    reason: PriceReason


@dataclass(frozen=True, slots=True, eq=False)
class CheckedPrices:
    """Every row is in exactly one place: ``kept`` or ``silent`` (ascending row indices), ``refused``, or a duplicate.

    ``silent``: the vendor names the asset and has no price of it now (never among bars). ``duplicates``: rows equal to
    one of the others. No two rows of ``kept`` are about the same symbol (bars: the same symbol and start).
    """

    kept: NDArray[np.intp]
    silent: NDArray[np.intp]
    refused: tuple[Refusal, ...]
    duplicates: int


def check_prices(prices: Prices, *, now: datetime) -> CheckedPrices:
    """Sort the prices of one answer into what may be stored and what not; ``now`` is the aware instant of the answer.

    Of several rows for one symbol the one with the latest time is kept, the last of those.
    """
    silent = np.isnan(prices.price)
    rules = [
        (PriceReason.NO_TIME, np.isnat(prices.at)),
        *_time_rules(prices.at, now),
        (PriceReason.BAD_PRICE, ~_positive(prices.price)),
        (PriceReason.BAD_VOLUME, _bad_amount(prices.volume) | _bad_amount(prices.volume_24h)),
    ]
    refused = _first_reasons(rules, ~silent)
    good = ~silent & ~_mask_of(refused, len(prices))
    figures = (prices.at, prices.price, prices.volume, prices.volume_24h)
    kept, superseded, duplicates = _one_each(prices.symbols.tolist(), prices.at, np.flatnonzero(good), figures)
    return CheckedPrices(kept, np.flatnonzero(silent), _by_row([*refused, *superseded]), duplicates)


def check_intraday(bars: IntradayBars, *, first: datetime, last: datetime, now: datetime) -> CheckedPrices:
    """Sort the bars of one answer that was asked for the starts from ``first`` (inclusive) to ``last`` (exclusive).

    ``now`` is the aware instant of the answer. Of several rows for one symbol and start the last one is kept.
    """
    opened, high, low, close = bars.open, bars.high, bars.low, bars.close
    all_positive = _positive(opened) & _positive(high) & _positive(low) & _positive(close)
    rules = [
        (PriceReason.NO_TIME, np.isnat(bars.starts)),
        *_time_rules(bars.starts, now),
        (PriceReason.NOT_ASKED, (bars.starts < instant64(first)) | (bars.starts >= instant64(last))),
        (PriceReason.BAD_PRICE, ~all_positive),
        (PriceReason.HIGH_BELOW_LOW, high < low),
        (PriceReason.OUTSIDE_HIGH_LOW, (opened > high) | (opened < low) | (close > high) | (close < low)),
        (PriceReason.BAD_VOLUME, _bad_amount(bars.volume)),
        (PriceReason.BAD_VWAP, _bad_amount(bars.vwap)),
        (PriceReason.BAD_TRADES, bars.trades < -1),
    ]
    refused = _first_reasons(rules, np.ones(len(bars), dtype=bool))
    good = np.flatnonzero(~_mask_of(refused, len(bars)))
    keys = list(zip(bars.symbols.tolist(), bars.starts.tolist(), strict=True))
    figures = (opened, high, low, close, bars.volume, bars.vwap, bars.trades)
    kept, superseded, duplicates = _one_each(keys, bars.starts, good, figures)
    return CheckedPrices(kept, np.empty(0, dtype=np.intp), _by_row([*refused, *superseded]), duplicates)


def instant64(instant: datetime) -> np.datetime64:
    """An aware instant in the form of the columns: microseconds, UTC."""
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "us")


def _time_rules(at: Instants, now: datetime) -> list[tuple[PriceReason, Mask]]:
    """Comparisons with NaT are False: a time not given breaks none of them."""
    return [
        (PriceReason.WRONG_UNIT, at < np.datetime64(FIRST_DAY)),
        (PriceReason.IN_FUTURE, at > instant64(now + CLOCK_TOLERANCE)),
    ]


def _positive(price: NDArray[np.float64]) -> Mask:
    positive: Mask = (price > 0) & (price < np.inf)
    return positive


def _bad_amount(amount: NDArray[np.float64]) -> Mask:
    refused: Mask = (amount < 0) | (amount == np.inf)
    return refused


def _first_reasons(rules: list[tuple[PriceReason, Mask]], judged: Mask) -> list[Refusal]:
    """Each row among the judged ones that breaks a rule, with the first one that it breaks."""
    rows = np.flatnonzero(np.logical_or.reduce([mask for _, mask in rules]) & judged)
    if not len(rows):
        return []
    first = np.argmax([mask[rows] for _, mask in rules], axis=0)
    return [Refusal(row, rules[rule][0]) for row, rule in zip(rows.tolist(), first.tolist(), strict=True)]


def _mask_of(refused: Iterable[Refusal], length: int) -> Mask:
    mask = np.zeros(length, dtype=bool)
    mask[[refusal.index for refusal in refused]] = True
    return mask


def _one_each(
    keys: Sequence[object], at: Instants, rows: NDArray[np.intp], figures: tuple[NDArray[np.generic], ...]
) -> tuple[NDArray[np.intp], list[Refusal], int]:
    """One row a key, the latest and of those the last; the others are refused, or counted where they are equal."""
    chosen: dict[object, int] = {}
    for row in rows.tolist():
        other = chosen.get(keys[row])
        if other is None or at[row] >= at[other]:
            chosen[keys[row]] = row
    if len(chosen) == len(rows):
        return rows, [], 0
    kept = set(chosen.values())
    beaten = [row for row in rows.tolist() if row not in kept]
    refused = [Refusal(row, PriceReason.SUPERSEDED) for row in beaten if not _equal(figures, row, chosen[keys[row]])]
    return np.array(sorted(kept), dtype=np.intp), refused, len(beaten) - len(refused)


def _equal(figures: tuple[NDArray[np.generic], ...], one: int, other: int) -> bool:
    """Whether two rows agree in every figure; figures that both do not give agree."""
    return all(np.array_equal(column[one], column[other], equal_nan=True) for column in figures)


def _by_row(refused: list[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted(refused, key=lambda refusal: refusal.index))
