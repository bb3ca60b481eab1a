"""Database errors in our words: what, why, and the next step."""

from __future__ import annotations

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from marketdata.errors import (
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnavailable,
    SchemaMismatch,
    StorageError,
)

MIGRATE = "run: marketdata migrate"
LACKS_ROLE = "make the login a member of marketdata_app, or migrate as the schema's owner: see docs/deployment.md"

COLLISIONS = (
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


def as_the_server_said(error: psycopg.Error) -> psycopg.Error:
    """``error``, or the server's that it hides: the client's own, for a pipeline that could not be left after it."""
    while error.sqlstate is None and isinstance(error.__context__, psycopg.Error):
        error = error.__context__
    return error


def translated(error: psycopg.Error, dsn: str) -> StorageError:
    """The error of ours that a database error means."""
    where, why = _place(dsn), _first_line(error)
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return DatabaseReadOnly(where, why, "point the DSN at the primary, or unset default_transaction_read_only")
    if isinstance(error, _SCHEMA_ERRORS):
        return SchemaMismatch(where, why, MIGRATE)
    if isinstance(error, errors.InsufficientPrivilege):
        return StorageError(where, why, LACKS_ROLE)
    if isinstance(error, (errors.QueryCanceled, *COLLISIONS)):
        return DatabaseBusy(where, why, "look for a long transaction in pg_stat_activity, then try again")
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnavailable(where, why, "see the server's log, its disk and its connections, then try again")
    return StorageError(where, why, "this is a defect or bad data that no check caught: report it with the log")


def why_no_connection(error: psycopg.OperationalError, dsn: str) -> StorageError:
    """The error of ours that a failed attempt to connect means."""
    where, why = _place(dsn), _first_line(error)
    if "session is read-only" in str(error) or "hot standby" in str(error):
        return DatabaseReadOnly(where, why, "point the DSN at the primary, or unset default_transaction_read_only")
    if is_full(why):
        step = "raise max_connections, or lower what is given to pools and processes: see docs/deployment.md"
        return DatabaseUnavailable(where, why, step)
    return DatabaseUnavailable(where, why, "check that the server runs there, and that database and login are right")


def is_full(why: str) -> bool:
    """Whether a server refused a session because it has given out all that it may."""
    return any(said in why for said in _FULL)


def _place(dsn: str) -> str:
    """Host, port and database of a DSN, and nothing secret."""
    given = conninfo_to_dict(dsn)
    host, port = given.get("host", "local socket"), given.get("port", 5432)
    return f"database {given.get('dbname', '')} at {host}:{port}"


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
