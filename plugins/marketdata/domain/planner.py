"""From gaps to vendor calls: the fewest that fill what is missing, newest sessions first, inside what the plan allows.

A daily stock bar comes from its ticker over a range or from the whole market on its session (``market_days`` picks the
mix); a coin's closes from one call, whatever its days, and its candles from one for days that lie close together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Literal

from marketdata.domain.candles import candle_requests, candle_windows
from marketdata.domain.coverage import Gap, Span, Spans, intersect, subtract
from marketdata.domain.market_days import Hole, Run, choose_market_days
from marketdata.domain.sessions import sessions
from marketdata.domain.tickers import Periods, pieces
from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from marketdata.domain.bars import Vendor

Purpose = Literal["fill", "verify", "reference", "proof", "import", "realtime"]


class CallKind(StrEnum):
    """What one call asks for."""

    TICKER_RANGE = "ticker_range"
    MARKET_DAY = "market_day"
    COIN_CHART = "coin_chart"
    COIN_OHLC = "coin_ohlc"
    TICKERS = "tickers"
    TICKER_DETAILS = "ticker_details"
    TICKER_EVENTS = "ticker_events"
    SPLITS = "splits"
    DIVIDENDS = "dividends"
    ADJUSTED_RANGE = "adjusted_range"
    IMPORT = "import_part"
    SNAPSHOT = "snapshot"
    LAST_TRADE = "last_trade"
    MINUTE_BAR = "minute_bar"
    SIMPLE_PRICE = "simple_price"
    HALF_HOURS = "half_hours"
    MINUTE_PRICES = "minute_prices"
    """No request: hours are built from prices that are stored."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One vendor call for the sessions from ``first`` to ``last``, both inclusive and, to ``fill`` them, both missing.

    ``asset_id`` and ``symbol`` (as the vendor spells it) are None for a market day, whose ``first`` is its ``last``.
    """

    kind: CallKind
    vendor: Vendor
    asset_id: int | None
    symbol: str | None
    first: date
    last: date
    purpose: Purpose = "fill"

    @property
    def label(self) -> str:
        """What a person calls it: the symbol, or the session of a market day."""
        return self.symbol if self.symbol is not None else self.last.isoformat()

    @property
    def requests(self) -> int:
        """How many HTTP requests it takes at least: a coin's candles come in pieces, its volumes in one more."""
        return candle_requests(self.first, self.last) if self.kind is CallKind.COIN_OHLC else 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What the vendor's plan and the caller allow.

    ``market_day``: whole-market days may be used. ``earliest``: the first day that the plan's history reaches.
    ``max_calls``: calls that would take more requests are deferred to another run. ``ohlc``: coins have candles, not
    closes only. None is unlimited.
    """

    market_day: bool = True
    earliest: date | None = None
    max_calls: int | None = None
    ohlc: bool = False

    def __post_init__(self) -> None:
        if self.max_calls is not None and self.max_calls < 0:
            raise InvalidRequest(f"max_calls {self.max_calls}", "it is negative", "give 0 or more, or None")


@dataclass(frozen=True, slots=True)
class CallPlan:
    """``calls`` to make, in order; ``clipped`` gaps before ``Limits.earliest``; calls ``deferred`` by ``max_calls``."""

    calls: tuple[PlannedCall, ...]
    clipped: tuple[Gap, ...]
    deferred: tuple[PlannedCall, ...]

    @property
    def requests(self) -> int:
        """How many HTTP requests the calls take at least."""
        return sum(call.requests for call in self.calls)


def plan_stock_calls(
    gaps: Sequence[Gap], symbols: Mapping[int, str], limits: Limits, periods: Mapping[int, Periods] | None = None
) -> CallPlan:
    """Calls that fill every missing session of ``gaps``, never more than ticker calls or market days alone would take.

    ``symbols`` gives the vendor symbol of each asset, ``periods`` the ticker history of the few that had another one:
    these take a ticker call for each ticker. Days that are no sessions are ignored. No gaps, no calls.
    """
    histories = periods or {}
    axis = _session_axis(gaps)
    cut = bisect_left(axis, limits.earliest) if limits.earliest else 0
    clipped: list[Gap] = []
    groups: list[tuple[Gap, Hole]] = []
    for gap in gaps:
        before, within = _split_at(_runs_on(axis, gap.missing), cut)
        if before:
            clipped.append(Gap(gap.asset_ids, tuple(Span(axis[start], axis[stop - 1]) for start, stop in before)))
        if within:
            groups.append((gap, Hole(len(gap.asset_ids), within)))
    holes = [hole for _, hole in groups]
    market_days = choose_market_days(holes, len(axis)) if limits.market_day else frozenset()
    calls = [
        PlannedCall(CallKind.MARKET_DAY, "polygon", None, None, session, session)
        for session in (axis[at] for at in market_days)
    ]
    nearest = _nearest_open(market_days, len(axis))
    for gap, hole in groups:
        plain = [asset_id for asset_id in gap.asset_ids if asset_id not in histories]
        calls += _ticker_calls([(asset_id, symbols[asset_id]) for asset_id in plain], hole.runs, axis, nearest)
        for asset_id in histories.keys() & gap.asset_ids:
            for symbol, span in pieces(Span(axis[0], axis[-1]), symbols[asset_id], histories[asset_id]):
                runs = _clip(hole.runs, (bisect_left(axis, span.first), bisect_right(axis, span.last)))
                calls += _ticker_calls([(asset_id, symbol)], runs, axis, nearest)
    return _in_order(calls, clipped, limits)


def plan_coin_calls(gaps: Sequence[Gap], symbols: Mapping[int, str], limits: Limits) -> CallPlan:
    """One call per coin from its oldest to its newest missing day; several for candles where that takes less."""
    kind = CallKind.COIN_OHLC if limits.ohlc else CallKind.COIN_CHART
    clipped: list[Gap] = []
    calls: list[PlannedCall] = []
    for gap in gaps:
        within = gap.missing
        if limits.earliest is not None:
            within = intersect(gap.missing, (Span(limits.earliest, date.max),))
            before = subtract(gap.missing, within)
            if before:
                clipped.append(Gap(gap.asset_ids, before))
        if not within:
            continue
        windows = candle_windows(within) if limits.ohlc else [Span(within[0].first, within[-1].last)]
        calls.extend(
            PlannedCall(kind, "coingecko", asset_id, symbols[asset_id], window.first, window.last)
            for window in windows
            for asset_id in gap.asset_ids
        )
    return _in_order(calls, clipped, limits)


def to_batches(calls: Sequence[PlannedCall], max_batches: int = 200) -> list[tuple[PlannedCall, ...]]:
    """At most ``max_batches`` batches: one for each asset or market day while they suffice, else evenly many of them.

    They come in the order of their first calls; all calls of an asset are in one batch, in their order.
    """
    units: dict[int | date, list[PlannedCall]] = {}
    for call in calls:
        units.setdefault(call.last if call.asset_id is None else call.asset_id, []).append(call)
    groups = list(units.values())
    count = min(len(groups), max_batches)
    bounds = [index * len(groups) // count for index in range(count + 1)] if count else [0]
    return [tuple(chain.from_iterable(groups[start:stop])) for start, stop in pairwise(bounds)]


def _session_axis(gaps: Sequence[Gap]) -> list[date]:
    """All sessions from the oldest to the newest day of any gap, ascending."""
    if not gaps:
        return []
    return sessions(min(gap.missing[0].first for gap in gaps), max(gap.missing[-1].last for gap in gaps))


def _runs_on(axis: Sequence[date], missing: Spans) -> tuple[Run, ...]:
    """The sessions of ``missing`` as runs of the axis; spans with nothing but closed days between them become one."""
    runs: list[Run] = []
    for span in missing:
        start, stop = bisect_left(axis, span.first), bisect_right(axis, span.last)
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], stop)
        elif start < stop:
            runs.append((start, stop))
    return tuple(runs)


def _split_at(runs: Iterable[Run], cut: int) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The parts of ``runs`` before position ``cut``, and from it on."""
    before: list[Run] = []
    within: list[Run] = []
    for start, stop in runs:
        if start < cut:
            before.append((start, min(stop, cut)))
        if stop > cut:
            within.append((max(start, cut), stop))
    return tuple(before), tuple(within)


def _ticker_calls(
    names: Sequence[tuple[int, str]], runs: Sequence[Run], axis: Sequence[date], nearest: tuple[list[int], list[int]]
) -> list[PlannedCall]:
    """A call for each asset, under this symbol, over what market days leave open of ``runs``; none for nothing."""
    left = _left_open(runs, *nearest)
    if left is None:
        return []
    first, last = axis[left[0]], axis[left[1]]
    return [PlannedCall(CallKind.TICKER_RANGE, "polygon", asset_id, symbol, first, last) for asset_id, symbol in names]


def _clip(runs: Iterable[Run], part: Run) -> tuple[Run, ...]:
    """The parts of ``runs`` inside one stretch of positions."""
    clipped = ((max(start, part[0]), min(stop, part[1])) for start, stop in runs)
    return tuple((start, stop) for start, stop in clipped if start < stop)


def _nearest_open(market_days: frozenset[int], axis_length: int) -> tuple[list[int], list[int]]:
    """For each position, the nearest one that is no market day at or after, and at or before it (or off the axis)."""
    after = list(range(axis_length + 1))
    for at in reversed(range(axis_length)):
        if at in market_days:
            after[at] = after[at + 1]
    before = list(range(axis_length))
    for at in range(axis_length):
        if at in market_days:
            before[at] = before[at - 1] if at else -1
    return after, before


def _left_open(runs: Sequence[Run], open_from: Sequence[int], open_to: Sequence[int]) -> tuple[int, int] | None:
    """First and last position of ``runs`` that no market day takes; None where all are taken."""
    first = next((open_from[start] for start, stop in runs if open_from[start] < stop), None)
    if first is None:
        return None
    last = next(open_to[stop - 1] for start, stop in reversed(runs) if open_to[stop - 1] >= start)
    return first, last


def _in_order(calls: Iterable[PlannedCall], clipped: Iterable[Gap], limits: Limits) -> CallPlan:
    """Newest session first, market days before the calls that end on the same day; what ``max_calls`` pays of them."""
    ordered = sorted(calls, key=lambda call: (-call.last.toordinal(), call.symbol is not None, call.symbol or ""))
    left = sum(call.requests for call in ordered) if limits.max_calls is None else limits.max_calls
    paid: list[PlannedCall] = []
    deferred: list[PlannedCall] = []
    for call in ordered:
        if call.requests <= left:
            left -= call.requests
            paid.append(call)
        else:
            deferred.append(call)
    return CallPlan(tuple(paid), tuple(clipped), tuple(deferred))
