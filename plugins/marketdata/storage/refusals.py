"""The records of an answer that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

from marketdata.storage.calls import QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement


def keep_refused(connection: Connection, call_id: int, at: datetime, rows: Sequence[QuarantineRow]) -> None:
    """Keep the records that a call's answer brought ``at`` an instant and that were refused; nothing for none."""
    if not rows:
        return
    values = {
        "call_id": call_id,
        "at": at,
        "asset_ids": [row.asset_id for row in rows],
        "symbols": [row.symbol for row in rows],
        "sessions": [row.session for row in rows],
        "records": [Jsonb(row.as_json()) for row in rows],
        "reasons": [row.reason for row in rows],
    }
    connection.execute(statement("quarantine/keep"), values)
