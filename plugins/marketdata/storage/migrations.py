"""Brings the schema to what the code expects: numbered SQL files, each applied once, in order, under one lock.

A file is one transaction with the row that records it, so that a kill between files, or inside one, leaves a state from
which the next start goes on. Marks in a file's leading comments:

- ``-- no transaction``: its statements cannot run in one. It is recorded as started first; a file found started is run
  again, so its statements must bear that.
- ``-- timescale: apache`` or ``tsl``: it waits for a TimescaleDB of at least that level, and is applied by the next
  ``migrate`` after the extension arrived.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg

from marketdata.errors import SchemaMismatch
from marketdata.settings import now
from marketdata.storage.connection import SCHEMA, Connection, connect
from marketdata.storage.database_errors import MIGRATE, translated
from marketdata.storage.roles import find_login, grant
from marketdata.storage.statements import sql_directory, statement
from marketdata.storage.timescale import Level, enable, level
from marketdata.storage.trading_sessions import fill

log = logging.getLogger(__name__)

_WAIT_FOR_OTHER_STARTER = {"lock_timeout": "10min", "statement_timeout": "0"}


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``name`` without its ending, ``checksum`` SHA-256 of its text, ``needs`` the TimescaleDB level."""

    name: str
    text: str
    checksum: str
    needs: Level
    in_transaction: bool


def migrate(dsn: str, *, directory: Path | None = None) -> list[str]:
    """Apply what is not applied yet, fill the trading sessions and grant; returns the names applied, in order.

    Safe to start twice at once: the second waits and finds nothing to do. A login that does not own the schema changes
    nothing, and is refused if something is to be applied. Raises SchemaMismatch then, if an applied file was edited, or
    if the schema is newer than ``directory`` (default: the project's migrations).
    """
    connection = connect(dsn, autocommit=True, settings=_WAIT_FOR_OTHER_STARTER)
    try:
        with connection:
            migrations = load_migrations(directory or sql_directory() / "migrations")
            login = find_login(connection)
            if not login.is_owner:
                _refuse_pending(_pending(connection, migrations), login.login)
                return []
            connection.execute(statement("schema/lock_migrations"))
            return _migrate(connection, migrations)
    except psycopg.Error as error:
        raise translated(error, dsn) from error


def pending_migrations(dsn: str) -> list[str]:
    """The names of the files that :func:`migrate` would apply, in order; applies none."""
    migrations = load_migrations(sql_directory() / "migrations")
    try:
        with connect(dsn, autocommit=True) as connection:
            return _pending(connection, migrations)
    except psycopg.Error as error:
        raise translated(error, dsn) from error


def _pending(connection: Connection, migrations: tuple[Migration, ...]) -> list[str]:
    has_record = connection.execute(statement("schema/find_record")).fetchone() != (None,)
    applied = _applied(connection) if has_record else {}
    _refuse_foreign(migrations, applied)
    available = level(connection)
    return [m.name for m in migrations if m.needs <= available and not applied.get(m.name, ("", False))[1]]


def _refuse_pending(names: list[str], login: str) -> None:
    if names:
        why = f"{', '.join(names)} not applied, and {login} does not own it"
        raise SchemaMismatch("the schema", why, f"{MIGRATE}, as its owner: see docs/deployment.md")


def check_schema(connection: Connection) -> None:
    """Raise SchemaMismatch, with the command to run, unless the schema is exactly what this code expects.

    Files that wait for TimescaleDB are not expected.
    """
    migrations = load_migrations(sql_directory() / "migrations")
    if connection.execute(statement("schema/find_record")).fetchone() == (None,):
        raise SchemaMismatch("the schema", f"schema {SCHEMA} has not been made", MIGRATE)
    applied = _applied(connection)
    _refuse_foreign(migrations, applied)
    lacking = [m.name for m in migrations if m.needs is Level.NONE and applied.get(m.name, ("", False))[1] is False]
    if lacking:
        raise SchemaMismatch("the schema", f"it is older than the code: {', '.join(lacking)} not applied", MIGRATE)


def waiting_migrations(connection: Connection) -> list[str]:
    """The files that could be applied now: those that waited for a TimescaleDB that has arrived."""
    applied, available = _applied(connection), level(connection)
    migrations = load_migrations(sql_directory() / "migrations")
    return [m.name for m in migrations if m.needs <= available and not applied.get(m.name, ("", False))[1]]


@cache
def load_migrations(directory: Path) -> tuple[Migration, ...]:
    """The files of a directory in order of their numbers."""
    return tuple(_parsed(path) for path in sorted(directory.glob("[0-9][0-9][0-9][0-9]_*.sql")))


def _parsed(path: Path) -> Migration:
    text = path.read_text(encoding="utf-8")
    marks: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        name, _, value = line.removeprefix("--").partition(":")
        marks[name.strip()] = value.strip()
    return Migration(
        name=path.stem,
        text=text,
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        needs=Level[marks.get("timescale", "none").upper()],
        in_transaction="no transaction" not in marks,
    )


def _migrate(connection: Connection, migrations: tuple[Migration, ...]) -> list[str]:
    connection.execute(statement("schema/create_schema"))
    connection.execute(statement("schema/create_record"))
    applied = _applied(connection)
    _refuse_foreign(migrations, applied)
    enable(connection)
    available = level(connection)
    done: list[str] = []
    for migration in migrations:
        if migration.needs <= available and not applied.get(migration.name, ("", False))[1]:
            _apply(connection, migration)
            done.append(migration.name)
    if connection.execute(statement("sessions/find_table")).fetchone() != (None,):
        fill(connection, now().date())
    _grant(connection)
    return done


def _grant(connection: Connection) -> None:
    """Let the roles of others do what they need; where we may not make the roles, say who can."""
    refused = grant(connection)
    if refused:
        log.warning(
            "roles that lack are granted nothing: let a superuser run: %s; then %s", "; ".join(refused), MIGRATE
        )


def _apply(connection: Connection, migration: Migration) -> None:
    record = {"name": migration.name, "checksum": migration.checksum}
    if migration.in_transaction:
        with connection.transaction():
            connection.execute(migration.text, prepare=False)
            connection.execute(statement("schema/record_migration"), {**record, "is_complete": True})
        return
    connection.execute(statement("schema/record_migration"), {**record, "is_complete": False})
    for part in migration.text.split(";\n"):
        if part.strip():
            connection.execute(part, prepare=False)
    connection.execute(statement("schema/record_migration"), {**record, "is_complete": True})


def _applied(connection: Connection) -> dict[str, tuple[str, bool]]:
    """Checksum and completeness of each recorded file, by name."""
    rows = connection.execute(statement("schema/list_applied")).fetchall()
    return {str(name): (str(checksum), bool(is_complete)) for name, checksum, is_complete in rows}


def _refuse_foreign(migrations: tuple[Migration, ...], applied: Mapping[str, tuple[str, bool]]) -> None:
    known = {migration.name: migration for migration in migrations}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise SchemaMismatch(
            "the schema", f"it is newer than this code: {', '.join(newer)}", "deploy the code that made it"
        )
    edited = [name for name, (checksum, done) in applied.items() if done and checksum != known[name].checksum]
    if edited:
        raise SchemaMismatch(
            "the schema",
            f"{', '.join(edited)} was edited after it was applied",
            "restore the file, and put the change in a new migration",
        )
