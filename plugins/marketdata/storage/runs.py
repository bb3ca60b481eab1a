"""The record of a run: opened, planned, fetched call by call, closed with a verdict."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, NamedTuple

from psycopg.rows import class_row, namedtuple_row
from psycopg.types.json import Jsonb

from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.errors import InvalidRequest
from marketdata.storage.calls import Call
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement
from marketdata.storage.trading_sessions import ensure_reach

log = logging.getLogger(__name__)

SILENT_FOR = timedelta(hours=24)
"""A run without a sign of life for so long is over: its batches may wait a night for the pool, no longer."""

_EXCUSED = {"not_yet": "not published yet", "beyond_history": "before the history that the plan gives"}
"""Kinds of errors that are no failure of a run, and how its warnings put them."""

RunState = Literal["success", "partial", "failed", "dry_run"]


class FailedSymbol(NamedTuple):
    """A symbol (or a session, for a whole market) that a run could not fetch, and why."""

    symbol: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run's verdict and its sums; ``seconds`` from opening to closing, ``assets`` how many missed something.

    ``state``: success if nothing failed or was left undone; failed if something was to do and nothing was done, or no
    plan was made; else partial. What the vendor has not published yet (``not_yet``) or its plan does not reach
    (``beyond_history``) is a warning, not a failure. Of a run that others closed see :func:`close_left_open`.
    ``verified`` assets were compared with the vendor, ``differing`` of them differed; ``changed`` counts the bars that
    were corrected. ``naive_calls``: one for the whole history of each asset asked for.
    """

    run_id: int
    state: RunState
    assets: int
    calls_done: int
    calls_failed: int
    calls_pending: int
    received: int
    inserted: int
    changed: int
    unchanged: int
    quarantined: int
    duplicates: int
    absent: int
    requests: int
    rate_limited: int
    verified: int
    differing: int
    naive_calls: int
    seconds: float
    failed_symbols: tuple[FailedSymbol, ...]
    warnings: tuple[str, ...]


def open_run(
    connection: Connection,
    dag_id: str,
    airflow_run_id: str,
    range_name: str,
    symbols: Sequence[str] | None,
    as_of: date,
    *,
    dry_run: bool = False,
    silent_for: timedelta = SILENT_FOR,
) -> int:
    """The run_id of an Airflow run, made at the first call; a repeated one plans anew. ``symbols`` None: all assets.

    Closes what older runs of the DAG left open: those that gave no sign of life for longer than ``silent_for``.
    """
    ensure_reach(connection, as_of)
    _close_silent(connection, dag_id, airflow_run_id, silent_for)
    values = {
        "dag_id": dag_id,
        "airflow_run_id": airflow_run_id,
        "range_name": range_name,
        "symbols": list(symbols) if symbols else None,
        "as_of": as_of,
        "state": "dry_run" if dry_run else "planned",
    }
    row = connection.execute(statement("runs/open"), values).fetchone()
    return int(str(row[0] if row else ""))


def find_run(connection: Connection, dag_id: str, airflow_run_id: str) -> int | None:
    """The run_id of an Airflow run; None if it never opened one."""
    row = connection.execute(statement("runs/find"), {"dag_id": dag_id, "airflow_run_id": airflow_run_id}).fetchone()
    return None if row is None else int(str(row[0]))


def save_plan(
    connection: Connection,
    run_id: int,
    batches: Sequence[Sequence[PlannedCall]],
    *,
    assets: int = 0,
    naive_calls: int = 0,
    warnings: Sequence[str] = (),
) -> None:
    """Replace the calls that the run has not made by ``batches``; those done stay, those failed are superseded.

    ``assets`` is how many miss something, ``naive_calls`` what a full download would take. ``warnings`` are the plan's
    own, such as clipped history.
    """
    numbered = [(batch, call) for batch, calls in enumerate(batches) for call in calls]
    values = {
        "run_id": run_id,
        "batches": [batch for batch, _ in numbered],
        "vendors": [call.vendor for _, call in numbered],
        "kinds": [call.kind.value for _, call in numbered],
        "asset_ids": [call.asset_id for _, call in numbered],
        "symbols": [call.symbol for _, call in numbered],
        "firsts": [call.first for _, call in numbered],
        "lasts": [call.last for _, call in numbered],
        "purposes": [call.purpose for _, call in numbered],
    }
    connection.execute(statement("calls/discard"), {"run_id": run_id})
    connection.execute(statement("calls/plan"), values)
    started = {"run_id": run_id, "assets": assets, "naive_calls": naive_calls, "warnings": Jsonb(list(warnings))}
    connection.execute(statement("runs/start"), started)


def batches(connection: Connection, run_id: int) -> list[tuple[int, str]]:
    """Number and label of each batch that has calls to make; the label is its only symbol or session, or "X + 9"."""
    rows = connection.execute(statement("calls/list_batches"), {"run_id": run_id}).fetchall()
    return [(int(str(batch)), str(label)) for batch, label in rows]


def pending_calls(connection: Connection, run_id: int, batch: int) -> list[Call]:
    """The calls of a batch that are still to be made, in the plan's order."""
    with connection.cursor(row_factory=class_row(Call)) as cursor:
        cursor.execute(statement("calls/list_pending"), {"run_id": run_id, "batch": batch})
        return [_with_kind(call) for call in cursor]


def close_run(connection: Connection, run_id: int) -> RunReport:
    """Sum up the run's calls, store the verdict, and return it; may be repeated. InvalidRequest for an unknown run."""
    return _close(connection, run_id)


def close_left_open(connection: Connection, dag_id: str, airflow_run_id: str) -> RunReport | None:
    """Close the record of a run that has just ended without doing so; None where there is none, or it is closed.

    The verdict is partial where the run stored something, else failed: never success, since nobody knows what it still
    meant to do. A close task that comes late after all has the last word.
    """
    values = {"dag_id": dag_id, "airflow_run_id": airflow_run_id}
    row = connection.execute(statement("runs/find_open"), values).fetchone()
    return None if row is None else _close(connection, int(str(row[0])), left_open=True)


def _close_silent(connection: Connection, dag_id: str, airflow_run_id: str, silent_for: timedelta) -> None:
    values = {"dag_id": dag_id, "airflow_run_id": airflow_run_id, "silent_for": silent_for}
    for (run_id,) in connection.execute(statement("runs/list_silent"), values).fetchall():
        report = _close(connection, int(str(run_id)), left_open=True, is_over=False)
        log.warning(
            "closed a run that was left open run_id=%d state=%s calls=%d pending_calls=%d",
            report.run_id, report.state, report.calls_done, report.calls_pending,
        )  # fmt: skip


def _close(connection: Connection, run_id: int, *, left_open: bool = False, is_over: bool = True) -> RunReport:
    connection.execute(statement("digests/note_compared"), {"run_id": run_id, "batch": None})
    failed = connection.execute(statement("calls/list_failed"), {"run_id": run_id}).fetchall()
    warned = connection.execute(statement("calls/list_warnings"), {"run_id": run_id}).fetchall()
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        values = {"run_id": run_id, "left_open": left_open, "is_over": is_over}
        run = cursor.execute(statement("runs/close"), values).fetchone()
    if run is None:
        raise InvalidRequest(f"run {run_id}", "there is none", "open a run first")
    symbols = tuple(FailedSymbol(str(symbol), str(kind), str(message)) for symbol, kind, message in failed)
    sums = run._asdict()
    return RunReport(
        **{**sums, "warnings": (*sums["warnings"], *_warnings(symbols, warned))},
        failed_symbols=tuple(failure for failure in symbols if failure.kind not in _EXCUSED),
    )


def _warnings(failures: Sequence[FailedSymbol], warned: Sequence[Sequence[object]]) -> list[str]:
    """The calls' warnings, repeated ones once with their number, and what is not published yet."""
    texts = [str(text) if calls == 1 else f"{text} ({calls} calls)" for text, calls in warned]
    for kind, said in _EXCUSED.items():
        symbols = [failure.symbol for failure in failures if failure.kind == kind]
        if symbols:
            shown = ", ".join(symbols[:10]) + (f" and {len(symbols) - 10} more" if len(symbols) > 10 else "")
            texts.append(f"{said}: {shown}")
    return texts


def _with_kind(call: Call) -> Call:
    """The database holds a call's kind as text."""
    return replace(call, kind=CallKind(call.kind))
