"""The stack refuses what it cannot do, leaves nothing half started, and stops only what is its own."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import processes, stack, valkey
from local.processes import StackError
from local.stack import Stack


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as listener:
        listener.bind((processes.LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def failure_of(home: Path, **environ: str) -> str:
    """Try to start; what the failure says."""
    started = Stack(home, environ={"PATH": os.environ["PATH"], **environ})
    try:
        started.up()
    except StackError as failure:
        return str(failure)
    started.down()
    pytest.fail("it started")


def remember(home: Path, process: processes.Running) -> Path:
    path = home / "run" / f"{process.name}.json"
    processes.save(path, process)
    return path


def test_a_port_that_a_stranger_has_is_named_with_the_way_out(tmp_path: Path, taken_port: int) -> None:
    text = failure_of(tmp_path, MARKETDATA_AIRFLOW_PORT=str(taken_port))
    assert f"port {taken_port} is taken" in text
    assert "make demo MARKETDATA_AIRFLOW_PORT=" in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_no_port_is_refused(tmp_path: Path, port: str) -> None:
    assert "it is no port" in failure_of(tmp_path, MARKETDATA_AIRFLOW_PORT=port)


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_FREE_BYTES", 2**62)
    text = failure_of(tmp_path)
    assert "MB are free" in text
    assert "free some space" in text
    assert not (tmp_path / "run").exists()


def test_a_database_of_the_user_that_is_down_is_an_error(tmp_path: Path) -> None:
    dead = processes.free_port()
    text = failure_of(
        tmp_path,
        MARKETDATA_DSN=f"postgresql://nobody@127.0.0.1:{dead}/x",
        MARKETDATA_AIRFLOW_PORT=str(processes.free_port()),
    )
    assert "MARKETDATA_DSN does not answer" in text
    assert "unset MARKETDATA_DSN" in text


def test_a_failed_start_stops_what_it_had_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "UNIVERSE", tmp_path / "absent.csv")  # the simulator will not start on it
    port = processes.free_port()
    text = failure_of(tmp_path, MARKETDATA_AIRFLOW_PORT=str(port))
    assert "simulator died at start" in text
    assert "absent.csv" in text
    assert Stack(tmp_path).state.remembered() == {}
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    assert not (tmp_path / "stack.env").exists()


def test_a_failed_start_leaves_alone_what_was_up_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = processes.spawn(
        "valkey", ["sleep", "600"], log=tmp_path / "log", pid_file=tmp_path / "run" / "valkey.json"
    )
    Stack(tmp_path).state.port("valkey")
    monkeypatch.setattr(stack, "UNIVERSE", tmp_path / "absent.csv")
    failure_of(tmp_path, MARKETDATA_AIRFLOW_PORT=str(processes.free_port()))
    assert earlier.alive()
    processes.stop([earlier])


def test_a_service_whose_port_was_taken_meanwhile_is_found_on_another(tmp_path: Path, taken_port: int) -> None:
    started = Stack(tmp_path, environ={"PATH": os.environ["PATH"]})
    started.state.remember_port("valkey", taken_port)
    try:
        assert valkey.answers(started._start_valkey())
        assert started.state.last_port("valkey") != taken_port
    finally:
        started.down()


def test_another_executor_than_the_running_one_is_refused(tmp_path: Path) -> None:
    running = processes.spawn("scheduler", ["sleep", "600"], log=tmp_path / "log")
    remember(tmp_path, running)
    (tmp_path / "executor").write_text("CeleryExecutor", encoding="utf-8")
    assert "up with the CeleryExecutor" in failure_of(tmp_path, MARKETDATA_AIRFLOW_PORT=str(processes.free_port()))
    assert running.alive()
    processes.stop([running])


def test_down_stops_ours_and_no_stranger_under_a_reused_number(tmp_path: Path) -> None:
    ours = processes.spawn("scheduler", ["sleep", "600"], log=tmp_path / "log")
    stranger = processes.spawn("stranger", ["sleep", "600"], log=tmp_path / "log")
    stale = dataclasses.replace(stranger, name="api-server", born="another life")
    files = [remember(tmp_path, ours), remember(tmp_path, stale)]
    (tmp_path / "stack.env").touch()

    assert Stack(tmp_path).down() == ["scheduler"]

    assert not ours.alive()
    assert stranger.alive()
    assert not [path for path in [*files, tmp_path / "stack.env"] if path.exists()]
    processes.stop([stranger])


def test_down_without_a_stack_stops_nothing(tmp_path: Path) -> None:
    assert Stack(tmp_path / "never").down() == []
