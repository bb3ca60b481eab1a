"""What is missing and why: each missing session has one cause, and together they are what coverage leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from marketdata.domain.causes import Cause
from marketdata.domain.class_windows import ClassWindow, class_windows
from marketdata.domain.coverage import Span, days, normalise
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.errors import NotYet, TransientFailure
from marketdata.storage import runs
from marketdata.storage.assets import load_assets
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.connection import connect
from marketdata.storage.entitlements import Entitlement, learn
from marketdata.storage.failures import record_failure
from marketdata.storage.gaps import missing
from marketdata.storage.questions import Missing, list_missing, measure_pace
from tests.storage.ledger import FACTS, MONDAY, SEEN, WEEK, Ledger, answer, bars, open_ledger

TODAY = date(2026, 11, 21)
WINDOW = [ClassWindow("stock", "polygon", WEEK[0], WEEK[-1], TODAY)]


def ask(ledger: Ledger, *asset_ids: int) -> list[Missing]:
    return ledger.warehouse.transact(list_missing, WINDOW, asset_ids=asset_ids or None)


def causes(ledger: Ledger, asset_id: int = 1) -> dict[Cause, list[date]]:
    """Every missing weekday of an asset by its cause."""
    found: dict[Cause, list[date]] = {}
    for gap in ask(ledger, asset_id):
        assert gap.asset_ids == (asset_id,)
        found.setdefault(gap.cause, []).extend(days(gap.missing))
    return found


def fail(ledger: Ledger, error: TransientFailure | NotYet, asset_id: int | None, first: date, last: date) -> None:
    call = ledger.call(asset_id, first, last)
    ids = None if asset_id is None else [asset_id]
    retry_at = SEEN + timedelta(minutes=15)
    ledger.warehouse.transact(
        record_failure, call, error, asset_ids=ids, sessions=(Span(first, last),), failed_at=SEEN, retry_at=retry_at
    )


TRANSIENT = TransientFailure("polygon A1", "it answers 503", "nothing to do", vendor="polygon", endpoint="/v2")
NOT_YET = NotYet("polygon market day", "no bars yet", "nothing to do", vendor="polygon", endpoint="/v2")


def test_assets_of_which_nothing_was_asked_share_one_group(ledger: Ledger) -> None:
    (missing,) = ask(ledger)
    assert (missing.cause, missing.symbols, missing.missing) == (
        Cause.NEVER_ASKED, ("A1", "A2", "A3"), (Span(WEEK[0], WEEK[4]),)
    )  # fmt: skip
    assert missing.sessions == 5


def test_nothing_missing_is_an_empty_list(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    assert ask(ledger, 1) == []


def test_days_off_are_never_missing_and_never_counted(ledger: Ledger) -> None:
    weekend = [ClassWindow("stock", "polygon", date(2026, 11, 21), date(2026, 11, 22), TODAY)]
    assert ledger.warehouse.transact(list_missing, weekend, asset_ids=None) == []
    thanksgiving = [ClassWindow("stock", "polygon", date(2026, 11, 25), date(2026, 11, 29), date(2026, 12, 1))]
    (missing,) = ledger.warehouse.transact(list_missing, thanksgiving, asset_ids=None)
    assert (missing.missing, missing.sessions) == ((Span(date(2026, 11, 25), date(2026, 11, 27)),), 2)


def test_a_failure_names_its_kind_its_words_and_when_to_try_again(ledger: Ledger) -> None:
    fail(ledger, TRANSIENT, 1, WEEK[1], WEEK[2])
    by_cause = {missing.cause: missing for missing in ask(ledger, 1)}
    assert set(by_cause) == {Cause.FAILED, Cause.NEVER_ASKED}
    failure = by_cause[Cause.FAILED]
    assert failure.missing == (Span(WEEK[1], WEEK[2]),)
    assert (failure.kind, failure.message, failure.attempts) == ("transient", "polygon A1: it answers 503", 1)
    assert failure.retry_at == SEEN + timedelta(minutes=15)
    assert by_cause[Cause.NEVER_ASKED].missing == (Span(WEEK[0], WEEK[0]), Span(WEEK[3], WEEK[4]))


def test_a_failure_of_the_whole_market_holds_every_asset_and_not_yet_is_no_failure(ledger: Ledger) -> None:
    fail(ledger, NOT_YET, None, WEEK[4], WEEK[4])
    not_yet = [missing for missing in ask(ledger) if missing.cause is Cause.NOT_YET]
    assert [(missing.symbols, missing.missing) for missing in not_yet] == [
        (("A1", "A2", "A3"), (Span(WEEK[4], WEEK[4]),))
    ]


def test_a_refused_bar_goes_before_the_answer_that_it_came_with(ledger: Ledger) -> None:
    refused = QuarantineRow("A1", WEEK[2], {"close": -1.0}, "close is not positive", 1)
    good = bars({day: 1.0 for day in WEEK if day != WEEK[2]})
    ledger.warehouse.store_daily(ledger.call(), answer(1, good, quarantined=(refused,)))
    (missing,) = ask(ledger, 1)
    assert (missing.cause, missing.missing, missing.message) == (
        Cause.REFUSED, (Span(WEEK[2], WEEK[2]),), "close is not positive"
    )  # fmt: skip


def test_what_an_answer_left_open_is_told_from_what_was_never_asked(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(1, WEEK[1], WEEK[3]), answer(1, bars({WEEK[1]: 1.0})))
    assert causes(ledger) == {Cause.LEFT_OPEN: WEEK[2:4], Cause.NEVER_ASKED: [WEEK[0], WEEK[4]]}


def test_a_market_day_that_left_an_asset_open_counts_as_asked(ledger: Ledger) -> None:
    both = bars({WEEK[4]: 1.0}).take(np.zeros(2, dtype=np.intp))
    ledger.warehouse.store_daily(ledger.call(None, WEEK[4], WEEK[4]), answer([2, 3], both))
    assert causes(ledger)[Cause.LEFT_OPEN] == [WEEK[4]]


def test_a_planned_call_is_named_until_it_is_made(ledger: Ledger) -> None:
    ledger.call(1, WEEK[0], WEEK[1])
    assert causes(ledger) == {Cause.PLANNED: WEEK[:2], Cause.NEVER_ASKED: WEEK[2:]}


def test_calls_that_fill_nothing_do_not_count_as_asked(ledger: Ledger) -> None:
    planned = PlannedCall(CallKind.TICKER_RANGE, "polygon", 1, "A1", WEEK[0], WEEK[4], purpose="proof")
    ledger.warehouse.transact(runs.save_plan, ledger.run_id, [[planned]])
    assert causes(ledger) == {Cause.NEVER_ASKED: WEEK}


def test_a_bar_seen_on_its_own_day_is_missing_only_once_the_day_has_passed(ledger: Ledger) -> None:
    friday = WEEK[4]
    early = answer(1, bars({friday: 1.0}), verified=(), provisional=(Span(friday, friday),), is_final=False)
    ledger.warehouse.store_daily(ledger.call(1, friday, friday), early)
    assert causes(ledger)[Cause.PROVISIONAL] == [friday]
    same_day = [ClassWindow("stock", "polygon", friday, friday, friday)]
    assert ledger.warehouse.transact(list_missing, same_day, asset_ids=[1]) == []


def test_history_beyond_the_plan_goes_before_every_other_cause_and_moves_with_the_days(ledger: Ledger) -> None:
    learnt = Entitlement("daily_history", True, WEEK[1], TODAY - timedelta(days=1), "clipped")
    ledger.warehouse.transact(learn, "polygon", "abc", learnt)
    fail(ledger, TRANSIENT, 1, WEEK[0], WEEK[4])
    assert causes(ledger) == {Cause.CLIPPED: WEEK[:2], Cause.FAILED: WEEK[2:]}


def test_old_knowledge_of_a_plan_explains_nothing(ledger: Ledger) -> None:
    learnt = Entitlement("daily_history", True, WEEK[3], TODAY - timedelta(days=7), "clipped")
    ledger.warehouse.transact(learn, "polygon", "abc", learnt)
    assert causes(ledger) == {Cause.NEVER_ASKED: WEEK}


def test_an_asset_that_is_not_followed_is_shown_only_when_asked_for(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("update asset set inactive_since = current_date where asset_id = 2")
    assert [missing.symbols for missing in ask(ledger)] == [("A1", "A3")]
    (missing,) = ask(ledger, 2)
    assert not missing.is_followed


def test_the_causes_of_an_asset_are_together_what_coverage_leaves(ledger: Ledger) -> None:
    ledger.warehouse.transact(learn, "polygon", "abc", Entitlement("daily_history", True, WEEK[1], TODAY, "clipped"))
    fail(ledger, TRANSIENT, 1, WEEK[1], WEEK[2])
    refused = QuarantineRow("A1", WEEK[3], {}, "bad", 1)
    ledger.warehouse.store_daily(ledger.call(1, WEEK[3], WEEK[3]), answer(1, bars({}), quarantined=(refused,)))
    found = ask(ledger, 1)
    together = normalise(span for missing in found for span in missing.missing)
    (gap,) = ledger.warehouse.transact(missing, "us", Span(WEEK[0], WEEK[-1]), asset_ids=[1], today=TODAY)
    assert together == gap.missing
    assert sum(missing.sessions for missing in found) == 5, "no session has two causes"
    assert len({missing.cause for missing in found}) == 4


def test_coins_and_stocks_each_have_their_own_window_and_calendar(ledger: Ledger) -> None:
    ledger.warehouse.transact(
        load_assets, [{"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}]
    )
    windows = class_windows("7D", datetime(2026, 11, 23, 3, tzinfo=UTC))  # Sunday 22:00 New York, Monday in UTC
    found = {missing.vendor: missing for missing in ledger.warehouse.transact(list_missing, windows, asset_ids=None)}
    assert (found["polygon"].missing, found["polygon"].sessions) == ((Span(MONDAY, WEEK[4]),), 5)
    assert (found["coingecko"].missing, found["coingecko"].sessions) == (
        (Span(date(2026, 11, 17), date(2026, 11, 22)),), 6
    )  # fmt: skip


@pytest.mark.parametrize("assets", [12_000])
def test_twelve_thousand_assets_that_miss_the_same_are_one_group(dsn: str, assets: int) -> None:
    with open_ledger(dsn, assets=assets) as ledger:
        (missing,) = ask(ledger)
        assert len(missing.asset_ids) == len(missing.symbols) == assets


def test_a_vendors_pace_is_what_its_newest_calls_took(ledger: Ledger) -> None:
    assert ledger.warehouse.transact(measure_pace, ["polygon", "coingecko"]) == {}
    slow = replace(FACTS, requests=4, elapsed_ms=2000.0)
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 1.0}), facts=slow))
    assert ledger.warehouse.transact(measure_pace, ["polygon", "coingecko"]) == {"polygon": 0.5}
