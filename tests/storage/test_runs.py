"""A run from opening to verdict, and what failed in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marketdata.domain.coverage import Span, normalise
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.errors import BeyondHistory, Gone, InvalidRequest, NotYet, TransientFailure, VendorError
from marketdata.storage import runs
from marketdata.storage.calls import Call
from marketdata.storage.failures import record_failure
from marketdata.storage.gaps import missing
from marketdata.storage.runs import RunReport
from tests.storage.ledger import FACTS, MONDAY, SEEN, WEEK, Ledger, answer, bars

WEEK_SPAN = Span(WEEK[0], WEEK[-1])


def _planned(asset_id: int) -> PlannedCall:
    return PlannedCall(CallKind.TICKER_RANGE, "polygon", asset_id, f"A{asset_id}", WEEK[0], WEEK[-1])


def _plan(ledger: Ledger, *asset_ids: int) -> list[Call]:
    ledger.warehouse.transact(runs.save_plan, ledger.run_id, [[_planned(n)] for n in asset_ids], assets=len(asset_ids))
    return [
        call
        for batch, _ in ledger.warehouse.transact(runs.batches, ledger.run_id)
        for call in ledger.warehouse.transact(runs.pending_calls, ledger.run_id, batch)
    ]


def _error(kind: type[VendorError] = TransientFailure) -> VendorError:
    return kind("A1", "HTTP 503 four times", "wait", vendor="polygon", endpoint="/v2/aggs", status=503)


def _fail(ledger: Ledger, call: Call, error: VendorError | None = None) -> None:
    ledger.warehouse.transact(
        record_failure,
        call,
        error or _error(),
        asset_ids=None if call.asset_id is None else [call.asset_id],
        sessions=(WEEK_SPAN,),
        failed_at=SEEN,
        retry_at=SEEN + timedelta(minutes=15),
    )


def _store(ledger: Ledger, call: Call) -> None:
    assert call.asset_id is not None
    ledger.warehouse.store_daily(call, answer(call.asset_id, bars(dict.fromkeys(WEEK, 10.0))))


def _close(ledger: Ledger) -> RunReport:
    return ledger.warehouse.transact(runs.close_run, ledger.run_id)


@pytest.mark.promise("P1")
def test_opening_a_run_again_gives_the_same_run(ledger: Ledger) -> None:
    again = ledger.warehouse.transact(runs.open_run, "historical_daily", "manual__1", "7D", None, WEEK[-1])
    other = ledger.warehouse.transact(runs.open_run, "historical_daily", "manual__2", "7D", ["A1"], WEEK[-1])
    assert again == ledger.run_id != other


def test_a_batch_is_labelled_by_its_call_and_a_larger_one_by_its_first(ledger: Ledger) -> None:
    market = PlannedCall(CallKind.MARKET_DAY, "polygon", None, None, MONDAY, MONDAY)
    ledger.warehouse.transact(runs.save_plan, ledger.run_id, [[_planned(1)], [market], [_planned(3), _planned(2)]])
    assert ledger.warehouse.transact(runs.batches, ledger.run_id) == [(0, "A1"), (1, "2026-11-16"), (2, "A3 + 1")]
    calls = ledger.warehouse.transact(runs.pending_calls, ledger.run_id, 2)
    assert [call.symbol for call in calls] == ["A3", "A2"], "the plan's order"
    assert calls[0].kind is CallKind.TICKER_RANGE
    assert (calls[0].first, calls[0].last, calls[0].run_id) == (WEEK[0], WEEK[-1], ledger.run_id)


def test_planning_anew_keeps_what_is_done_and_forgets_failures(ledger: Ledger) -> None:
    first, second, _ = _plan(ledger, 1, 2, 3)
    _store(ledger, first)
    _fail(ledger, second)
    (redone,) = _plan(ledger, 2)
    _store(ledger, redone)
    report = _close(ledger)
    assert (report.state, report.calls_done, report.calls_failed, report.calls_pending) == ("success", 2, 0, 0)


def test_a_run_whose_calls_are_all_stored_is_a_success_with_its_sums(ledger: Ledger) -> None:
    call, other = _plan(ledger, 1, 2)
    facts = replace(FACTS, received=5, duplicates=1, rate_limited=2, requests=3, warnings=("clipped at 2024-01-02",))
    content = answer(1, bars({WEEK[0]: 10.0}), absent=((1, WEEK[1]),), facts=facts)
    ledger.warehouse.store_daily(call, content)
    ledger.warehouse.store_daily(other, answer(2, bars({WEEK[0]: 10.0}), facts=facts))
    report = _close(ledger)
    assert report.state == "success"
    assert (report.assets, report.calls_done, report.received, report.inserted, report.absent) == (2, 2, 10, 2, 1)
    assert (report.duplicates, report.rate_limited, report.requests) == (2, 4, 6)
    assert report.warnings == ("clipped at 2024-01-02 (2 calls)",)
    assert report.failed_symbols == ()
    assert report.seconds >= 0


@pytest.mark.promise("P4")
def test_one_failed_symbol_makes_the_run_partial_and_is_named_with_its_cause(ledger: Ledger) -> None:
    good, bad = _plan(ledger, 1, 2)
    _store(ledger, good)
    _fail(ledger, bad, Gone("A2", "the vendor answers 404", "correct it", vendor="polygon", endpoint="/v2", status=404))
    report = _close(ledger)
    assert report.state == "partial"
    assert report.failed_symbols == (("A2", "gone", "A2: the vendor answers 404. Next: correct it"),)


@pytest.mark.promise("P4")
def test_a_run_in_which_every_symbol_failed_is_failed(ledger: Ledger) -> None:
    for call in _plan(ledger, 1, 2):
        _fail(ledger, call)
    assert _close(ledger).state == "failed"
    assert _close(ledger).state == "failed", "closing again gives the same verdict"


@pytest.mark.promise("P4")
def test_calls_never_made_keep_a_run_from_success(ledger: Ledger) -> None:
    call, _ = _plan(ledger, 1, 2)
    assert _close(ledger).state == "failed"
    _store(ledger, call)
    report = _close(ledger)
    assert (report.state, report.calls_pending) == ("partial", 1)


def test_a_run_with_nothing_to_do_is_a_success_and_one_without_a_plan_is_failed(ledger: Ledger) -> None:
    assert _close(ledger).state == "failed"
    assert _plan(ledger) == []
    assert _close(ledger).state == "success"


@pytest.mark.parametrize(
    ("kind", "warning"),
    [(NotYet, "not published yet: A2"), (BeyondHistory, "before the history that the plan gives: A2")],
)
def test_what_is_not_published_yet_or_lies_beyond_the_plan_is_a_warning_and_no_failure(
    ledger: Ledger, kind: type[VendorError], warning: str
) -> None:
    call, other = _plan(ledger, 1, 2)
    _store(ledger, call)
    _fail(ledger, other, _error(kind))
    report = _close(ledger)
    assert report.state == "success"
    assert report.failed_symbols == ()
    assert report.warnings == (warning,)


def test_a_dry_run_stays_one(ledger: Ledger) -> None:
    run_id = ledger.warehouse.transact(runs.open_run, "historical_daily", "dry", "7D", None, WEEK[-1], dry_run=True)
    ledger.warehouse.transact(runs.save_plan, run_id, [], assets=3, warnings=["3 calls, 1 minute"])
    report = ledger.warehouse.transact(runs.close_run, run_id)
    assert (report.state, report.assets, report.warnings) == ("dry_run", 3, ("3 calls, 1 minute",))


def test_a_run_without_a_plan_stays_failed_however_often_it_is_closed(ledger: Ledger) -> None:
    assert [_close(ledger).state for _ in range(3)] == ["failed"] * 3


def test_closing_a_run_that_does_not_exist_says_so(ledger: Ledger) -> None:
    with pytest.raises(InvalidRequest, match="run 999"):
        ledger.warehouse.transact(runs.close_run, 999)


@pytest.mark.promise("P10")
def test_a_failure_touches_no_coverage_and_no_bar(ledger: Ledger) -> None:
    (call,) = _plan(ledger, 1)
    before = ledger.warehouse.transact(missing, "us", WEEK_SPAN, asset_ids=None, today=MONDAY)
    _fail(ledger, call)
    assert ledger.read("select count(*) from coverage") == [(0,)]
    assert ledger.read("select count(*) from absence") == [(0,)]
    assert ledger.warehouse.transact(missing, "us", WEEK_SPAN, asset_ids=None, today=MONDAY) == before


def test_failures_of_an_asset_share_one_open_row_until_every_session_is_answered(ledger: Ledger) -> None:
    for _ in range(2):
        (call,) = _plan(ledger, 1)
        _fail(ledger, call)
    state = "select asset_id, sessions::text, kind, attempts, next_step, resolved_at is null from fetch_failure"
    assert ledger.read(state) == [(1, "{[2026-11-16,2026-11-21)}", "transient", 2, "wait", True)]
    (call,) = _plan(ledger, 1)
    ledger.warehouse.store_daily(call, answer(1, bars(dict.fromkeys(WEEK[:4], 10.0))))
    assert ledger.read(state) == [(1, "{[2026-11-20,2026-11-21)}", "transient", 2, "wait", True)]
    (call,) = _plan(ledger, 1)
    ledger.warehouse.store_daily(call, answer(1, bars({WEEK[4]: 10.0})))
    assert ledger.read(state) == [(1, "{}", "transient", 2, "wait", False)]
    (call,) = _plan(ledger, 1)
    _fail(ledger, call)
    assert len(ledger.read(state)) == 2, "a new failure opens a new row"


def test_a_failed_market_day_is_one_row_that_a_later_one_resolves(ledger: Ledger) -> None:
    call = ledger.call(None, MONDAY, MONDAY)
    ledger.warehouse.transact(
        record_failure, call, _error(), asset_ids=None, sessions=(Span(MONDAY, MONDAY),), failed_at=SEEN, retry_at=None
    )
    state = "select asset_id, attempts, resolved_at is null from fetch_failure"
    assert ledger.read(state) == [(None, 1, True)]
    assert ledger.warehouse.transact(runs.close_run, ledger.run_id).failed_symbols[0].symbol == "2026-11-16"
    ledger.warehouse.store_daily(ledger.call(1), answer(1, bars({MONDAY: 1.0})))
    assert ledger.read(state) == [(None, 1, True)], "one ticker does not answer for the market"
    verified = normalise([Span(MONDAY, MONDAY)])
    ledger.warehouse.store_daily(ledger.call(None, MONDAY, MONDAY), answer([2], bars({MONDAY: 1.0}), verified=verified))
    assert ledger.read(state) == [(None, 1, False)]


def test_a_failure_after_the_call_was_stored_leaves_it_stored(ledger: Ledger) -> None:
    (call,) = _plan(ledger, 1)
    _store(ledger, call)
    _fail(ledger, call)
    assert ledger.read("select state from ingest_call") == [("done",)]
