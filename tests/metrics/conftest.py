"""A StatsD receiver on this machine, and Airflow's own client pointed at it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from airflow._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.observability import stats as of_servers
from airflow.observability.metrics import stats_utils as servers_settings
from airflow.sdk.execution_time import task_runner
from airflow.sdk.observability import stats as of_tasks
from airflow.sdk.observability.metrics import stats_utils as tasks_settings

from marketdata import metrics

LAST = b"the end"


@dataclass
class Receiver:
    """What came in over UDP, in order."""

    listening: socket.socket

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def received(self) -> list[str]:
        """Everything since the last look: what we send ourselves now ends it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(LAST, self.listening.getsockname())
        texts: list[str] = []
        while (datagram := self.listening.recv(65_536)) != LAST:
            texts.append(datagram.decode())
        return texts


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set options of Airflow's section metrics, and start its client as this process would; undone afterwards."""

    def start(**options: object) -> None:
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name.upper()}", str(value))
        _forget()
        if hasattr(task_runner, "SUPERVISOR_COMMS"):
            of_tasks.initialize(factory=tasks_settings.get_stats_factory(), export_legacy_names=True)
        else:
            of_servers.initialize(factory=servers_settings.get_stats_factory(), export_legacy_names=True)

    _forget()
    yield start
    _forget()
    of_tasks.initialize(factory=NoStatsLogger, export_legacy_names=True)
    of_servers.initialize(factory=NoStatsLogger, export_legacy_names=True)


def _forget() -> None:
    metrics._way.cache_clear()
    metrics._keeps_tags.cache_clear()


@pytest.fixture(params=["task", "server"])
def process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be taken for a task, or for a server: Airflow has a client for each, and starts only that one."""
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)
    if request.param == "task":
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", object(), raising=False)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A free UDP port that listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(30)
        yield Receiver(listening)


@pytest.fixture
def statsd(receiver: Receiver, switch: Callable[..., None]) -> Receiver:
    """StatsD without tags, switched on."""
    switch(statsd_on=True, statsd_host="127.0.0.1", statsd_port=receiver.port)
    return receiver
