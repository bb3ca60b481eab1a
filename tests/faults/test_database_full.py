"""A server that gives no more sessions: tasks wait for one, and none loses what it had to store."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from local import postgres, processes
from marketdata.errors import DatabaseUnavailable, StorageError
from marketdata.storage.connection import FULL_ATTEMPTS, Connection, Database, connect
from marketdata.storage.migrations import migrate
from marketdata.storage.read_pool import ReadPool
from marketdata.storage.roles import APP
from marketdata.storage.watchlists import create_lists, list_watchlists

pytestmark = pytest.mark.fault("D08")

MAX_CONNECTIONS = 12
SESSIONS = MAX_CONNECTIONS - 3  # what PostgreSQL leaves to those who are no superuser
TASKS = 20


@pytest.fixture(scope="module")
def small_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database on a server with a dozen sessions, for a login that is no superuser."""
    home = tmp_path_factory.mktemp("small")
    settings = {**postgres.THROW_AWAY, "max_connections": str(MAX_CONNECTIONS)}
    server = postgres.start(home / "data", password="x" * 9, log=home / "log", settings=settings)
    processes.guard(server.process, signal.SIGQUIT)
    dsn = server.create_database("marketdata")
    assert migrate(dsn)
    yield postgres.create_login(dsn, APP, "y" * 9, {})
    processes.stop([server.process])


def test_more_tasks_than_sessions_wait_for_each_other_and_all_store_what_they_have(small_dsn: str) -> None:
    """Those who have a session keep it until each of the others was refused three times: more often than a server that
    is down is asked.
    """
    refused: list[float] = []
    enough = threading.Event()
    failures: list[StorageError] = []

    def wait(seconds: float) -> None:
        refused.append(seconds)
        if len(refused) >= 3 * (TASKS - SESSIONS):
            enough.set()
        time.sleep(seconds)

    def store(connection: Connection, name: str) -> None:
        create_lists(connection, [name])
        enough.wait(timeout=60)

    def work(number: int) -> None:
        database = Database(small_dsn, wait=wait)
        try:
            database.transact(lambda connection: store(connection, f"list {number:02d}"))
        except StorageError as error:
            failures.append(error)
            enough.set()
        finally:
            database.close()

    tasks = [threading.Thread(target=work, args=(number,)) for number in range(TASKS)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(timeout=120)
    assert failures == []
    assert len(refused) >= 3 * (TASKS - SESSIONS)
    with connect(small_dsn) as connection:
        assert [found.name for found in list_watchlists(connection)] == [f"list {n:02d}" for n in range(TASKS)]


def test_a_server_that_stays_full_ends_in_an_error_that_says_so_and_what_to_do(small_dsn: str) -> None:
    waits: list[float] = []
    with ExitStack() as others:
        for _ in range(SESSIONS):
            others.enter_context(connect(small_dsn))
        with pytest.raises(DatabaseUnavailable, match=r"reserved|too many") as caught:
            Database(small_dsn, wait=waits.append).connection()
        assert "raise max_connections" in caught.value.next_step
        assert "docs/deployment.md" in caught.value.next_step
        assert caught.value.retryable, "the task is tried again"
        pool = ReadPool(small_dsn)
        with pytest.raises(DatabaseUnavailable):  # a page does not wait: it says so
            pool.read(lambda connection: connection.execute("select 1"))
        pool.close()
    assert len(waits) == FULL_ATTEMPTS - 1
    assert sum(0.1 * 2**attempt for attempt in range(1, FULL_ATTEMPTS)) < 50, "the minute's tick has so many seconds"
