"""``marketdata data-migration`` as an operator and a program meet it."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from marketdata.cli import app
from tests.flows.import_desk import ASSETS, DAYS, HEADER, NOW, line, series

runner = CliRunner()

SPEC = """\
name = "acme"
[columns]
symbol = "Ticker"
session = "Date"
open = "Open"
high = "High"
low = "Low"
close = "Close"
volume = "Volume"
"""
UNIVERSE = "symbol,asset_class,vendor_symbol\n" + "".join(
    f"{asset['symbol']},{asset['asset_class']},{asset.get('vendor_symbol', '')}\n" for asset in ASSETS
)


@pytest.fixture
def folder(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, beside a database with three assets."""
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    monkeypatch.setenv("MARKETDATA_NOW", NOW.isoformat())
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme.toml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "universe.csv").write_text(UNIVERSE, encoding="utf-8")
    assert runner.invoke(app, ["assets", "load", "universe.csv"]).exit_code == 0
    return tmp_path


def write(folder: Path, *rows: str) -> None:
    (folder / "prices.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")


def run(*words: str) -> Result:
    return runner.invoke(app, ["data-migration", "file", "prices.csv", "--spec", "acme.toml", *words])


def test_a_dry_run_shows_what_would_happen_and_the_import_what_did(folder: Path) -> None:
    write(folder, *series("AAPL"), line("MSFT", DAYS[0]), "MSFT,2026-11-03,10,9,11,10,5")
    told = run("--dry-run")
    assert told.exit_code == 0
    assert "prices.csv, 1d bars as import:acme: 17 rows, 16 would be inserted, 1 would be refused" in told.stdout
    assert "high is below low" in told.stdout
    done = run()
    assert done.exit_code == 3
    assert "17 rows, 16 inserted, 1 refused" in done.stdout
    again = run()
    assert again.exit_code == 0
    assert "stored before and skipped: 1 of 1 part" in again.stdout


def test_the_same_for_programs(folder: Path) -> None:
    write(folder, *series("AAPL"))
    told = json.loads(run("--dry-run", "--json").stdout)
    assert (told["dry_run"], told["pending_migrations"]) == (True, [])
    done = run("--json")
    assert done.exit_code == 0
    (report,) = json.loads(done.stdout)["imports"]
    assert (report["state"], report["inserted"], report["refused"], report["origin"]) == (
        "success",
        15,
        0,
        "prices.csv",
    )
    assert report["symbols"][0]["last"] == DAYS[-1].isoformat()
    (report,) = json.loads(run("--json", "--again").stdout)["imports"]
    assert (report["unchanged"], report["parts_done"]) == (15, 0)


def test_the_schema_comes_first_and_a_dry_run_only_names_it(
    folder: Path, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, *series("AAPL"))
    monkeypatch.setenv("MARKETDATA_DSN", empty_dsn)
    told = run("--dry-run", "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["error"] == "schema_mismatch"
    done = run("--json")
    assert done.exit_code == 1
    assert "no asset of ours" in json.loads(done.stdout)["what"]
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("select count(*) > 8 from marketdata.schema_migration").fetchone() == (True,)


def test_a_refused_import_exits_with_what_why_and_the_next_step(folder: Path) -> None:
    write(folder, line("APPL", DAYS[0]))
    refused = run()
    assert refused.exit_code == 1
    assert "'APPL' (no asset of ours; near: AAPL)" in refused.stderr
    assert "Next: map them under [symbols]" in refused.stderr
    told = run("--dry-run")
    assert told.exit_code == 1
    assert "would be refused: symbol 'APPL'" in told.stderr


@pytest.mark.fault("S07")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["prices.txt", "--spec", "acme.toml"], "its type is not one that can be imported"),
        (["missing.csv", "--spec", "acme.toml"], "No such file"),
        (["prices.csv", "--spec", "missing.toml"], "No such file"),
        (["prices.csv", "--spec", "prices.csv"], "a spec is no .csv"),
        ([".", "--spec", "acme.toml"], "its type is not one"),
    ],
)
def test_a_file_that_cannot_be_taken_is_named(folder: Path, words: list[str], why: str) -> None:
    write(folder, *series("AAPL"))
    result = runner.invoke(app, ["data-migration", "file", *words])
    assert result.exit_code == 1
    assert why in result.stderr.replace("\n", " ")
    assert json.loads(runner.invoke(app, ["data-migration", "file", *words, "--json"]).stdout)["next_step"]


def test_conflicts_are_shown_with_both_values(folder: Path, dsn: str) -> None:
    write(folder, *series("AAPL"))
    run()
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "update marketdata.bar_daily set source = 'polygon', close = 10.5 where session = '2026-11-02'"
        )
    told = run("--dry-run")
    assert "conflicts: the stored bar stays" in told.stdout
    (row,) = (text for text in told.stdout.splitlines() if "2026-11-02" in text and "polygon" in text)
    assert [word.strip() for word in row.strip("│ ").split("│")] == ["AAPL", "2026-11-02", "10.0", "10.5", "polygon"]


@pytest.fixture
def old_system(empty_dsn: str) -> str:
    """The DSN of an old system with one symbol."""
    with psycopg.connect(empty_dsn) as connection:
        connection.execute(
            "create table asset_data (symbol text, date date, timestamp timestamptz, open numeric, high numeric,"
            " low numeric, close numeric, volume numeric, adjusted_close numeric)"
        )
        connection.execute("insert into asset_data values ('AAPL', '2026-11-19', null, 10, 11, 9, 10, 5, 9)")
    return empty_dsn


@pytest.mark.promise("P8")
def test_the_old_systems_address_comes_from_the_environment_and_is_never_shown(
    folder: Path, old_system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.is_dir()
    monkeypatch.setenv("MARKETDATA_LEGACY_DSN", old_system)
    told = runner.invoke(app, ["data-migration", "legacy", "--dry-run"])
    assert told.exit_code == 0, told.output
    assert "1d bars as import:legacy: 1 row, 1 would be inserted" in told.stdout
    assert "adjusted_close where it differs from close" in told.stdout
    done = runner.invoke(app, ["data-migration", "legacy", "--json"])
    assert [report["inserted"] for report in json.loads(done.stdout)["imports"]] == [1, 0]
    password = psycopg.conninfo.conninfo_to_dict(old_system)["password"]
    assert str(password) not in told.output + done.output
    monkeypatch.setenv("MARKETDATA_LEGACY_DSN", "postgresql://user:hunter2secret@127.0.0.1:1/old")
    away = runner.invoke(app, ["data-migration", "legacy"])
    assert away.exit_code == 1
    assert "database old at 127.0.0.1:1" in away.stderr
    assert "hunter2secret" not in away.output


def test_without_an_address_the_usage_says_where_it_comes_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.is_dir()
    monkeypatch.delenv("MARKETDATA_LEGACY_DSN", raising=False)
    result = runner.invoke(app, ["data-migration", "legacy"])
    assert result.exit_code == 2
    assert "MARKETDATA_LEGACY_DSN" in result.stderr
    told = runner.invoke(app, ["data-migration", "legacy", "--help"]).stdout
    assert "shown to every user of the machine" in " ".join(told.replace("│", " ").split())


def test_what_is_exported_can_be_imported_bit_for_bit(folder: Path, dsn: str) -> None:
    write(folder, *series("AAPL", close=2.1), *series("X:BTCUSD", close=700000.01))
    run()
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select * from marketdata.bar_daily order by asset_id, session").fetchall()
    columns = "".join(
        f'{name} = "{name}"\n' for name in ("symbol", "session", "open", "high", "low", "close", "volume")
    )
    (folder / "back.toml").write_text(f'name = "acme"\n[columns]\n{columns}', encoding="utf-8")
    for file in ("back.csv", "back.parquet"):
        assert runner.invoke(app, ["export", "--out", file]).exit_code == 0
        back = runner.invoke(app, ["data-migration", "file", file, "--spec", "back.toml", "--json"])
        (report,) = json.loads(back.stdout)["imports"]
        assert (report["rows"], report["unchanged"]) == (30, 30)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select * from marketdata.bar_daily order by asset_id, session").fetchall() == rows
