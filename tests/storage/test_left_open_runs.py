"""Runs that ended without closing their record: who closes it, with which verdict, and what readers make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketdata.domain.causes import Cause
from marketdata.domain.class_windows import ClassWindow
from marketdata.domain.explanation import explain
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage import runs
from marketdata.storage.alert_evidence import read_evidence
from marketdata.storage.calls import Call
from marketdata.storage.day_facts import find_facts
from marketdata.storage.questions import list_missing
from marketdata.storage.reference_calls import open_call
from marketdata.storage.runs import RunReport
from tests.storage.ledger import WEEK, Ledger, answer, bars

DAG, RUN = "historical_daily", "manual__1"
LONG_AGO = "clock_timestamp() - interval '25 hours'"


def plan(ledger: Ledger, *asset_ids: int) -> list[Call]:
    calls = [PlannedCall(CallKind.TICKER_RANGE, "polygon", n, f"A{n}", WEEK[0], WEEK[-1]) for n in asset_ids]
    ledger.warehouse.transact(runs.save_plan, ledger.run_id, [calls], assets=len(calls))
    return ledger.warehouse.transact(runs.pending_calls, ledger.run_id, 0)


def store(ledger: Ledger, call: Call) -> None:
    assert call.asset_id is not None
    ledger.warehouse.store_daily(call, answer(call.asset_id, bars(dict.fromkeys(WEEK, 10.0))))


def close_left_open(ledger: Ledger) -> RunReport | None:
    return ledger.warehouse.transact(runs.close_left_open, DAG, RUN)


def open_next(ledger: Ledger, dag_id: str = DAG, **silent_for: timedelta) -> int:
    return ledger.warehouse.transact(runs.open_run, dag_id, "next", "7D", None, WEEK[-1], **silent_for)


def state(ledger: Ledger) -> tuple[str, bool]:
    ((found, left_open),) = ledger.read(f"select state, left_open from ingest_run where run_id = {ledger.run_id}")
    return found, left_open


def age(ledger: Ledger) -> None:
    """Let every run be one of yesterday, silent since."""
    ledger.read(f"update ingest_run set opened_at = {LONG_AGO} returning 1")
    ledger.read(f"update ingest_call set finished_at = {LONG_AGO} where finished_at is not null returning 1")


@pytest.mark.fault("A01")
@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    ("planned", "done", "verdict"), [(2, 1, "partial"), (2, 0, "failed"), (2, 2, "partial"), (0, 0, "failed")]
)
def test_a_run_that_others_close_is_never_a_success_and_says_what_it_did_and_what_it_left(
    ledger: Ledger, planned: int, done: int, verdict: str
) -> None:
    for call in plan(ledger, *range(1, planned + 1))[:done]:
        store(ledger, call)
    report = close_left_open(ledger)
    assert report is not None
    assert (report.state, report.calls_done, report.calls_pending) == (verdict, done, planned - done)
    assert report.inserted == done * len(WEEK)
    assert state(ledger) == (verdict, True)
    assert close_left_open(ledger) is None, "closed once"


def test_a_run_that_never_planned_is_failed_and_stays_so(ledger: Ledger) -> None:
    assert (close_left_open(ledger) or pytest.fail("it stood open")).state == "failed"
    assert ledger.warehouse.transact(runs.close_run, ledger.run_id).state == "failed"


def test_what_is_closed_or_was_never_opened_or_only_planned_is_left_alone(ledger: Ledger) -> None:
    plan(ledger)
    ledger.warehouse.transact(runs.close_run, ledger.run_id)
    ledger.warehouse.transact(runs.open_run, DAG, "dry", "7D", None, WEEK[-1], dry_run=True)
    assert close_left_open(ledger) is None
    for name in ("dry", "nobody"):
        assert ledger.warehouse.transact(runs.close_left_open, DAG, name) is None
    assert state(ledger) == ("success", False)


def test_a_close_task_that_comes_late_has_the_last_word(ledger: Ledger) -> None:
    for call in plan(ledger, 1, 2):
        store(ledger, call)
    close_left_open(ledger)
    assert ledger.warehouse.transact(runs.close_run, ledger.run_id).state == "success"
    assert state(ledger) == ("success", False)


@pytest.mark.fault("A01")
@pytest.mark.fault("A10")
def test_the_next_run_of_the_dag_closes_what_an_older_one_left_open_for_too_long(ledger: Ledger) -> None:
    first, _ = plan(ledger, 1, 2)
    store(ledger, first)
    open_next(ledger)
    assert state(ledger) == ("running", False), "it may be at work"
    age(ledger)
    open_next(ledger, "historical_backfill")
    assert state(ledger) == ("running", False), "another DAG's"
    open_next(ledger)
    assert state(ledger) == ("partial", True)
    closed = "select calls_done, calls_pending, closed_at < clock_timestamp() - interval '1 day' from ingest_run"
    assert ledger.read(f"{closed} where run_id = {ledger.run_id}") == [(1, 1, True)], "it ended when it was last seen"


def test_a_run_that_goes_on_or_was_started_again_is_not_closed_however_old_it_is(ledger: Ledger) -> None:
    first, _ = plan(ledger, 1, 2)
    age(ledger)
    store(ledger, first)
    open_next(ledger)
    assert state(ledger) == ("running", False), "its last call is fresh"
    age(ledger)
    ledger.warehouse.transact(runs.open_run, DAG, RUN, "7D", None, WEEK[-1])
    open_next(ledger)
    assert state(ledger) == ("planned", False), "it was cleared and started again"


def test_a_run_started_again_is_open_as_if_nothing_had_been(ledger: Ledger) -> None:
    plan(ledger, 1)
    close_left_open(ledger)
    ledger.warehouse.transact(runs.open_run, DAG, RUN, "7D", None, WEEK[-1])
    assert state(ledger) == ("planned", False)
    (call,) = plan(ledger, 1)
    store(ledger, call)
    assert ledger.warehouse.transact(runs.close_run, ledger.run_id).state == "success"


def test_a_tick_that_was_killed_is_closed_like_any_run_whatever_it_had_in_hand(ledger: Ledger) -> None:
    tick = ledger.warehouse.transact(runs.open_run, "realtime_latest", "tick", "1D", None, WEEK[-1])
    ledger.warehouse.transact(runs.save_plan, tick, [])
    planned = PlannedCall(CallKind.TICKER_RANGE, "polygon", 1, "A1", WEEK[0], WEEK[-1], "realtime")
    ledger.warehouse.transact(open_call, tick, planned)
    report = ledger.warehouse.transact(runs.close_left_open, "realtime_latest", "tick")
    assert report is not None
    assert (report.state, report.calls_done, report.calls_pending) == ("failed", 0, 1)


def test_the_watch_is_told_that_the_newest_run_did_not_come_to_its_end(ledger: Ledger) -> None:
    plan(ledger, 1, 2)
    assert not ledger.warehouse.transact(read_evidence, [DAG]).runs[DAG].left_open
    close_left_open(ledger)
    run = ledger.warehouse.transact(read_evidence, [DAG]).runs[DAG]
    assert (run.state, run.left_open, run.calls_pending) == ("failed", True, 2)


@pytest.mark.promise("P10")
def test_what_a_run_that_is_over_has_left_is_not_said_to_be_planned(ledger: Ledger) -> None:
    now = datetime(2026, 11, 21, 18, tzinfo=UTC)
    window = [ClassWindow("stock", "polygon", WEEK[0], WEEK[-1], now.date())]

    def told() -> tuple[list[Cause], Cause | None, list[str]]:
        missing = ledger.warehouse.transact(list_missing, window, asset_ids=[1])
        explained = explain(ledger.warehouse.transact(find_facts, "A1", WEEK[0], now=now), now)
        calls = [line.text.rpartition(": ")[2] for line in explained.lines if line.text.startswith("call ")]
        return [gap.cause for gap in missing], explained.cause, calls

    plan(ledger, 1)
    assert told() == ([Cause.PLANNED], Cause.PLANNED, ["not made yet"])
    close_left_open(ledger)
    assert told() == ([Cause.NEVER_ASKED], Cause.NEVER_ASKED, ["never made, its run is over"])
    ledger.warehouse.transact(runs.open_run, DAG, RUN, "7D", None, WEEK[-1])
    plan(ledger, 1)
    assert told() == ([Cause.PLANNED], Cause.PLANNED, ["not made yet"])
