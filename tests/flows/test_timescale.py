"""The same flow on TimescaleDB, compressed chunks included."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest

from marketdata.storage.migrations import migrate
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
