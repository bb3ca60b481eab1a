"""Which sessions to fetch as whole-market days, so that the fewest calls fill every hole.

A missing cell (asset, session) comes either from a ticker call, which fills all that its asset misses, or from a market
day, which fills that session for all assets. The cheapest mix is a vertex cover of the graph assets x sessions. Holes
have few shapes in practice ("all miss the last k sessions", "some assets are new", "some have an old hole"), and two
sweeps find it for these without building that graph (for odd shapes they may end a call above it):

- by session: the k sessions that most assets miss become market days; whoever misses anything else gets a ticker call;
- by hole: the holes with the fewest sessions are filled by market days, all others by ticker calls.

Both sweeps start at ticker calls only and end at market days only, so that no choice costs more than either. The work
grows with runs plus sessions, never with assets x sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

Run = tuple[int, int]
"""Consecutive sessions as positions on an axis, half-open: ``(start, stop)``."""


@dataclass(frozen=True, slots=True)
class Hole:
    """So many ``assets`` miss the sessions of ``runs``, which are ascending, disjoint and not empty."""

    assets: int
    runs: tuple[Run, ...]

    @property
    def sessions(self) -> int:
        """How many sessions each of the assets misses."""
        return sum(stop - start for start, stop in self.runs)


def choose_market_days(holes: Sequence[Hole], axis_length: int) -> frozenset[int]:
    """Positions of the sessions to fetch as market days; empty where ticker calls alone are cheapest.

    At equal cost the choice with fewer market days wins: a ticker call brings fewer rows.
    """
    by_session = _sweep_sessions(holes, axis_length)
    by_hole = _sweep_holes(holes, axis_length)
    return min(
        _without_idle_days(by_session, holes, axis_length),
        _without_idle_days(by_hole, holes, axis_length),
        key=lambda days: (count_calls(days, holes, axis_length), len(days)),
    )


def count_calls(market_days: frozenset[int], holes: Sequence[Hole], axis_length: int) -> int:
    """What a choice costs: its market days, and a ticker call for each asset that they leave short."""
    taken = _taken_before(market_days, axis_length)
    return len(market_days) + sum(hole.assets for hole in holes if not _is_filled(hole, taken))


def _sweep_sessions(holes: Sequence[Hole], axis_length: int) -> frozenset[int]:
    """The best first k sessions in the order: missed by most assets, then newest."""
    missed = _assets_missing(holes, axis_length)
    ranked = sorted((at for at in range(axis_length) if missed[at]), key=lambda at: (-missed[at], -at))
    rank = [0] * axis_length
    for position, at in enumerate(ranked):
        rank[at] = position
    worst_rank = RangeMaximum(rank)
    filled_at = [0] * (len(ranked) + 1)  # assets that need no ticker call once so many sessions are taken
    for hole in holes:
        filled_at[1 + max(worst_rank.over(start, stop) for start, stop in hole.runs)] += hole.assets
    short = sum(hole.assets for hole in holes)
    costs = [taken + short - filled for taken, filled in enumerate(accumulate(filled_at))]
    return frozenset(ranked[: costs.index(min(costs))])


def _sweep_holes(holes: Sequence[Hole], axis_length: int) -> frozenset[int]:
    """The sessions of the best first j holes in the order: fewest sessions, then most assets."""
    ordered = sorted(holes, key=lambda hole: (hole.sessions, -hole.assets))
    short = sum(hole.assets for hole in holes)
    next_free = list(range(axis_length + 1))
    taken: list[int] = []
    best_cost, best_taken = short, 0
    for hole in ordered:
        for start, stop in hole.runs:
            at = _find_free(next_free, start)
            while at < stop:
                taken.append(at)
                next_free[at] = at + 1
                at = _find_free(next_free, at + 1)
        short -= hole.assets
        if len(taken) + short < best_cost:
            best_cost, best_taken = len(taken) + short, len(taken)
    return frozenset(taken[:best_taken])


def _without_idle_days(market_days: frozenset[int], holes: Sequence[Hole], axis_length: int) -> frozenset[int]:
    """Drop the days that only serve assets which get a ticker call anyway."""
    taken = _taken_before(market_days, axis_length)
    served = _assets_missing((hole for hole in holes if _is_filled(hole, taken)), axis_length)
    return frozenset(day for day in market_days if served[day])


def _assets_missing(holes: Iterable[Hole], axis_length: int) -> list[int]:
    """For each session, how many assets miss it."""
    change = [0] * (axis_length + 1)
    for hole in holes:
        for start, stop in hole.runs:
            change[start] += hole.assets
            change[stop] -= hole.assets
    return list(accumulate(change[:axis_length]))


def _taken_before(market_days: frozenset[int], axis_length: int) -> list[int]:
    """For each position from 0 to ``axis_length``, how many market days lie before it."""
    return list(accumulate((at in market_days for at in range(axis_length)), initial=0))


def _is_filled(hole: Hole, taken_before: Sequence[int]) -> bool:
    """Whether market days alone give all that the hole misses."""
    return all(taken_before[stop] - taken_before[start] == stop - start for start, stop in hole.runs)


def _find_free(next_free: list[int], at: int) -> int:
    """The first position from ``at`` on that is not taken yet; shortens the chain it walked."""
    free = at
    while next_free[free] != free:
        free = next_free[free]
    while next_free[at] != free:
        next_free[at], at = free, next_free[at]
    return free


class RangeMaximum:
    """Maximum over any run of a fixed list in constant time (a sparse table: n log n numbers)."""

    __slots__ = ("_levels",)

    def __init__(self, values: list[int]) -> None:
        self._levels = [values]
        width = 1
        while 2 * width <= len(values):
            previous = self._levels[-1]
            self._levels.append([max(pair) for pair in zip(previous, previous[width:], strict=False)])
            width *= 2

    def over(self, start: int, stop: int) -> int:
        """The maximum of ``values[start:stop]``, which must not be empty."""
        level = (stop - start).bit_length() - 1
        row = self._levels[level]
        return max(row[start], row[stop - (1 << level)])
