"""Comparing with what is stored: digests that speak for it as long as nobody writes, rows where they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from marketdata.domain.coverage import Span
from marketdata.domain.digests import Difference, YearDigest, digest_years, rows_of
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage import runs
from marketdata.storage.calls import Call, Comparison, Stored
from marketdata.storage.digests import Compared, Given, compare_stored, confirm, list_due, note_compared
from tests.storage.ledger import FACTS, SEEN, WEEK, Ledger, answer, bars

CHRISTMAS = [date(2025, 12, 24), date(2025, 12, 26)]
DAYS = [*CHRISTMAS, *WEEK]
SPAN = Span(DAYS[0], DAYS[-1])
CLOSES = dict.fromkeys(DAYS, 10.0)
HOUR = timedelta(hours=1)
DIGESTS = "select year, bars, first, last from bar_digest where asset_id = 1 order by year"


def verify_calls(ledger: Ledger, *asked: tuple[int, Span], run: str = "sunday") -> list[Call]:
    """Pending comparisons in one batch of a run of their own."""
    run_id = ledger.warehouse.transact(runs.open_run, "historical_backfill", run, "MAX", None, WEEK[-1])
    planned = [
        PlannedCall(CallKind.TICKER_RANGE, "polygon", asset_id, f"A{asset_id}", span.first, span.last, "verify")
        for asset_id, span in asked
    ]
    ledger.warehouse.transact(runs.save_plan, run_id, [planned], naive_calls=3)
    return ledger.warehouse.transact(runs.pending_calls, run_id, 0)


def load(ledger: Ledger, asset_id: int = 1, closes: dict[date, float] = CLOSES) -> None:
    call = ledger.call(asset_id, DAYS[0], DAYS[-1])
    ledger.warehouse.store_daily(call, answer(asset_id, bars(closes), verified=(SPAN,)))


def given(closes: dict[date, float], span: Span = SPAN, **more: float) -> Given:
    return Given.of(rows_of(bars(closes, **more)), span, SEEN + HOUR)


def confirmed(ledger: Ledger, call: Call, answered: Given) -> bool:
    return ledger.warehouse.transact(confirm, call, FACTS, answered)


def compared(ledger: Ledger, call: Call, answered: Given) -> Compared:
    return ledger.warehouse.transact(compare_stored, call, FACTS, answered)


def note(ledger: Ledger, call: Call) -> None:
    """What a mapped task does at the end of its batch."""
    ledger.warehouse.transact(note_compared, call.run_id, 0)


@pytest.mark.parametrize("asset_id", [1, 2])
def test_digests_of_stored_bars_are_those_of_the_same_bars_in_an_answer(ledger: Ledger, asset_id: int) -> None:
    awkward = {WEEK[0]: 0.00000812, WEEK[1]: 700000.01, WEEK[2]: 1 / 3, WEEK[3]: 5e-324, WEEK[4]: 1e300}
    load(ledger, asset_id, awkward)
    (call,) = verify_calls(ledger, (asset_id, SPAN))
    found = compared(ledger, call, given(awkward))
    assert found.difference == Difference()
    assert ledger.read(
        "select state, purpose, unchanged, differing from ingest_call order by call_id desc limit 1"
    ) == [("done", "verify", 5, 0)]
    rows = ledger.read(f"select year, bars, first, last, digest from bar_digest where asset_id = {asset_id} order by 1")
    assert [YearDigest(*row) for row in rows] == digest_years(rows_of(bars(awkward)), [2025, 2026])


def test_what_was_compared_once_is_confirmed_by_digests_and_writes_no_digest(ledger: Ledger) -> None:
    load(ledger)
    first, second = (verify_calls(ledger, (1, SPAN), run=run)[0] for run in ("one", "two"))
    assert not confirmed(ledger, first, given(CLOSES)), "no digest is known yet"
    assert ledger.read(f"select state from ingest_call where call_id = {first.call_id}") == [("pending",)]
    compared(ledger, first, given(CLOSES))
    made = ledger.read("select xmin::text, * from bar_digest")
    assert len(made) == 2
    assert confirmed(ledger, second, given(CLOSES))
    assert ledger.read("select xmin::text, * from bar_digest") == made
    assert ledger.read(f"select state, unchanged, answered_at from ingest_call where call_id = {second.call_id}") == [
        ("done", len(DAYS), SEEN + HOUR)
    ]


def test_only_the_years_that_differ_are_compared_and_nothing_is_closed(ledger: Ledger) -> None:
    load(ledger)
    call, again = (verify_calls(ledger, (1, SPAN), run=run)[0] for run in ("one", "two"))
    compared(ledger, call, given(CLOSES))
    changed = given({**CLOSES, WEEK[2]: 11.0})
    assert not confirmed(ledger, again, changed)
    found = compared(ledger, again, changed)
    assert found.difference == Difference(changed=(WEEK[2],))
    assert len(found.rows) == len(WEEK), "the year that differs"
    assert ledger.read(f"select state from ingest_call where call_id = {again.call_id}") == [("pending",)]


def test_a_volume_alone_makes_a_difference(ledger: Ledger) -> None:
    load(ledger)
    (call,) = verify_calls(ledger, (1, SPAN))
    assert compared(ledger, call, given(CLOSES, volume=101.0)).difference == Difference(changed=tuple(DAYS))


def test_new_and_withdrawn_bars_are_told_apart_and_refused_ones_are_neither(ledger: Ledger) -> None:
    load(ledger, closes={day: 10.0 for day in DAYS if day != WEEK[0]})
    (call,) = verify_calls(ledger, (1, SPAN))
    sent = {day: 10.0 for day in DAYS if day not in {WEEK[1], WEEK[2]}}
    answered = Given.of(rows_of(bars(sent)), SPAN, SEEN + HOUR, refused=frozenset({WEEK[2]}))
    assert compared(ledger, call, answered).difference == Difference(lacking=(WEEK[0],), withdrawn=(WEEK[1],))
    assert ledger.read(DIGESTS) == [(2025, 2, CHRISTMAS[0], CHRISTMAS[1])], "the year that agrees"


def test_a_year_compared_in_part_gets_no_digest(ledger: Ledger) -> None:
    load(ledger)
    part = Span(CHRISTMAS[1], WEEK[1])
    (call,) = verify_calls(ledger, (1, part))
    answered = given({day: 10.0 for day in DAYS if day in part}, part)
    assert compared(ledger, call, answered).difference == Difference()
    assert ledger.read(DIGESTS) == []
    assert ledger.read(f"select state from ingest_call where call_id = {call.call_id}") == [("done",)]


def test_a_provisional_bar_is_not_compared(ledger: Ledger) -> None:
    load(ledger, closes=dict.fromkeys(DAYS[:-1], 10.0))
    evening = answer(1, bars({WEEK[-1]: 99.0}), verified=(), provisional=(Span(WEEK[-1], WEEK[-1]),), is_final=False)
    ledger.warehouse.store_daily(ledger.call(), evening)
    until_thursday = Span(DAYS[0], WEEK[-2])
    (call,) = verify_calls(ledger, (1, until_thursday))
    answered = given(dict.fromkeys(DAYS[:-1], 10.0), until_thursday)
    assert compared(ledger, call, answered).difference == Difference()
    assert ledger.read(DIGESTS)[-1] == (2026, 4, WEEK[0], WEEK[-2])


@pytest.mark.promise("P3")
@pytest.mark.parametrize("whole_market", [False, True])
def test_whoever_writes_bars_deletes_the_digests_of_their_years_in_the_same_transaction(
    ledger: Ledger, whole_market: bool
) -> None:
    for asset_id in (1, 2):
        load(ledger, asset_id)
    calls = verify_calls(ledger, (1, SPAN), (2, SPAN))
    for call in calls:
        compared(ledger, call, given(CLOSES))
    day = WEEK[2]
    if whole_market:
        ledger.warehouse.store_daily(ledger.call(None, day, day), answer([1], bars({day: 12.0}), seen=SEEN + 2 * HOUR))
    else:
        ledger.warehouse.store_daily(ledger.call(1, day, day), answer(1, bars({day: 12.0}), seen=SEEN + 2 * HOUR))
    assert ledger.read("select asset_id, year from bar_digest order by 1, 2") == [(1, 2025), (2, 2025), (2, 2026)]


def test_a_bar_that_becomes_final_outdates_the_digest_that_was_made_without_it(ledger: Ledger) -> None:
    load(ledger, closes=dict.fromkeys(DAYS[:-1], 10.0))
    friday = Span(WEEK[-1], WEEK[-1])
    evening = answer(1, bars({WEEK[-1]: 10.0}), verified=(), provisional=(friday,), is_final=False)
    ledger.warehouse.store_daily(ledger.call(), evening)
    (call,) = verify_calls(ledger, (1, SPAN))
    compared(ledger, call, given(dict.fromkeys(DAYS[:-1], 10.0)))
    assert ledger.warehouse.store_daily(ledger.call(), answer(1, bars({WEEK[-1]: 10.0}), seen=SEEN + HOUR)) == Stored(
        0, 0, 1
    )
    assert [year for year, *_ in ledger.read(DIGESTS)] == [2025]


def test_an_answer_without_bars_leaves_digests_alone(ledger: Ledger) -> None:
    load(ledger)
    (call,) = verify_calls(ledger, (1, SPAN))
    compared(ledger, call, given(CLOSES))
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({}), verified=(SPAN,)))
    assert len(ledger.read(DIGESTS)) == 2


def test_an_asset_counts_as_compared_once_all_of_its_calls_are_done(ledger: Ledger) -> None:
    load(ledger)
    old, new = Span(CHRISTMAS[0], CHRISTMAS[1]), Span(WEEK[0], WEEK[-1])
    newer, older = verify_calls(ledger, (1, new), (1, old))
    compared(ledger, newer, given(dict.fromkeys(WEEK, 10.0), new))
    note(ledger, newer)
    assert ledger.read("select compared_at from coverage") == [(None,)]
    assert ledger.warehouse.transact(runs.close_run, newer.run_id).verified == 0
    compared(ledger, older, given(dict.fromkeys(CHRISTMAS, 10.0), old))
    note(ledger, newer)
    assert ledger.read("select compared_at from coverage") == [(SEEN + HOUR,)]
    report = ledger.warehouse.transact(runs.close_run, newer.run_id)
    assert (report.verified, report.differing, report.naive_calls) == (1, 0, 3)


def test_what_a_comparison_found_is_stored_with_its_bars_and_summed_up_by_the_run(ledger: Ledger) -> None:
    for asset_id in (1, 2):
        load(ledger, asset_id)
    one, two = verify_calls(ledger, (1, SPAN), (2, SPAN))
    compared(ledger, two, given(CLOSES))
    corrected = answer(1, bars({**dict.fromkeys(WEEK, 10.0), WEEK[2]: 11.0}), seen=SEEN + HOUR)
    corrected = replace(corrected, comparison=Comparison(differing=3, alike=2))
    assert ledger.warehouse.store_daily(one, corrected) == Stored(0, 1, 4)
    assert ledger.read(f"select differing, changed, unchanged from ingest_call where call_id = {one.call_id}") == [
        (3, 1, 6)
    ]
    note(ledger, one)
    assert ledger.read("select count(compared_at) from coverage") == [(2,)]
    report = ledger.warehouse.transact(runs.close_run, one.run_id)
    assert (report.state, report.verified, report.differing, report.changed) == ("success", 2, 1, 1)


def test_what_is_due_comes_least_recently_compared_first(ledger: Ledger) -> None:
    for asset_id in (1, 2, 3):
        load(ledger, asset_id)
    earliest = date(2003, 9, 10)

    def due(run_id: int, *asset_ids: int) -> dict[int, Span]:
        return ledger.warehouse.transact(list_due, asset_ids, run_id=run_id, earliest=earliest)

    assert list(due(ledger.run_id, 3, 1, 2)) == [1, 2, 3]
    call, *_ = verify_calls(ledger, (1, SPAN))
    compared(ledger, call, given(CLOSES))
    note(ledger, call)
    assert list(due(ledger.run_id, 1, 2, 3)) == [2, 3, 1]
    assert list(due(ledger.run_id, 1, 3)) == [3, 1], "only those asked for"
    assert list(due(call.run_id, 1, 2, 3)) == [2, 3], "what a run has compared is not due in it"
    assert due(ledger.run_id, 2) == {2: SPAN}


def test_what_is_due_reaches_no_further_back_than_the_vendor(ledger: Ledger) -> None:
    load(ledger)
    ledger.read("update coverage set verified = '{(,2026-11-21)}' returning 1")
    found = ledger.warehouse.transact(list_due, [1], run_id=ledger.run_id, earliest=date(2003, 9, 10))
    assert found == {1: Span(date(2003, 9, 10), WEEK[-1])}
