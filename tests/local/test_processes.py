"""Processes are known by number and birth, stopped with all their descendants, and never mistaken for a stranger."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local import processes
from local.processes import StackError

SLEEP = ("sleep", "600")


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the state never came"
        time.sleep(0.02)


def test_a_started_process_is_alive_until_it_is_stopped(tmp_path: Path) -> None:
    process = processes.spawn("sleeper", SLEEP, log=tmp_path / "log")
    assert process.alive()
    processes.stop([process])
    assert not process.alive()
    assert not psutil.pid_exists(process.pid)


def test_a_pid_file_brings_the_same_process_back(tmp_path: Path) -> None:
    pid_file = tmp_path / "run" / "sleeper.json"
    process = processes.spawn("sleeper", SLEEP, log=tmp_path / "log", pid_file=pid_file)
    assert processes.load(pid_file) == process
    processes.stop([process])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_pid_file_names_no_process(tmp_path: Path, text: str) -> None:
    path = tmp_path / "damaged.json"
    path.write_text(text, encoding="utf-8")
    assert processes.load(path) is None


def test_a_stranger_under_a_reused_number_is_neither_ours_nor_stopped(tmp_path: Path) -> None:
    stranger = processes.spawn("stranger", SLEEP, log=tmp_path / "log")
    stale = dataclasses.replace(stranger, name="ours", born="another life")
    assert not stale.alive()
    processes.stop([stale])
    assert stranger.alive()
    processes.stop([stranger])


def test_stop_takes_descendants_that_ignore_the_signal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; (trap '' TERM; echo ready; while :; do sleep 60; done) & wait"
    process = processes.spawn("stubborn", ["sh", "-c", script], log=log)
    wait_for(lambda: "ready" in log.read_text(encoding="utf-8"))
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    assert len(family) >= 2
    processes.stop([process], patience=0.2)
    assert not [pid for pid in family if processes.birth(pid)]


def test_stop_takes_what_is_started_while_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; trap 'sleep 600 & echo $!' USR1; echo ready; while :; do sleep 0.05; done"
    process = processes.spawn("fertile", ["sh", "-c", script], log=log)
    wait_for(lambda: "ready" in log.read_text(encoding="utf-8"))
    family = processes._family

    def family_before_a_birth(pid: int) -> list[psutil.Process]:
        found = family(pid)
        os.kill(pid, signal.SIGUSR1)
        wait_for(lambda: len(log.read_text(encoding="utf-8").splitlines()) == 2)
        return found

    monkeypatch.setattr(processes, "_family", family_before_a_birth)
    processes.stop([process], patience=0.2)
    born_late = int(log.read_text(encoding="utf-8").splitlines()[1])
    assert processes.birth(born_late) is None


def test_nobody_guards_the_number_of_a_process_that_has_ended(tmp_path: Path) -> None:
    process = processes.spawn("sleeper", SLEEP, log=tmp_path / "log")
    processes.guard(process, signal.SIGKILL)
    watcher = processes._GUARDS[process.pid]
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not process.alive())
    assert process.pid not in processes._GUARDS
    assert watcher.poll() is not None


def test_a_guarded_process_dies_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time; from pathlib import Path; from local import processes;"
        "process = processes.spawn('sleeper', ['sleep', '600'], log=Path(sys.argv[1]));"
        "processes.guard(process, signal.SIGKILL); print(process.pid, process.born, flush=True); time.sleep(600)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as parent:
        assert parent.stdout is not None
        pid, born = parent.stdout.readline().split()
        assert processes.birth(int(pid)) == born
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: processes.birth(int(pid)) != born)


def test_a_process_that_dies_at_start_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    process = processes.spawn("server", ["sh", "-c", "echo the disk is on fire; exit 3"], log=log)
    with pytest.raises(StackError) as failure:
        processes.wait_until(lambda: False, process, seconds=30)
    assert failure.value.what == "server died at start"
    assert failure.value.why == "the disk is on fire"
    assert str(log) in failure.value.next_step


def test_a_process_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    process = processes.spawn("server", SLEEP, log=tmp_path / "log")
    with pytest.raises(StackError, match="not ready"):
        processes.wait_until(lambda: False, process, seconds=0.1)
    assert not process.alive()


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="No such file"):
        processes.spawn("server", [tmp_path / "absent"], log=tmp_path / "log")


def test_a_preferred_port_is_taken_only_while_it_is_free() -> None:
    with socket.socket() as listener:
        listener.bind((processes.LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert processes.is_taken(port)
        assert processes.free_port(port) != port
    assert processes.free_port(port) == port
