"""A whole stack for the session: its own servers, simulator and Airflow, in a directory that is thrown away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from local import postgres, processes
from local.airflow_api import RUN_ENDED, AirflowApi
from local.simulator.admin import SimulatorAdmin
from local.stack import Stack
from marketdata.domain.sessions import expected_through, new_york_date

DAG_ID = "historical_daily"
RUN_SECONDS = 900.0
LONGEST_TEST = timedelta(minutes=3)

_WIPE = """
    truncate marketdata.bar_daily, marketdata.bar_digest, marketdata.bar_revision, marketdata.coverage,
        marketdata.absence, marketdata.fetch_failure, marketdata.quarantine, marketdata.entitlement,
        marketdata.price_minute, marketdata.latest_price, marketdata.bar_hourly, marketdata.realtime_feed,
        marketdata.ingest_call, marketdata.ingest_run cascade
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended: Airflow's verdict and what its reporting task published."""

    run_id: str
    state: str
    report: dict[str, Any]


class Metrics:
    """A StatsD receiver: what the stack's processes send of ours, as it comes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((processes.LOOPBACK, 0))
        self._texts: deque[str] = deque()
        threading.Thread(target=self._listen, name="metrics", daemon=True).start()

    @property
    def settings(self) -> dict[str, str]:
        """What makes Airflow send here."""
        host, port = self._socket.getsockname()
        options = {"STATSD_ON": "True", "STATSD_HOST": host, "STATSD_PORT": str(port)}
        options["METRICS_ALLOW_LIST"] = "marketdata"  # or Airflow's own would crowd ours out while nobody reads
        return {f"AIRFLOW__METRICS__{name}": value for name, value in options.items()}

    def forget(self) -> None:
        """Nothing was heard yet."""
        self._texts.clear()

    def heard(self, last: str) -> list[str]:
        """Everything since it was forgotten, up to now; waits until ``last`` is among it."""
        deadline = time.monotonic() + 60
        while last not in (texts := list(self._texts)):
            assert time.monotonic() < deadline, f"{last} was not sent: {texts}"
            time.sleep(0.01)
        return texts

    def _listen(self) -> None:
        while True:
            text = self._socket.recv(65_536).decode()
            self._texts.append(text)


@dataclass(frozen=True, slots=True)
class Scheduler:
    """The DAGs in a real scheduler, with the vendor, the database and the cache that they work on."""

    api: AirflowApi
    vendor: SimulatorAdmin
    dsn: str
    redis_url: str
    stack: Stack
    metrics: Metrics

    @property
    def home(self) -> Path:
        """Where its state and its logs are."""
        return self.stack.home

    def process(self) -> processes.Running:
        """The scheduler's own process."""
        (found,) = (each for each in self.stack.state.remembered().values() if each.name == "scheduler")
        return found

    def bring_up(self) -> None:
        """Start the scheduler again after it was killed."""
        killed, deadline = self.process(), time.monotonic() + RUN_SECONDS
        while killed.alive():
            assert time.monotonic() < deadline, f"the scheduler lives: {killed}"
            time.sleep(0.05)
        self.stack.up()
        processes.guard(self.process(), signal.SIGTERM)

    def let_the_schedule_pass(self) -> None:
        """Wait for a run that is under way or comes due soon: it would store what no test has asked for.

        And for a close or a midnight that comes soon: a test's ranges end with the newest session.
        """
        deadline = time.monotonic() + RUN_SECONDS
        while not self._is_quiet():
            assert time.monotonic() < deadline, f"the schedule makes no pause: {self.api.runs(DAG_ID)}"
            time.sleep(0.5)

    def _is_quiet(self) -> bool:
        if any(run["state"] not in RUN_ENDED for run in self.api.runs(DAG_ID)):
            return False
        due = self.api.call("GET", f"dags/{DAG_ID}").json()["next_dagrun_run_after"]
        now = datetime.now(UTC)
        days, later = ((new_york_date(at), expected_through("stock", at)) for at in (now, now + LONGEST_TEST))
        return days == later and due is not None and datetime.fromisoformat(due) > now + LONGEST_TEST

    def shell(self, command: str) -> None:
        """Run a command in a shell that has read the stack's settings."""
        script = f". {self.home}/airflow.env && {command}"
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, cwd=self.home, check=False)
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr[-3000:]}"

    def forget(self) -> None:
        """Nothing stored any more, nothing cached, and a vendor without faults."""
        self.vendor.reset()
        with psycopg.connect(self.dsn) as connection:
            connection.execute(_WIPE)
        with redis.Redis.from_url(self.redis_url) as cache:
            cache.flushdb()

    def run(self, **conf: object) -> Ended:
        """Trigger the history job with ``conf`` and wait until the run has ended."""
        answer = self.api.trigger(DAG_ID, dict(conf))
        assert answer.ok, answer.text
        return self.wait(answer.json()["dag_run_id"])

    def wait(self, run_id: str, *, dag_id: str = DAG_ID, task_id: str = "close_run") -> Ended:
        """Wait until a run has ended."""
        state = self.api.wait_for_run(dag_id, run_id, seconds=RUN_SECONDS)
        return Ended(run_id, state, self.api.xcom(dag_id, run_id, task_id))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in the database."""
        with psycopg.connect(self.dsn, options="-c search_path=marketdata") as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    metrics = Metrics()
    environ = {"PATH": os.environ["PATH"], "MARKETDATA_AIRFLOW_PORT": str(processes.free_port())}
    environ |= {name: os.environ[name] for name in ("PG_BINDIR", "VALKEY_SERVER") if name in os.environ}
    stack = Stack(
        tmp_path_factory.mktemp("stack"),
        environ=environ,
        postgres_settings=postgres.THROW_AWAY,
        airflow_settings={
            "MARKETDATA_CRYPTO_HOURS": "always",  # or realtime would tick in New York's day only
            **metrics.settings,
        },
    )
    addresses = stack.up()
    try:
        for process in stack.state.remembered().values():
            processes.guard(process, signal.SIGTERM)
        api = AirflowApi(addresses.AIRFLOW_URL, addresses.AIRFLOW_USER, addresses.AIRFLOW_PASSWORD)
        vendor = SimulatorAdmin(addresses.SIMULATOR_URL)
        yield Scheduler(api, vendor, addresses.MARKETDATA_DSN, addresses.REDIS_URL, stack, metrics)
    finally:
        stack.down()


@pytest.fixture(scope="session")
def first_scheduled_run(_stack: Scheduler) -> Ended:
    """The run that the schedule starts by itself when the DAG is unpaused: that of the newest session."""
    deadline = time.monotonic() + RUN_SECONDS
    while not (parsed := _stack.api.unpause(DAG_ID)) or not _stack.api.runs(DAG_ID):
        assert time.monotonic() < deadline, f"no run; parsed: {parsed}, errors: {_stack.api.import_errors()}"
        time.sleep(0.25)
    scheduled = _stack.api.runs(DAG_ID)[-1]
    assert scheduled["run_type"] == "scheduled"
    return _stack.wait(scheduled["dag_run_id"])


@pytest.fixture
def scheduler(_stack: Scheduler, first_scheduled_run: Ended) -> Scheduler:
    """The scheduler with nothing stored yet and a vendor without faults."""
    assert first_scheduled_run.state in {"success", "failed"}
    _stack.let_the_schedule_pass()
    _stack.forget()
    return _stack
