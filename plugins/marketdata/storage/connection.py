"""One database session: its settings and its transactions, which repeat what a collision or a lost connection undid."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from marketdata.errors import ConfigurationError, DatabaseUnavailable
from marketdata.settings import frozen_now
from marketdata.storage.database_errors import COLLISIONS, as_the_server_said, is_full, translated, why_no_connection
from marketdata.storage.statements import statement

log = logging.getLogger(__name__)

F = TypeVar("F")
T = TypeVar("T")
Connection = psycopg.Connection[tuple[object, ...]]
Cursor = psycopg.Cursor[tuple[object, ...]]

SCHEMA = "marketdata"
MAX_ATTEMPTS = 5
CONNECT_ATTEMPTS = 3
FULL_ATTEMPTS = 8
"""A server without a session left soon has one: 13 s of waiting in all, 26 s at most, less than a tick may take."""

SESSION_SETTINGS = {
    "search_path": f"{SCHEMA},public",
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than any statement here runs
}

_jitter = secrets.SystemRandom()


def connect(dsn: str, *, autocommit: bool = False, settings: dict[str, str] | None = None) -> Connection:
    """A session on a server that takes writes, with ``SESSION_SETTINGS``; ``options`` in the DSN win over them.

    Tries once. Raises ConfigurationError for a malformed DSN, DatabaseReadOnly for a standby, else DatabaseUnavailable.
    """
    arguments = session_arguments(dsn, settings or {})
    try:
        return psycopg.connect(**arguments, autocommit=autocommit)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise why_no_connection(error, dsn) from error


def session_arguments(dsn: str, settings: Mapping[str, str]) -> dict[str, object]:
    """What ``psycopg.connect`` is given for a session with ``SESSION_SETTINGS`` and ``settings``, which win over them.

    Raises ConfigurationError for a malformed DSN; what stands in the DSN wins over all.
    """
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(
            "the database address", "it is malformed", "write it as postgresql://user@host:5432/database"
        ) from error
    chosen = {**SESSION_SETTINGS, **_frozen_clock(), **settings}
    options = " ".join([*(f"-c {name}={value}" for name, value in chosen.items()), str(given.get("options") or "")])
    defaults = {"connect_timeout": 5, "target_session_attrs": "read-write", "fallback_application_name": "marketdata"}
    return {**defaults, **given, "options": options, "prepare_threshold": 1}


@dataclass(slots=True)
class _Sent:
    """A transaction whose commit was sent: ``pipeline`` is open until that is heard of, None where it was undone."""

    commit: Cursor
    pipeline: ExitStack | None
    run_to_its_end: Callable[[Connection], None]


class Database:
    """A session that is opened when first needed and again after it was lost. Not for use by two threads at once."""

    def __init__(self, dsn: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        self.dsn = dsn
        self._wait = wait
        self._connection: Connection | None = None
        self._told: datetime | None = None
        self._sent: _Sent | None = None

    def connection(self) -> Connection:
        """The open session; connects if there is none, up to 3 times while the server is away, 8 while it is full."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        attempt = 1
        while True:
            try:
                self._connection, self._told = connect(self.dsn, autocommit=True), frozen_now()
                return self._connection
            except DatabaseUnavailable as error:
                if attempt >= (FULL_ATTEMPTS if is_full(error.why) else CONNECT_ATTEMPTS):
                    raise
                log.warning("no session: attempt=%d cause=%s", attempt, error.why)
            self._pause(attempt)
            attempt += 1

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction, commit, and return its result; on any error nothing of it is stored.

        It is run again, up to 5 times in all, after a collision with another writer or a lost connection, so it must do
        nothing but talk to the database. Database errors leave as errors of ours; others pass unchanged.
        """

        def run(connection: Connection) -> T:
            self._hear(connection)
            connection.execute("begin")
            result = work(connection)
            connection.execute("commit")
            return result

        return self._repeated(run)

    def transact_one(self, work: Callable[[Connection], T]) -> T:
        """As :meth:`transact`, for ``work`` of one statement, which is one by itself: one trip instead of three."""

        def run(connection: Connection) -> T:
            self._hear(connection)
            return work(connection)

        return self._repeated(run)

    def transact_ahead(
        self,
        first: Callable[[Connection], F],
        work: Callable[[Connection, F], T],
        last: Callable[[Connection, T], None],
    ) -> T:
        """As :meth:`transact`, but return when the commit is sent: the caller goes on while the server commits.

        ``first`` sends statements that travel with the begin, and ``work`` is given what it returns; ``last`` is given
        the result of ``work`` and sends statements whose answers nobody reads, which travel with the commit. The next
        use of this session, :meth:`settle` at the latest, hears how it ended, and where it was undone runs all three
        again, as often as :meth:`transact` would. A commit that was sent is made even if this process dies.
        """

        def run(connection: Connection, begin: AbstractContextManager[object], end: ExitStack) -> tuple[T, Cursor]:
            with begin:
                connection.execute("begin")
                begun = first(connection)
            result = work(connection, begun)
            end.enter_context(connection.pipeline())
            last(connection, result)
            return result, connection.execute("commit")

        def run_to_its_end(connection: Connection) -> None:
            with ExitStack() as end:
                run(connection, connection.pipeline(), end)

        def send(connection: Connection) -> T:
            with ExitStack() as end:
                result, commit = run(connection, self._next_trip(connection), end)
                self._sent = _Sent(commit, end.pop_all(), run_to_its_end)
            return result

        return self._repeated(send)

    def settle(self) -> None:
        """Wait for the commit that is on its way, if one is; raises as :meth:`transact` where it cannot be made."""
        if self._sent is not None:
            self._repeated(self._hear)

    def _repeated(self, run: Callable[[Connection], T]) -> T:
        """``run`` until it succeeds, for as long as trying again can help."""
        attempt = 1
        while True:
            connection = self.connection()
            try:
                self._tell_time(connection)
                return run(connection)
            except psycopg.Error as raised:
                error = as_the_server_said(raised)
                self._undo(connection)
                lost = connection.closed
                if attempt == MAX_ATTEMPTS or not (lost or isinstance(error, COLLISIONS)):
                    self._sent = None
                    raise translated(error, self.dsn) from error
                log.warning("transaction repeated: sqlstate=%s attempt=%d lost=%s", error.sqlstate, attempt, lost)
            except BaseException:
                self._undo(connection)
                raise
            self._pause(attempt)
            attempt += 1

    def _hear(self, connection: Connection) -> None:
        """Hear how the commit before ended, if one is on its way."""
        if self._sent is not None:
            with self._next_trip(connection):
                pass

    @contextmanager
    def _next_trip(self, connection: Connection) -> Iterator[None]:
        """For statements that travel together, with the commit before if one is on its way; hears how that ended."""
        sent = self._sent
        if sent is not None and sent.pipeline is None:
            sent.run_to_its_end(connection)
            sent = self._sent = None
        if sent is None or sent.pipeline is None:
            with connection.pipeline():
                yield
            return
        pipeline, sent.pipeline = sent.pipeline, None
        try:
            with pipeline:
                yield
        finally:
            if sent.commit.statusmessage == "COMMIT":
                self._sent = None

    def close(self) -> None:
        """Give the session back; the server undoes an open transaction, and makes a commit that was sent."""
        self._sent = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _tell_time(self, connection: Connection) -> None:
        """Move the session's clock after ours, where ``MARKETDATA_NOW`` has frozen or freed it since."""
        frozen = frozen_now()
        if frozen != self._told:
            self._hear(connection)
            connection.execute(statement("schema/set_clock"), {"now": frozen.isoformat() if frozen else ""})
            self._told = frozen

    def _pause(self, attempt: int) -> None:
        self._wait(_jitter.uniform(0.0, 0.1 * 2**attempt))

    def _undo(self, connection: Connection) -> None:
        """Roll back; a session that cannot is lost, even where the client has not seen its end yet, and is closed.

        Only a rollback has psycopg 3.3.9 forget the statements that a pipeline was to prepare when it failed, and it
        sends none outside of a transaction, where a commit that failed leaves the session.
        """
        try:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                connection.execute("begin", prepare=False)
            connection.rollback()
        except psycopg.Error:
            connection.close()  # the server undoes the transaction itself


def _frozen_clock() -> dict[str, str]:
    """The setting that the SQL function ``market_date`` reads, where ``MARKETDATA_NOW`` freezes the clock."""
    frozen = frozen_now()
    return {"marketdata.now": frozen.isoformat()} if frozen else {}
