"""Real servers for the tests: a private PostgreSQL, Valkey and vendor simulator, started once per session on first use.

Each test that asks for one gets it fresh: a database of its own, an empty cache, a simulator as at its start. Nothing
survives the session, not even when it is killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
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
_AIRFLOW = tempfile.TemporaryDirectory(prefix="marketdata-airflow-")  # the home directory may have an airflow.cfg
os.environ["AIRFLOW_HOME"] = _AIRFLOW.name
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job, and all it starts, would ignore it

# A busy machine is no failure, speed is the bench's; and a change is judged by its own examples, the same in each run.
# MARKETDATA_SEARCH=1 tries others than these, and more where a test does not set their number.
hypothesis_settings.register_profile("same", deadline=None, derandomize=True)
hypothesis_settings.register_profile("search", deadline=None, max_examples=1_000)
hypothesis_settings.load_profile("search" if os.environ.get("MARKETDATA_SEARCH") else "same")

TEMPLATE = "marketdata_template"
MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 4 * 2**30  # noqa: S108 - where files are kept in memory
REMOVE = 'cat; for try in 1 2 3 4 5 6 7 8 9; do rm -rf "$1"; test -e "$1" || exit; sleep 0.2; done'


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """A busy machine is no hung Redis: where the product gives up after a quarter of a second, tests wait for long."""
    from marketdata.hooks import shared_windows
    from marketdata.storage import cache_connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_connection, "SOCKET_SECONDS", 30.0)
        patch.setattr(shared_windows, "_SOCKET_SECONDS", 30.0)
        yield


@pytest.fixture(autouse=True)
def _no_patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test has Redis hang (R02) it is given up as in earnest."""
    from marketdata.hooks import shared_windows
    from marketdata.storage import cache_connection

    if any(mark.args == ("R02",) for mark in request.node.iter_markers("fault")):
        monkeypatch.setattr(cache_connection, "SOCKET_SECONDS", 0.25)
        monkeypatch.setattr(shared_windows, "_SOCKET_SECONDS", 0.25)


@pytest.fixture(scope="session")
def _postgres_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: ext4 is slow at making files after many were deleted, and a clone has hundreds."""
    if not MEMORY.is_dir() or min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) < MEMORY_NEEDED:
        yield tmp_path_factory.mktemp("postgres")
        return
    home = Path(tempfile.mkdtemp(prefix="marketdata-tests-", dir=MEMORY))
    # Takes it away as soon as nobody holds the other end of its pipe any more, be it that we were killed.
    with subprocess.Popen(["sh", "-c", REMOVE, "sh", home], stdin=subprocess.PIPE, start_new_session=True):
        yield home


@pytest.fixture(scope="session")
def postgres_server(_postgres_home: Path) -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL server for the session, durable settings off."""
    home, settings = _postgres_home, {**postgres.THROW_AWAY, "max_wal_size": "256MB"}
    server = postgres.start(home / "data", password=secrets.token_hex(16), log=home / "postgres.log", settings=settings)
    processes.guard(server.process, signal.SIGQUIT)
    _log_in_cheaply(server)
    yield server
    processes.stop([server.process])


def _log_in_cheaply(server: postgres.PostgresServer) -> None:
    """Hash the password once instead of 4,096 times: each of the tests' thousands of logins would."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        if connection.info.server_version >= 160_000:
            connection.execute("set scram_iterations = 1")
            named = sql.SQL("alter role {} password {}")
            connection.execute(named.format(sql.Identifier(postgres.SUPERUSER), server.password))


@pytest.fixture(scope="session")
def _migrated_template(postgres_server: postgres.PostgresServer) -> str:
    """The name of a database with all migrations applied, to be cloned."""
    from marketdata.storage.migrations import migrate

    assert migrate(postgres_server.create_database(TEMPLATE)), "no migration was applied"
    return TEMPLATE


class _Clones:
    """Migrated databases, made while tests run and dropped after them: a clone costs as much as many a test."""

    AHEAD = 2

    def __init__(self, server: postgres.PostgresServer, template: str, worker: ThreadPoolExecutor) -> None:
        self._server, self._template, self._worker = server, template, worker
        self._session = psycopg.connect(server.dsn(), autocommit=True)
        self._made: deque[Future[str]] = deque()

    def take(self) -> str:
        """The name of a database that nobody has used."""
        while len(self._made) <= self.AHEAD:
            self._made.append(self._worker.submit(self._make))
        return self._made.popleft().result()

    def give_back(self, name: str) -> None:
        """Drop a database, and whoever is still connected to it."""
        self._worker.submit(self._run, "drop database if exists {} with (force)", name)

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)
        self._session.close()

    def _make(self) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self._run("create database {} template {}", name, self._template)
        return name

    def _run(self, statement: str, *names: str) -> None:
        self._session.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def _clones(postgres_server: postgres.PostgresServer, _migrated_template: str) -> Iterator[_Clones]:
    clones = _Clones(postgres_server, _migrated_template, ThreadPoolExecutor(1, "clones"))
    yield clones
    clones.close()


@pytest.fixture
def empty_dsn(postgres_server: postgres.PostgresServer) -> Iterator[str]:
    """A fresh database without any table."""
    name = f"test_{secrets.token_hex(6)}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def dsn(postgres_server: postgres.PostgresServer, _clones: _Clones) -> Iterator[str]:
    """A fresh database with all migrations applied."""
    name = _clones.take()
    yield postgres_server.dsn(name)
    _clones.give_back(name)


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
