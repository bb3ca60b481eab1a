"""What the stack remembers in its directory: secrets, ports, pid files, addresses, and a lock against itself."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from local.addresses import Addresses
from local.airflow import Secrets
from local.processes import Running, StackError, free_port, load

LOCK_PATIENCE = 600.0
_PORTS = threading.Lock()


@dataclass(frozen=True, slots=True)
class State:
    """The stack's directory, ``.local`` in the checkout."""

    home: Path

    @property
    def logs(self) -> Path:
        """Where all processes write."""
        return self.home / "logs"

    @property
    def stack_env(self) -> Path:
        """The addresses and the login, while the stack is up."""
        return self.home / "stack.env"

    @property
    def airflow_env(self) -> Path:
        """For a shell to source, while the stack is up: the commands ``airflow`` and ``marketdata`` on this stack."""
        return self.home / "airflow.env"

    def pid_file(self, name: str) -> Path:
        """Where the process of this name is remembered."""
        return self.home / "run" / f"{name}.json"

    def remembered(self) -> dict[Path, Running]:
        """All processes that were started and not stopped since, by pid file; some may have died."""
        found = {path: load(path) for path in sorted((self.home / "run").glob("*.json"))}
        return {path: process for path, process in found.items() if process is not None}

    def secrets(self) -> Secrets:
        """The passwords and keys of this stack, made on first use."""
        path = self.home / "secrets.json"
        if not path.exists():
            fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            database, cache, airflow, jwt = (secrets.token_hex(16) for _ in range(4))
            write_private(path, json.dumps(asdict(Secrets(database, cache, airflow, jwt, fernet))))
        return Secrets(**json.loads(path.read_text(encoding="utf-8")))

    def port(self, name: str) -> int:
        """The port that a stopped service had last time when it is free, else a new one."""
        others = {port for service, port in self._ports().items() if service != name}
        chosen = free_port(self._ports().get(name))
        while chosen in others:
            chosen = free_port()
        self.remember_port(name, chosen)
        return chosen

    def last_port(self, name: str) -> int:
        """The port that this service was started on."""
        return self._ports()[name]

    def remember_port(self, name: str, port: int) -> None:
        """Keep the port of a service for the next start."""
        with _PORTS:
            write_private(self.home / "ports.json", json.dumps(self._ports() | {name: port}))

    def _ports(self) -> dict[str, int]:
        path = self.home / "ports.json"
        ports: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return ports

    def write_addresses(self, addresses: Addresses) -> None:
        """Write ``stack.env``, readable by this user alone."""
        write_private(self.stack_env, "".join(f"{name}={value}\n" for name, value in asdict(addresses).items()))

    def forget_addresses(self) -> None:
        """Remove what was written for as long as the stack is up."""
        self.stack_env.unlink(missing_ok=True)
        self.airflow_env.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Keep out other starts and stops of this stack; the kernel lets go when the process dies.

        ``on_wait`` is told once who is in the way. Raises StackError after 10 minutes.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("a+", encoding="utf-8") as held:
            if not _locked(held.fileno()):
                held.seek(0)
                on_wait(f"another make holds this stack (process {held.read() or 'unknown'}); waiting for it")
                deadline = time.monotonic() + LOCK_PATIENCE
                while not _locked(held.fileno()):
                    if time.monotonic() > deadline:
                        raise StackError("the stack is locked", "another make is still busy with it", "wait, or end it")
                    time.sleep(0.2)
            held.truncate(0)
            held.write(str(os.getpid()))
            held.flush()
            yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only this user can read; a reader sees the old text or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
