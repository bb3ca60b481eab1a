"""The verdict on what a vendor reports: a split is applied once, or held with its reason."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.adjustment import Split
from marketdata.domain.corporate_actions import (
    REPEATED_WITHIN,
    Candidate,
    ReportedSplit,
    Verdict,
    drop_duplicates,
    judge_splits,
)

DAY = date(2026, 11, 18)
FOUR = Split(DAY, 1, 4)


def moved(split: Split, times: float, *, is_reported: bool = True) -> Candidate:
    """A split beside prices that moved by this factor in the night before its day."""
    return Candidate(split, 400.0, 400.0 * times, is_reported)


def applied(verdicts: list[Verdict]) -> list[Split]:
    return [verdict.split for verdict in verdicts if verdict.is_applied]


def reasons(verdicts: list[Verdict]) -> list[str]:
    return [verdict.reason for verdict in verdicts if not verdict.is_applied]


def later(days: int, split_from: float = 1, split_to: float = 4) -> Split:
    return Split(DAY + timedelta(days=days), split_from, split_to)


def test_a_split_that_prices_show_or_say_nothing_about_is_applied() -> None:
    for candidate in (moved(FOUR, 0.26), Candidate(FOUR), Candidate(FOUR, 400.0, None), moved(later(0, 20, 21), 1.0)):
        assert judge_splits([candidate]) == [Verdict(candidate.split, True)]


def test_a_split_on_a_day_without_such_a_move_is_held_with_the_prices() -> None:
    (verdict,) = judge_splits([moved(FOUR, 1.01)])
    assert not verdict.is_applied
    assert verdict.reason == "prices contradict it: 400 before, 404 after, about 100 expected"


def test_a_split_told_for_the_wrong_and_for_the_right_day_is_applied_on_the_right_one() -> None:
    for wrong, right in ((FOUR, later(5)), (later(5), FOUR)):
        verdicts = judge_splits([moved(wrong, 1.0), moved(right, 0.25)])
        assert applied(verdicts) == [right]
        assert len(reasons(verdicts)) == 1


def test_two_ratios_for_one_day_are_both_held_until_prices_show_one() -> None:
    verdicts = judge_splits([Candidate(FOUR), Candidate(later(0, 1, 5))])
    assert applied(verdicts) == []
    assert reasons(verdicts) == ["contradictory: 4-for-1 and 5-for-1 for one day, and prices do not decide"] * 2
    verdicts = judge_splits([moved(FOUR, 0.252), moved(later(0, 1, 5), 0.252)])
    assert applied(verdicts) == [FOUR]
    assert reasons(verdicts) == ["contradictory: 4-for-1 and 5-for-1 for one day; prices moved by the other"]


def test_two_ratios_too_near_for_prices_to_tell_are_both_held() -> None:
    assert applied(judge_splits([moved(FOUR, 0.25), moved(later(0, 10, 41), 0.25)])) == []


def test_the_same_ratio_some_days_later_is_taken_for_the_same_split() -> None:
    verdicts = judge_splits([Candidate(FOUR), Candidate(later(7))])
    assert applied(verdicts) == [FOUR]
    assert reasons(verdicts) == [f"the same ratio again: taken for the one of {DAY}"]
    assert applied(judge_splits([Candidate(FOUR), moved(later(7), 0.25)])) == [later(7)]
    assert applied(judge_splits([moved(FOUR, 0.25), Candidate(later(7, 2, 8))])) == [FOUR]


def test_two_equal_splits_in_a_week_that_prices_show_both_are_both_applied() -> None:
    assert applied(judge_splits([moved(FOUR, 0.25), moved(later(7), 0.26)])) == [FOUR, later(7)]


def test_the_same_ratio_much_later_is_another_split() -> None:
    assert applied(judge_splits([Candidate(FOUR), Candidate(later(REPEATED_WITHIN.days + 1))])) == [FOUR, later(11)]


def test_a_withdrawn_split_is_held_unless_prices_show_it() -> None:
    assert reasons(judge_splits([Candidate(FOUR, is_reported=False)])) == ["the vendor withdrew it"]
    (verdict,) = judge_splits([moved(FOUR, 0.25, is_reported=False)])
    assert verdict == Verdict(FOUR, True, "the vendor withdrew it, but prices moved by it")


def test_a_corrected_ratio_replaces_the_withdrawn_one() -> None:
    five = later(0, 1, 5)
    assert applied(judge_splits([Candidate(FOUR, is_reported=False), Candidate(five)])) == [five]


def test_equal_reports_are_one_however_the_ratio_is_written() -> None:
    def told(split: Split, vendor_id: str) -> ReportedSplit:
        return ReportedSplit("X", split, "forward_split", vendor_id)

    kept, dropped = drop_duplicates(
        [told(FOUR, "a"), told(FOUR, "b"), told(later(0, 2, 8), "c"), told(later(0, 1, 5), "d")]
    )
    assert ([one.vendor_id for one in kept], dropped) == (["a", "d"], 2)


@st.composite
def any_candidates(draw: st.DrawFn) -> list[Candidate]:
    chosen = draw(
        st.lists(
            st.tuples(st.integers(0, 30), st.sampled_from([(1, 2), (1, 4), (1, 5), (10, 1)])), unique=True, max_size=8
        )
    )
    price = st.none() | st.floats(1, 1000)
    return [Candidate(later(offset, *ratio), draw(price), draw(price), draw(st.booleans())) for offset, ratio in chosen]


@given(any_candidates(), st.randoms())
def test_each_split_gets_one_verdict_and_no_day_two_applied_ones(candidates: list[Candidate], chance: object) -> None:
    verdicts = judge_splits(candidates)
    assert sorted(one.split for one in verdicts) == sorted(one.split for one in candidates)
    days = [split.executed_on for split in applied(verdicts)]
    assert len(days) == len(set(days))
    assert all(verdict.is_applied or verdict.reason for verdict in verdicts)
    shuffled = candidates.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge_splits(shuffled) == verdicts


@pytest.mark.parametrize("times", [1.0, 0.25])
def test_a_doubt_is_dropped_when_the_next_judgement_knows_more(times: float) -> None:
    before = judge_splits([Candidate(FOUR), Candidate(later(0, 1, 5))])
    assert applied(before) == []
    after = judge_splits([moved(FOUR, times), moved(later(0, 1, 5), times)])
    assert applied(after) == ([FOUR] if times == 0.25 else [])
