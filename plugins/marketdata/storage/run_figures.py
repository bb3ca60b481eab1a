"""A run's calls in figures, by vendor and by how they ended."""

from __future__ import annotations

from psycopg.rows import class_row

from marketdata.domain.run_figures import CallsMade
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement


def count_calls(connection: Connection, run_id: int) -> list[CallsMade]:
    """The calls that the run has made, in groups; empty when it made none."""
    with connection.cursor(row_factory=class_row(CallsMade)) as cursor:
        return cursor.execute(statement("runs/count_calls"), {"run_id": run_id}).fetchall()
