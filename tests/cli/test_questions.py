"""``marketdata gaps`` and ``marketdata verify``: what is missing and why, and what can be certified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.cli.conftest import Terminal, change, says, text
from tests.flows.conftest import SATURDAY_NOON

STOCKS = ["AAPL", "MSFT", "GOOGL"]


def test_gaps_name_asset_spans_sessions_cause_and_next_try(terminal: Terminal) -> None:
    desk = terminal.desk
    desk.run("1M", ["AAPL", "GOOGL", "X:BTCUSD"])
    desk.simulator.admin.put_key("demo-polygon-advanced", denied_symbols=["MSFT"])
    desk.run("7D", ["MSFT"], run="denied")
    assert says(terminal, "gaps 1M") == text("""
        ┏━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━┓
        ┃ symbol ┃ missing                 ┃ sessions ┃ why                      ┃ next try                ┃
        ┡━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━┩
        │ MSFT   │ 2026-10-21 to           │ 18       │ it was never asked for   │ historical_backfill,    │
        │        │ 2026-11-13              │          │                          │ Sunday 2026-11-22 02:00 │
        │        │                         │          │                          │ New York                │
        │ MSFT   │ 2026-11-16 to           │ 5        │ the last call failed:    │ historical_backfill,    │
        │        │ 2026-11-20              │          │ polygon MSFT 2026-11-16  │ Sunday 2026-11-22 02:00 │
        │        │                         │          │ to 2026-11-20: the       │ New York                │
        │        │                         │          │ vendor answers 403: You  │ take a plan that has    │
        │        │                         │          │ are not entitled to this │ it:                     │
        │        │                         │          │ data. Please upgrade     │ https://massive.com/pri │
        │        │                         │          │ your plan at             │ cing                    │
        │        │                         │          │ https://massive.com/pric │                         │
        │        │                         │          │ ing                      │                         │
        └────────┴─────────────────────────┴──────────┴──────────────────────────┴─────────────────────────┘
        1M: missing are 23 sessions of 1 asset
        """)


def test_gaps_speak_json_for_each_asset(terminal: Terminal) -> None:
    said = terminal.json("gaps 7D MSFT X:BTCUSD")
    assert (said["range"], said["sessions"]) == ("7D", 5 + 6)
    coin, stock = sorted(said["assets"], key=lambda asset: asset["symbol"], reverse=True)
    assert (coin["symbol"], stock["symbol"]) == ("X:BTCUSD", "MSFT")
    (missing,) = stock["missing"]
    assert (missing["cause"], missing["spans"], missing["sessions"]) == (
        "never_asked", [["2026-11-16", "2026-11-20"]], 5
    )  # fmt: skip
    assert missing["next_run"] == {"dag_id": "historical_backfill", "at": "2026-11-22T07:00:00+00:00"}


def test_gaps_of_a_complete_range_say_so(terminal: Terminal) -> None:
    terminal.desk.run("1M")
    assert says(terminal, "gaps 1M") == "nothing is missing in 1M"
    assert terminal.json("gaps 1M")["assets"] == []


def test_gaps_without_a_range_are_those_of_all_history(terminal: Terminal) -> None:
    terminal.desk.run("1M", ["AAPL"])
    (missing,) = terminal.json("gaps AAPL")["assets"][0]["missing"]
    assert missing["spans"] == [["2003-09-10", "2026-10-20"]]


def test_gaps_show_as_many_rows_as_asked_for_and_count_all(terminal: Terminal) -> None:
    said = says(terminal, "gaps 7D --limit 2")
    assert said.count("never asked") == 2
    assert "2 more rows" in said
    assert said.endswith("7D: missing are 21 sessions of 4 assets")


@pytest.mark.parametrize("line", ["gaps 1y", "verify 1y AAPL", "gaps 1Y APPL", "verify APPL"])
def test_a_range_or_a_symbol_that_does_not_exist_is_refused(terminal: Terminal, line: str) -> None:
    done = terminal.run(line)
    assert done.exit_code == 1
    assert "Next: " in done.stderr


def test_a_certificate_of_what_is_complete_exits_with_0(terminal: Terminal) -> None:
    terminal.desk.run("1M")
    done = terminal.run("verify 1M")
    assert done.exit_code == 0
    assert "1M: complete, 4 assets: 100 expected, 100 stored, 0 absent, 0 unknown" in done.stdout


def test_a_certificate_of_what_is_not_complete_exits_with_3_and_names_what_does_not_fit(terminal: Terminal) -> None:
    terminal.desk.run("1M", STOCKS)
    change(terminal, "delete from bar_daily where session = '2026-11-17' and asset_id = 1")
    done = terminal.run("verify 1M")
    assert done.exit_code == 3
    assert "not complete, 4 assets: 100 expected, 68 stored, 0 absent, 32 unknown" in done.stdout
    assert "AAPL 2026-11-17: answered, yet there is neither a bar nor evidence that there is none" in done.stdout


def test_a_certificate_in_json_can_be_recomputed(terminal: Terminal) -> None:
    terminal.desk.run("1M", STOCKS)
    done = terminal.run("verify 1M --json")
    assert done.exit_code == 3
    said = terminal.json("verify 1M")
    assert not said["complete"]
    for row in said["assets"]:
        assert row["expected"] == row["stored"] + row["absent"] + row["unknown"]
    lines = "".join(
        f"{row['symbol']},{row['first']},{row['last']},{row['bars']},{row['digest']}\n" for row in said["assets"]
    )
    assert said["digest"] == hashlib.sha256(lines.encode()).hexdigest()
    assert [row["symbol"] for row in said["assets"]] == ["AAPL", "GOOGL", "MSFT", "X:BTCUSD"]


def test_the_same_bars_in_another_database_have_the_same_digests(terminal: Terminal) -> None:
    terminal.desk.run("1M", STOCKS, run="at once")
    once = terminal.json("verify 1M")["assets"]
    change(terminal, "truncate bar_daily, absence, coverage, bar_digest")
    for range_name in ("7D", "1M"):
        for symbol in STOCKS:
            terminal.desk.run(range_name, [symbol], run=f"{range_name} {symbol}")
    assert terminal.json("verify 1M")["assets"] == once


def test_a_provisional_bar_is_no_gap_on_its_day_and_unknown_the_day_after(terminal: Terminal) -> None:
    terminal.desk.at(SATURDAY_NOON - timedelta(hours=20))  # Friday 17:00 New York
    terminal.desk.run("7D", ["AAPL"])
    assert terminal.run("verify 7D AAPL").exit_code == 0
    terminal.desk.at(SATURDAY_NOON)
    assert terminal.run("verify 7D AAPL").exit_code == 3
    (missing,) = terminal.json("gaps 7D AAPL")["assets"][0]["missing"]
    assert (missing["cause"], missing["spans"]) == ("provisional", [["2026-11-20", "2026-11-20"]])


def test_questions_ask_no_vendor(make_terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = make_terminal()
    for vendor in ("POLYGON", "COINGECKO"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{vendor}_DEFAULT")
    for line in ("gaps 1Y", "verify 1Y", "why AAPL 2026-11-20"):
        assert terminal.run(line).exit_code in {0, 3}
    assert terminal.desk.simulator.admin.requests() == []
