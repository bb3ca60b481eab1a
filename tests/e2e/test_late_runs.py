"""Alerts out of a real scheduler: a run that overruns its deadline, and a watch that loses its database.

A stack of its own, whose only DAGs are the watch and one that does not end until it is told to.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local import postgres, processes
from local.airflow_api import AirflowApi
from local.stack import Stack
from tests.alerts.receivers import Webhook, webhook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 900.0
SLOW = """
import time
from pathlib import Path

from airflow.sdk import dag, task

from marketdata.alerts import late_after


@dag(schedule=None, deadline=late_after(minutes=0.05, level="error"))
def slow() -> None:
    @task
    def wait_until_told() -> None:
        for _ in range(10_000):
            if Path("{told}").exists():
                return
            time.sleep(0.2)

    wait_until_told()


slow()
"""


@dataclass(frozen=True, slots=True)
class Alerting:
    """A scheduler, its receiver, and the file that ends the slow run."""

    api: AirflowApi
    hook: Webhook
    dsn: str
    told: Path

    def trigger(self, dag_id: str) -> str:
        wait_for(lambda: self.api.unpause(dag_id), lambda: f"{dag_id} is not parsed: {self.api.import_errors()}")
        answer = self.api.trigger(dag_id, {})
        assert answer.ok, answer.text
        return str(answer.json()["dag_run_id"])

    def run(self, dag_id: str) -> str:
        """The state in which a run by hand ended."""
        return self.api.wait_for_run(dag_id, self.trigger(dag_id), seconds=SECONDS)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, options="-c search_path=marketdata") as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    def rename_database(self, old: str, new: str) -> None:
        """Take the database away from everybody, or give it back."""

        def renamed() -> bool:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [old])
            try:
                connection.execute(f"alter database {old} rename to {new}")  # type: ignore[arg-type]
            except psycopg.errors.ObjectInUse:  # by one that has not ended yet, or has come since
                return False
            return True

        with psycopg.connect(self.dsn.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
            wait_for(renamed, lambda: f"somebody always uses the database {old}")

    def told_of(self, words: str) -> list[dict[str, Any]]:
        """The messages whose titles have these words; while the market is open there are others too."""
        return [message for message in self.hook.got if words in message["title"]]


def wait_for(holds: Callable[[], object], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.25)


@pytest.fixture(scope="module")
def alerting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    home = tmp_path_factory.mktemp("alerting")
    dags, told = home / "dags", home / "told"
    dags.mkdir()
    (dags / "slow.py").write_text(SLOW.format(told=told), encoding="utf-8")
    shutil.copy(ROOT / "dags" / "freshness_watch.py", dags)
    environ = {"PATH": os.environ["PATH"], "MARKETDATA_AIRFLOW_PORT": str(processes.free_port())}
    environ |= {name: os.environ[name] for name in ("PG_BINDIR", "VALKEY_SERVER") if name in os.environ}
    with webhook() as hook:
        settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "AIRFLOW_CONN_APPRISE_DEFAULT": hook.connection()}
        stack = Stack(home / "stack", environ=environ, postgres_settings=postgres.THROW_AWAY, airflow_settings=settings)
        addresses = stack.up()
        try:
            for process in stack.state.remembered().values():
                processes.guard(process, signal.SIGTERM)
            api = AirflowApi(addresses.AIRFLOW_URL, addresses.AIRFLOW_USER, addresses.AIRFLOW_PASSWORD)
            yield Alerting(api, hook, addresses.MARKETDATA_DSN, told)
        finally:
            stack.down()


@pytest.fixture(autouse=True)
def _nothing_told(alerting: Alerting) -> None:
    alerting.hook.got.clear()


def test_a_run_that_overruns_its_deadline_is_told_once(alerting: Alerting) -> None:
    run_id = alerting.trigger("slow")
    wait_for(lambda: alerting.told_of("slow"), lambda: f"nobody was told: {alerting.api.tasks('slow', run_id)}")
    (told,) = alerting.told_of("slow")
    assert told["title"] == "[error] slow is late"
    assert f"run {run_id} was queued at" in told["message"]
    assert alerting.rows("select alert_key, state from alert where alert_key like 'run_late:%'") == [
        ("run_late:slow", "open")
    ]
    alerting.told.touch()
    assert alerting.api.wait_for_run("slow", run_id, seconds=SECONDS) == "success"
    second = alerting.run("slow")
    assert second == "success", "it ends at once now, and is not late"
    assert alerting.told_of("slow") == [told]


@pytest.mark.fault("D01")
def test_a_watch_leaves_a_note_and_tells_once_that_its_database_is_away(alerting: Alerting) -> None:
    run_id = alerting.trigger("freshness_watch")
    assert alerting.api.wait_for_run("freshness_watch", run_id, seconds=SECONDS) == "success"

    def note() -> str:  # the newest run is another one when the schedule has just made it, in an open session
        (found,) = (run for run in alerting.api.runs("freshness_watch") if run["dag_run_id"] == run_id)
        return found["note"] or ""

    wait_for(note, lambda: f"no note: {run_id}")
    assert "watch_freshness/xcom" in note()
    report = alerting.api.xcom("freshness_watch", run_id, "watch_freshness")
    assert report["state"] in {"fresh", "stale"}
    alerting.hook.got.clear()
    alerting.rename_database("marketdata", "away")
    try:
        assert [alerting.run("freshness_watch") for _ in range(2)] == ["failed", "failed"]
        (told,) = alerting.told_of("database is away")
        assert told["title"] == "[error] freshness cannot be judged: the database is away"
    finally:
        alerting.rename_database("away", "marketdata")
    assert alerting.run("freshness_watch") == "success"
    assert [message["title"] for message in alerting.told_of("database is away")] == [
        told["title"],
        "recovered: freshness cannot be judged: the database is away",
    ]
