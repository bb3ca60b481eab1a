"""What a vendor reports of a company's splits and dividends, and the verdict on it: a split is applied once, or held.

A vendor's list of splits has doubles, contradictions and wrong days. Applied twice or on a wrong day, a split spoils
all prices before it, so a doubtful one is held with its reason until prices decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from marketdata.domain.adjustment import Dividend, Movement, Split, distance, is_same_ratio, judge_movement

KINDS = ("forward_split", "reverse_split", "stock_dividend")

REPEATED_WITHIN = timedelta(days=10)
"""The same ratio again within so many days is taken for one split with two dates, unless prices show both."""

# Of two ratios for one day, prices decide for the nearer one if the other is further off by this, as a logarithm.
_CLEARLY = 0.1


@dataclass(frozen=True, slots=True)
class ReportedSplit:
    """A split as the vendor lists it, under the ticker that it had or has; ``kind`` is one of ``KINDS``."""

    ticker: str
    split: Split
    kind: str
    vendor_id: str = ""

    @property
    def flaw(self) -> str:
        """Why it can be no split; empty if it can."""
        if not (self.split.split_from > 0 and self.split.split_to > 0):
            return "a share count that is not positive"
        return "as many shares after as before" if self.split.split_from == self.split.split_to else ""


@dataclass(frozen=True, slots=True)
class ReportedDividend:
    """A cash dividend as the vendor lists it; None and empty for what it does not say."""

    ticker: str
    dividend: Dividend
    vendor_id: str = ""
    declared_on: date | None = None
    record_date: date | None = None
    pay_date: date | None = None
    frequency: int | None = None
    kind: str = ""

    @property
    def flaw(self) -> str:
        """Why it can be no cash dividend; empty if it can."""
        return "" if self.dividend.cash_amount > 0 else "an amount that is not positive"

    @property
    def key(self) -> str:
        """The vendor's own key, or date, amount and kind where it gives none."""
        return self.vendor_id or f"{self.dividend.ex_date}:{self.dividend.cash_amount!r}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A split to judge with the raw prices around it: the last close before its day, the first open from it on.

    None for a price that is not stored. ``is_reported`` False: the vendor listed it once and does so no more.
    """

    split: Split
    close_before: float | None = None
    open_after: float | None = None
    is_reported: bool = True

    @property
    def movement(self) -> Movement:
        return judge_movement(self.split.ratio, self.close_before, self.open_after)

    @property
    def distance(self) -> float:
        """How far prices moved from what this split makes of them; infinite without prices."""
        if self.close_before is None or self.open_after is None:
            return float("inf")
        return distance(self.split.ratio, self.close_before, self.open_after)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a split counts. ``reason`` says why it is held, or why it is applied against a doubt; else empty."""

    split: Split
    is_applied: bool
    reason: str = ""


def judge_splits(candidates: Sequence[Candidate]) -> list[Verdict]:
    """The verdict on each split of one asset, none of them equal to another, by date; at most one a day is applied.

    Held are: what prices contradict; what the vendor withdrew, unless prices show it; of several for one day all but
    the one that prices clearly show; of the same ratio twice within ``REPEATED_WITHIN`` the one that prices do not
    show, the later one where they show neither.
    """
    held: list[Verdict] = []
    standing: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: one.split):
        doubt = _doubt(candidate)
        if doubt:
            held.append(Verdict(candidate.split, False, doubt))
        else:
            standing.append(candidate)
    single: list[Candidate] = []
    for _, same_day in groupby(standing, key=lambda one: one.split.executed_on):
        chosen, others = _one_of_a_day(list(same_day))
        held.extend(others)
        single.extend(chosen)
    kept, repeats = _without_repeats(single)
    applied = [Verdict(one.split, True, _note(one)) for one in kept]
    return sorted([*applied, *held, *repeats], key=lambda one: one.split)


def drop_duplicates(splits: Iterable[ReportedSplit]) -> tuple[list[ReportedSplit], int]:
    """The splits of one asset, each day and ratio once, the first one said, and how many said no more than that."""
    kept: list[ReportedSplit] = []
    dropped = 0
    for reported in splits:
        if any(is_same_split(reported.split, one.split) for one in kept):
            dropped += 1
        else:
            kept.append(reported)
    return kept, dropped


def is_same_split(one: Split, other: Split) -> bool:
    """Whether two splits are of one day and one ratio, however that is written."""
    return one.executed_on == other.executed_on and is_same_ratio(one, other)


def _doubt(candidate: Candidate) -> str:
    """Why a split is held whatever else is reported; empty if it is not."""
    movement = candidate.movement
    if movement is Movement.CONTRADICTS:
        before, after = candidate.close_before or 0.0, candidate.open_after or 0.0
        expected = before / candidate.split.ratio
        return f"prices contradict it: {before:.6g} before, {after:.6g} after, about {expected:.6g} expected"
    if not candidate.is_reported and movement is not Movement.FITS:
        return "the vendor withdrew it"
    return ""


def _note(candidate: Candidate) -> str:
    return "" if candidate.is_reported else "the vendor withdrew it, but prices moved by it"


def _one_of_a_day(candidates: list[Candidate]) -> tuple[list[Candidate], list[Verdict]]:
    """The split of a day, or none where several are told and prices do not decide; and the verdict on the others."""
    if len(candidates) == 1:
        return candidates, []
    best, second = sorted(candidates, key=lambda one: one.distance)[:2]
    ratios = " and ".join(f"{one.split.split_to:g}-for-{one.split.split_from:g}" for one in candidates)
    if best.movement is Movement.FITS and best.distance + _CLEARLY <= second.distance:
        reason = f"contradictory: {ratios} for one day; prices moved by the other"
        return [best], [Verdict(one.split, False, reason) for one in candidates if one is not best]
    reason = f"contradictory: {ratios} for one day, and prices do not decide"
    return [], [Verdict(one.split, False, reason) for one in candidates]


def _without_repeats(candidates: list[Candidate]) -> tuple[list[Candidate], list[Verdict]]:
    """Candidates of different days, ascending, without those that repeat another one a few days off."""
    kept: list[Candidate] = []
    held: list[Verdict] = []
    for candidate in candidates:
        twin = next((one for one in reversed(kept) if _repeats(one, candidate)), None)
        if twin is None or (candidate.movement is Movement.FITS and twin.movement is Movement.FITS):
            kept.append(candidate)
            continue
        loser, winner = (twin, candidate) if candidate.movement is Movement.FITS else (candidate, twin)
        held.append(
            Verdict(loser.split, False, f"the same ratio again: taken for the one of {winner.split.executed_on}")
        )
        if loser is twin:
            kept[kept.index(twin)] = candidate
    return kept, held


def _repeats(one: Candidate, other: Candidate) -> bool:
    apart = other.split.executed_on - one.split.executed_on
    return apart <= REPEATED_WITHIN and is_same_ratio(one.split, other.split)
