"""The command line on a small universe behind the simulator, with the clock in hand."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from marketdata.cli import app
from tests.flows.conftest import Desk, make_desk

if TYPE_CHECKING:
    from marketdata.hooks.connection import VendorConnection

__all__ = ["make_desk"]  # the fixture, under its name

WIDTH = 100


@dataclass(frozen=True)
class Terminal:
    """A shell whose environment names the desk's database, cache and vendors."""

    desk: Desk

    def run(self, line: str) -> Result:
        """Run ``marketdata <line>``."""
        return CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)

    def json(self, line: str) -> dict[str, Any]:
        """The one JSON object that ``marketdata <line> --json`` prints."""
        said: dict[str, Any] = json.loads(self.run(f"{line} --json").stdout)
        return said


@pytest.fixture
def make_terminal(
    make_desk: Callable[..., Desk], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Terminal]:
    """Build a terminal for given plans and assets, as ``make_desk`` takes them."""

    def build(**given: object) -> Terminal:
        desk = make_desk(**given)
        for hook in (desk.services.polygon, desk.services.coingecko):
            monkeypatch.setenv(f"AIRFLOW_CONN_{hook.conn_id.upper()}", as_airflow(hook.connection))
        monkeypatch.setenv("MARKETDATA_DSN", desk.dsn)
        monkeypatch.setenv("REDIS_URL", redis_url)
        monkeypatch.setenv("COLUMNS", str(WIDTH))
        return Terminal(desk)

    return build


@pytest.fixture
def terminal(make_terminal: Callable[..., Terminal]) -> Terminal:
    """Four assets on plans without limits, on a Saturday noon in November 2026."""
    return make_terminal()


def as_airflow(connection: VendorConnection) -> str:
    """The text of an AIRFLOW_CONN_... variable."""
    extra = {"plan": connection.plan, "requests_per_minute": connection.requests_per_minute}
    fields = {"conn_type": connection.vendor, "host": connection.base_url, "password": connection.key, "extra": extra}
    return json.dumps(fields)


def says(terminal: Terminal, line: str) -> str:
    """What ``marketdata <line>`` prints, without the blanks that fill its columns."""
    done = terminal.run(line)
    assert done.exit_code == 0, done.output
    return "\n".join(text.rstrip() for text in done.stdout.strip().splitlines())


def change(terminal: Terminal, statement: str) -> None:
    """Change the database behind the program's back."""
    with psycopg.connect(terminal.desk.dsn, options="-c search_path=marketdata") as connection:
        connection.execute(statement)


def text(block: str) -> str:
    """An indented block as it stands on the screen."""
    return dedent(block).strip()
