"""Who may do what in the database: the app role what the flows do, the reader role nothing but read."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from marketdata.errors import SchemaMismatch, StorageError
from marketdata.storage.assets import find_assets
from marketdata.storage.connection import Connection, connect
from marketdata.storage.migrations import migrate
from marketdata.storage.roles import APP, READER, grant
from marketdata.storage.statements import all_statements, sql_directory, statement
from marketdata.storage.warehouse import Warehouse
from tests.storage.logins import as_app, as_reader

pytestmark = pytest.mark.fault("S11")

_PARAMETER = re.compile(r"%\((\w+)\)s")
_COPIED_TO = re.compile(r"^copy (\w+) \(", re.MULTILINE)

_NOT_FOR_THE_APP = (
    "drop table bar_daily",
    "drop schema marketdata cascade",
    "drop view bar_daily_adjusted",
    "create table marketdata.mine (id int)",
    "create schema mine",
    "create role mine",
    "create or replace function market_date() returns date language sql as 'select current_date'",
    "alter table bar_daily drop column vwap",
    "alter table bar_daily owner to current_user",
    "truncate bar_daily",
    "delete from bar_hourly",
    "delete from bar_revision",
    "update bar_revision set close = 1",
    "delete from quarantine",
    "delete from fetch_failure",
    "delete from ingest_run",
    "delete from price_minute",
    "delete from alert",
    "delete from schema_migration",
    "update schema_migration set checksum = 'mine'",
    "insert into schema_migration values ('0999_mine', 'mine', true)",
    "set role postgres",
)
_NOT_FOR_A_READER = (
    "drop table bar_daily",
    "create table marketdata.mine (id int)",
    "truncate bar_daily",
    "delete from bar_daily",
    "update asset set symbol = 'MINE'",
    "insert into watchlist (name) values ('mine')",
)


@pytest.fixture
def app(dsn: str) -> Iterator[Connection]:
    """A session of the app role."""
    with connect(as_app(dsn), autocommit=True) as connection:
        yield connection


@pytest.fixture
def reader(dsn: str) -> Iterator[Connection]:
    """A session of the reader role that has switched off what keeps it from writing by mistake."""
    given = {"target_session_attrs": "any"}
    with psycopg.connect(as_reader(dsn), **given, options="-c search_path=marketdata", autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        yield connection


def test_the_app_role_cannot_change_the_schema_or_lose_evidence(app: Connection) -> None:
    for forbidden in _NOT_FOR_THE_APP:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(forbidden)


def test_the_reader_role_cannot_write_even_where_it_has_unset_what_keeps_it_from_it(reader: Connection) -> None:
    for forbidden in _NOT_FOR_A_READER:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(forbidden)


def test_a_reader_does_not_write_by_mistake_and_does_not_ask_for_ever(dsn: str) -> None:
    with psycopg.connect(as_reader(dsn), options="-c search_path=marketdata", autocommit=True) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("30s",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create temporary table mine (id int)")


def test_the_reader_role_reads_every_table_view_and_function(reader: Connection) -> None:
    found = reader.execute(
        "select relname from pg_class where relnamespace = 'marketdata'::regnamespace and relkind in ('r', 'p', 'v')"
    ).fetchall()
    assert len(found) > 25
    for (name,) in found:
        reader.execute(sql.SQL("select from {} limit 1").format(sql.Identifier(str(name))))
    reader.execute("select market_date(), (select count(*) from bar_daily_as_of(1, '2020-01-01', '2021-01-01', now()))")


def test_the_app_role_may_do_exactly_what_the_statements_do(app: Connection) -> None:
    """Neither a statement that fails in the night nor a right that nobody needs; new tables go into list_grants."""
    needed = _needed(app)
    assert needed["bar_daily"] == {"INSERT", "UPDATE", "DELETE"}
    granted: dict[str, set[str]] = {}
    rows = app.execute(
        "select table_name, privilege_type from information_schema.role_table_grants"
        " where grantee = %s and table_schema = 'marketdata' and privilege_type <> 'SELECT'",
        [APP],
    )
    for table, privilege in rows.fetchall():
        granted.setdefault(str(table), set()).add(str(privilege))
    assert granted == needed


def _needed(connection: Connection) -> dict[str, set[str]]:
    """What the statements do to each table, by their plans, which the server makes only for those who may run them."""
    connection.prepare_threshold = None
    for staging in (name for name in all_statements() if name.endswith("/create_staging")):
        connection.execute(statement(staging))
    needed: dict[str, set[str]] = {}
    for name in all_statements():
        if name.startswith("schema/"):  # the owner's
            continue
        for table, privilege in _writes(connection, name):
            needed.setdefault(table, set()).add(privilege)
    return {table: privileges for table, privileges in needed.items() if not table.startswith("staged_")}


def _writes(connection: Connection, name: str) -> Iterator[tuple[str, str]]:
    copied = _COPIED_TO.search(statement(name))
    if copied:
        yield copied[1], "INSERT"
        return
    numbers: dict[str, int] = {}
    text = _PARAMETER.sub(lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", statement(name))
    connection.pgconn.exec_(b"deallocate all")
    prepared = connection.pgconn.prepare(b"asked", text.replace("%%", "%").encode())
    assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, f"{name}: {prepared.error_message.decode()}"
    arguments = f"({', '.join(['null'] * len(numbers))})" if numbers else ""
    plan = connection.pgconn.exec_(f"explain (format json) execute asked{arguments}".encode())
    assert plan.status == psycopg.pq.ExecStatus.TUPLES_OK, f"{name}: {plan.error_message.decode()}"
    for found in json.loads(plan.get_value(0, 0) or b"[]"):
        if isinstance(found, dict):  # "Utility Statement" is none
            yield from _modified(found["Plan"])


def _modified(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if node["Node Type"] == "ModifyTable":
        yield node["Relation Name"], node["Operation"].upper()
        if node.get("Conflict Resolution") == "UPDATE":
            yield node["Relation Name"], "UPDATE"
    for inner in node.get("Plans", []):
        yield from _modified(inner)


def test_a_table_that_a_later_migration_makes_is_readable_at_once(dsn: str, tmp_path: Path) -> None:
    for path in (sql_directory() / "migrations").glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "0998_later.sql").write_text("create table later (id int primary key);\n", encoding="utf-8")
    assert migrate(dsn, directory=tmp_path) == ["0998_later"]
    for login in (as_app(dsn), as_reader(dsn)):
        with psycopg.connect(login) as connection:
            assert connection.execute("select from marketdata.later").fetchall() == []


def test_a_right_that_was_given_by_hand_is_taken_back_by_the_next_migration(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute(f"grant delete on bar_revision to {APP}")
    migrate(dsn)
    with connect(as_app(dsn)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from bar_revision")


@pytest.fixture(params=["empty_dsn", pytest.param("timescale_dsn", marks=pytest.mark.timescale)])
def owner_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database whose owner is no superuser and may make no roles, as on a managed server."""
    dsn = str(request.getfixturevalue(request.param))
    with psycopg.connect(dsn, autocommit=True) as connection:
        owned = sql.SQL("alter database {} owner to {}").format
        database = sql.Identifier(connection.info.dbname)
        connection.execute("create role plain_owner login password 'plain'")
        connection.execute(owned(database, sql.SQL("plain_owner")))
        yield psycopg.conninfo.make_conninfo(dsn, user="plain_owner", password="plain")  # noqa: S106 - of this test
        connection.execute(owned(database, sql.SQL("current_user")))
        connection.execute("drop owned by plain_owner cascade")
        connection.execute("drop role plain_owner")


def test_where_roles_may_not_be_made_the_migration_says_what_a_superuser_must_run(
    owner_dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lacking = statement("schema/list_lacking_roles")
    ours = {name: name.replace("marketdata", "nobodys") for name in (APP, READER)}
    for name, other in ours.items():
        lacking = lacking.replace(f"'{name}'", f"'{other}'")
    real = statement
    monkeypatch.setattr(
        "marketdata.storage.roles.statement", lambda name: lacking if name.endswith("lacking_roles") else real(name)
    )
    with caplog.at_level(logging.WARNING):
        assert migrate(owner_dsn)[0] == "0001_assets"
    assert "create role nobodys_app nologin; create role nobodys_reader nologin" in caplog.text
    assert "run: marketdata migrate" in caplog.text


def test_roles_that_another_database_made_in_between_are_no_failure(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = statement
    made = f"select 'create role {APP} nologin'"
    monkeypatch.setattr(
        "marketdata.storage.roles.statement", lambda name: made if name.endswith("lacking_roles") else real(name)
    )
    with connect(dsn, autocommit=True) as connection:
        assert grant(connection) == []


def test_a_login_of_the_app_finds_nothing_to_migrate_and_is_told_who_must_if_there_is(dsn: str) -> None:
    assert migrate(as_app(dsn)) == []
    with connect(dsn) as connection:
        connection.execute("delete from schema_migration where name = '0016_alerts'")
    with pytest.raises(SchemaMismatch, match="0016_alerts not applied, and marketdata_app_login does not own it"):
        migrate(as_app(dsn))


def test_a_login_in_neither_role_is_told_which_one_it_lacks(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute(f"revoke usage on schema marketdata from {APP}")
    with pytest.raises(StorageError, match=r"permission denied.*member of marketdata_app"), Warehouse.open(as_app(dsn)):
        pass
    migrate(dsn)
    with Warehouse.open(as_app(dsn)) as warehouse:
        assert warehouse.transact(find_assets, None) == []
