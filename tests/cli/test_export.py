"""``marketdata export`` as an operator and a program meet it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet

from tests.cli.conftest import Terminal


@pytest.fixture
def stored(terminal: Terminal) -> Terminal:
    """A month of AAPL and of bitcoin."""
    assert terminal.run("run historical 1M AAPL X:BTCUSD").exit_code == 0
    return terminal


def test_the_ending_of_the_file_names_the_format(stored: Terminal, tmp_path: Path) -> None:
    as_csv = stored.json(f"export AAPL X:BTCUSD --out {tmp_path}/bars.csv")
    as_parquet = stored.json(f"export AAPL X:BTCUSD --out {tmp_path}/bars.PARQUET")
    assert (as_csv["format"], as_parquet["format"]) == ("csv", "parquet")
    assert as_csv["rows"] == as_parquet["rows"] == len(stored.desk.rows())
    assert len((tmp_path / "bars.csv").read_text(encoding="utf-8").splitlines()) == as_csv["rows"] + 1
    table = parquet.read_table(tmp_path / "bars.PARQUET")
    assert table["symbol"].unique().to_pylist() == ["AAPL", "X:BTCUSD"]
    assert table.schema.metadata[b"marketdata.source"] == b"coingecko, polygon"


def test_what_is_unknown_in_the_range_is_said_on_stderr_and_nothing_else_there(
    stored: Terminal, tmp_path: Path
) -> None:
    complete = stored.run(f"export AAPL --range 1M --out {tmp_path}/month.csv")
    assert (complete.exit_code, complete.stderr) == (0, "")
    assert f"{tmp_path}/month.csv: 23 bars of 1 asset," in complete.stdout
    partly = stored.run(f"export AAPL --range 3M --out {tmp_path}/quarter.csv")
    assert partly.exit_code == 0
    assert "sessions of the range are unknown" in partly.stderr
    assert stored.json(f"export AAPL --range 3M --out {tmp_path}/again.csv")["unknown_sessions"] > 30


def test_a_close_only_coin_has_no_open_high_and_low_in_the_file(stored: Terminal, tmp_path: Path) -> None:
    stored.json(f"export X:BTCUSD --out {tmp_path}/coin.parquet")
    table = parquet.read_table(tmp_path / "coin.parquet")
    assert table["open"].null_count == table["high"].null_count == len(table) > 20
    assert table["close"].null_count == table["volume_24h"].null_count == 0


def test_first_and_last_name_the_days_and_as_of_the_instant(stored: Terminal, tmp_path: Path) -> None:
    days = "--first 2026-11-16 --last 2026-11-18"
    assert stored.json(f"export AAPL {days} --out {tmp_path}/a.csv")["rows"] == 3
    before = "--as-of 2026-11-21T17:59:59Z"
    assert stored.json(f"export AAPL {days} {before} --out {tmp_path}/b.csv")["rows"] == 0
    at = "--as-of 2026-11-21T13:00:00-05:00"
    done = stored.json(f"export AAPL {days} {at} --adjusted splits --out {tmp_path}/c.csv")
    assert (done["rows"], done["as_of"], done["adjusted"]) == (3, "2026-11-21T18:00:00+00:00", "splits")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("AAPL --out {0}/bars.txt", "its ending names no format"),
        ("NOPE --out {0}/bars.csv", "not among the 4 assets"),
        ("AAPL --out {0}/none/bars.csv", "there is no folder"),
        ("AAPL --out {0}/bars.csv --range 1M --first 2026-11-02", "they contradict each other"),
        ("AAPL --out {0}/bars.csv --range 2W", "there is no such range"),
        ("AAPL --out {0}/bars.csv --first 02.11.2026", "it is no day"),
        ("AAPL --out {0}/bars.csv --as-of 2026-11-20T12:00:00", "no instant with an offset"),
        ("AAPL --out {0}/bars.csv --as-of 2027-01-01T00:00:00Z", "it is yet to come"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_next_step_and_leaves_no_file(
    terminal: Terminal, tmp_path: Path, options: str, message: str
) -> None:
    refused = terminal.run(f"export {options.format(tmp_path)}")
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert "Next:" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    assert terminal.json(f"export {options.format(tmp_path)}")["error"] == "invalid_request"


def test_a_file_that_is_there_is_replaced_by_force_only(stored: Terminal, tmp_path: Path) -> None:
    line = f"export AAPL --out {tmp_path}/bars.csv"
    assert stored.run(line).exit_code == 0
    assert "replace it with --force" in stored.run(line).stderr
    assert stored.run(f"{line} --force").exit_code == 0


def test_without_a_file_it_is_wrong_usage(terminal: Terminal) -> None:
    assert terminal.run("export AAPL").exit_code == 2
    assert terminal.run("export AAPL --out x.csv --format xlsx").exit_code == 2
