"""A process or a session killed at any point leaves all of an answer or nothing, and coverage never ahead of bars."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from marketdata.domain.coverage import Span
from marketdata.errors import DatabaseUnavailable
from marketdata.storage import bar_writer, runs
from marketdata.storage.calls import Stored
from tests.storage.ledger import (
    DOOMED,
    MONDAY,
    WEEK,
    Ledger,
    answer,
    bars,
    kill_other_sessions,
    wait_for_the_dead,
)

WRITER = """
import sys
from tests.storage.ledger import WEEK, answer, bars
from marketdata.storage import runs
from marketdata.storage.warehouse import Warehouse

with Warehouse.open(sys.argv[1]) as warehouse:
    call = warehouse.transact(runs.pending_calls, int(sys.argv[2]), 0)[0]
    print(warehouse.store_daily(call, answer(1, bars({day: 10.0 for day in WEEK}))))
"""
ROOT = Path(__file__).parents[2]


def _store_in_a_process(ledger: Ledger, crash_at: str) -> int:
    python_path = f"{ROOT / 'plugins'}:{ROOT}"
    environment = {**os.environ, "MARKETDATA_CRASH_AT": crash_at, "PYTHONPATH": python_path, "PGAPPNAME": DOOMED}
    command = [sys.executable, "-c", WRITER, ledger.dsn, str(ledger.run_id)]
    status = subprocess.run(command, env=environment, cwd=ROOT, check=False, timeout=120).returncode
    wait_for_the_dead(ledger.dsn)
    return status


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
@pytest.mark.parametrize("point", ["mid_copy", "after_copy", "after_merge"])
@pytest.mark.parametrize("ground", ["new", "stored"])
def test_a_process_killed_before_the_commit_leaves_nothing_and_the_next_completes(
    ledger: Ledger, point: str, ground: str
) -> None:
    if ground == "stored":
        ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 9.0}), verified=()))
    before = ledger.closes()
    ledger.call()
    assert _store_in_a_process(ledger, point) == 137
    assert ledger.closes() == before
    assert ledger.verified() == ()
    assert ledger.read("select state from ingest_call where state <> 'done'") == [("pending",)]
    assert _store_in_a_process(ledger, "nowhere") == 0
    assert ledger.closes() == {(1, day): 10.0 for day in WEEK}
    assert ledger.verified() == (Span(MONDAY - timedelta(days=2), WEEK[-1]),)


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
def test_a_process_killed_after_the_commit_has_stored_everything(ledger: Ledger) -> None:
    ledger.call()
    assert _store_in_a_process(ledger, "after_commit") == 137
    assert ledger.closes() == {(1, day): 10.0 for day in WEEK}
    assert ledger.read("select state from ingest_call") == [("done",)]
    assert ledger.warehouse.transact(runs.pending_calls, ledger.run_id, 0) == []


@pytest.mark.promise("P2")
@pytest.mark.promise("P10")
@pytest.mark.fault("D03")
def test_a_session_killed_mid_transaction_undoes_it_and_the_answer_is_stored_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_while_dead: list[object] = []

    def kill_once(point: str) -> None:
        if point == "after_merge" and not seen_while_dead:
            assert kill_other_sessions(ledger.dsn) > 0
            seen_while_dead.extend([ledger.closes(), ledger.verified()])

    monkeypatch.setattr(bar_writer, "crash_point", kill_once)
    stored = ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 10.0))))
    assert seen_while_dead == [{}, ()]
    assert stored == Stored(5, 0, 0)
    assert ledger.closes() == {(1, day): 10.0 for day in WEEK}


@pytest.mark.promise("P2")
@pytest.mark.fault("D03")
def test_a_session_killed_while_its_commit_is_on_its_way_loses_nothing(ledger: Ledger) -> None:
    """Whether the server had committed when it died or not: what is in memory is stored again, and never twice."""
    stored = ledger.warehouse.store_daily(ledger.call(1), answer(1, bars(dict.fromkeys(WEEK, 10.0))), ahead=True)
    kill_other_sessions(ledger.dsn)
    other = ledger.warehouse.store_daily(ledger.call(2), answer(2, bars({MONDAY: 20.0})), ahead=True)
    kill_other_sessions(ledger.dsn)
    ledger.warehouse.settle()
    assert (stored, other) == (Stored(5, 0, 0), Stored(1, 0, 0))
    assert ledger.closes() == {**{(1, day): 10.0 for day in WEEK}, (2, MONDAY): 20.0}
    assert ledger.read("select state, inserted from ingest_call order by 2") == [("done", 1), ("done", 5)]


@pytest.mark.promise("P10")
@pytest.mark.fault("D03")
def test_a_session_killed_each_time_ends_in_a_clear_error_and_stores_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = []

    def kill(point: str) -> None:
        if point == "after_merge":
            kills.append(kill_other_sessions(ledger.dsn))

    call = ledger.call()
    monkeypatch.setattr(bar_writer, "crash_point", kill)
    monkeypatch.setattr(ledger.warehouse._database, "_wait", lambda _seconds: None)
    with pytest.raises(DatabaseUnavailable, match=r"terminating connection|closed"):
        ledger.warehouse.store_daily(call, answer(1, bars({MONDAY: 10.0})))
    assert 5 <= len(kills) <= 9, "five times after the first that got as far as sending its commit"
    assert ledger.closes() == {}
    assert ledger.verified() == ()


def test_an_error_that_is_not_the_databases_undoes_the_transaction_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(point: str) -> None:
        if point == "after_merge":
            raise KeyboardInterrupt

    call = ledger.call()
    monkeypatch.setattr(bar_writer, "crash_point", fail)
    with pytest.raises(KeyboardInterrupt):
        ledger.warehouse.store_daily(call, answer(1, bars({MONDAY: 10.0})))
    with psycopg.connect(ledger.dsn) as connection:
        open_transactions = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in tr%'"
        ).fetchone()
    assert open_transactions == (0,)
    assert ledger.closes() == {}
