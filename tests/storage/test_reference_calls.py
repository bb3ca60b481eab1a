"""The record of calls for reference data."""

from __future__ import annotations

from datetime import date, timedelta

from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage.calls import Call, CallFacts, QuarantineRow, Stored
from marketdata.storage.reference_calls import Brought, add_warnings, finish_call, open_call
from tests.storage.ledger import SEEN, WEEK, Ledger, answer, bars

FACTS = CallFacts("/stocks/v1/splits", 200, 2, 1, 7, 1000, 12.5, "cd" * 32)
HOUR = timedelta(hours=1)


def opened(ledger: Ledger) -> Call:
    planned = PlannedCall(CallKind.SPLITS, "polygon", None, None, date(1970, 1, 1), WEEK[-1], "reference")
    return ledger.warehouse.transact(open_call, ledger.run_id, planned)


def test_a_call_is_on_record_before_it_is_answered_and_counted_after(ledger: Ledger) -> None:
    call = opened(ledger)
    assert (call.kind, call.purpose, call.run_id) == (CallKind.SPLITS, "reference", ledger.run_id)
    assert ledger.read("select state, kind, purpose, symbol from ingest_call") == [
        ("pending", "splits", "reference", None)
    ]
    refused = QuarantineRow("A1", WEEK[0], {"split_to": 0}, "no split", 1)
    brought = Brought(inserted=2, changed=1, unchanged=3, duplicates=4, quarantined=(refused,), warnings=("look",))
    ledger.warehouse.transact(finish_call, call, FACTS, SEEN, brought)
    assert ledger.read(
        "select state, received, inserted, changed, unchanged, duplicates, quarantined, requests, warnings, outcome"
        " from ingest_call"
    ) == [("done", 7, 2, 1, 3, 4, 1, 2, ["look"], "ok")]
    assert ledger.read("select symbol, session, reason, asset_id from quarantine") == [("A1", WEEK[0], "no split", 1)]


def test_warnings_of_a_run_add_up(ledger: Ledger) -> None:
    for warning in ("one", "two"):
        ledger.warehouse.transact(add_warnings, ledger.run_id, [warning])
    ledger.warehouse.transact(add_warnings, ledger.run_id, [])
    assert ledger.read("select warnings from ingest_run") == [(["one", "two"],)]


def test_a_later_answer_without_bars_makes_no_bar_outdated(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({WEEK[0]: 10.0})))
    call = ledger.call()
    ledger.warehouse.transact(finish_call, opened(ledger), FACTS, SEEN + 2 * HOUR, Brought())
    corrected = answer(1, bars({WEEK[0]: 11.0}), seen=SEEN + HOUR)
    assert ledger.warehouse.store_daily(call, corrected) == Stored(0, 1, 0)
