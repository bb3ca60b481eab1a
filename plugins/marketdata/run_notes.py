"""Leaves a note on each of our runs that has ended: its verdict, its figures, what failed, and where the report is.

In Airflow 3.3 a task cannot write the note of its run (apache/airflow#64890), so this listener does, in the scheduler,
from what the run's reporting task published; for a run that somebody marks, in the API server. A run that was killed,
timed out or marked has closed no record: that is done here, too. Airflow logs what a listener raises and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from airflow.listeners import hookimpl

from marketdata.errors import MarketDataError

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from marketdata.storage.runs import RunReport

log = logging.getLogger(__name__)

RECORDED_DAGS = frozenset(
    {
        "data_migration",
        "historical_backfill",
        "historical_daily",
        "realtime_hourly",
        "realtime_latest",
        "reference_sync",
    }
)
"""The DAGs whose runs keep a record in our database."""

_REPORTING_TASKS = ("close_run", "update_prices", "update_hours", "watch_freshness")
_FIGURES = ("inserted", "changed", "quarantined")
_SYMBOLS_SHOWN = 5
_LONGEST_NOTE = 1_000  # what Airflow's column holds
_SECONDS_HELD_UP = 3.0


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """A run has ended well, or partially; or somebody has marked it."""
    found = _report_of(dag_run)
    if found is None:
        _note_left_open(dag_run)
    else:
        _leave_note(dag_run, note_of(dag_run.dag_id, dag_run.run_id, *found))


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """A run has failed, timed out, or somebody has marked it; a report of its may be older than its last start."""
    found = _report_of(dag_run)
    if not _note_left_open(dag_run) and found is not None:
        _leave_note(dag_run, note_of(dag_run.dag_id, dag_run.run_id, *found))


def note_of(dag_id: str, run_id: str, task_id: str, report: Mapping[str, Any]) -> str:
    """The note as Markdown, from what a task of the run reported (see ``marketdata.flows.history.published``)."""
    parts = [f"**{report['state']}**"]
    compared = ("verified", "differing") if report.get("verified") else ()
    figures = [f"{report[name]:,} {name}" for name in (*compared, *_FIGURES) if name in report]
    if figures:
        parts.append(", ".join(figures))
    failed = [str(line).split(":")[0] for line in report.get("failed_symbols", [])]
    if failed:
        more = ", ..." if len(failed) > _SYMBOLS_SHOWN else ""
        parts.append(f"failed: {', '.join(failed[:_SYMBOLS_SHOWN])}{more}")
    if report.get("warnings"):
        parts.append(f"{len(report['warnings'])} warnings")
    parts.append(f"[report](/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}/tasks/{task_id}/xcom)")
    return " · ".join(parts)[:_LONGEST_NOTE]


def note_of_left_open(report: RunReport) -> str:
    """The note on a run that did not come to report."""
    figures = ", ".join(f"{getattr(report, name):,} {name}" for name in _FIGURES)
    calls = f"{report.calls_done:,} calls made, {report.calls_pending:,} never made"
    return f"**{report.state}** · {figures} · ended before it was closed: {calls}"


def _note_left_open(dag_run: DagRun) -> bool:
    """Close the record of a run of ours that did not close it, and say so; whether it was so."""
    report = _close_record(dag_run.dag_id, dag_run.run_id) if dag_run.dag_id in RECORDED_DAGS else None
    if report is not None:
        _leave_note(dag_run, note_of_left_open(report))
    return report is not None


def _close_record(dag_id: str, run_id: str) -> RunReport | None:
    """Close a record that stands open, in a thread of its own, and wait for it, but not for long.

    In this thread Airflow's session is the scheduler's, and looking up a connection would commit it; and a database
    that hangs must not hold the scheduler up. What is not closed here is closed by the DAG's next run.
    """
    from marketdata.flows.left_open import close_left_open  # here: a fork must not meet an import half done elsewhere

    closed: list[RunReport | None] = []

    def close() -> None:
        try:
            closed.append(close_left_open(dag_id=dag_id, airflow_run_id=run_id))
        except MarketDataError as error:
            log.warning("the record of a run stays open dag_id=%s run_id=%s: %s", dag_id, run_id, error)

    thread = Thread(target=close, name="close-left-open", daemon=True)
    thread.start()
    thread.join(_SECONDS_HELD_UP)
    if thread.is_alive():
        log.warning("closing the record of a run is not waited for dag_id=%s run_id=%s", dag_id, run_id)
    return closed[0] if closed else None


def _leave_note(dag_run: DagRun, note: str) -> None:
    if not _is_a_persons(dag_run):
        dag_run.note = note


def _report_of(dag_run: DagRun) -> tuple[str, Mapping[str, Any]] | None:
    """The reporting task of the run and what it published; None for a run that is not ours, or never came that far."""
    from airflow.models.xcom import XComModel
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return None
    published = XComModel.get_many(
        run_id=dag_run.run_id, key="return_value", task_ids=_REPORTING_TASKS, dag_ids=dag_run.dag_id, limit=1
    )
    found = cast("XComModel | None", session.scalar(published))
    report = None if found is None else XComModel.deserialize_value(found)
    if found is None or not isinstance(report, dict) or not {"state", "summary"} <= report.keys():
        return None
    return found.task_id, report


def _is_a_persons(dag_run: DagRun) -> bool:
    """Whether somebody has written a note: it stays."""
    return dag_run.dag_run_note is not None and dag_run.dag_run_note.user_id is not None
