"""Late runs: every scheduled DAG has a deadline that survives Airflow's serialisation, and missing it is told once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from marketdata.alerts import late_after, run_is_late
from tests.alerts.receivers import Webhook, free_port, webhook

ROOT = Path(__file__).resolve().parents[2]

MINUTES = {
    "realtime_latest": 5,
    "realtime_hourly": 10,
    "freshness_watch": 10,
    "reference_sync": 120,
    "historical_daily": 360,
    "historical_backfill": 1440,
}
UNSCHEDULED = {"data_migration"}

SERIALISE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.callback import SyncCallback
from airflow.serialization.serialized_objects import DagSerialization
from airflow.sdk._shared.module_loading import import_string

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
found = {}
for dag_id, dag in bag.dags.items():
    back = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    found[dag_id] = back.deadline or []
    for deadline in found[dag_id]:
        assert callable(import_string(deadline["callback"]["__data__"]["path"]))
print(json.dumps(found))
"""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as opened:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", opened.connection())
        yield opened


def context(state: str = "running", start_date: str | None = "2026-11-20T21:30:02Z") -> dict[str, Any]:
    """What Airflow 3.3 gives a callback: the run as its REST API shapes it, and the deadline."""
    return {
        "dag_run": {
            "dag_id": "historical_daily",
            "dag_run_id": "scheduled__2026-11-20T21:30:00+00:00",
            "state": state,
            "queued_at": "2026-11-20T21:30:00.123456Z",
            "start_date": start_date,
        },
        "deadline": {"id": "0199", "deadline_time": "2026-11-21T03:30:00Z"},
    }


def call(given: dict[str, Any]) -> None:
    run_is_late(given, minutes=360, level="warn")


def test_every_scheduled_dag_has_its_deadline_behind_airflows_serialisation(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MARKETDATA"))}
    env = kept | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins")}
    env |= {"PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", SERIALISE, str(ROOT / "dags")], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(found) == set(MINUTES) | UNSCHEDULED
    for dag_id, minutes in MINUTES.items():
        (deadline,) = found[dag_id]
        assert deadline["reference"] == {"reference_type": "DagRunQueuedAtDeadline"}, "a backfill must not be late"
        assert deadline["interval"]["__data__"] == minutes * 60, "and never an interval from a Variable"
        callback = deadline["callback"]
        assert callback["__classname__"].endswith(".SyncCallback"), "there may be no triggerer"
        assert callback["__data__"]["path"] == "marketdata.alerts.late.run_is_late"
    assert all(found[dag_id] == [] for dag_id in UNSCHEDULED)


def test_two_deadlines_of_the_same_length_are_equal_so_that_parsing_twice_is_the_same_dag() -> None:
    assert late_after(minutes=5) == late_after(minutes=5)
    assert late_after(minutes=5) != late_after(minutes=10)


def test_a_late_run_is_told_once_with_its_run_and_since_when(
    dsn: str, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    call(context())
    call(context())
    (got,) = hook.got
    assert got["title"] == "[warn] historical_daily is late"
    assert "since: 2026-11-20 16:30 New York" in got["message"]
    assert "run scheduled__2026-11-20T21:30:00+00:00 was queued at" in got["message"]
    assert "it runs since 2026-11-20 16:30 New York" in got["message"]
    assert "runbook: docs/runbooks/run_late.md" in got["message"]
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select alert_key, state, level from marketdata.alert").fetchall()
    assert row == [("run_late:historical_daily", "open", "warn")]


def test_a_run_that_never_began_is_told_as_such(dsn: str, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    call(context("queued", None))
    assert "it was queued and never began" in hook.got[0]["message"]


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_has_ended_is_not_late(state: str, dsn: str, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    call(context(state))
    assert hook.got == []


def test_without_a_database_a_late_run_is_told_all_the_same(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", f"postgresql://nobody@127.0.0.1:{free_port()}/gone")
    call(context())
    assert hook.titles == ["[warn] historical_daily is late"]


@pytest.mark.fault("A11")
def test_a_late_run_whose_receiver_is_dead_waits_for_the_next_watch(
    dsn: str, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    hook.status = 503
    call(context())
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select attempts, last_error, delivered_at from marketdata.alert_message").fetchall()
    assert row == [(1, "apprise: ConnectionError: JSON failure", None)]
