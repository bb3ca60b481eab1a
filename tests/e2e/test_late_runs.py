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

import psycopg
import pytest

from local import postgres, processes
from local.airflow_api import AirflowApi
from local.stack import Stack
from tests.alerts.receivers import Webhook, webhook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300.0
SLOW = """
import time
from pathlib import Path

from airflow.sdk import dag, task

from marketdata.alerts import late_after


@dag(schedule=None, deadline=late_after(minutes=0.05, level="error"))
def slow() -> None:
    @task
    def wait_until_told() -> None:
        for _ in range(600):
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
        wait_for(lambda: self.api.unpause(dag_id), f"{dag_id} is not parsed: {self.api.import_errors()}")
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
        with psycopg.connect(self.dsn.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [old])
            connection.execute(f"alter database {old} rename to {new}")  # type: ignore[arg-type]


def wait_for(holds: Callable[[], object], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise
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
    wait_for(lambda: alerting.hook.got, "the deadline was missed and nobody was told")
    assert alerting.hook.titles == ["[error] slow is late"]
    assert f"run {run_id} was queued at" in alerting.hook.got[0]["message"]
    assert alerting.rows("select alert_key, state from alert where alert_key like 'run_late:%'") == [
        ("run_late:slow", "open")
    ]
    alerting.told.touch()
    assert alerting.api.wait_for_run("slow", run_id, seconds=SECONDS) == "success"
    second = alerting.run("slow")
    assert second == "success", "it ends at once now, and is not late"
    assert alerting.hook.titles == ["[error] slow is late"]


@pytest.mark.fault("D01")
def test_a_watch_leaves_a_note_and_tells_once_that_its_database_is_away(alerting: Alerting) -> None:
    assert alerting.run("freshness_watch") == "success"
    newest = alerting.api.runs("freshness_watch")[0]
    wait_for(lambda: alerting.api.runs("freshness_watch")[0]["note"], "the watch left no note")
    assert "watch_freshness/xcom" in alerting.api.runs("freshness_watch")[0]["note"]
    report = alerting.api.xcom("freshness_watch", newest["dag_run_id"], "watch_freshness")
    assert report["state"] in {"fresh", "stale"}
    alerting.hook.got.clear()
    alerting.rename_database("marketdata", "away")
    try:
        assert [alerting.run("freshness_watch") for _ in range(2)] == ["failed", "failed"]
        assert alerting.hook.titles == ["[error] freshness cannot be judged: the database is away"]
    finally:
        alerting.rename_database("away", "marketdata")
    assert alerting.run("freshness_watch") == "success"
    assert alerting.hook.titles[1:] == ["recovered: freshness cannot be judged: the database is away"]
