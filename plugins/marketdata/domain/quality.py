"""What a daily bar must be before it is stored; a refused one keeps its reason (promise P7). Nothing is repaired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import AssetClass, DailyBars
from marketdata.domain.coverage import Span
from marketdata.domain.sessions import FIRST_DAY, LAST_DAY, closures, today

Mask = NDArray[np.bool_]


class Reason(StrEnum):
    """Why a bar is refused, in the order of the checks: a bar gets the first that applies.

    ``WRONG_UNIT`` means that the vendor's timestamps changed their unit: the caller should treat the whole answer as a
    broken contract.
    """

    WRONG_UNIT = "session before 1990 or after 2100: a timestamp in another unit"
    IN_FUTURE = "session in the future"
    NOT_ASKED = "session outside the asked range"
    NO_SESSION = "no trading day"
    BAD_CLOSE = "close is missing, not positive or not finite"
    PARTIAL_PRICES = "open, high and low are neither all given nor all absent"
    BAD_PRICE = "open, high or low is not positive or not finite"
    HIGH_BELOW_LOW = "high is below low"
    OUTSIDE_HIGH_LOW = "open or close is outside low to high"
    BAD_VOLUME = "volume is negative or not finite"
    BAD_VWAP = "volume-weighted price is negative or not finite"
    BAD_TRADES = "number of trades is negative"


_OTHER_DAYS = frozenset({Reason.IN_FUTURE, Reason.NOT_ASKED, Reason.NO_SESSION})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Row ``index`` of the checked bars must not be stored."""

    index: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two different bars for one symbol and session: row ``kept`` (the later) won over row ``dropped``."""

    symbol: str
    session: date
    kept: int
    dropped: int


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """Every row is in exactly one place: ``kept`` (ascending row indices), ``refused``, an equal duplicate, a conflict.

    ``len(kept) + len(refused) + duplicates + len(conflicts)`` is the number of rows checked.
    """

    kept: NDArray[np.intp]
    refused: tuple[Refusal, ...]
    duplicates: int
    conflicts: tuple[Conflict, ...]

    @property
    def tells_days(self) -> bool:
        """Whether every row bears a day that it can be of, and no day two: else a day without one may not lack it."""
        return not self.conflicts and not any(refusal.reason in _OTHER_DAYS for refusal in self.refused)


def check_daily(bars: DailyBars, *, asset_class: AssetClass, asked: Span, seen_at: datetime) -> Checked:
    """Sort the rows of one answer into what may be stored and what not, with no tolerance.

    ``asked`` are the sessions that the call asked for, ``seen_at`` is the aware instant of the answer. Refused rows are
    set aside before duplicates are looked for, so that a bad copy never displaces a good bar.
    """
    refusals = [*_session_rules(bars, asset_class, asked, seen_at), *_value_rules(bars)]
    bad = np.logical_or.reduce([mask for _, mask in refusals])
    refused = _first_reasons(refusals, bad) if bad.any() else ()
    good = np.flatnonzero(~bad)
    kept, duplicates, conflicts = _without_duplicates(bars, good)
    return Checked(kept, refused, duplicates, conflicts)


def _session_rules(
    bars: DailyBars, asset_class: AssetClass, asked: Span, seen_at: datetime
) -> list[tuple[Reason, Mask]]:
    session = bars.session
    known = (session >= np.datetime64(FIRST_DAY)) & (session <= np.datetime64(LAST_DAY))  # False for NaT
    rules = [
        (Reason.WRONG_UNIT, ~known),
        (Reason.IN_FUTURE, session > np.datetime64(today(asset_class, seen_at))),
        (Reason.NOT_ASKED, (session < np.datetime64(asked.first)) | (session > np.datetime64(asked.last))),
    ]
    if asset_class != "crypto":
        rules.append((Reason.NO_SESSION, ~np.is_busday(session, busdaycal=_trading_days())))
    return rules


def _value_rules(bars: DailyBars) -> list[tuple[Reason, Mask]]:
    opened, high, low, close = bars.open, bars.high, bars.low, bars.close
    absent = np.isnan(opened).astype(np.int8) + np.isnan(high) + np.isnan(low)
    return [
        (Reason.BAD_CLOSE, ~_positive(close)),
        (Reason.PARTIAL_PRICES, (absent == 1) | (absent == 2)),
        (Reason.BAD_PRICE, (absent == 0) & ~(_positive(opened) & _positive(high) & _positive(low))),
        (Reason.HIGH_BELOW_LOW, high < low),  # comparisons with NaN are False: prices not given break no rule
        (Reason.OUTSIDE_HIGH_LOW, (opened > high) | (opened < low) | (close > high) | (close < low)),
        (Reason.BAD_VOLUME, _negative_or_infinite(bars.volume) | _negative_or_infinite(bars.volume_24h)),
        (Reason.BAD_VWAP, _negative_or_infinite(bars.vwap)),
        (Reason.BAD_TRADES, bars.trades < -1),
    ]


def _positive(price: NDArray[np.float64]) -> Mask:
    positive: Mask = (price > 0) & (price < np.inf)
    return positive


def _negative_or_infinite(amount: NDArray[np.float64]) -> Mask:
    refused: Mask = (amount < 0) | (amount == np.inf)
    return refused


def _first_reasons(rules: list[tuple[Reason, Mask]], bad: Mask) -> tuple[Refusal, ...]:
    """Each refused row with the first rule that it breaks, by ascending row."""
    rows = np.flatnonzero(bad)
    first = np.argmax([mask[rows] for _, mask in rules], axis=0)
    return tuple(Refusal(row, rules[rule][0]) for row, rule in zip(rows.tolist(), first.tolist(), strict=True))


def _without_duplicates(bars: DailyBars, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], int, tuple[Conflict, ...]]:
    """Of several rows for one (symbol, session) the last one is kept; equal ones are counted, others are conflicts."""
    session = bars.session[rows]
    if bool((session[1:] > session[:-1]).all()):  # one ticker in order, the usual answer: nothing to look for
        return rows, 0, ()
    keys = list(zip(bars.symbols[rows].tolist(), session.tolist(), strict=True))
    last_row = dict(zip(keys, rows.tolist(), strict=True))
    if len(last_row) == len(keys):
        return rows, 0, ()
    superseded = [(key, row) for key, row in zip(keys, rows.tolist(), strict=True) if last_row[key] != row]
    conflicts = tuple(
        Conflict(symbol, day, last_row[symbol, day], row)
        for (symbol, day), row in superseded
        if not _equal_rows(bars, row, last_row[symbol, day])
    )
    kept = np.array(sorted(last_row.values()), dtype=np.intp)
    return kept, len(superseded) - len(conflicts), conflicts


def _equal_rows(bars: DailyBars, one: int, other: int) -> bool:
    """Whether two rows of one symbol and session agree in every figure; figures that both do not give agree."""
    figures = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.volume_24h, bars.vwap, bars.trades)
    return all(np.array_equal(column[one], column[other], equal_nan=True) for column in figures)


@cache
def _trading_days() -> np.busdaycalendar:
    """The exchange's calendar in numpy's form."""
    years = range(FIRST_DAY.year, LAST_DAY.year + 1)
    closed = sorted(day for year in years for day in closures(year))
    return np.busdaycalendar(weekmask="1111100", holidays=np.array(closed, dtype="datetime64[D]"))
