"""Processes of the stack: start them in their own group, know them again later, and stop those and no others.

A process is known by its number *and* the moment it was born: numbers are handed out again after a while, and a pid
file that outlived a reboot must never make us stop a stranger.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from marketdata.errors import MarketDataError

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05


class StackError(MarketDataError):
    """Something of the one-machine stack did not start, or stopped by itself."""

    kind = "stack"


@dataclass(frozen=True, slots=True)
class Running:
    """One process of ours. ``born`` identifies it beside ``pid``; ``stop_signal`` makes it end in good order."""

    name: str
    pid: int
    born: str
    log: str
    stop_signal: int = signal.SIGTERM

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie or a stranger under the same number does not count."""
        with contextlib.suppress(ChildProcessError):
            reaped, _ = os.waitpid(self.pid, os.WNOHANG)  # when it was our own child
            if reaped:
                _dismiss_guard(self.pid)  # from now on the number may be a stranger's
        return birth(self.pid) == self.born


def birth(pid: int) -> str | None:
    """What tells this process from any other that had or will have its number; None when it does not run."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists():
            return f"{process.create_time():.2f}"
        # psutil derives Linux start times from the wall clock, which may be set; ticks since boot may not.
        ticks = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return None
    return f"{boot}/{ticks}"


def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    pid_file: Path | None = None,
) -> Running:
    """Start ``argv`` in a session of its own (a Ctrl-C here does not reach it), its output appended to ``log``.

    ``pid_file`` is written before anything else can go wrong. Raises StackError when the program cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(part) for part in argv]
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )
    except OSError as error:
        raise StackError(
            f"{name} did not start", f"{command[0]}: {error.strerror}", "check the file and its rights"
        ) from error
    process.returncode = 0  # reaped by Running.alive; keeps Popen from warning about a process meant to outlive it
    running = Running(name, process.pid, birth(process.pid) or "gone", str(log), stop_signal)
    if pid_file is not None:
        save(pid_file, running)
    return running


def guard(process: Running, last_signal: signal.Signals) -> None:
    """End ``process`` with ``last_signal`` when this interpreter dies, however it dies (SIGKILL included).

    A small shell waits on a pipe that only we hold open. The kernel closes it with us, and the shell acts.
    """
    script = f'read -r _; kill -0 "$1" 2>/dev/null && kill -{int(last_signal)} "$1" 2>/dev/null'
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", script, "guard", str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _GUARDS[process.pid] = watcher


_GUARDS: dict[int, subprocess.Popen[bytes]] = {}


def _dismiss_guard(pid: int) -> None:
    watcher = _GUARDS.pop(pid, None)
    if watcher is not None:
        watcher.kill()
        watcher.communicate()


def stop(processes: Sequence[Running], *, patience: float = 15.0) -> None:
    """Stop all of them at once, with their descendants: first in good order, after ``patience`` seconds by SIGKILL.

    What they start while they are being stopped ends with them.
    """
    ours = [process for process in processes if process.alive()]
    families = [member for process in ours for member in _family(process.pid)]
    for process in processes:
        _dismiss_guard(process.pid)
    for process in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, process.stop_signal)
    deadline = time.monotonic() + patience
    while any(process.alive() for process in ours) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    killed = [victim for member in families for victim in _kill(member)]
    psutil.wait_procs(killed, timeout=30)
    for process in ours:
        process.alive()


def _kill(process: psutil.Process) -> list[psutil.Process]:
    """SIGKILL a process and its descendants; psutil checks that a number still means the same process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.suspend()  # it starts no more
        children = process.children()
        process.kill()
        return [process, *(victim for child in children for victim in _kill(child))]
    return []


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def wait_until(ready: Callable[[], bool], process: Running, *, seconds: float) -> None:
    """Poll ``ready`` until it is true; when the process dies or ``seconds`` pass, stop it and raise StackError."""
    try:
        _poll(ready, process, seconds)
    except BaseException:
        stop([process])
        raise


def _poll(ready: Callable[[], bool], process: Running, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if not process.alive():
            raise StackError(f"{process.name} died at start", tail(Path(process.log)), f"read {process.log}")
        if time.monotonic() > deadline:
            raise StackError(
                f"{process.name} is not ready after {seconds:.0f} s", tail(Path(process.log)), f"read {process.log}"
            )
        time.sleep(POLL_SECONDS)


def tail(log: Path, lines: int = 12) -> str:
    """The last ``lines`` lines of a log, or a remark that it is empty."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "its log is empty"


def save(path: Path, process: Running) -> None:
    """Write the pid file of ``process``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(process)), encoding="utf-8")


def load(path: Path) -> Running | None:
    """The process of a pid file, or None when the file is absent or damaged. It need not be alive."""
    try:
        return Running(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def is_taken(port: int) -> bool:
    """Whether somebody listens on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port(preferred: int | None = None) -> int:
    """``preferred`` when it is free, else a port that the system picks."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StackError("no free port", "the system gives no loopback port", "close some programs and try again")
