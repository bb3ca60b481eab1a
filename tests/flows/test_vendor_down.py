"""A vendor that is down for a while: few requests, a ledger of what failed and what is left, and later the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from marketdata.errors import VendorDown
from marketdata.flows import fetch, history
from marketdata.hooks.circuit import Breaker
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Quota
from marketdata.storage.runs import RunReport
from tests.flows.conftest import Desk, end_pauses
from tests.hooks.accounts import Waits

STOCKS = ("AAPL", "GOOGL", "MSFT")
OPENS_FOR_LONG = Breaker(first=200)


def with_breaker(desk: Desk, redis_url: str, breaker: Breaker) -> None:
    """Let the desk ask Polygon through a circuit of these measures, without waits between tries."""
    connection = desk.services.polygon.connection
    hook = PolygonHook(connection=connection, quota=Quota.of(connection, redis_url, breaker))
    hook.get_conn().sleep = Waits()
    desk.services = replace(desk.services, polygon=hook)


def fetch_and_close(desk: Desk, batches: Sequence[history.Batch], run: str) -> tuple[RunReport, int]:
    """What Airflow does: each batch in a task, the run closed whatever came; the report and how many tasks failed."""
    failed = 0
    for batch in batches:
        try:
            fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
        except VendorDown:
            failed += 1
    report = history.close_run(desk.services, dag_id="historical_daily", airflow_run_id=run)
    assert report is not None
    return report, failed


def ledger(desk: Desk) -> dict[str, str]:
    rows = desk.query(
        "select coalesce(asset.symbol, c.symbol), c.state from ingest_call c left join asset using (asset_id)"
    )
    return dict(rows)


def asked(desk: Desk) -> Counter[str]:
    """Requests at Polygon by ticker."""
    return Counter(request.path.split("/")[4] for request in desk.simulator.admin.requests(vendor="massive"))


@pytest.mark.fault("U04")
@pytest.mark.promise("P4")
@pytest.mark.promise("P10")
def test_a_run_in_a_storm_is_partial_asks_little_and_lists_each_symbol_and_its_retry_completes(
    desk: Desk, redis_url: str
) -> None:
    with_breaker(desk, redis_url, OPENS_FOR_LONG)
    desk.simulator.admin.add_fault("status", vendor="massive", status=503)
    batches = desk.plan("1Y", [*STOCKS, "X:BTCUSD"], run="storm").batches
    report, failed = fetch_and_close(desk, batches, "storm")
    assert (report.state, failed) == ("partial", 2)
    assert sum(asked(desk).values()) == OPENS_FOR_LONG.straight, "the third symbol cost no request"
    assert ledger(desk) == {"AAPL": "failed", "GOOGL": "pending", "MSFT": "pending", "X:BTCUSD": "done"}
    assert [(one.symbol, one.kind) for one in report.failed_symbols][:1] == [("AAPL", "transient")]
    assert desk.query("select count(*) from absence") == [(0,)]
    desk.simulator.admin.clear_faults()
    end_pauses(desk.redis)
    report, failed = fetch_and_close(desk, batches, "storm")
    assert (report.state, failed, report.calls_pending) == ("partial", 0, 0)
    assert {row[0] for row in desk.rows()} == {"GOOGL", "MSFT", "X:BTCUSD"}
    assert desk.run("1Y", [*STOCKS, "X:BTCUSD"], run="next").state == "success"
    assert {row[0] for row in desk.rows()} == {*STOCKS, "X:BTCUSD"}


@pytest.mark.fault("U04")
def test_a_short_storm_is_sat_out_and_costs_one_symbol_its_call(desk: Desk, redis_url: str) -> None:
    with_breaker(desk, redis_url, Breaker(first=0.05))
    desk.simulator.admin.add_fault("status", vendor="massive", status=503, times=7)
    report, failed = fetch_and_close(desk, desk.plan("1Y", STOCKS, run="storm").batches, "storm")
    assert (report.state, failed) == ("partial", 0)
    assert [(one.symbol, one.kind) for one in report.failed_symbols] == [("AAPL", "transient")]
    assert asked(desk) == {"AAPL": 4, "GOOGL": 4, "MSFT": 1}
    assert {row[0] for row in desk.rows()} == {"GOOGL", "MSFT"}


@pytest.mark.fault("U04")
@pytest.mark.promise("P4")
def test_a_symbol_that_always_gives_500_keeps_nobody_from_being_fetched(desk: Desk, redis_url: str) -> None:
    with_breaker(desk, redis_url, OPENS_FOR_LONG)
    desk.simulator.admin.add_fault("status", match="/AAPL/", status=500)
    report, failed = fetch_and_close(desk, desk.plan("1Y", STOCKS, run="broken").batches, "broken")
    assert (report.state, failed, [one.symbol for one in report.failed_symbols]) == ("partial", 0, ["AAPL"])
    assert asked(desk) == {"AAPL": 4, "GOOGL": 1, "MSFT": 1}
