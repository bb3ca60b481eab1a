"""Reads what is known of how fresh the data is: all assets that are followed as columns, in two statements."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import class_row

from marketdata.domain.freshness_facts import DailyDue, FeedFacts, FreshnessFacts, daily_dues
from marketdata.domain.sessions import latest_session, new_york_date, session_close, session_open, utc_date
from marketdata.domain.stale_limits import Limits
from marketdata.storage.clock import ahead
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

_PROOFS_SINCE = timedelta(days=7)
_INSTANT, _DAY = "datetime64[us]", "datetime64[D]"
_COLUMNS: tuple[tuple[str, str | None, type], ...] = (
    ("asset_ids", None, np.int64),
    ("symbols", None, np.object_),
    ("is_coin", None, np.bool_),
    ("is_active", None, np.bool_),
    ("created_at", _INSTANT, np.int64),
    ("priced_at", _INSTANT, np.int64),
    ("heard_at", _INSTANT, np.int64),
    ("hour_at", _INSTANT, np.int64),
    ("hour_fetched_at", _INSTANT, np.int64),
    ("unwritten_at", _INSTANT, np.int64),
    ("covered_to", _DAY, np.int64),
    ("is_due", None, np.bool_),
    ("is_answered", None, np.bool_),
    ("is_unknown", None, np.bool_),
)
"""The statement's columns in order: name, what the number is read as, and its type."""


def read_facts(connection: Connection, *, now: datetime, limits: Limits) -> FreshnessFacts:
    """The facts that :func:`marketdata.domain.freshness.judge` judges as of ``now``, which is aware; writes nothing."""
    dues = daily_dues(now, limits)
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(statement("freshness/list_assets"), _values(now, dues["polygon"], dues["coingecko"]))
        columns = list(zip(*rows.fetchall(), strict=True)) or [()] * len(_COLUMNS)
    with connection.cursor(binary=True, row_factory=class_row(FeedFacts)) as cursor:
        since = session_open(latest_session(now)) - _PROOFS_SINCE
        feeds = cursor.execute(statement("freshness/list_feeds"), {"since": since}).fetchall()
    named = {
        name: _column(values, read_as, kind) for (name, read_as, kind), values in zip(_COLUMNS, columns, strict=True)
    }
    named["created_at"] += np.timedelta64(ahead(connection))
    return FreshnessFacts(**named, feeds=tuple(feeds), dues=dues)


def _column(values: tuple[object, ...], read_as: str | None, kind: type) -> NDArray[Any]:
    column: NDArray[Any] = np.array(values, dtype=kind)
    return column if read_as is None else column.view(read_as)


def _values(now: datetime, stocks: DailyDue, coins: DailyDue) -> dict[str, object]:
    session = latest_session(now)
    return {
        "today": new_york_date(now),
        "stock_since": session_open(session),
        "stock_until": session_close(session),
        "coin_since": datetime.combine(utc_date(now), time(), UTC),
        "stock_session": stocks.session,
        "coin_session": coins.session,
        "due_at": stocks.due_at,
    }
