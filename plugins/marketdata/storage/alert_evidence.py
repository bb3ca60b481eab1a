"""What is on record of runs and calls, from which the likely cause of an alert is told."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import class_row

from marketdata.domain.alert_causes import Evidence, LastCalls, LastRun
from marketdata.storage.clock import ahead
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

_RUNS_READ = 5


def read_evidence(connection: Connection, dag_ids: Sequence[str]) -> Evidence:
    """The newest runs of these DAGs, and what they heard from each vendor; instants are by our clock."""
    values = {"dag_ids": list(dag_ids), "runs": _RUNS_READ, "ahead": ahead(connection)}
    with connection.cursor(row_factory=class_row(LastRun)) as cursor:
        runs = cursor.execute(statement("alerts/list_last_runs"), values).fetchall()
    with connection.cursor(row_factory=class_row(LastCalls)) as cursor:
        calls = cursor.execute(statement("alerts/list_last_calls"), values).fetchall()
    return Evidence({run.dag_id: run for run in runs}, tuple(calls))
