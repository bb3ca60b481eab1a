"""On a real TimescaleDB: what was known when, on hypertables and in compressed chunks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import psycopg
import pytest

from marketdata.domain.coverage import Span
from marketdata.storage.connection import connect
from marketdata.storage.exports import Series, read_bars
from marketdata.storage.followed_assets import list_assets
from marketdata.storage.known_bars import ChangesWanted, bar_changes, bars_as_of, changes_by_day
from marketdata.storage.migrations import migrate
from marketdata.storage.timescale import Level, level
from tests.storage.ledger import SEEN, Ledger, answer, bars, open_ledger

pytestmark = [pytest.mark.timescale]

OLD = [date(2020, 3, 2) + timedelta(days=offset) for offset in range(5)]
NEW = [day.replace(year=2026) for day in OLD]
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(timescale_dsn: str) -> Iterator[Ledger]:
    """A1 with bars in two chunks, the older one compressed where the licence gives it; then a correction in each."""
    with psycopg.connect(timescale_dsn, autocommit=True) as connection:
        connection.execute("create extension if not exists timescaledb")
    assert "0006_hypertables" in migrate(timescale_dsn)
    with open_ledger(timescale_dsn) as opened:
        for week in (OLD, NEW):
            first = answer(1, bars(dict.fromkeys(week, 10.0)))
            opened.warehouse.store_daily(opened.call(1, week[0], week[-1]), first)
        with connect(opened.dsn) as connection:
            chunks = connection.execute("select count(*) from show_chunks('bar_daily')").fetchone()
            assert chunks == (2,)
            if level(connection) is Level.TSL:
                connection.execute(
                    "select compress_chunk(c) from show_chunks('bar_daily', older_than => date '2022-01-01') c"
                )
        for week in (OLD, NEW):
            second = answer(1, bars({week[1]: 11.0}), seen=SEEN + HOUR)
            opened.warehouse.store_daily(opened.call(1, week[1], week[1]), second)
        yield opened


def closes(ledger: Ledger, at_hours: int) -> dict[date, float]:
    window = Span(OLD[0], NEW[-1])
    found = ledger.warehouse.transact(bars_as_of, [1], window, SEEN + at_hours * HOUR)
    return {bar.session: bar.close for bar in found}


@pytest.mark.fault("D11")
def test_a_series_as_of_an_instant_reaches_into_compressed_chunks(ledger: Ledger) -> None:
    before = {**dict.fromkeys(OLD, 10.0), **dict.fromkeys(NEW, 10.0)}
    assert closes(ledger, -1) == {}
    assert closes(ledger, 0) == before
    assert closes(ledger, 1) == {**before, OLD[1]: 11.0, NEW[1]: 11.0}


@pytest.mark.fault("D11")
def test_a_provisional_bar_that_became_final_keeps_its_first_instant_on_a_hypertable(ledger: Ledger) -> None:
    day = date(2026, 11, 20)
    for hours, is_final in ((0, False), (3, True)):
        content = answer(2, bars({day: 5.0}), seen=SEEN + hours * HOUR, is_final=is_final)
        ledger.warehouse.store_daily(ledger.call(2, day, day), content)
    stored = "select is_final, fetched_at from bar_daily where asset_id = 2"
    assert ledger.read(stored) == [(True, SEEN)]


def test_what_was_changed_is_listed_from_both_chunks(ledger: Ledger) -> None:
    wanted = ChangesWanted(None, SEEN)
    found = ledger.warehouse.transact(bar_changes, wanted, 10)
    assert [(change.symbol, change.session) for change in found] == [("A1", NEW[1]), ("A1", OLD[1])]
    assert {(d.field, d.old, d.new) for d in found[0].differences} > {("close", 10.0, 11.0)}
    (day,) = ledger.warehouse.transact(changes_by_day, wanted)
    assert (day.changes, day.first, day.last) == (2, OLD[1], NEW[1])


def test_an_asset_is_read_as_of_an_instant_from_the_chunks_of_its_window_only(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        plan = "\n".join(
            str(line)
            for (line,) in connection.execute(
                "explain (costs off) select * from marketdata.bar_daily_as_of(1, %s, %s, %s)", (NEW[0], NEW[-1], SEEN)
            )
        )
    assert plan.count("_chunk") >= 1
    assert "Function Scan" not in plan
    ((old,), (new,)) = ledger.read("select show_chunks('bar_daily')::text order by 1")
    assert old.split(".")[-1] not in plan
    assert new.split(".")[-1] in plan


@pytest.mark.fault("D11")
def test_a_file_and_a_list_count_what_is_in_compressed_chunks(ledger: Ledger) -> None:
    rows = ledger.warehouse.transact(read_bars, [1], Span(OLD[0], NEW[-1]), Series("splits"), guarded=True)
    assert rows.count == 10
    (asset, *_) = ledger.warehouse.transact(list_assets, None, today=date(2026, 11, 21), with_inactive=False)
    assert (asset.symbol, asset.bars) == ("A1", 10)
