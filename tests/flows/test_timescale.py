"""The same flow on TimescaleDB, compressed chunks included."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest

from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.storage.migrations import migrate
from marketdata.storage.runs import RunReport
from marketdata.storage.timescale import Level, level
from tests.flows.conftest import Desk

pytestmark = pytest.mark.timescale


@pytest.fixture
def dsn(timescale_dsn: str) -> str:
    """A TimescaleDB database with all migrations applied, in the place of the plain one."""
    migrate(timescale_dsn)
    return timescale_dsn


@pytest.mark.fault("D11")
@pytest.mark.promise("P3")
def test_a_correction_reaches_compressed_history_and_keeps_the_earlier_version(desk: Desk) -> None:
    with psycopg.connect(desk.dsn) as connection:
        if level(connection) is not Level.TSL:
            pytest.skip("compression is not part of the Apache licence")
    report = desk.run("1Y", ["AAPL"])
    assert report.state == "success"
    before = desk.rows()
    (compressed,) = desk.query(
        "select count(public.compress_chunk(chunk, true)) from public.show_chunks('bar_daily') as chunk"
    )[0]
    assert compressed >= 1
    desk.query("delete from coverage returning 1")
    desk.simulator.admin.correct_bar("AAPL", date(2026, 3, 2), v=123456.0)
    again = desk.run("1Y", ["AAPL"], run="again")
    assert (again.inserted, again.changed, again.unchanged) == (0, 1, len(before) - 1)
    assert desk.query("select session from bar_revision") == [(date(2026, 3, 2),)]
    assert len(desk.rows()) == len(before)


@pytest.mark.fault("D11")
@pytest.mark.promise("P3")
def test_a_correction_in_compressed_history_is_found_by_verification_and_stored(desk: Desk) -> None:
    with psycopg.connect(desk.dsn) as connection:
        if level(connection) is not Level.TSL:
            pytest.skip("compression is not part of the Apache licence")
    desk.run("5Y", ["AAPL", "MSFT"])
    before = desk.rows()
    desk.query("select count(public.compress_chunk(chunk, true)) from public.show_chunks('bar_daily') as chunk")
    assert _verify(desk, "nothing changed").differing == 0
    desk.simulator.admin.correct_bar("AAPL", date(2022, 3, 2), v=123456.0)
    report = _verify(desk, "corrected")
    assert (report.state, report.verified, report.differing, report.changed) == ("success", 2, 1, 1)
    assert desk.query("select session from bar_revision") == [(date(2022, 3, 2),)]
    (after,) = (row for row in desk.rows() if row not in before)
    assert after[:2] == ("AAPL", date(2022, 3, 2))
    assert len(desk.rows()) == len(before)
    assert _verify(desk, "again").differing == 0


def _verify(desk: Desk, run: str) -> RunReport:
    request = HistoryRequest("5Y", ("AAPL", "MSFT"), verify_hours=6.0)
    plan = history.plan_run(
        desk.services, request, dag_id="historical_backfill", airflow_run_id=run, as_of=desk.now, now=desk.now
    )
    for batch in plan.batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    report = history.close_run(desk.services, dag_id="historical_backfill", airflow_run_id=run)
    assert report is not None
    return report
