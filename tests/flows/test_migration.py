"""The data migration as the DAG asks for it: the schema first, files from one directory, addresses from connections."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from marketdata.errors import ConfigurationError, InvalidRequest
from marketdata.flows import migration
from marketdata.flows.imports.job import RunName
from marketdata.flows.imports.report import ImportReport
from marketdata.flows.imports.request import ImportRequest
from marketdata.storage.assets import load_assets
from marketdata.storage.warehouse import Warehouse
from tests.flows.import_desk import ASSETS, HEADER, NOW, series

SPEC = {
    "name": "acme",
    "columns": {"symbol": "Ticker", "session": "Date", "close": "Close", "volume": "Volume"},
}
NAME = RunName("data_migration", "manual__1")


@pytest.fixture
def imports(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The import directory with a file and its spec, beside a database with three assets."""
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    folder = tmp_path / "imports"
    folder.mkdir()
    monkeypatch.setenv("MARKETDATA_IMPORT_DIR", str(folder))
    (folder / "prices.csv").write_text("\n".join([HEADER, *series("AAPL")]), encoding="utf-8")
    (folder / "acme.json").write_text(json.dumps(SPEC), encoding="utf-8")
    with Warehouse.open(dsn) as warehouse:
        warehouse.transact(load_assets, ASSETS)
    return folder


def ask(**conf: object) -> list[ImportReport]:
    return migration.import_history(ImportRequest.from_conf(conf), name=NAME, now=NOW)


@pytest.mark.parametrize(
    ("conf", "what"),
    [
        ({"range": "1Y"}, "conf key 'range'"),
        ({"source": "url"}, "source 'url'"),
        ({"source": "file", "spec": "a.toml"}, "file is not named"),
        ({"source": "file", "file": "a.csv"}, "spec is not named"),
        ({"source": "legacy"}, "connection is not named"),
        ({"source": "legacy", "connection": "postgresql://user:secret@host/db"}, "connection 'postgresql://"),
        ({"source": "legacy", "connection": "old\n"}, "connection 'old\\n'"),
        ({"source": "file", "file": "a\0.csv", "spec": "a.toml"}, "file 'a\\x00.csv'"),
        ({"source": "file", "file": ["a.csv"], "spec": "a.toml"}, "file ['a.csv']"),
        ({"source": "file", "file": "a" * 501, "spec": "a.toml"}, "file 'aaa"),
        ({"dry_run": "yes"}, "dry_run 'yes'"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_its_key(conf: dict[str, object], what: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ImportRequest.from_conf(conf)
    assert refused.value.what.startswith(what)


def test_nothing_is_imported_unless_it_is_asked_for(imports: Path) -> None:
    assert imports.is_dir()
    assert ImportRequest.from_conf({}) == ImportRequest()
    assert ask() == []


def test_a_file_is_taken_from_the_import_directory_and_reported_in_json_types(imports: Path) -> None:
    assert (imports / "prices.csv").is_file()
    told = ask(source="file", file="prices.csv", spec="acme.json", dry_run=True)
    assert [(report.state, report.total("inserted")) for report in told] == [("dry_run", 15)]
    done = ask(source="file", file="prices.csv", spec="acme.json")
    (published,) = json.loads(json.dumps(migration.published(done)))
    assert published["summary"].startswith("run_id=1 state=success source=import:acme interval=1d rows=15 inserted=15")
    assert published["symbols"][0]["first"] == "2026-11-02"


@pytest.mark.fault("S07")
@pytest.mark.parametrize("file", ["../secret.csv", "/etc/passwd.csv", "link.csv"])
def test_no_file_outside_the_import_directory_is_reached(imports: Path, file: str) -> None:
    secret = imports.parent / "secret.csv"
    secret.write_bytes((imports / "prices.csv").read_bytes())
    (imports / "link.csv").symlink_to(secret)
    (imports / "link.json").symlink_to(imports / "acme.json")
    with pytest.raises(InvalidRequest, match="leads out of the import directory"):
        ask(source="file", file=file, spec="acme.json")
    with pytest.raises(InvalidRequest, match=r"leads out of the import directory|symbolic link"):
        ask(source="file", file="prices.csv", spec=file.replace(".csv", ".json"))


def test_an_import_directory_that_is_not_there_is_named(imports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_IMPORT_DIR", str(imports / "nowhere"))
    with pytest.raises(ConfigurationError, match="nowhere: it is not there"):
        ask(source="file", file="prices.csv", spec="acme.json")


@pytest.mark.promise("P8")
def test_the_old_system_is_an_airflow_connection_whose_password_nobody_sees(
    imports: Path, empty_dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(empty_dsn) as connection:
        connection.execute(
            "create table asset_data (symbol text, date date, timestamp timestamptz, open numeric, high numeric,"
            " low numeric, close numeric, volume numeric, adjusted_close numeric)"
        )
        connection.execute("insert into asset_data values ('AAPL', '2026-11-19', null, 10, 11, 9, 10, 5, 10)")
    old = psycopg.conninfo.conninfo_to_dict(empty_dsn)
    stored = {
        "conn_type": "postgres", "host": old["host"], "port": int(str(old["port"])), "login": old["user"],
        "password": old["password"], "schema": old["dbname"],
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_OLD_SYSTEM", json.dumps(stored))
    (imports / "legacy.toml").write_text('name = "previous"\n', encoding="utf-8")
    with caplog.at_level("DEBUG"):
        done = ask(source="legacy", connection="old_system", spec="legacy.toml")
    assert [(report.source, report.interval, report.total("inserted")) for report in done] == [
        ("import:previous", "1d", 1),
        ("import:previous", "1h", 0),
    ]
    assert str(old["password"]) not in caplog.text + json.dumps(migration.published(done))


def test_a_connection_that_is_not_there_or_of_another_type_is_refused(
    imports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert imports.is_dir()
    with pytest.raises(ConfigurationError, match="Airflow connection 'nobody': there is none of that name"):
        ask(source="legacy", connection="nobody")
    monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": "http", "host": "example.org"}))
    with pytest.raises(ConfigurationError, match="its type is http, not postgres"):
        ask(source="legacy", connection="web")


def test_the_schema_is_migrated_or_only_told(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", empty_dsn)
    told = migration.migrate_schema(dry_run=True)
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("select to_regclass('marketdata.asset')").fetchone() == (None,)
    assert "0011_imports" in told
    assert migration.migrate_schema(dry_run=False) == told
    assert migration.migrate_schema(dry_run=True) == migration.migrate_schema(dry_run=False) == []
