"""Splits, dividends and renames on TimescaleDB: views over hypertables, and days taken back from compressed chunks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import psycopg
import pytest

from marketdata.storage.migrations import migrate
from marketdata.storage.timescale import Level, level
from tests.flows.conftest import Desk
from tests.flows.office import Office

pytestmark = pytest.mark.timescale

SATURDAY = date(2026, 11, 21)


@pytest.fixture
def dsn(timescale_dsn: str) -> str:
    """A TimescaleDB database in the place of the plain one; it compresses only when a test says so."""
    migrate(timescale_dsn)
    with psycopg.connect(timescale_dsn) as connection:
        if level(connection) is not Level.TSL:
            pytest.skip("compression is not part of the Apache licence")
        connection.execute("select remove_compression_policy('marketdata.bar_daily')")
    return timescale_dsn


def compress(office: Office) -> None:
    """Compress all chunks."""
    query = "select count(public.compress_chunk(chunk, true)) from public.show_chunks('bar_daily') as chunk"
    ((compressed,),) = office.desk.query(query)
    assert compressed > 5


def test_adjusted_and_total_return_series_read_compressed_history(make_desk: Callable[..., Desk]) -> None:
    office = Office(make_desk(assets=[{"symbol": "AAPL", "asset_class": "stock", "listed_on": "1980-12-12"}]))
    office.at(SATURDAY, 13)
    office.desk.run("MAX")
    office.sync()
    views = ("bar_daily_adjusted", "bar_daily_total_return")
    before = {view: office.closes("AAPL", view) for view in views}
    assert before[views[0]][date(2004, 1, 2)] == pytest.approx(office.closes("AAPL")[date(2004, 1, 2)] / 56)
    assert before[views[1]][date(2004, 1, 2)] < before[views[0]][date(2004, 1, 2)]
    compress(office)
    assert {view: office.closes("AAPL", view) for view in views} == before
    assert {proof for *_, proof in office.splits("AAPL")} == {"proven"}


def test_bars_under_a_ticker_that_was_not_the_assets_own_leave_compressed_chunks(
    make_desk: Callable[..., Desk],
) -> None:
    office = Office(make_desk(assets=[{"symbol": "META", "asset_class": "stock"}]))
    office.at(SATURDAY, 13)
    office.desk.run("MAX", run="before any sync")
    taken = len([day for day in office.closes("META") if day < date(2022, 6, 9)])
    assert taken > 100
    compress(office)
    office.sync()
    assert office.desk.query("select count(*) from bar_revision") == [(taken,)]
    office.desk.run("MAX", run="after it")
    assert office.closes("META") == office.truth("META", date(2012, 5, 18), SATURDAY)
