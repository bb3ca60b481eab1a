"""Real servers for the tests: a private PostgreSQL, Valkey and vendor simulator, started once per session on first use.

Each test that asks for one gets it fresh: a database of its own, an empty cache, a simulator as at its start. Nothing
survives the session, not even when it is killed.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from local import postgres, processes, valkey

if TYPE_CHECKING:
    from local.simulator.server import Addresses

os.environ.pop("MARKETDATA_DSN", None)  # a sourced .local/stack.env must not point the tests at the demo's data
os.environ.pop("REDIS_URL", None)

# A busy machine is no failure, speed is the bench's; and a change is judged by its own examples, the same in each run.
# MARKETDATA_SEARCH=1 tries others than these, and more where a test does not set their number.
hypothesis_settings.register_profile("same", deadline=None, derandomize=True)
hypothesis_settings.register_profile("search", deadline=None, max_examples=1_000)
hypothesis_settings.load_profile("search" if os.environ.get("MARKETDATA_SEARCH") else "same")

TEMPLATE = "marketdata_template"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL server for the session, durable settings off."""
    home = tmp_path_factory.mktemp("postgres")
    server = postgres.start(
        home / "data", password=secrets.token_hex(16), log=home / "postgres.log", settings=postgres.THROW_AWAY
    )
    processes.guard(server.process, signal.SIGQUIT)
    yield server
    processes.stop([server.process])


@pytest.fixture(scope="session")
def _migrated_template(postgres_server: postgres.PostgresServer) -> str:
    """The name of a database with all migrations applied, to be cloned."""
    from marketdata.storage.migrations import migrate

    assert migrate(postgres_server.create_database(TEMPLATE)), "no migration was applied"
    return TEMPLATE


@pytest.fixture
def empty_dsn(postgres_server: postgres.PostgresServer) -> Iterator[str]:
    """A fresh database without any table."""
    yield from _database(postgres_server, template="template0")


@pytest.fixture
def dsn(postgres_server: postgres.PostgresServer, _migrated_template: str) -> Iterator[str]:
    """A fresh database with all migrations applied."""
    yield from _database(postgres_server, template=_migrated_template)


def _database(server: postgres.PostgresServer, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    yield server.create_database(name, template=template)
    server.drop_database(name)


@pytest.fixture
def timescale_dsn() -> Iterator[str]:
    """A fresh empty database on the TimescaleDB server that ``TIMESCALE_DSN`` names; skips when it names none."""
    base = os.environ.get("TIMESCALE_DSN")
    if not base:
        pytest.skip("TIMESCALE_DSN is not set: no TimescaleDB to test on")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield psycopg.conninfo.make_conninfo(base, dbname=name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def _valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.ValkeyServer]:
    home = tmp_path_factory.mktemp("valkey")
    server = valkey.start(home, password=secrets.token_hex(16), log=home / "valkey.log")
    processes.guard(server.process, signal.SIGKILL)
    yield server
    processes.stop([server.process])


@pytest.fixture
def redis_url(_valkey_server: valkey.ValkeyServer) -> str:
    """A private Valkey, emptied."""
    with redis.Redis.from_url(_valkey_server.url()) as client:
        client.flushall()
    return _valkey_server.url()


@pytest.fixture(scope="session")
def _simulator_thread() -> Iterator[Addresses]:
    from local.simulator.server import running

    with running() as addresses:
        yield addresses


@pytest.fixture
def simulator(_simulator_thread: Addresses) -> Addresses:
    """The vendor simulator as right after its start: no faults, an empty log, its clock set to now."""
    _simulator_thread.admin.reset()
    return _simulator_thread
