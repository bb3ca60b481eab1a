"""What ``make demo`` prints, and what it waits for; the end-to-end tests start the same stack."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec, patch

import pytest

from local import demo
from local.addresses import Addresses
from local.airflow_api import AirflowApi
from local.processes import StackError

WHERE = ("postgresql://x@127.0.0.1:1/marketdata", "redis://127.0.0.1:2/0", "http://127.0.0.1:3", "http://127.0.0.1:4")
ADDRESSES = Addresses(*WHERE, "admin", "open sesame")
REPORT = {
    "state": "partial",
    "received": 12_345,
    "inserted": 1_201,
    "changed": 1_202,
    "unchanged": 1_203,
    "quarantined": 1_204,
    "failed_symbols": ["MSFT: not_entitled: [why] and the next step"],
    "seconds": 61.54,
}


def api_with(*states: str) -> AirflowApi:
    """An Airflow whose DAG has had runs, the newest first, that end in these states."""
    api: Any = create_autospec(AirflowApi, instance=True)
    api.url = ADDRESSES.AIRFLOW_URL
    api.runs.return_value = [{"dag_run_id": f"run {place}", "state": state} for place, state in enumerate(states)]
    api.wait_for_run.return_value = states[0]
    api.first_error.return_value = "sync_reference: the cause"
    found: AirflowApi = api
    return found


def test_the_report_has_all_figures_the_failed_symbols_and_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    demo.print_reports({"manual__2026-11-23T13:00:00+00:00": REPORT})
    printed = capsys.readouterr().out
    for shown in ("manual 2026-11-23", "partial", "12,345", "1,201", "1,202", "1,203", "1,204", "61.5"):
        assert shown in printed
    assert "MSFT: not_entitled: [why] and the next step" in printed


def test_a_run_that_was_never_opened_is_an_error_with_its_summary() -> None:
    report = {"state": "failed", "summary": "no run was opened: see the log of plan_calls"}
    with pytest.raises(StackError, match="no run was opened"):
        demo.print_reports({"manual__2026-11-23T13:00:00+00:00": report})


def test_where_everything_is_and_the_login_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    demo.print_addresses(ADDRESSES, tmp_path)
    printed = capsys.readouterr().out
    for value in (*WHERE, "user admin", "open sesame", str(tmp_path / "stack.env")):
        assert value in printed


@pytest.mark.parametrize("states", [("success",), ("failed", "success"), ("success", "failed"), ("running", "success")])
def test_reference_data_that_were_read_once_are_not_waited_for(states: tuple[str, ...]) -> None:
    demo.wait_for_first_run(api_with(*states), demo.REFERENCE)


def test_reference_data_that_were_never_read_are_an_error_with_the_cause_of_the_newest_run() -> None:
    with pytest.raises(StackError, match="run 0 of reference_sync failed: sync_reference: the cause") as failure:
        demo.wait_for_first_run(api_with("failed", "failed"), demo.REFERENCE)
    assert "/dags/reference_sync/runs/run 0" in failure.value.next_step


def test_a_start_that_fails_says_what_why_and_what_next_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "HOME", tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo", "up"])
    monkeypatch.setenv("MARKETDATA_AIRFLOW_PORT", "http")
    with patch.object(signal, "signal", autospec=True):
        assert demo.main() == 1
    printed = capsys.readouterr().out
    assert "  what: MARKETDATA_AIRFLOW_PORT=http\n  why:  it is no port\n  next: use a number" in printed
