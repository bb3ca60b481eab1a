"""A revision is the bar as it was stored, whoever replaced it or took it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from marketdata.domain.import_rows import ImportRows
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.domain.prices import IntradayBars
from marketdata.storage import imports
from marketdata.storage.hourly_bars import store_hours
from marketdata.storage.imports import ImportPart, PlannedPart
from marketdata.storage.reference_calls import open_call
from marketdata.storage.statements import statement
from tests.storage.ledger import FACTS, SEEN, WEEK, Ledger, answer, bars

DAY = WEEK[1]
HOUR = datetime(2026, 11, 17, 14, 30, tzinfo=UTC)
LATER = SEEN + timedelta(hours=1)

_FIRST_DAY = """insert into bar_daily (asset_id, fetched_at, run_id, open, high, low, close, volume, volume_24h, vwap,
        trades, session, is_final, source)
    values (1, '2026-11-21 12:00+00', 7, 2, 5, 1, 4, 6, 8, 3, 9, '2026-11-17', true, '{source}')"""
_FIRST_HOUR = """insert into bar_hourly (asset_id, starts_at, fetched_at, run_id, open, high, low, close, volume, vwap,
        trades, is_final, source)
    values (1, '2026-11-17 14:30+00', '2026-11-21 12:00+00', 7, 2, 5, 1, 4, 6, 3, 9, true, '{source}')"""
_FIGURES = "asset_id, {start}, open, high, low, close, volume, {rolling}, vwap, trades, is_final, source, run_id"


def vendor_replaces_day(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({DAY: 4.5}), seen=LATER))


def vendor_replaces_hour(ledger: Ledger) -> None:
    planned = PlannedCall(CallKind("half_hours"), "polygon", 1, "A1", DAY, DAY, "realtime")
    call = ledger.warehouse.transact(open_call, ledger.run_id, planned)
    price = np.array([4.5])
    content = IntradayBars(
        np.array(["A1"], dtype=np.object_),
        np.array([HOUR.replace(tzinfo=None)], dtype="datetime64[us]"),
        *(price for _ in range(6)),
        trades=np.array([1]),
    )
    ledger.warehouse.transact(
        store_hours, call, FACTS, asset_id=1, bars=content, finals=np.array([True]), source="polygon", fetched_at=LATER,
    )  # fmt: skip


def import_replaces(ledger: Ledger, starts_at: datetime | None = None) -> None:
    start = None if starts_at is None else np.array([starts_at.replace(tzinfo=None)], dtype="datetime64[s]")
    content = ImportRows(bars({DAY: 4.5}), np.array([1]), np.zeros(1, dtype=np.bool_), start, {})
    planned = ledger.warehouse.transact(imports.plan_parts, ledger.run_id, [PlannedPart(0, "a.csv", DAY, DAY)])
    part = ImportPart("d1", 0, "import:acme", content, LATER, received=1)
    assert ledger.warehouse.transact(imports.store_part, planned[0], part).total("changed") == 1


def import_replaces_hour(ledger: Ledger) -> None:
    import_replaces(ledger, HOUR)


def take_back(ledger: Ledger) -> None:
    values = {"asset_id": 1, "days": "{[2026-11-17,2026-11-17]}", "at": LATER, "run_id": ledger.run_id}
    ledger.warehouse.transact(lambda connection: connection.execute(statement("aliases/retract"), values))


@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    ("interval", "source", "replace"),
    [
        ("1d", "polygon", vendor_replaces_day),
        ("1d", "import:acme", import_replaces),
        ("1d", "polygon", take_back),
        ("1h", "polygon", vendor_replaces_hour),
        ("1h", "import:acme", import_replaces_hour),
    ],
)
def test_a_revision_has_each_figure_of_the_bar_that_was(
    ledger: Ledger, interval: str, source: str, replace: Callable[[Ledger], None]
) -> None:
    is_day = interval == "1d"
    table, start, rolling = ("bar_daily", "session", "volume_24h") if is_day else ("bar_hourly", "starts_at", 0)
    first = (_FIRST_DAY if is_day else _FIRST_HOUR).format(source=source)
    ledger.warehouse.transact(lambda connection: connection.execute(first))
    columns = _FIGURES.format(start=start, rolling=rolling)
    (before,) = ledger.read(f"select '{interval}', {columns}, fetched_at from {table}")
    replace(ledger)
    (kept,) = ledger.read(f"select interval, {columns}, first_seen_at from bar_revision")
    assert kept == before
    assert ledger.read("select replaced_at, replaced_by_run_id from bar_revision") == [(LATER, ledger.run_id)]
