"""What an operator asks about what is missing: which sessions, of whom, why, and when they are tried next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from psycopg.rows import class_row

from marketdata.domain.bars import Vendor
from marketdata.domain.causes import Cause, axis_of, on_sessions
from marketdata.domain.class_windows import ClassWindow
from marketdata.domain.coverage import Spans
from marketdata.storage.connection import Connection
from marketdata.storage.day_ranges import spans
from marketdata.storage.entitlements import PROBE_ANEW_AFTER
from marketdata.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Missing:
    """Assets that miss the very same sessions for the same reason.

    ``missing`` begins and ends on sessions, ``sessions`` of them for each asset. ``message`` and ``next_step`` are the
    last failure's, or the reason of a refusal; ``attempts`` counts failed calls. ``retry_at`` None: trying again helps
    only after somebody acted. An asset that is not followed is in no scheduled run.
    """

    cause: Cause
    vendor: Vendor
    is_followed: bool
    asset_ids: tuple[int, ...]
    symbols: tuple[str, ...]
    missing: Spans
    sessions: int
    kind: str = ""
    message: str = ""
    next_step: str = ""
    attempts: int = 0
    last_failed_at: datetime | None = None
    retry_at: datetime | None = None


def window_values(windows: Sequence[ClassWindow]) -> dict[str, object]:
    """Windows as the arrays that the statements under ``questions/`` take."""
    return {
        "asset_classes": [each.asset_class for each in windows],
        "vendors": [each.vendor for each in windows],
        "firsts": [each.first for each in windows],
        "lasts": [each.last for each in windows],
        "todays": [each.today for each in windows],
    }


def list_missing(
    connection: Connection, windows: Sequence[ClassWindow], *, asset_ids: Sequence[int] | None
) -> list[Missing]:
    """What the assets (all that are followed, or those given) miss within the windows of their classes, and why.

    Days off are not missing; nothing missing gives an empty list.
    """
    values = {
        **window_values(windows),
        "asset_ids": None if asset_ids is None else list(asset_ids),
        "probe_days": PROBE_ANEW_AFTER.days,
    }
    axes = {each.asset_class == "crypto": axis_of(each.asset_class, each.first, each.last) for each in windows}
    found = []
    with connection.cursor(binary=True, row_factory=class_row(_Row)) as cursor:
        for row in cursor.execute(statement("questions/list_missing"), values):
            missing, sessions = on_sessions(spans(row.firsts, row.lasts), axes[row.is_crypto])
            if missing:
                found.append(row.as_missing(missing, sessions))
    return found


def measure_pace(connection: Connection, vendors: Sequence[Vendor]) -> dict[Vendor, float]:
    """Seconds that each vendor took for a request, on its newest calls; nothing of one that has not answered yet."""
    rows = connection.execute(statement("questions/measure_pace"), {"vendors": list(vendors)}).fetchall()
    return {cast("Vendor", vendor): float(str(seconds)) for vendor, seconds in rows}


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the statement, as it comes."""

    cause: str
    vendor: Vendor
    is_crypto: bool
    is_followed: bool
    asset_ids: list[int]
    symbols: list[str]
    firsts: list[date]
    lasts: list[date]
    kind: str
    message: str
    next_step: str
    attempts: int
    last_failed_at: datetime | None
    retry_at: datetime | None

    def as_missing(self, missing: Spans, sessions: int) -> Missing:
        return Missing(
            Cause.NOT_YET if self.kind == "not_yet" else Cause(self.cause),
            self.vendor,
            self.is_followed,
            tuple(self.asset_ids),
            tuple(self.symbols),
            missing,
            sessions,
            self.kind,
            self.message,
            self.next_step,
            self.attempts,
            self.last_failed_at,
            self.retry_at,
        )
