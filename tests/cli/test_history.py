"""``marketdata plan`` and ``marketdata run historical``: the flow from a shell, and its exit statuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.cli.conftest import Terminal
from tests.flows.conftest import SATURDAY_NOON

STOCKS = "AAPL MSFT GOOGL"


def requests_of(terminal: Terminal) -> int:
    """What has reached the vendors since the log was emptied."""
    return len(terminal.desk.simulator.admin.requests())


def test_a_run_stores_what_its_plan_announced_and_the_next_one_asks_nothing(terminal: Terminal) -> None:
    planned = terminal.json(f"plan 1Y {STOCKS} X:BTCUSD")
    assert requests_of(terminal) == 0
    done = terminal.run(f"run historical 1Y {STOCKS} X:BTCUSD")
    assert done.exit_code == 0, done.output
    assert requests_of(terminal) == planned["requests"] == 4
    assert "success" in done.stdout
    again = terminal.json(f"run historical 1Y {STOCKS} X:BTCUSD")
    assert (again["state"], again["requests"], again["inserted"]) == ("success", 0, 0)
    assert terminal.run("plan 1Y").stdout == "1Y: nothing to ask for\n"


def test_a_plan_leaves_no_call_behind_and_names_vendor_kind_and_end(terminal: Terminal) -> None:
    planned = terminal.json("plan 1Y")
    kinds = {(part["vendor"], part["kind"], part["calls"]) for part in planned["parts"]}
    assert kinds == {("polygon", "ticker_range", 3), ("coingecko", "coin_chart", 1)}
    assert terminal.desk.query("select state, airflow_run_id like 'cli__2026-11-21T18:00:00%%' from ingest_run") == [
        ("dry_run", True)
    ]
    assert terminal.desk.query("select count(*) from ingest_call") == [(0,)]
    text = terminal.run("plan 1Y").stdout
    assert "ticker_range" in text
    assert "Saturday 2026-11-21 13:00 New York" in text


def test_a_slow_plan_says_how_long_it_takes(make_terminal: Callable[..., Terminal]) -> None:
    terminal = make_terminal()
    connection = terminal.desk.services.polygon.connection
    object.__setattr__(connection, "requests_per_minute", 5)
    os.environ["AIRFLOW_CONN_POLYGON_DEFAULT"] = os.environ["AIRFLOW_CONN_POLYGON_DEFAULT"].replace("10000", "5")
    planned = terminal.json(f"plan 1Y {STOCKS}")
    assert planned["minutes"] == pytest.approx(3 * 61 / 5 / 60)
    assert planned["ends_at"] == (SATURDAY_NOON + timedelta(seconds=3 * 61 / 5)).isoformat()


def test_a_terminal_sees_a_bar_over_the_calls_and_json_never_has_one(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    bar = terminal.run(f"run historical 1Y {STOCKS}").stderr
    assert "fetching" in bar
    assert "3/3" in bar
    assert terminal.run(f"run historical 3Y {STOCKS} --json").stderr == ""


def test_a_call_that_a_vendor_holds_up_for_long_is_left_for_later_and_the_other_vendor_goes_on(
    terminal: Terminal,
) -> None:
    terminal.desk.simulator.admin.add_fault("status", status=429, match="/AAPL/", retry_after="86400")
    done = terminal.run("run historical 1M AAPL MSFT X:BTCUSD")
    assert done.exit_code == 3
    assert "held up: polygon" in done.stderr
    assert terminal.desk.query("select state, calls_done, calls_pending from ingest_run") == [("partial", 1, 2)]


def test_what_the_vendors_plan_does_not_reach_is_told_before_the_run(make_terminal: Callable[..., Terminal]) -> None:
    terminal = make_terminal(polygon="basic")
    assert terminal.json("plan 5Y AAPL")["probes"] == 1
    terminal.run("run historical 5Y AAPL")
    planned = terminal.json("plan 5Y AAPL MSFT")
    assert [(left["vendor"], left["clipped_assets"]) for left in planned["left_out"]] == [("polygon", 2)]
    text = terminal.run("plan 5Y AAPL MSFT").stdout
    assert "polygon: the plan does not reach 2021-11-22 to" in text


@pytest.mark.promise("P4")
def test_a_run_in_which_some_symbols_fail_names_them_and_exits_with_3(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.put_key("demo-polygon-advanced", denied_symbols=["MSFT"])
    done = terminal.run(f"run historical 1Y {STOCKS}")
    assert done.exit_code == 3
    assert "partial" in done.stdout
    assert "MSFT" in done.stdout
    assert "Next: take a plan that has it" in done.stdout
    said = terminal.json("run historical 1Y MSFT")
    assert said["state"] == "failed"
    assert [(failed["symbol"], failed["kind"]) for failed in said["failed_symbols"]] == [("MSFT", "not_entitled")]


def test_a_run_in_which_everything_fails_exits_with_1(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.add_fault("html", path="/")
    done = terminal.run("run historical 1M AAPL X:BTCUSD")
    assert done.exit_code == 1
    assert "contract_broken" in done.stdout


@pytest.mark.parametrize("line", ["run historical 1y", "run historical 1Y APPL", "plan 1W", "plan 1Y 'AAPL;'"])
def test_a_request_that_makes_no_sense_is_refused_with_the_next_step(terminal: Terminal, line: str) -> None:
    done = terminal.run(line)
    assert done.exit_code == 1
    assert "Next: " in done.stderr
    assert terminal.desk.query("select count(*) from ingest_run") == [(0,)]


def test_a_connection_that_is_missing_is_named_with_its_variable(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_POLYGON_DEFAULT")
    done = terminal.run("run historical 1Y")
    assert done.exit_code == 1
    assert "export AIRFLOW_CONN_POLYGON_DEFAULT" in done.stderr


def test_a_range_that_is_missing_is_wrong_usage(terminal: Terminal) -> None:
    assert terminal.run("run historical").exit_code == 2


@pytest.mark.promise("P2")
def test_ctrl_c_keeps_what_is_stored_and_the_same_command_goes_on_from_there(terminal: Terminal) -> None:
    admin = terminal.desk.simulator.admin
    admin.add_fault("hang", match="/MSFT/")
    command = [sys.executable, "-m", "marketdata.cli", "run", "historical", "1Y", *STOCKS.split()]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment_of_the_shell()
    )
    deadline = time.monotonic() + 60
    while not admin.requests(path_contains="/MSFT/"):
        assert time.monotonic() < deadline, "it never asked for MSFT"
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted: 1 call not made, what is stored stays" in errors
    assert "Traceback" not in errors
    assert terminal.desk.query("select state, calls_done, calls_pending from ingest_run") == [("partial", 2, 1)]
    admin.clear_faults()
    admin.forget_requests()
    assert terminal.run(f"run historical 1Y {STOCKS}").exit_code == 0
    assert len(admin.requests()) == 1, "only what is left is asked for"
    assert terminal.desk.query("select count(*) from bar_daily") == [(3 * 251,)]


def environment_of_the_shell() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
