"""One database session: its settings, its transactions, and its errors in our words.

Every transaction goes through :meth:`Database.transact`, which repeats what a collision or a lost connection undid.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from marketdata.errors import (
    ConfigurationError,
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnavailable,
    SchemaMismatch,
    StorageError,
)
from marketdata.settings import frozen_now
from marketdata.storage.statements import statement

log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = psycopg.Connection[tuple[object, ...]]

SCHEMA = "marketdata"
MAX_ATTEMPTS = 5
CONNECT_ATTEMPTS = 3
FULL_ATTEMPTS = 8
"""A server without a session left soon has one: 13 s of waiting in all, 26 s at most, less than a tick may take."""
MIGRATE = "run: marketdata migrate"
LACKS_ROLE = "make the login a member of marketdata_app, or migrate as the schema's owner: see docs/deployment.md"

SESSION_SETTINGS = {
    "search_path": f"{SCHEMA},public",
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than any statement here runs
}

_COLLISIONS = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
    errors.UniqueViolation,  # somebody without our locks stored the same rows in between: the next attempt sees them
)
_SCHEMA_ERRORS = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.InvalidSchemaName,
)
_FULL = (  # a session that was never given has no SQLSTATE
    "too many clients",
    "too many connections",
    "connection slots are reserved",
    "no more connections allowed",  # PgBouncer
)
_jitter = secrets.SystemRandom()


def connect(dsn: str, *, autocommit: bool = False, settings: dict[str, str] | None = None) -> Connection:
    """A session on a server that takes writes, with ``SESSION_SETTINGS``; ``options`` in the DSN win over them.

    Tries once. Raises ConfigurationError for a malformed DSN, DatabaseReadOnly for a standby, else DatabaseUnavailable.
    """
    arguments = session_arguments(dsn, settings or {})
    try:
        return psycopg.connect(**arguments, autocommit=autocommit)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise _why_no_connection(error, dsn) from error


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


class Database:
    """A session that is opened when first needed and again after it was lost. Not for use by two threads at once."""

    def __init__(self, dsn: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        self.dsn = dsn
        self._wait = wait
        self._connection: Connection | None = None
        self._told: datetime | None = None

    def connection(self) -> Connection:
        """The open session; connects if there is none, up to 3 times while the server is away, 8 while it is full."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        attempt = 1
        while True:
            try:
                self._connection, self._told = connect(self.dsn), frozen_now()
                return self._connection
            except DatabaseUnavailable as error:
                if attempt >= (FULL_ATTEMPTS if _is_full(error.why) else CONNECT_ATTEMPTS):
                    raise
                log.warning("no session: attempt=%d cause=%s", attempt, error.why)
            self._pause(attempt)
            attempt += 1

    def transact(self, work: Callable[[Connection], T], last: Callable[[Connection, T], None] | None = None) -> T:
        """Run ``work`` in one transaction, commit, and return its result; on any error nothing of it is stored.

        ``last`` is given that result and sends statements whose answers nobody reads: they travel with the commit.
        Both are run again, up to 5 times in all, after a collision with another writer or a lost connection, so they
        must do nothing but talk to the database. Database errors leave as errors of ours; others pass unchanged.
        """
        attempt = 1
        while True:
            connection = self.connection()
            try:
                self._tell_time(connection)
                result = work(connection)
                if last is None:
                    connection.commit()
                else:
                    with connection.pipeline():
                        last(connection, result)
                        connection.commit()
                return result
            except psycopg.Error as error:
                lost = connection.closed or connection.broken
                self._undo(connection)
                if attempt == MAX_ATTEMPTS or not (lost or isinstance(error, _COLLISIONS)):
                    raise translated(error, self.dsn) from error
                log.warning("transaction repeated: sqlstate=%s attempt=%d lost=%s", error.sqlstate, attempt, lost)
            except BaseException:
                self._undo(connection)
                raise
            self._pause(attempt)
            attempt += 1

    def close(self) -> None:
        """Give the session back; an open transaction is undone by the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _tell_time(self, connection: Connection) -> None:
        """Move the session's clock after ours, where ``MARKETDATA_NOW`` has frozen or freed it since."""
        frozen = frozen_now()
        if frozen != self._told:
            connection.execute(statement("schema/set_clock"), {"now": frozen.isoformat() if frozen else ""})
            connection.commit()
            self._told = frozen

    def _pause(self, attempt: int) -> None:
        self._wait(_jitter.uniform(0.0, 0.1 * 2**attempt))

    def _undo(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()  # lost: the server undoes the transaction itself


def translated(error: psycopg.Error, dsn: str) -> StorageError:
    """The error of ours that a database error means."""
    where, why = _place(dsn), _first_line(error)
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return DatabaseReadOnly(where, why, "point the DSN at the primary, or unset default_transaction_read_only")
    if isinstance(error, _SCHEMA_ERRORS):
        return SchemaMismatch(where, why, MIGRATE)
    if isinstance(error, errors.InsufficientPrivilege):
        return StorageError(where, why, LACKS_ROLE)
    if isinstance(error, (errors.QueryCanceled, *_COLLISIONS)):
        return DatabaseBusy(where, why, "look for a long transaction in pg_stat_activity, then try again")
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnavailable(where, why, "see the server's log, its disk and its connections, then try again")
    return StorageError(where, why, "this is a defect or bad data that no check caught: report it with the log")


def _frozen_clock() -> dict[str, str]:
    """The setting that the SQL function ``market_date`` reads, where ``MARKETDATA_NOW`` freezes the clock."""
    frozen = frozen_now()
    return {"marketdata.now": frozen.isoformat()} if frozen else {}


def _why_no_connection(error: psycopg.OperationalError, dsn: str) -> StorageError:
    where, why = _place(dsn), _first_line(error)
    if "session is read-only" in str(error) or "hot standby" in str(error):
        return DatabaseReadOnly(where, why, "point the DSN at the primary, or unset default_transaction_read_only")
    if _is_full(why):
        step = "raise max_connections, or lower what is given to pools and processes: see docs/deployment.md"
        return DatabaseUnavailable(where, why, step)
    return DatabaseUnavailable(where, why, "check that the server runs there and takes connections")


def _is_full(why: str) -> bool:
    return any(said in why for said in _FULL)


def _place(dsn: str) -> str:
    """Host, port and database of a DSN, and nothing secret."""
    given = conninfo_to_dict(dsn)
    host, port = given.get("host", "local socket"), given.get("port", 5432)
    return f"database {given.get('dbname', '')} at {host}:{port}"


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
