"""What flows write, written by a login that owns nothing; what the read API asks, asked by one that cannot write."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import psycopg
import pytest

from marketdata.alerts.delivery import deliver
from marketdata.flows import fetch, freshness, history
from marketdata.flows.imports.flow import import_file
from marketdata.flows.imports.job import RunName
from marketdata.flows.request import HistoryRequest
from marketdata.storage.market_reader import MarketReader
from marketdata.storage.migrations import migrate
from marketdata.storage.roles import find_login
from marketdata.storage.runs import RunReport
from marketdata.storage.timescale import Level, level
from marketdata.storage.watchlists import set_overview
from tests.flows.conftest import Desk
from tests.flows.floor import FRIDAY, Floor
from tests.flows.import_desk import HEADER, line, spec
from tests.flows.office import Office, new_york
from tests.storage.logins import as_app, as_reader

pytestmark = pytest.mark.fault("S11")

NOON = new_york(FRIDAY, 12)
LONG_AGO = date(2026, 3, 2)


@pytest.fixture(params=["empty_dsn", pytest.param("timescale_dsn", marks=pytest.mark.timescale)])
def owner_dsn(request: pytest.FixtureRequest) -> str:
    """A migrated database, plain and with TimescaleDB, as its owner sees it."""
    dsn = str(request.getfixturevalue(request.param))
    assert migrate(dsn)
    return dsn


@pytest.fixture
def dsn(owner_dsn: str) -> str:
    """The same for a member of the app role: with it the desk and the floor work."""
    return as_app(owner_dsn)


def test_all_flows_write_with_a_login_that_owns_nothing(floor: Floor, owner_dsn: str, tmp_path: Path) -> None:
    desk, warehouse = floor.desk, floor.services.warehouse
    login = warehouse.transact(find_login)
    assert (login.is_app, login.is_superuser, login.is_owner) == (True, False, False)
    warehouse.transact(set_overview, ["AAPL", "X:BTCUSD"])
    assert Office(desk).sync().state == "success"
    assert desk.run("1Y", ["AAPL"], run="a year").state == "success"
    _compress(owner_dsn)
    desk.simulator.admin.correct_bar("AAPL", LONG_AGO, v=123456.0)
    verified = _verify(desk)
    assert (verified.state, verified.differing, verified.changed) == ("success", 1, 1)
    assert desk.query("select session from bar_revision") == [(LONG_AGO,)]
    assert floor.tick(NOON).state == "success"
    assert floor.tick_hours(NOON).state == "success"
    assert freshness.watch(warehouse, deliver=deliver, now=desk.now)
    (tmp_path / "old.csv").write_text("\n".join([HEADER, line("MSFT", date(2003, 1, 2))]), encoding="utf-8")
    name = RunName("data_migration", "manual")
    assert import_file(warehouse, "old.csv", spec(), base=tmp_path, name=name, now=desk.now).state == "success"
    assert migrate(desk.dsn) == [], "the DAG of imports looks for migrations first"
    ((bars,),) = desk.query("select count(*) from bar_daily where session < '2020-01-01'")
    assert bars == 1


def test_the_read_api_asks_with_a_login_that_cannot_write(floor: Floor, owner_dsn: str) -> None:
    floor.tick(NOON)
    floor.tick_hours(NOON)
    with MarketReader.open(as_reader(owner_dsn), None) as reader:
        assert [price.symbol for price in reader.prices(["AAPL", "X:BTCUSD"]).prices] == ["AAPL", "X:BTCUSD"]
        for adjusted in ("splits", "total-return", "none"):
            assert len(bytes(reader.chart("AAPL", "7D", adjusted).bars)) > 100
        assert reader.chart("AAPL", "1D").session == str(FRIDAY)
        assert reader.freshness().feeds


def _compress(owner_dsn: str) -> None:
    """Compress all daily bars where there is something to do it with: the owner's task, or its policy's."""
    with psycopg.connect(owner_dsn) as connection:
        if level(connection) is Level.TSL:
            chunks = "from public.show_chunks('marketdata.bar_daily') as chunk"
            row = connection.execute(f"select count(public.compress_chunk(chunk, true)) {chunks}").fetchone()
            assert row is not None
            assert row[0]


def _verify(desk: Desk) -> RunReport:
    request = HistoryRequest("1Y", ("AAPL",), verify_hours=6.0)
    names = {"dag_id": "historical_backfill", "airflow_run_id": "verify"}
    plan = history.plan_run(desk.services, request, **names, as_of=desk.now, now=desk.now)
    for batch in plan.batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    report = history.close_run(desk.services, **names)
    assert report is not None
    return report
