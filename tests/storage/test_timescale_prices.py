"""On a real TimescaleDB: prices and hours into compressed chunks, counted and compared as anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import psycopg
import pytest

from marketdata.domain.bars import Vendor
from marketdata.storage.connection import connect
from marketdata.storage.hourly_bars import StoredHours, build_hours
from marketdata.storage.migrations import migrate
from marketdata.storage.statements import statement
from tests.storage.ledger import Ledger, open_ledger
from tests.storage.ticks import FRIDAY, Tick, counts, instant, store

pytestmark = [pytest.mark.timescale]

LONG_AGO = date(2026, 9, 4)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


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
    assert "0014_realtime_hypertables" in migrate(timescale_dsn)
    with open_ledger(timescale_dsn) as opened:
        yield opened


def _compress(ledger: Ledger, table: str, licence: str) -> None:
    if licence == "timescale":
        with connect(ledger.dsn) as connection:
            compressed = connection.execute(f"select count(compress_chunk(c)) from show_chunks('{table}') c").fetchone()
        assert compressed is not None
        assert compressed != (0,)


def tick(price: float, at: datetime, fetched_at: datetime, vendor: Vendor = "polygon") -> Tick:
    """An answer with a price of asset 1."""
    return Tick(at, {1: price}, fetched_at, vendor=vendor)


@pytest.mark.promise("P3")
@pytest.mark.fault("D11")
def test_a_price_that_stands_still_in_a_compressed_chunk_is_stored_by_the_same_rules(
    timescale_ledger: Ledger, licence: str
) -> None:
    ledger, old = timescale_ledger, instant(15, day=LONG_AGO)
    store(ledger.warehouse, ledger.run_id, tick(10.0, old, old + MINUTE))
    store(ledger.warehouse, ledger.run_id, Tick(old, {2: 20.0, 3: 30.0}, old + MINUTE))
    _compress(ledger, "price_minute", licence)
    again = store(ledger.warehouse, ledger.run_id, tick(10.0, old, instant(15)))
    assert counts(again) == (0, 0, 1)
    assert counts(store(ledger.warehouse, ledger.run_id, tick(9.0, old, old))) == (0, 0, 1)
    _compress(ledger, "price_minute", licence)
    assert counts(store(ledger.warehouse, ledger.run_id, tick(11.0, old, instant(15, 1)))) == (0, 1, 0)
    assert counts(store(ledger.warehouse, ledger.run_id, tick(12.0, old - MINUTE, instant(15, 2)))) == (1, 0, 0)
    assert ledger.read("select asset_id, at, price, fetched_at from price_minute order by 1, 2") == [
        (1, old - MINUTE, 12.0, instant(15, 2)),
        (1, old, 11.0, instant(15, 1)),
        (2, old, 20.0, old + MINUTE),
        (3, old, 30.0, old + MINUTE),
    ]
    assert ledger.read("select price, at from latest_price where asset_id = 1") == [(11.0, old)]


def test_the_close_of_the_session_before_is_found_in_a_compressed_chunk(timescale_ledger: Ledger, licence: str) -> None:
    ledger = timescale_ledger
    with connect(ledger.dsn) as connection:
        connection.execute(
            "insert into bar_daily (asset_id, session, close, is_final, source, fetched_at, run_id)"
            " select 1, %s::date - n, 10 + n, true, 'polygon', now(), 1 from generate_series(1, 1500) as n",
            (FRIDAY,),
        )
    _compress(ledger, "bar_daily", licence)
    (row,) = store(ledger.warehouse, ledger.run_id, tick(22.0, instant(15), instant(15))).latest
    assert (row.previous_close, row.previous_session, row.change_percent) == (11.0, FRIDAY - DAY, 100.0)


def test_hours_are_built_from_and_merged_into_compressed_chunks(timescale_ledger: Ledger, licence: str) -> None:
    ledger, opened = timescale_ledger, instant(13, 30, day=LONG_AGO)
    session = {"first": opened, "anchor": opened, "last": opened + timedelta(hours=6.5)}
    session |= {"seen_until": instant(15), "vendor": "polygon"}
    for minutes, price in ((1, 10.0), (61, 11.0)):
        at = opened + minutes * MINUTE
        store(ledger.warehouse, ledger.run_id, tick(price, at, at))
    _compress(ledger, "price_minute", licence)
    build = (build_hours, ledger.run_id, [1])
    assert ledger.warehouse.transact(*build, now=instant(15), **session) == StoredHours(2, 0, 0)
    _compress(ledger, "bar_hourly", licence)
    store(ledger.warehouse, ledger.run_id, tick(12.0, opened + 62 * MINUTE, instant(15)))
    assert ledger.warehouse.transact(*build, now=instant(15, 1), **session) == StoredHours(0, 1, 1)
    assert ledger.read("select starts_at, close from bar_hourly order by 1") == [
        (opened, 10.0),
        (opened + 60 * MINUTE, 12.0),
    ]
    assert ledger.read("select interval, close, is_final from bar_revision") == [("1h", 11.0, True)]


def test_the_close_before_is_looked_up_by_index_and_old_chunks_are_left_alone(timescale_ledger: Ledger) -> None:
    ledger = timescale_ledger
    with connect(ledger.dsn) as connection:
        connection.execute(
            "insert into bar_daily (asset_id, session, close, is_final, source, fetched_at, run_id)"
            " select a, %s::date - n * 7, 10, true, 'polygon', now(), 1"
            " from generate_series(1, 500) as n, generate_series(1, 50) as a",
            (FRIDAY,),
        )
        connection.execute("analyze bar_daily")
        connection.execute(statement("prices/create_staging"))
        connection.execute("insert into staged_price (asset_id, at, price) values (1, %s, 10)", (instant(15),))
        values = {"run_id": 1, "vendor": "polygon", "delayed": False, "at": instant(15)}
        days = {"earliest": FRIDAY - DAY, "latest": FRIDAY + DAY}
        explain = "explain (analyze) " + statement("prices/merge_latest")
        plan = "\n".join(str(line) for (line,) in connection.execute(explain, {**values, **days}, prepare=False))
        chunks = connection.execute("select count(*) from show_chunks('bar_daily')").fetchone()
    assert chunks is not None
    assert chunks >= (10,)
    assert "Seq Scan on _hyper" not in plan
    assert 1 <= plan.count("Index Scan") + plan.count("Bitmap Index Scan") <= 4, plan
