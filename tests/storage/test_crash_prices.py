"""A process killed while it stores prices or hours leaves all of an answer or nothing, and the next one completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.ledger import Ledger
from tests.storage.ticks import instant

WRITER = """
import sys
import numpy as np
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage.hourly_bars import store_hours
from marketdata.storage.reference_calls import open_call
from marketdata.storage.warehouse import Warehouse
from tests.storage.test_hourly_bars import OPEN, hours
from tests.storage.ticks import FACTS, FRIDAY, Tick, instant, open_tick, write

with Warehouse.open(sys.argv[1]) as warehouse:
    run_id = int(sys.argv[2])
    if sys.argv[3] == "prices":
        warehouse.transact(write, open_tick(warehouse, run_id), Tick(instant(15), {1: 10.0, 2: 20.0}, instant(15)))
    else:
        planned = PlannedCall(CallKind.HALF_HOURS, "polygon", 1, "A1", FRIDAY, FRIDAY, "realtime")
        warehouse.transact(
            store_hours, warehouse.transact(open_call, run_id, planned), FACTS, asset_id=1, bars=hours({OPEN: 10.0}),
            finals=np.array([True]), source="polygon", fetched_at=instant(15),
        )
"""
ROOT = Path(__file__).parents[2]
TABLES = {"prices": ("price_minute", "latest_price"), "hours": ("bar_hourly",)}


def _store_in_a_process(ledger: Ledger, what: str, crash_at: str) -> int:
    environment = {**os.environ, "MARKETDATA_CRASH_AT": crash_at, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
    command = [sys.executable, "-c", WRITER, ledger.dsn, str(ledger.run_id), what]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False, timeout=120).returncode


def _counts(ledger: Ledger, what: str) -> list[int]:
    return [ledger.read(f"select count(*) from {table}")[0][0] for table in TABLES[what]]


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
@pytest.mark.parametrize(
    ("what", "point"),
    [
        ("prices", "mid_copy"),
        ("prices", "after_copy"),
        ("prices", "after_merge"),
        ("hours", "after_copy"),
        ("hours", "after_merge"),
    ],
)
def test_a_process_killed_before_the_commit_leaves_nothing_and_the_next_completes(
    ledger: Ledger, what: str, point: str
) -> None:
    assert _store_in_a_process(ledger, what, point) == 137
    assert _counts(ledger, what) == [0] * len(TABLES[what])
    assert ledger.read("select state, answered_at from ingest_call") == [("pending", None)]
    assert _store_in_a_process(ledger, what, "nowhere") == 0
    expected = {"prices": [2, 2], "hours": [1]}
    assert _counts(ledger, what) == expected[what]
    assert ledger.read("select state, answered_at from ingest_call order by call_id") == [
        ("pending", None),
        ("done", instant(15)),
    ]
