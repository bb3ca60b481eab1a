"""What a run's note says; that Airflow really shows it is for the end-to-end tests."""

from __future__ import annotations

from marketdata.run_notes import note_of

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
