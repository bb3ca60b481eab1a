"""On a real TimescaleDB: hypertables, compression where the licence gives it, and the writer on compressed bars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

import psycopg
import pytest

from marketdata.storage.calls import Stored
from marketdata.storage.connection import connect
from marketdata.storage.doctor import examine
from marketdata.storage.migrations import migrate
from marketdata.storage.timescale import Level, level
from tests.storage.ledger import SEEN, Ledger, answer, bars, open_ledger

pytestmark = [pytest.mark.timescale]

OLD = [date(2020, 3, 2) + timedelta(days=offset) for offset in range(5)]
HOUR = timedelta(hours=1)


@pytest.fixture
def licence(timescale_dsn: str) -> str:
    """The licence that the server runs under: ``timescale`` or ``apache``."""
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        connection.execute("create extension if not exists timescaledb")
    with connect(timescale_dsn) as connection:
        row = connection.execute("select current_setting('timescaledb.license')").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def timescale_ledger(timescale_dsn: str, licence: str) -> Iterator[Ledger]:
    """A ledger on a database that has the extension."""
    assert licence in {"timescale", "apache"}
    assert "0006_hypertables" in migrate(timescale_dsn)
    with open_ledger(timescale_dsn) as opened:
        yield opened


def _compress(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        compressed = connection.execute("select count(compress_chunk(c)) from show_chunks('bar_daily') c").fetchone()
    assert compressed is not None
    assert compressed != (0,)


@pytest.mark.fault("D15")
def test_bars_and_prices_live_in_hypertables_with_chunks_of_a_year_a_month_and_a_week(timescale_ledger: Ledger) -> None:
    found = timescale_ledger.read(
        "select hypertable_name, time_interval from timescaledb_information.dimensions order by 1"
    )
    assert found == [
        ("bar_daily", timedelta(days=365)),
        ("bar_hourly", timedelta(days=30)),
        ("price_minute", timedelta(days=7)),
    ]


def test_the_level_is_detected_and_decides_what_is_applied(
    timescale_ledger: Ledger, licence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"timescale": Level.TSL, "apache": Level.APACHE}[licence]
    with connect(timescale_ledger.dsn) as connection:
        assert level(connection) is expected
    applied = {name for (name,) in timescale_ledger.read("select name from schema_migration")}
    assert ("0007_compression" in applied) == (expected is Level.TSL)
    assert ("0015_realtime_compression" in applied) == (expected is Level.TSL)
    jobs = "select count(*) from timescaledb_information.jobs where hypertable_schema = 'marketdata'"
    assert timescale_ledger.read(jobs) == [(3 if expected is Level.TSL else 0,)]
    monkeypatch.setenv("MARKETDATA_DSN", timescale_ledger.dsn)
    findings = {finding.check: finding for finding in examine()}
    assert re.match("tsl" if expected is Level.TSL else "apache", findings["timescaledb"].found)
    assert findings["statements"].health == "ok", findings["statements"]


@pytest.mark.fault("D11")
def test_upserts_into_compressed_chunks_count_right_and_keep_revisions(timescale_ledger: Ledger, licence: str) -> None:
    ledger = timescale_ledger
    first = answer(1, bars(dict.fromkeys(OLD[:4], 10.0)))
    assert ledger.warehouse.store_daily(ledger.call(1, OLD[0], OLD[-1]), first) == Stored(4, 0, 0)
    ledger.warehouse.store_daily(ledger.call(2, OLD[0], OLD[-1]), answer(2, bars(dict.fromkeys(OLD, 7.0))))
    if licence == "timescale":
        _compress(ledger)
    corrected = {OLD[0]: 10.0, OLD[1]: 11.0, OLD[2]: 10.0, OLD[4]: 12.0}
    call = ledger.call(1, OLD[0], OLD[-1])
    assert ledger.warehouse.store_daily(call, answer(1, bars(corrected), seen=SEEN + HOUR)) == Stored(1, 1, 2)
    assert ledger.closes() == (
        {(1, day): close for day, close in corrected.items()} | {(1, OLD[3]): 10.0} | {(2, day): 7.0 for day in OLD}
    )
    assert ledger.read("select session, close from bar_revision") == [(OLD[1], 10.0)]
    assert ledger.warehouse.store_daily(call, answer(1, bars(corrected), seen=SEEN + HOUR)) == Stored(0, 0, 4)


@pytest.mark.fault("D11")
def test_new_ground_inside_a_compressed_chunk_is_filled(timescale_ledger: Ledger, licence: str) -> None:
    ledger = timescale_ledger
    ledger.warehouse.store_daily(ledger.call(1, OLD[0], OLD[-1]), answer(1, bars({OLD[0]: 10.0})))
    if licence == "timescale":
        _compress(ledger)
    fresh = answer(3, bars(dict.fromkeys(OLD, 5.0)))
    assert ledger.warehouse.store_daily(ledger.call(3, OLD[0], OLD[-1]), fresh) == Stored(5, 0, 0)
    assert ledger.closes() == {(1, OLD[0]): 10.0} | {(3, day): 5.0 for day in OLD}


@pytest.mark.fault("D15")
def test_an_extension_that_arrives_later_turns_tables_with_rows_into_hypertables(
    timescale_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        connection.execute("drop extension if exists timescaledb")
    monkeypatch.setattr("marketdata.storage.migrations.enable", lambda _connection: None)
    assert "0006_hypertables" not in migrate(timescale_dsn)
    with open_ledger(timescale_dsn) as ledger:
        ledger.warehouse.store_daily(ledger.call(1, OLD[0], OLD[-1]), answer(1, bars(dict.fromkeys(OLD, 10.0))))
        monkeypatch.undo()
        assert migrate(timescale_dsn)[0] == "0006_hypertables"
        assert ledger.closes() == {(1, day): 10.0 for day in OLD}
        chunks = "select count(*) from timescaledb_information.chunks where hypertable_name = 'bar_daily'"
        assert ledger.read(chunks) == [(1,)]
