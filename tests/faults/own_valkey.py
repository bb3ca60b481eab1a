"""A Valkey of one test's own: to be stopped, filled up and started again without others noticing."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from local import processes, valkey


@contextmanager
def own_valkey(directory: Path, port: int | None = None, password: str = "") -> Iterator[valkey.ValkeyServer]:
    """A server for the length of a ``with``; it may be frozen when that ends."""
    home = directory / secrets.token_hex(4)
    server = valkey.start(home, password=password or secrets.token_hex(16), log=directory / "valkey.log", port=port)
    processes.guard(server.process, signal.SIGKILL)
    try:
        yield server
    finally:
        thaw(server)
        processes.stop([server.process])


def freeze(server: valkey.ValkeyServer) -> None:
    """Let it hang: connections are taken, nothing is answered."""
    os.kill(server.process.pid, signal.SIGSTOP)
    while psutil.Process(server.process.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)


def thaw(server: valkey.ValkeyServer) -> None:
    """Let it go on."""
    if server.process.alive():
        os.kill(server.process.pid, signal.SIGCONT)
