"""Five thousand symbols that each need a call of their own, through the tasks as Airflow maps them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from marketdata import history_tasks
from marketdata.domain.sessions import new_york_date
from marketdata.flows import history, services
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services
from marketdata.storage import runs
from tests.flows.conftest import SATURDAY_NOON, Desk

SYMBOLS = [f"S{number:04}" for number in range(5_000)]
MAX_MAP_LENGTH = 1_024
"""Airflow's default: a task that pushes more for another to be mapped over fails."""


@pytest.fixture
def large(make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk of many stocks on a plan that gives no market days, behind what the tasks open."""
    desk = make_desk(assets=[{"symbol": symbol, "asset_class": "stock"} for symbol in SYMBOLS])
    desk.services.polygon_key.learn_refusal("market_day", new_york_date(desk.now), "not in the plan")

    @contextlib.contextmanager
    def open_services() -> Iterator[Services]:
        yield desk.services

    monkeypatch.setattr(services, "open_services", open_services)
    return desk


def plan(request: HistoryRequest) -> list[dict[str, Any]]:
    """What the planning task gives to XCom."""
    run = SimpleNamespace(dag_id="historical_daily", run_id="manual")
    context: Any = {"dag_run": run, "data_interval_end": SATURDAY_NOON}
    return history_tasks.store_plan(context, request)


def size(published: object) -> int:
    """Bytes in XCom."""
    return len(json.dumps(published).encode())


@pytest.mark.fault("A09")
def test_five_thousand_calls_are_planned_and_airflow_maps_over_few_and_carries_ids_only(large: Desk) -> None:
    batches = plan(HistoryRequest("1Y"))
    assert 100 <= len(batches) <= 200 < MAX_MAP_LENGTH
    assert size(batches) < 12_000
    assert {tuple(batch) for batch in batches} == {("run_id", "batch", "label")}
    planned = large.query(
        "select count(*), count(distinct asset_id), count(distinct batch), max(batch) from ingest_call"
        " where state = 'pending' and kind = 'ticker_range'"
    )
    assert planned == [(5_000, 5_000, len(batches), len(batches) - 1)], "each is in a batch that is mapped"

    first = large.services.warehouse.transact(runs.pending_calls, batches[0]["run_id"], 0)
    assert len(first) == 5_000 // len(batches)


@pytest.mark.fault("A09")
@pytest.mark.promise("P4")
def test_what_a_run_publishes_stays_small_though_every_symbol_failed(large: Desk) -> None:
    (run_id,) = {batch["run_id"] for batch in plan(HistoryRequest("7D"))}
    large.query(
        "update ingest_call set state = 'failed', outcome = 'gone', message = repeat('x', 600)"
        " where run_id = %(run_id)s returning 1",
        run_id=run_id,
    )
    report = history.close_run(large.services, dag_id="historical_daily", airflow_run_id="manual")
    assert report is not None
    assert (report.state, len(report.failed_symbols)) == ("failed", 5_000), "the record names them all"
    assert size(history.published(report)) < 48_000
