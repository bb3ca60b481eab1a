"""Task, supervisor and scheduler killed in a run; a run that somebody ends; runs that Airflow has forgotten."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.conftest import DAG_ID, RUN_SECONDS
from tests.e2e.test_historical_daily import last_year

if TYPE_CHECKING:
    from local.simulator.journal import Entry
    from tests.e2e.conftest import Scheduler

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

SYMBOLS = ["AAPL", "GOOGL", "MSFT"]
CONF = {"range": "1Y", "symbols": SYMBOLS}

_BARS = "select symbol, session, close, volume from bar_daily join asset using (asset_id) order by 1, 2"
_RECORD = "select state, left_open, calls_done, calls_pending from ingest_run where airflow_run_id = '{}'"
_NOT_CLOSED = "select airflow_run_id, state from ingest_run where state in ('planned', 'running')"
# Airflow takes half a minute to believe that a scheduler is dead, and looks for what it left each minute: we have not.
_LONG_DEAD = "update job set latest_heartbeat = now() - interval '1 hour' where job_type = 'SchedulerJob'"


def asked(scheduler: Scheduler) -> list[Entry]:
    """The requests for a ticker's bars so far."""
    return scheduler.vendor.requests(path_contains="/ticker/")


def tickers(requests: Iterable[Entry]) -> Counter[str]:
    """How often each ticker was asked for."""
    return Counter(entry.path.split("/")[4] for entry in requests)


def start_and_hold(scheduler: Scheduler) -> str:
    """Start a run whose first answers all take seconds, and return its id when each of them is waited for.

    Where the tasks of a run start so far apart that the first has its answer before the last has asked, another is
    tried.
    """
    while True:
        scheduler.vendor.add_fault("delay", seconds=7, match="/ticker/", times=len(SYMBOLS))
        run_id = str(scheduler.api.trigger(DAG_ID, CONF).json()["dag_run_id"])
        if are_held(scheduler, run_id):
            return run_id
        scheduler.wait(run_id)
        scheduler.forget()


def are_held(scheduler: Scheduler, run_id: str) -> bool:
    """Wait until all tickers are asked for; whether none has its answer yet."""
    deadline = time.monotonic() + RUN_SECONDS
    while set(tickers(seen := asked(scheduler))) != set(SYMBOLS):
        assert time.monotonic() < deadline, f"asked for {tickers(seen)} only: {states(scheduler, run_id)}"
        time.sleep(0.1)
    return not any(entry.finished for entry in seen)


def states(scheduler: Scheduler, run_id: str) -> list[str]:
    """What has become of each task of a run, and what its first error was."""
    tasks = scheduler.api.tasks(DAG_ID, run_id)
    return [f"{task['task_id']} {task['state']}" for task in tasks] + [scheduler.api.first_error(DAG_ID, run_id)]


def tasks_at_work(scheduler: Scheduler) -> list[tuple[psutil.Process, psutil.Process]]:
    """The supervisor and the process of each task that runs; LocalExecutor's workers supervise themselves."""
    supervisors = psutil.Process(scheduler.process().pid).children()
    return [(supervisor, task) for supervisor in supervisors for task in supervisor.children()]


def lives(process: psutil.Process) -> bool:
    """Whether a process is there, and more than an entry that nobody has read."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.fault("A01")
@pytest.mark.promise("P2")
def test_after_kills_of_a_task_a_supervisor_and_the_scheduler_the_run_ends_with_the_vendors_rows(
    scheduler: Scheduler,
) -> None:
    run_id = start_and_hold(scheduler)
    boss = psutil.Process(scheduler.process().pid)
    boss.suspend()  # it starts no more workers
    workers = boss.children()
    at_work = tasks_at_work(scheduler)
    (_, task), (supervisor, _), *_ = at_work
    # Workers outlive it, and with the sockets that they inherited its transaction and its locks.
    for victim in (task, supervisor, boss, *workers):
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    with psycopg.connect(make_conninfo(scheduler.dsn, dbname="airflow")) as connection:
        connection.execute(_LONG_DEAD)
    scheduler.bring_up()
    ended = scheduler.wait(run_id)
    assert (ended.state, ended.report["state"], ended.report["failed_symbols"]) == ("success", "success", [])
    deadline = time.monotonic() + RUN_SECONDS
    while any(lives(task) for _, task in at_work):  # without a supervisor: they store their answers beside the retry
        assert time.monotonic() < deadline, f"an orphaned task does not end: {at_work}"
        time.sleep(0.1)
    days = last_year()
    stored = [row for row in scheduler.rows(_BARS) if row[1] <= days[-1]]
    assert stored == [
        (symbol, bar["session"], bar["close"], bar["volume"])
        for symbol in SYMBOLS
        for bar in scheduler.vendor.truth_daily(symbol, days[0], days[-1])
    ]
    assert len(stored) == len(SYMBOLS) * len(days)
    fetched = tickers(entry for entry in asked(scheduler) if entry.finished)
    assert max(fetched.values()) <= 2, "of each task that was at work one call at most is fetched again"
    assert scheduler.rows(_NOT_CLOSED) == []


@pytest.mark.fault("A01")
@pytest.mark.fault("A10")
@pytest.mark.promise("P2")
def test_a_run_that_somebody_ends_is_closed_and_what_it_stored_is_never_fetched_again(scheduler: Scheduler) -> None:
    run_id = start_and_hold(scheduler)
    path = f"dags/{DAG_ID}/dagRuns/{run_id}"
    assert scheduler.api.call("PATCH", path, {"state": "failed"}).ok
    deadline = time.monotonic() + RUN_SECONDS
    while scheduler.rows(_NOT_CLOSED):  # by now it is, unless it took longer than Airflow is held up for
        assert time.monotonic() < deadline, f"the record stays open: {scheduler.rows(_NOT_CLOSED)}"
        time.sleep(0.1)
    ((state, left_open, done, pending),) = scheduler.rows(_RECORD.format(run_id))
    verdict = "partial" if done else "failed"
    assert (state, left_open, done + pending) == (verdict, True, len(SYMBOLS)), "its close task never runs"
    note = scheduler.api.call("GET", path).json()["note"]
    if note is None:
        assert "is not waited for" in (scheduler.home / "logs" / "api-server.log").read_text(encoding="utf-8")
    else:
        assert note.startswith(f"**{verdict}**")
        assert f"ended before it was closed: {done} calls made, {pending} never made" in note

    scheduler.vendor.reset()
    healed = scheduler.run(**CONF)
    assert (healed.state, healed.report["state"]) == ("success", "success")
    rows = scheduler.rows(_BARS)
    assert {symbol for symbol, *_ in rows} == set(SYMBOLS)
    assert scheduler.api.call("DELETE", path).ok, "Airflow forgets the run"
    scheduler.vendor.forget_requests()
    again = scheduler.api.call(
        "POST", f"dags/{DAG_ID}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": CONF}
    )
    assert again.ok, again.text
    assert scheduler.wait(run_id).report["state"] == "success"
    assert scheduler.vendor.requests() == []
    assert scheduler.rows(_BARS) == rows
    assert scheduler.rows(_NOT_CLOSED) == []
