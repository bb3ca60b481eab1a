"""Bringing a schema up to date: once, in order, whatever was killed half way or started twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from marketdata.errors import SchemaMismatch
from marketdata.storage.assets import find_assets
from marketdata.storage.connection import connect
from marketdata.storage.migrations import migrate
from marketdata.storage.statements import sql_directory
from marketdata.storage.timescale import Level, level
from marketdata.storage.warehouse import Warehouse

FIRST = "create table first_table (id int primary key);\n"
SECOND = "create table second_table (id int primary key);\ninsert into first_table values (1);\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations, found anew by each call of ``migrate`` (files are read once a folder)."""
    return _folder(tmp_path, "start", {"0001_first": FIRST, "0002_second": SECOND})


def _folder(root: Path, name: str, files: dict[str, str]) -> Path:
    folder = root / name
    folder.mkdir()
    for stem, text in files.items():
        (folder / f"{stem}.sql").write_text(text, encoding="utf-8")
    return folder


def _tables(dsn: str) -> set[str]:
    with connect(dsn) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'marketdata'")
        return {str(name) for (name,) in rows} - {"schema_migration"}


def test_all_files_are_applied_in_order_and_then_none(empty_dsn: str, folder: Path) -> None:
    assert migrate(empty_dsn, directory=folder) == ["0001_first", "0002_second"]
    assert migrate(empty_dsn, directory=folder) == []
    assert _tables(empty_dsn) == {"first_table", "second_table"}


@pytest.mark.fault("D12")
def test_a_file_that_fails_half_way_leaves_nothing_of_itself_and_is_taken_up_again(
    empty_dsn: str, folder: Path, tmp_path: Path
) -> None:
    broken = _folder(tmp_path, "broken", {"0001_first": FIRST, "0002_second": SECOND + "select 1 / 0;\n"})
    with pytest.raises(Exception, match="division by zero"):
        migrate(empty_dsn, directory=broken)
    assert _tables(empty_dsn) == {"first_table"}
    assert migrate(empty_dsn, directory=folder) == ["0002_second"]
    with connect(empty_dsn) as connection:
        assert connection.execute("select count(*) from first_table").fetchone() == (1,)


@pytest.mark.fault("D12")
def test_two_starters_apply_each_file_once(empty_dsn: str) -> None:
    applied: list[list[str]] = []
    starters = [threading.Thread(target=lambda: applied.append(migrate(empty_dsn))) for _ in range(2)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(timeout=60)
    assert len(applied) == 2
    assert min(map(len, applied)) == 0, "the second must find nothing to do"
    assert max(applied, key=len)[0] == "0001_assets"


@pytest.mark.fault("D12")
def test_an_edited_file_is_refused_before_anything_is_applied(empty_dsn: str, folder: Path, tmp_path: Path) -> None:
    migrate(empty_dsn, directory=folder)
    third = "create table third_table (id int);\n"
    edited = _folder(tmp_path, "edited", {"0001_first": FIRST + "--\n", "0002_second": SECOND, "0003_third": third})
    with pytest.raises(SchemaMismatch, match="0001_first was edited"):
        migrate(empty_dsn, directory=edited)
    assert "third_table" not in _tables(empty_dsn)


@pytest.mark.fault("D13")
def test_a_schema_newer_than_the_code_is_refused(empty_dsn: str, folder: Path, tmp_path: Path) -> None:
    migrate(empty_dsn, directory=folder)
    with pytest.raises(SchemaMismatch, match="newer than this code: 0002_second"):
        migrate(empty_dsn, directory=_folder(tmp_path, "older", {"0001_first": FIRST}))


@pytest.mark.fault("D12")
def test_a_file_without_a_transaction_is_run_again_after_a_kill_between_its_statements(
    empty_dsn: str, tmp_path: Path
) -> None:
    marked = "-- no transaction\ncreate table if not exists apart (id int);\n{}"
    index = "create index concurrently if not exists apart_id on apart (id);\n"
    with pytest.raises(Exception, match="division by zero"):
        migrate(empty_dsn, directory=_folder(tmp_path, "a", {"0001_apart": marked.format("select 1 / 0;\n")}))
    assert _tables(empty_dsn) == {"apart"}
    assert migrate(empty_dsn, directory=_folder(tmp_path, "b", {"0001_apart": marked.format(index)})) == ["0001_apart"]
    with connect(empty_dsn) as connection:
        assert connection.execute("select count(*) from pg_indexes where indexname = 'apart_id'").fetchone() == (1,)


@pytest.mark.fault("D15")
def test_a_database_without_timescale_gets_plain_tables_and_leaves_its_files_for_later(empty_dsn: str) -> None:
    applied = migrate(empty_dsn)
    assert applied
    assert "0006_hypertables" not in applied
    with connect(empty_dsn) as connection:
        assert level(connection) is Level.NONE
    with Warehouse.open(empty_dsn) as warehouse:
        assert warehouse.transact(find_assets, None) == []


@pytest.mark.fault("D13")
def test_a_database_never_migrated_names_the_command(empty_dsn: str) -> None:
    with pytest.raises(SchemaMismatch, match="run: marketdata migrate"), Warehouse.open(empty_dsn):
        pass


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param("delete from schema_migration where name = '0005_coverage'", "older .* 0005_coverage", id="older"),
        pytest.param("insert into schema_migration values ('0999_x', 'y', true)", "newer .* 0999_x", id="newer"),
        pytest.param(
            "update schema_migration set is_complete = false where name = '0004_bars'", "0004_bars", id="half"
        ),
        pytest.param("update schema_migration set checksum = 'z' where name = '0001_assets'", "edited", id="edited"),
    ],
)
def test_a_schema_that_is_not_this_codes_is_refused_when_it_is_opened(dsn: str, change: str, message: str) -> None:
    with connect(dsn) as connection:
        connection.execute(change)
    with pytest.raises(SchemaMismatch, match=message), Warehouse.open(dsn):
        pass


def test_every_column_of_every_table_has_a_comment(dsn: str) -> None:
    with connect(dsn) as connection:
        columns = connection.execute(
            "select c.relname, a.attname, col_description(c.oid, a.attnum) from pg_class c"
            " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
            " where c.relnamespace = 'marketdata'::regnamespace and c.relkind = 'r' and c.relname <> 'schema_migration'"
        ).fetchall()
    assert len(columns) > 100
    assert [(table, column) for table, column, comment in columns if not comment] == []


def test_the_calendar_in_the_database_is_that_of_the_code(dsn: str) -> None:
    with connect(dsn) as connection:
        found = connection.execute(
            "select session, closes_at at time zone 'America/New_York' from trading_session"
            " where session in ('2025-01-09', '2026-07-03', '2026-11-27', '2026-12-24', '2003-01-02') order by 1"
        ).fetchall()
    assert [(str(day), f"{close:%H:%M}") for day, close in found] == [
        ("2003-01-02", "16:00"),
        ("2026-11-27", "13:00"),
        ("2026-12-24", "13:00"),
    ]


def test_migration_numbers_are_unique_and_without_holes() -> None:
    numbers = [int(path.name[:4]) for path in sorted((sql_directory() / "migrations").glob("*.sql"))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
