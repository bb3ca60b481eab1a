"""Leaves a note on each of our runs that has ended: its verdict, its figures, what failed, and where the report is.

In Airflow 3.3 a task cannot write the note of its run (apache/airflow#64890), so this listener does, in the scheduler,
from what the run's reporting task published. Airflow logs what a listener raises and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

_REPORTING_TASKS = ("close_run", "update_prices", "update_hours", "watch_freshness")
_FIGURES = ("inserted", "changed", "quarantined")
_SYMBOLS_SHOWN = 5
_LONGEST_NOTE = 1_000  # what Airflow's column holds


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """A run has ended well, or partially."""
    _leave_note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """A run has failed."""
    _leave_note(dag_run)


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


def _leave_note(dag_run: DagRun) -> None:
    found = _report_of(dag_run)
    if found is not None and not _is_a_persons(dag_run):
        dag_run.note = note_of(dag_run.dag_id, dag_run.run_id, *found)


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
