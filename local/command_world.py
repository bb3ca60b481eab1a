"""The world that docs/commands.md is made in: private servers, the vendors' simulator, one clock that stands still."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from local import postgres, processes, valkey
from local.addresses import Addresses, services
from local.simulator.admin import SimulatorAdmin
from local.simulator.server import running

START = datetime.fromisoformat("2026-11-21T18:00:00+00:00")
WIDTH = 120
_OURS = ("MARKETDATA_", "AIRFLOW", "REDIS_URL")


@dataclass(frozen=True, slots=True)
class Shown:
    """A command as a reader would see it: the line, both outputs together, and the exit status."""

    line: str
    output: str
    status: int


@dataclass(frozen=True, slots=True)
class World:
    """``dsn`` is a database of its own, ``admin`` the simulator's control, ``folder`` where commands run."""

    dsn: str
    redis_url: str
    admin: SimulatorAdmin
    folder: Path

    def at(self, instant: datetime) -> None:
        """Move both clocks: ours and the vendors'."""
        os.environ["MARKETDATA_NOW"] = instant.isoformat()
        self.admin.set_clock(instant)

    def write(self, name: str, text: str) -> None:
        """A file in the folder of the commands."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, line: str) -> Shown:
        """Run a command line that begins with ``marketdata``."""
        from typer.testing import CliRunner

        from marketdata.cli import app

        words = shlex.split(line)
        if words[0] != "marketdata":
            raise ValueError(f"a step is a command of marketdata, not {line!r}")
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        return Shown(line, result.output, result.exit_code)


@contextlib.contextmanager
def raised() -> Iterator[World]:
    """A fresh world; its servers are gone and the environment is as before when the block ends."""
    with tempfile.TemporaryDirectory(prefix="marketdata-page-") as place, contextlib.ExitStack() as stack:
        home = Path(place)
        home.chmod(0o755)
        server = postgres.start(
            home / "data", password=secrets.token_hex(8), log=home / "postgres.log", settings=postgres.THROW_AWAY
        )
        processes.guard(server.process, signal.SIGQUIT)
        stack.callback(processes.stop, [server.process])
        cache = valkey.start(home / "valkey", password=secrets.token_hex(8), log=home / "valkey.log")
        processes.guard(cache.process, signal.SIGKILL)
        stack.callback(processes.stop, [cache.process])
        simulator = stack.enter_context(running())
        folder = home / "work"
        folder.mkdir()
        world = World(server.create_database("marketdata"), cache.url(), simulator.admin, folder)
        stack.enter_context(_environment(_settings(world, home)))
        world.at(START)
        yield world


def _settings(world: World, home: Path) -> dict[str, str]:
    addresses = Addresses(
        MARKETDATA_DSN=world.dsn,
        REDIS_URL=world.redis_url,
        AIRFLOW_URL="",
        SIMULATOR_URL=world.admin.base,
        AIRFLOW_USER="",
        AIRFLOW_PASSWORD="",
    )
    return {
        **services(addresses),
        "AIRFLOW_HOME": str(home / "airflow"),
        "COLUMNS": str(WIDTH),
        "NO_COLOR": "1",
        "TERM": "dumb",
    }


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Our settings and nobody else's, for the length of a ``with``."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_OURS):
            del os.environ[name]
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
