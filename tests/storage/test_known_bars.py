"""The series as it was known at an instant, and what a vendor changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.coverage import Span
from marketdata.storage.connection import connect
from marketdata.storage.known_bars import (
    BarChange,
    ChangesWanted,
    DayOfChanges,
    Difference,
    bar_changes,
    bars_as_of,
    changes_by_day,
)
from marketdata.storage.statements import statement
from tests.storage.ledger import MONDAY, SEEN, WEEK, Ledger, answer, bars

HOUR = timedelta(hours=1)
ALL_WEEK = Span(WEEK[0], WEEK[-1])
EVER = ChangesWanted(None, SEEN - timedelta(days=30))


def store(ledger: Ledger, closes: dict[date, float], at: datetime, *, asset_id: int = 1, is_final: bool = True) -> None:
    """One answer with flat bars, seen at an instant."""
    call = ledger.call(asset_id, min(closes), max(closes))
    ledger.warehouse.store_daily(call, answer(asset_id, bars(closes), seen=at, is_final=is_final))


def closes_as_of(ledger: Ledger, at: datetime, asset_id: int = 1) -> dict[date, float]:
    found = ledger.warehouse.transact(bars_as_of, [asset_id], ALL_WEEK, at)
    return {bar.session: bar.close for bar in found}


def changes(ledger: Ledger, wanted: ChangesWanted = EVER, most: int = 100) -> list[BarChange]:
    return ledger.warehouse.transact(bar_changes, wanted, most)


def test_before_the_first_answer_nothing_was_known(ledger: Ledger) -> None:
    store(ledger, {MONDAY: 10.0}, SEEN)
    assert closes_as_of(ledger, SEEN - timedelta(microseconds=1)) == {}
    assert closes_as_of(ledger, SEEN) == {MONDAY: 10.0}
    assert closes_as_of(ledger, SEEN + timedelta(days=9_999)) == {MONDAY: 10.0}


@pytest.mark.promise("P3")
def test_each_version_is_known_until_the_answer_that_changed_it(ledger: Ledger) -> None:
    for hours, close in enumerate([10.0, 11.0, 12.0]):
        store(ledger, {MONDAY: close, WEEK[1]: 5.0}, SEEN + hours * HOUR)
    assert [closes_as_of(ledger, SEEN + hours * HOUR)[MONDAY] for hours in range(3)] == [10.0, 11.0, 12.0]
    assert closes_as_of(ledger, SEEN + HOUR - timedelta(microseconds=1)) == {MONDAY: 10.0, WEEK[1]: 5.0}
    (bar,) = ledger.warehouse.transact(bars_as_of, [1], Span(MONDAY, MONDAY), SEEN + HOUR)
    assert (bar.close, bar.known_since, bar.known_until) == (11.0, SEEN + HOUR, SEEN + 2 * HOUR)
    assert (bar.open, bar.volume, bar.volume_24h, bar.trades, bar.source) == (11.0, 100.0, None, None, "polygon")


def test_a_bar_that_became_final_unchanged_is_known_since_it_was_first_seen_and_by_that_run(ledger: Ledger) -> None:
    store(ledger, {MONDAY: 10.0}, SEEN, is_final=False)
    again = replace(ledger.call(), run_id=ledger.run_id + 77)
    ledger.warehouse.store_daily(again, answer(1, bars({MONDAY: 10.0}), seen=SEEN + HOUR))
    assert ledger.read("select is_final, fetched_at, run_id from bar_daily") == [(True, SEEN, ledger.run_id)]
    assert closes_as_of(ledger, SEEN) == {MONDAY: 10.0}


@pytest.mark.promise("P3")
@pytest.mark.fault("D10")
def test_an_orphans_answer_loses_to_a_bar_that_became_final_since(ledger: Ledger) -> None:
    store(ledger, {MONDAY: 11.0}, SEEN, is_final=False)
    store(ledger, {MONDAY: 11.0}, SEEN + 2 * HOUR)
    store(ledger, {MONDAY: 10.0}, SEEN + HOUR, is_final=False)
    assert closes_as_of(ledger, SEEN + 3 * HOUR) == {MONDAY: 11.0}
    assert ledger.read("select is_final from bar_daily") == [(True,)]


def test_bars_of_several_assets_come_by_asset_and_session_and_only_of_the_window(ledger: Ledger) -> None:
    for asset_id in (3, 1, 2):
        store(ledger, dict.fromkeys(WEEK, float(asset_id)), SEEN, asset_id=asset_id)
    found = ledger.warehouse.transact(bars_as_of, [3, 1], Span(WEEK[1], WEEK[2]), SEEN)
    assert [(bar.asset_id, bar.session) for bar in found] == [(1, WEEK[1]), (1, WEEK[2]), (3, WEEK[1]), (3, WEEK[2])]
    assert ledger.warehouse.transact(bars_as_of, [], ALL_WEEK, SEEN) == []


def test_a_front_end_reads_a_series_as_of_an_instant_by_index_whatever_its_search_path(ledger: Ledger) -> None:
    store(ledger, dict.fromkeys(WEEK, 10.0), SEEN)
    query = "select session, close from marketdata.bar_daily_as_of(1, %s, %s, %s) order by session"
    with psycopg.connect(ledger.dsn) as connection:
        connection.execute("set search_path = pg_catalog")
        assert connection.execute(query, (*WEEK[1:3], SEEN)).fetchall() == [(day, 10.0) for day in WEEK[1:3]]
        connection.execute("set enable_seqscan = off")
        plan = "\n".join(line for (line,) in connection.execute(f"explain {query}", (*WEEK[1:3], SEEN)))
    assert "Function Scan" not in plan, "the function is inlined, so that the planner sees asset and window"
    assert "bar_daily_pkey" in plan
    assert "bar_revision_asset" in plan


@dataclass(frozen=True)
class Seen:
    """One answer: when it was given, and the close of each session that it has a bar for."""

    at: int
    closes: dict[date, float]
    is_final: bool

    @property
    def span(self) -> Span:
        return Span(min(self.closes), max(self.closes))


ANSWERS = st.lists(
    st.builds(
        Seen,
        at=st.integers(0, 6),
        closes=st.dictionaries(st.sampled_from(WEEK), st.sampled_from([10.0, 11.0]), min_size=1),
        is_final=st.booleans(),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda seen: seen.at,
)


def model(arrived: list[Seen]) -> dict[tuple[int, date], tuple[float, int]]:
    """Close and run of each session as known at each instant. An answer counts for a session if nothing is stored there
    yet, or if no answer that spoke of the session and came before it was given later; the newest that counts is known,
    by the run that gave this value first."""
    expected: dict[tuple[int, date], tuple[float, int]] = {}
    for day in WEEK:
        counted: list[Seen] = []
        newest = -1
        for seen in arrived:
            if day in seen.closes and (not counted or seen.at >= newest):
                counted.append(seen)
            if day in seen.span:
                newest = max(newest, seen.at)
        for at in range(-1, 8):
            known = [seen for seen in counted if seen.at <= at]
            if known:
                close, run = known[-1].closes[day], known[-1].at
                for seen in reversed(known):
                    if seen.closes[day] != close:
                        break
                    run = seen.at
                expected[at, day] = (close, run)
    return expected


@pytest.mark.promise("P3")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, data=st.data())
def test_as_of_after_any_sequence_of_answers_is_what_was_known(
    ledger: Ledger, answers: list[Seen], data: st.DataObject
) -> None:
    """In order, out of order, repeated, provisional and then final, with sessions left out: at each instant the series
    is the model's, with the run that gave it."""
    with psycopg.connect(ledger.dsn) as connection:
        connection.execute("truncate marketdata.bar_daily, marketdata.bar_revision, marketdata.coverage")
        connection.execute("truncate marketdata.ingest_call cascade")
    again = data.draw(st.lists(st.sampled_from(answers), max_size=3))
    arrived = data.draw(st.permutations([*answers, *again]))
    for seen in arrived:
        call = replace(ledger.call(1, seen.span.first, seen.span.last), run_id=1000 + seen.at)
        content = answer(1, bars(seen.closes), seen=SEEN + seen.at * HOUR, is_final=seen.is_final)
        ledger.warehouse.store_daily(call, content)
    found = {
        (at, bar.session): (bar.close, bar.run_id - 1000)
        for at in range(-1, 8)
        for bar in ledger.warehouse.transact(bars_as_of, [1], ALL_WEEK, SEEN + at * HOUR)
    }
    assert found == model(arrived)


def test_a_change_says_which_figures_changed_from_what_to_what_and_by_which_runs(ledger: Ledger) -> None:
    before = bars({MONDAY: 10.0}, open=10.0, high=11.0, low=9.0, volume=200.0, vwap=10.0, trades=4)
    after = bars({MONDAY: 10.5}, open=10.0, high=11.0, low=9.0, volume=np.nan, volume_24h=7.0, vwap=10.0, trades=5)
    ledger.warehouse.store_daily(ledger.call(), answer(1, before))
    second = replace(ledger.call(), run_id=ledger.run_id + 1)
    ledger.warehouse.store_daily(second, answer(1, after, seen=SEEN + HOUR))
    assert changes(ledger) == [
        BarChange(
            1, "A1", MONDAY, True, SEEN, SEEN + HOUR, ledger.run_id, ledger.run_id + 1, "polygon", "polygon",
            (
                Difference("close", 10.0, 10.5),
                Difference("volume", 200.0, None),
                Difference("volume_24h", None, 7.0),
                Difference("trades", 4.0, 5.0),
            ),
        )
    ]  # fmt: skip
    assert [difference.relative for difference in changes(ledger)[0].differences] == [
        pytest.approx(0.05),
        None,
        None,
        0.25,
    ]


def test_a_bar_changed_twice_is_two_changes_each_to_the_next_version(ledger: Ledger) -> None:
    for hours, close in enumerate([10.0, 11.0, 10.0]):
        store(ledger, {MONDAY: close}, SEEN + hours * HOUR)
    steps = [(d.old, d.new) for change in changes(ledger) for d in change.differences if d.field == "close"]
    assert steps == [(11.0, 10.0), (10.0, 11.0)]


def test_two_answers_of_one_instant_leave_a_version_that_was_never_known(ledger: Ledger) -> None:
    for close in (10.0, 11.0, 12.0):
        store(ledger, {MONDAY: close}, SEEN)
    assert closes_as_of(ledger, SEEN) == {MONDAY: 12.0}
    steps = [(d.old, d.new) for change in changes(ledger) for d in change.differences if d.field == "close"]
    assert steps == [(11.0, 12.0), (10.0, 11.0)]


def test_changes_are_chosen_by_asset_by_instant_and_by_whether_the_day_had_been_over(ledger: Ledger) -> None:
    for asset_id in (1, 2):
        store(ledger, {MONDAY: 10.0}, SEEN, asset_id=asset_id, is_final=asset_id == 1)
        store(ledger, {MONDAY: 11.0}, SEEN + asset_id * HOUR, asset_id=asset_id)
    assert [change.symbol for change in changes(ledger)] == ["A2", "A1"]
    assert [change.symbol for change in changes(ledger, most=1)] == ["A2"]
    assert [change.symbol for change in changes(ledger, replace(EVER, asset_ids=[1]))] == ["A1"]
    assert [change.symbol for change in changes(ledger, replace(EVER, only_final=True))] == ["A1"]
    assert [change.symbol for change in changes(ledger, replace(EVER, since=SEEN + 2 * HOUR))] == ["A2"]
    assert [change.symbol for change in changes(ledger, replace(EVER, until=SEEN + 2 * HOUR))] == ["A1"]


def test_the_days_of_changes_are_new_yorks_with_the_close_that_moved_most(ledger: Ledger) -> None:
    midnight = datetime(2026, 11, 23, 5, tzinfo=UTC)  # 00:00 in New York
    for asset_id in (1, 2):
        store(ledger, dict.fromkeys(WEEK, 10.0), SEEN, asset_id=asset_id, is_final=asset_id == 1)
    store(ledger, {WEEK[1]: 10.1, WEEK[3]: 9.0}, midnight - HOUR, asset_id=1)
    store(ledger, {WEEK[2]: 12.0}, midnight - HOUR, asset_id=2)
    store(ledger, {WEEK[0]: 10.2}, midnight, asset_id=2)
    days = ledger.warehouse.transact(changes_by_day, EVER)
    assert days == [
        DayOfChanges(date(2026, 11, 23), 1, 0, 1, WEEK[0], WEEK[0], "A2", pytest.approx(0.02)),
        DayOfChanges(date(2026, 11, 22), 3, 2, 2, WEEK[1], WEEK[3], "A2", pytest.approx(0.2)),
    ]


def test_nothing_changed_is_an_empty_list(ledger: Ledger) -> None:
    store(ledger, {MONDAY: 10.0}, SEEN)
    store(ledger, {MONDAY: 10.0}, SEEN + HOUR)
    assert changes(ledger) == []
    assert ledger.warehouse.transact(changes_by_day, EVER) == []


def versions(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.read("select close, known_since, known_until from bar_daily_version order by known_since")


def test_the_times_in_which_versions_were_known_touch_and_never_overlap(ledger: Ledger) -> None:
    for hours, close in ((0, 10.0), (3, 11.0), (1, 9.0), (5, 12.0)):
        store(ledger, {MONDAY: close}, SEEN + hours * HOUR)
    assert versions(ledger) == [
        (10.0, SEEN, SEEN + 3 * HOUR),
        (11.0, SEEN + 3 * HOUR, SEEN + 5 * HOUR),
        (12.0, SEEN + 5 * HOUR, None),
    ]


def test_a_bar_that_was_taken_back_is_a_change_to_nothing_and_was_known_until_then(ledger: Ledger) -> None:
    store(ledger, {MONDAY: 10.0, WEEK[1]: 11.0}, SEEN)
    values = {"asset_id": 1, "days": f"{{[{MONDAY},{MONDAY}]}}", "at": SEEN + HOUR, "run_id": ledger.run_id}
    with connect(ledger.dsn) as connection:
        connection.execute(statement("aliases/retract"), values)
    assert closes_as_of(ledger, SEEN) == {MONDAY: 10.0, WEEK[1]: 11.0}
    assert closes_as_of(ledger, SEEN + HOUR) == {WEEK[1]: 11.0}
    (change,) = changes(ledger)
    assert (change.session, change.new_source) == (MONDAY, None)
    assert Difference("close", 10.0, None) in change.differences
    (day,) = ledger.warehouse.transact(changes_by_day, EVER)
    assert (day.changes, day.relative) == (1, None)
