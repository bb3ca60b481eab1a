"""What one answer proves, against the same rule written one day at a time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.coverage import Span, days
from marketdata.domain.proof import Days, Proof, expected_sessions, prove
from marketdata.domain.sessions import is_session, utc_days

if TYPE_CHECKING:
    from marketdata.domain.bars import AssetClass

ASKED = Span(date(2026, 11, 23), date(2026, 12, 1))  # Thanksgiving and a weekend inside
DAYS = utc_days(ASKED.first, ASKED.last)


def column(*chosen: date) -> Days:
    return np.array(chosen, dtype="datetime64[D]")


def answer(
    asset_class: AssetClass,
    *,
    stored: frozenset[date] = frozenset(),
    refused: frozenset[date] = frozenset(),
    final_through: date = ASKED.last,
    settled_through: date = ASKED.last,
) -> Proof:
    return prove(
        ASKED,
        asset_class=asset_class,
        stored=column(*stored),
        refused=column(*refused),
        final_through=final_through,
        settled_through=settled_through,
    )


def fate(day: date, stored: frozenset[date], refused: frozenset[date], final: date, settled: date) -> str:
    """What becomes of one session that the call asked for."""
    if day in stored:
        return "verified" if day <= final else "provisional"
    if day in refused:
        return "unproven"
    return "absent" if day <= settled else "unproven"


@pytest.mark.promise("P10")
@given(
    st.sampled_from(["stock", "etf", "crypto"]),
    st.frozensets(st.sampled_from(DAYS)),
    st.frozensets(st.sampled_from(DAYS)),
    st.integers(-2, len(DAYS)),
    st.integers(0, 2),
)
def test_each_session_has_the_fate_that_the_answer_gives_it(
    asset_class: AssetClass, given_days: frozenset[date], refused_days: frozenset[date], over: int, unsettled: int
) -> None:
    final = ASKED.first + timedelta(days=over)
    settled = final - timedelta(days=unsettled)
    expected = [day for day in DAYS if asset_class == "crypto" or is_session(day)]
    stored, refused = given_days & set(expected), refused_days
    proof = answer(asset_class, stored=stored, refused=refused, final_through=final, settled_through=settled)
    verified, provisional = set(days(proof.verified)), set(days(proof.provisional))
    for day in expected:
        told = fate(day, stored, refused, final, settled)
        assert (day in verified) == (told in {"verified", "absent"}), day
        assert (day in provisional) == (told == "provisional"), day
        assert (day in proof.absent) == (told == "absent"), day
        assert (day in proof.unproven) == (told == "unproven"), day
    assert verified <= set(DAYS)
    assert set(proof.absent) | set(proof.unproven) <= set(expected)


def test_a_full_answer_seen_later_verifies_the_whole_span_in_one_piece() -> None:
    proof = answer("stock", stored=frozenset(day for day in DAYS if is_session(day)))
    assert proof == Proof(verified=(ASKED,), provisional=(), absent=(), unproven=())


@pytest.mark.promise("P10")
def test_an_empty_answer_before_the_vendor_had_time_proves_nothing() -> None:
    eve = ASKED.first - timedelta(days=1)
    proof = answer("crypto", final_through=eve, settled_through=eve)
    assert proof == Proof(verified=(), provisional=(), absent=(), unproven=tuple(DAYS))


def test_a_refused_copy_beside_a_good_bar_leaves_its_session_verified() -> None:
    monday = frozenset({ASKED.first})
    proof = answer("stock", stored=monday, refused=monday)
    assert ASKED.first in set(days(proof.verified))
    assert proof.unproven == ()


@pytest.mark.parametrize(("asset_class", "count"), [("stock", 6), ("etf", 6), ("crypto", 9)])
def test_expected_sessions_are_trading_days_or_for_crypto_all_days(asset_class: AssetClass, count: int) -> None:
    expected = expected_sessions(asset_class, ASKED).tolist()
    assert expected == [day for day in DAYS if asset_class == "crypto" or is_session(day)]
    assert len(expected) == count


def test_expected_sessions_of_a_weekend_are_none_and_years_are_joined() -> None:
    assert len(expected_sessions("stock", Span(date(2026, 11, 28), date(2026, 11, 29)))) == 0
    turn_of_year = expected_sessions("stock", Span(date(2025, 12, 31), date(2026, 1, 2)))
    assert turn_of_year.tolist() == [date(2025, 12, 31), date(2026, 1, 2)]
