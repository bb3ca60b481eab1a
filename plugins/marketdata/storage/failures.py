"""What failed, why, and when to try again. Nothing here touches coverage: a failure is no absence (promise P10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marketdata.domain.bars import Vendor
from marketdata.domain.coverage import Spans
from marketdata.errors import VendorError
from marketdata.storage.calls import Call
from marketdata.storage.connection import Connection
from marketdata.storage.day_ranges import multirange
from marketdata.storage.statements import statement


def record_failure(
    connection: Connection,
    call: Call,
    error: VendorError,
    *,
    asset_ids: Sequence[int] | None,
    sessions: Spans,
    failed_at: datetime,
    retry_at: datetime | None,
) -> None:
    """Close ``call`` as failed and keep the cause for each asset; ``asset_ids`` None: once, for the whole market.

    ``sessions`` are those still missing. ``retry_at`` None: trying again helps only after somebody acted.
    """
    fail_call(connection, call, error)
    connection.execute(
        statement("failures/record"),
        {
            "call_id": call.call_id,
            "kind": error.kind,
            "run_id": call.run_id,
            "vendor": call.vendor,
            "asset_ids": [None] if asset_ids is None else sorted(asset_ids),
            "sessions": multirange(sessions),
            "message": f"{error.what}: {error.why}",
            "next_step": error.next_step,
            "at": failed_at,
            "retry_at": retry_at,
        },
    )


def fail_call(connection: Connection, call: Call, error: VendorError) -> None:
    """Close ``call`` as failed. For a call that was to fill nothing this is all: no session is missing by it."""
    connection.execute(
        statement("calls/fail"),
        {
            "call_id": call.call_id,
            "kind": error.kind,
            "endpoint": error.endpoint,
            "http_status": error.status,
            "requests": getattr(error, "requests", 0),
            "rate_limited": getattr(error, "rate_limited", 0),
            "elapsed_ms": float(getattr(error, "elapsed_ms", 0.0)),
            "message": str(error),
        },
    )


def supersede_call(connection: Connection, call: Call) -> None:
    """Let a failed call count no longer, because the same run went another way: what it was told is kept."""
    connection.execute(statement("calls/supersede"), {"call_id": call.call_id})


def fail_pending(connection: Connection, run_id: int, vendor: Vendor, error: VendorError) -> None:
    """Close every call as failed that a run still has to make at ``vendor``: one answer speaks for all of them."""
    connection.execute(
        statement("calls/fail_pending"),
        {"run_id": run_id, "vendor": vendor, "kind": error.kind, "message": str(error)},
    )
