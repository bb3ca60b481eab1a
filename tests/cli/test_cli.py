"""The command line as an operator and a program meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marketdata.cli import app

runner = CliRunner()


@pytest.fixture
def universe(tmp_path: Path) -> Path:
    """Two assets in a file."""
    file = tmp_path / "universe.csv"
    file.write_text(
        "symbol,asset_class,vendor_symbol,name,listed_on,delisted_on,watchlists,market_overview\n"
        "AAPL,stock,AAPL,Apple,1980-12-12,,tech,1\nX:BTCUSD,crypto,bitcoin,Bitcoin,,,,\n",
        encoding="utf-8",
    )
    return file


def test_migrate_load_and_doctor_speak_json(
    empty_dsn: str, redis_url: str, universe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", empty_dsn)
    monkeypatch.setenv("REDIS_URL", redis_url)
    applied = json.loads(runner.invoke(app, ["migrate", "--json"]).stdout)["applied"]
    assert applied[0] == "0001_assets"
    assert json.loads(runner.invoke(app, ["migrate", "--json"]).stdout) == {"applied": []}
    loaded = runner.invoke(app, ["assets", "load", str(universe), "--json"])
    assert json.loads(loaded.stdout) == {"inserted": 2, "changed": 0, "unchanged": 0}
    examined = runner.invoke(app, ["doctor", "--json"])
    assert examined.exit_code == 0
    assert json.loads(examined.stdout)["healthy"] is True


def test_the_same_for_people(dsn: str, universe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    assert "up to date" in runner.invoke(app, ["migrate"]).stdout
    assert "2 inserted, 0 changed" in runner.invoke(app, ["assets", "load", str(universe)]).stdout
    examined = runner.invoke(app, ["doctor"])
    assert examined.exit_code == 0
    assert "trading sessions" in examined.stdout


def test_a_missing_address_exits_with_the_cause_and_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETDATA_DSN", raising=False)
    result = runner.invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert "MARKETDATA_DSN is not set" in result.stderr
    assert "Next: export MARKETDATA_DSN=" in result.stderr
    as_json = runner.invoke(app, ["migrate", "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["error"] == "configuration"


def test_where_airflow_has_no_home_to_write_to_its_complaint_is_not_in_the_answer(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = {"AIRFLOW_HOME": str(tmp_path / "file" / "airflow"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "marketdata.cli", "quota", "--json"]
    done = subprocess.run(command, env=os.environ | home, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["error"] == "configuration"
    assert "Could not create log folder" in done.stderr


@pytest.mark.fault("D01")
def test_a_database_that_is_down_exits_without_showing_the_password(
    universe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", "postgresql://user:hunter2secret@127.0.0.1:1/marketdata")
    for command in (["migrate"], ["doctor"], ["doctor", "--json"], ["assets", "load", str(universe)]):
        result = runner.invoke(app, command)
        assert result.exit_code == 1, command
        assert "hunter2secret" not in result.output


@pytest.mark.fault("D13")
def test_loading_into_a_database_never_migrated_names_the_command(
    empty_dsn: str, universe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", empty_dsn)
    result = runner.invoke(app, ["assets", "load", str(universe)])
    assert result.exit_code == 1
    assert "Next: run: marketdata migrate" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"ticker,kind\nAAPL,stock\n", "its header is ticker, kind", id="header"),
        pytest.param(b"", "its header is missing", id="empty"),
        pytest.param(b"symbol,asset_class\n\xff\xfe,stock\n", "cannot be read", id="encoding"),
        pytest.param(b"symbol,asset_class\nAAPL,bond\n", "asset_class 'bond'", id="row"),
    ],
)
def test_a_file_that_is_no_universe_is_refused(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    result = runner.invoke(app, ["assets", "load", str(file)])
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Next:" in result.stderr
