"""What a run's note says; that Airflow really shows it is for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from marketdata import run_notes
from marketdata.errors import DatabaseUnavailable
from marketdata.flows import left_open
from marketdata.run_notes import note_of
from marketdata.storage.runs import RunReport

NOTHING: dict[str, Any] = {field.name: 0 for field in fields(RunReport)} | {"failed_symbols": (), "warnings": ()}
LEFT = RunReport(**NOTHING | {"state": "partial", "inserted": 18, "calls_done": 1, "calls_pending": 2})
REPORT = {"state": "partial", "summary": "...", "inserted": 18239, "changed": 2, "quarantined": 0, "warnings": ["a"]}


def test_a_note_gives_verdict_figures_failed_symbols_and_where_the_report_is() -> None:
    report = {**REPORT, "failed_symbols": ["MSFT: gone: no such ticker", "BRK.B: transient: 503"]}
    assert note_of("historical_daily", "manual__2026-11-20T22:00:00+00:00", "close_run", report) == (
        "**partial** · 18,239 inserted, 2 changed, 0 quarantined · failed: MSFT, BRK.B · 1 warnings"
        " · [report](/dags/historical_daily/runs/manual__2026-11-20T22%3A00%3A00%2B00%3A00/tasks/close_run/xcom)"
    )


def test_a_run_that_compared_says_how_many_assets_and_how_many_differed() -> None:
    note = note_of("historical_backfill", "r", "close_run", {**REPORT, "verified": 12, "differing": 1})
    assert note.startswith("**partial** · 12 verified, 1 differing, 18,239 inserted")


def test_a_run_that_was_never_opened_has_a_note_too() -> None:
    note = note_of("historical_daily", "r", "close_run", {"state": "failed", "summary": "no run was opened"})
    assert note == "**failed** · [report](/dags/historical_daily/runs/r/tasks/close_run/xcom)"


def test_many_failed_symbols_are_cut_and_the_note_fits_airflows_column() -> None:
    report = {**REPORT, "failed_symbols": [f"{'A' * 31}{number}: gone: x" for number in range(50)]}
    note = note_of("historical_daily", "r" * 250, "close_run", report)
    assert f"{'A' * 31}4, ..." in note
    assert f"{'A' * 31}5" not in note
    assert len(note) <= 1_000


def test_a_realtime_runs_note_leads_to_the_one_task_that_it_has() -> None:
    note = note_of("realtime_latest", "r", "update_prices", {**REPORT, "state": "success", "warnings": []})
    assert note.startswith("**success** · 18,239 inserted")
    assert note.endswith("[report](/dags/realtime_latest/runs/r/tasks/update_prices/xcom)")


def ended(dag_id: str = "historical_daily") -> Any:  # noqa: ANN401 - a run of Airflow
    return SimpleNamespace(dag_id=dag_id, run_id="r", note=None, dag_run_note=None)


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Which records were closed; that of ``historical_daily`` stands open."""
    closed: list[tuple[str, str]] = []

    def close_left_open(*, dag_id: str, airflow_run_id: str) -> RunReport | None:
        closed.append((dag_id, airflow_run_id))
        return LEFT if dag_id == "historical_daily" else None

    monkeypatch.setattr(left_open, "close_left_open", close_left_open)
    monkeypatch.setattr(run_notes, "_SECONDS_HELD_UP", 60.0)  # this machine may be slow
    return closed


@pytest.mark.fault("A01")
@pytest.mark.parametrize("end", [run_notes.on_dag_run_failed, run_notes.on_dag_run_success])
def test_a_run_that_ended_without_a_report_gets_its_record_closed_and_a_note_that_says_so(
    end: Callable[..., None], record: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_notes, "_report_of", lambda _: None)
    run = ended()
    end(run)
    assert record == [("historical_daily", "r")]
    assert run.note == (
        "**partial** · 18 inserted, 0 changed, 0 quarantined · ended before it was closed: 1 calls made, 2 never made"
    )


def test_a_run_that_reported_keeps_its_own_note_and_a_success_asks_the_database_nothing(
    record: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_notes, "_report_of", lambda _: ("close_run", REPORT))
    good, bad = ended("reference_sync"), ended("reference_sync")
    run_notes.on_dag_run_success(good)
    assert record == []
    run_notes.on_dag_run_failed(bad)
    assert record == [("reference_sync", "r")]
    assert good.note == bad.note
    assert good.note.startswith("**partial** · 18,239 inserted")


@pytest.mark.usefixtures("record")
def test_a_report_from_before_the_run_was_started_again_is_not_taken_for_its_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_notes, "_report_of", lambda _: ("close_run", REPORT))
    run = ended()
    run_notes.on_dag_run_failed(run)
    assert "ended before it was closed" in run.note


def test_runs_of_other_dags_are_none_of_our_business(
    record: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_notes, "_report_of", lambda _: None)
    for dag_id in ("somebody_elses", "freshness_watch"):
        run = ended(dag_id)
        run_notes.on_dag_run_failed(run)
        assert run.note is None
    assert record == []


def test_every_dag_but_the_watch_keeps_records() -> None:
    dags = {path.stem for path in (Path(__file__).parents[2] / "dags").glob("*.py")}
    assert dags - {"freshness_watch"} == run_notes.RECORDED_DAGS


@pytest.mark.fault("D01")
def test_a_database_that_is_away_or_hangs_does_not_hold_the_scheduler_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release = Event()

    def away(**_: str) -> None:
        raise DatabaseUnavailable("database", "it is away", "start it")

    def hang(**_: str) -> None:
        release.wait(60)

    monkeypatch.setattr(run_notes, "_report_of", lambda _: None)
    monkeypatch.setattr(run_notes, "_SECONDS_HELD_UP", 0.05)
    for close in (away, hang):
        monkeypatch.setattr(left_open, "close_left_open", close)
        run = ended()
        run_notes.on_dag_run_failed(run)
        assert run.note is None
    release.set()
    assert "closing the record of a run is not waited for dag_id=historical_daily run_id=r" in caplog.text
