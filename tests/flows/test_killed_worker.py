"""A worker that dies at any named point leaves nothing half done, and the next run converges to the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from marketdata.flows import fetch, history
from marketdata.storage import runs
from tests.flows.conftest import ASSETS, SATURDAY_NOON, Desk
from tests.storage.ledger import DOOMED, wait_for_the_dead

ROOT = Path(__file__).resolve().parents[2]
POINTS = ["after_fetch", "after_validate", "mid_copy", "after_copy", "after_merge", "after_commit"]
STOCKS = [asset for asset in ASSETS if asset["asset_class"] == "stock"]


def work(desk: Desk, redis_url: str, run: str, *more: str, crash_at: str = "") -> int:
    """Run a worker to its end, or to its death; the exit status."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "MARKETDATA_NOW": SATURDAY_NOON.isoformat(),
        "MARKETDATA_CRASH_AT": crash_at,
        "PGAPPNAME": DOOMED,
    }
    command = [sys.executable, "-m", "tests.flows.worker", desk.dsn, desk.simulator.polygon_url, redis_url, run, *more]
    status = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False).returncode
    wait_for_the_dead(desk.dsn)
    return status


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
@pytest.mark.parametrize("point", POINTS)
def test_the_next_run_after_a_kill_gives_the_rows_of_a_clean_run(
    make_desk: Callable[..., Desk], redis_url: str, point: str
) -> None:
    desk = make_desk(assets=STOCKS)
    assert work(desk, redis_url, "killed", crash_at=point) == 137
    stored = desk.query("select count(*) from bar_daily")
    covered = desk.query("select count(*) from coverage where not isempty(verified)")
    done = desk.query("select count(*) from ingest_call where state = 'done'")
    first = 1 if point == "after_commit" else 0
    assert (covered, done) == ([(first,)], [(first,)]), "coverage is never ahead of the data"
    assert (stored[0][0] > 0) == (first == 1)
    desk.run("1M", run="healed")
    asked = [request.path for request in desk.simulator.admin.requests(vendor="massive")]
    assert len(asked) == 3 + (1 - first), "at most one call's work is fetched again"
    healed = desk.rows()
    assert {row[0] for row in healed} == {"AAPL", "MSFT", "GOOGL"}
    assert len(healed) == 3 * len({row[1] for row in healed})
    assert desk.run("1M", run="again").requests == 0
    assert desk.rows() == healed


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_while_it_compares_is_taken_up_where_it_was(
    make_desk: Callable[..., Desk], redis_url: str, point: str
) -> None:
    desk = make_desk(assets=STOCKS)
    assert work(desk, redis_url, "load") == 0
    before = {row[:2]: row for row in desk.rows()}
    day = desk.query("select min(session) from bar_daily")[0][0]
    desk.simulator.admin.correct_bar("AAPL", day, v=4321.0)  # of the asset that is compared first
    desk.simulator.admin.forget_requests()
    assert work(desk, redis_url, "sunday", "1", crash_at=point) == 137
    done = desk.query("select count(*) from ingest_call where purpose = 'verify' and state = 'done'")
    first = 1 if point == "after_commit" else 0
    assert done == [(first,)]
    assert desk.query("select count(*) from bar_revision") == [(first,)], "a correction is stored with its call or not"
    ((run_id,),) = desk.query("select run_id from ingest_run where airflow_run_id = 'sunday'")
    for batch, _ in desk.services.warehouse.transact(runs.batches, run_id):
        fetch.fetch_batch(desk.services, run_id, batch)
    report = history.close_run(desk.services, dag_id="historical_daily", airflow_run_id="sunday")
    assert report is not None
    assert (report.state, report.verified, report.differing, report.changed) == ("success", 3, 1, 1)
    asked = [request.path for request in desk.simulator.admin.requests(vendor="massive")]
    assert len(asked) == 3 + (1 - first), "at most one call's work is fetched again"
    assert desk.query("select count(compared_at) from coverage") == [(3,)]
    healed = {row[:2]: row for row in desk.rows()}
    assert {key for key, row in healed.items() if row != before[key]} == {("AAPL", day)}
    assert desk.query("select session, replaced_by_run_id from bar_revision") == [(day, run_id)]


@pytest.mark.promise("P1")
@pytest.mark.fault("A10")
def test_after_a_reset_of_airflows_metadata_nothing_is_fetched_again_under_an_old_run_id_or_a_new_one(
    make_desk: Callable[..., Desk], redis_url: str
) -> None:
    """What was asked and stored stands in our database: Airflow forgets its runs, and starts counting anew."""
    desk = make_desk(assets=STOCKS)
    assert work(desk, redis_url, "scheduled__2026-11-20", crash_at="after_commit") == 137
    desk.simulator.admin.forget_requests()
    healed = desk.run("1M", run="scheduled__2026-11-20")
    assert (healed.state, healed.calls_done) == ("success", 3)
    assert len(desk.simulator.admin.requests(vendor="massive")) == 2, "what the killed run had stored is there"
    rows = desk.rows()
    desk.simulator.admin.forget_requests()
    for name in ("scheduled__2026-11-20", "scheduled__2026-11-20", "manual__2026-11-21"):
        again = desk.run("1M", run=name)
        assert (again.state, again.calls_failed, again.calls_pending) == ("success", 0, 0)
    assert desk.simulator.admin.requests() == []
    assert desk.rows() == rows
