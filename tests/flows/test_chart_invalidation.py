"""A cached chart is never older than what was committed: corrections, inserts, splits, dividends, imports, renames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from time import monotonic

import msgspec
import pytest
import redis

from marketdata.flows import fetch, history
from marketdata.flows.imports.flow import import_file
from marketdata.flows.imports.job import RunName
from marketdata.flows.request import HistoryRequest
from marketdata.flows.stale_charts import StaleCharts
from marketdata.storage import cache_connection
from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.calls import Stored
from marketdata.storage.market_reader import MarketReader
from marketdata.storage.price_cache import PriceCache
from tests.faults.own_valkey import freeze, own_valkey
from tests.flows.conftest import ASSETS, NOWHERE, SATURDAY_NOON, Desk
from tests.flows.import_desk import HEADER, line, spec
from tests.flows.office import Office
from tests.flows.test_killed_worker import work
from tests.storage.cached_prices import chart, hour

STOCKS = ("AAPL", "GOOGL", "MSFT")
ALL = (*STOCKS, "X:BTCUSD")
SUNDAY = datetime.fromisoformat("2026-11-22T07:00:00+00:00")
A_DAY_IN_NOVEMBER = date(2026, 11, 3)
FRIDAY, SATURDAY, MONDAY, TUESDAY = (date(2026, 11, day) for day in (20, 21, 23, 24))


@pytest.fixture
def front_end(redis_url: str) -> Iterator[PriceCache]:
    """The cache as a reader has it."""
    opened = PriceCache(redis_url)
    yield opened
    opened.close()


def show(front_end: PriceCache, symbols: Sequence[str] = ALL) -> None:
    """Put charts of these assets into the cache."""
    for symbol in symbols:
        front_end.put_chart(symbol, "1Y", "splits", chart(1.0))
        front_end.put_chart(symbol, "MAX", "total-return", chart(1.0))


def shown(front_end: PriceCache, symbols: Sequence[str] = ALL) -> list[str]:
    """The assets whose charts are still there; one of the two alone is a failure."""
    found = []
    for symbol in symbols:
        there = [front_end.get_chart(symbol, "1Y"), front_end.get_chart(symbol, "MAX", "total-return")]
        assert there[0] == there[1], symbol
        found += [symbol] if there[0] else []
    return found


def verify(desk: Desk, run: str) -> None:
    plan = history.plan_run(
        desk.services,
        HistoryRequest("MAX", STOCKS, verify_hours=6.0),
        dag_id="historical_backfill",
        airflow_run_id=run,
        as_of=desk.now,
        now=desk.now,
    )
    for batch in plan.batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)


@pytest.mark.fault("R09")
def test_new_bars_take_the_charts_of_their_assets_and_no_others(desk: Desk, front_end: PriceCache) -> None:
    desk.run("1M")
    show(front_end)
    desk.at(SATURDAY_NOON + timedelta(days=3))
    desk.run("7D", ["AAPL"], run="one")
    assert shown(front_end) == ["GOOGL", "MSFT", "X:BTCUSD"]
    desk.run("7D", STOCKS, run="the others, by one call for the whole market")
    assert shown(front_end) == ["X:BTCUSD"]
    show(front_end)
    desk.run("7D", STOCKS, run="nothing new")
    assert shown(front_end) == list(ALL)


@pytest.mark.fault("R09")
@pytest.mark.parametrize("range_name", ["7D", "1Y"])
def test_charts_go_only_when_their_bars_are_committed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, range_name: str
) -> None:
    """A reader that fills the cache in between would else put the old bars back, for as long as their TTL."""
    seen: list[tuple[int, int]] = []
    drop = desk.services.cache.drop_charts

    def look_and_drop(symbols: Sequence[str], **more: bool) -> int:
        ((bars, pending),) = desk.query(
            "select (select count(distinct asset_id) from bar_daily join asset using (asset_id)"
            " where symbol = any(%(symbols)s)), (select count(*) from ingest_call where state <> 'done')",
            symbols=list(symbols),
        )
        seen.append((len(symbols) - bars, pending))
        return drop(symbols, **more)

    monkeypatch.setattr(desk.services.cache, "drop_charts", look_and_drop)
    plan = desk.plan(range_name, STOCKS)
    for number, batch in enumerate(plan.batches, start=1):
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
        assert seen[-1] == (0, len(plan.batches) - number)
    assert plan.batches


@pytest.mark.fault("R09")
def test_a_reader_sees_a_correction_as_soon_as_it_is_stored(desk: Desk, dsn: str, redis_url: str) -> None:
    desk.at(SUNDAY)
    desk.run("1M", STOCKS)
    with MarketReader.open(dsn, redis_url) as reader:

        def close(symbol: str) -> float:
            bars = {bar["date"]: bar["close"] for bar in msgspec.json.decode(reader.chart(symbol, "1M").bars)}
            return float(bars[str(A_DAY_IN_NOVEMBER)])

        before = {symbol: close(symbol) for symbol in STOCKS}
        asked = reader.loads
        assert {symbol: close(symbol) for symbol in STOCKS} == before
        assert reader.loads == asked, "from the cache"
        ((high,),) = desk.query(
            "select high from bar_daily join asset using (asset_id) where symbol = 'MSFT' and session = %(day)s",
            day=A_DAY_IN_NOVEMBER,
        )
        desk.simulator.admin.correct_bar("MSFT", A_DAY_IN_NOVEMBER, c=high)
        verify(desk, "sunday")
        assert close("MSFT") == high != before["MSFT"]
        verify(desk, "where nothing differs")
        asked = reader.loads
        assert close("MSFT") == high
        assert reader.loads == asked, "nothing was dropped"


@pytest.mark.promise("P2")
@pytest.mark.fault("R09")
def test_after_a_kill_between_commit_and_cache_the_retry_shows_readers_the_new_bar(
    make_desk: Callable[..., Desk], dsn: str, redis_url: str
) -> None:
    desk = make_desk(assets=[asset for asset in ASSETS if asset["symbol"] in STOCKS])
    assert work(desk, redis_url, "load") == 0
    with MarketReader.open(dsn, redis_url) as reader:

        def close() -> float:
            bars = {bar["date"]: bar["close"] for bar in msgspec.json.decode(reader.chart("AAPL", "MAX").bars)}
            return float(bars[str(A_DAY_IN_NOVEMBER)])

        before = close()
        desk.simulator.admin.correct_bar("AAPL", A_DAY_IN_NOVEMBER, c=before + 0.01, h=before + 1)
        assert work(desk, redis_url, "sunday", "1", crash_at="after_commit") == 137
        assert desk.query("select close from bar_revision") == [(before,)]
        assert close() == before, "the worker died before the cache knew"
        ((run_id,),) = desk.query("select run_id from ingest_run where airflow_run_id = 'sunday'")
        for batch in (0, 1, 2):
            fetch.fetch_batch(desk.services, run_id, batch)
        assert close() == before + 0.01


def test_a_run_whose_batch_was_given_up_drops_what_it_had_written_when_it_closes(
    desk: Desk, redis_url: str, front_end: PriceCache
) -> None:
    assert work(desk, redis_url, "killed", crash_at="after_commit") == 137
    show(front_end)
    report = history.close_run(desk.services, dag_id="historical_daily", airflow_run_id="killed")
    assert report is not None
    assert report.calls_pending > 0
    assert len(shown(front_end)) == len(ALL) - 1


def test_a_first_load_asks_the_cache_at_most_once_a_batch(desk: Desk, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()
        plan = desk.plan("1Y")
        for batch in plan.batches:
            fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
        calls = sum(
            found["calls"] for name, found in client.info("commandstats").items() if name.startswith("cmdstat_unlink")
        )
    assert plan.batches
    assert 0 < calls <= len(plan.batches) + len(ALL)


def test_a_change_drops_at_once_and_growth_at_the_end_even_after_an_error(desk: Desk, front_end: PriceCache) -> None:
    ids = {asset.symbol: asset.asset_id for asset in desk.services.warehouse.transact(find_assets, None)}
    show(front_end)
    with StaleCharts(desk.services) as stale:
        stale.note([ids["AAPL"]], Stored(0, 0, 5))
        stale.note([ids["MSFT"]], Stored(5, 0, 0))
        assert shown(front_end) == list(ALL)
        stale.note([ids["GOOGL"]], Stored(0, 1, 4))
        assert shown(front_end) == ["AAPL", "MSFT", "X:BTCUSD"]
    assert shown(front_end) == ["AAPL", "X:BTCUSD"]

    def fail() -> None:
        with StaleCharts(desk.services) as stale:
            stale.note([ids["AAPL"]], Stored(5, 0, 0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert shown(front_end) == ["X:BTCUSD"]


@pytest.mark.fault("R09")
def test_a_split_takes_the_charts_when_it_is_applied_and_when_it_is_held_anew(
    office: Office, front_end: PriceCache
) -> None:
    told = [{"execution_date": MONDAY, "split_from": 1, "split_to": 4}]
    wednesday = date(2026, 11, 25)
    office.day(FRIDAY)
    show(front_end)
    office.admin.add_split("MSFT", wednesday, 1, 4, reported=told)  # told for a wrong day
    office.at(MONDAY)
    office.sync()
    assert office.splits("MSFT")[0][2] == "applied"
    assert shown(front_end) == ["AAPL", "GOOGL", "X:BTCUSD"]
    office.at(MONDAY, 16, 30)
    office.desk.run("1M", run="monday")
    show(front_end)
    office.at(TUESDAY)
    office.sync()
    assert office.splits("MSFT")[0][2] == "held", "prices contradict it"
    assert shown(front_end) == ["AAPL", "GOOGL", "X:BTCUSD"]


@pytest.mark.fault("R09")
def test_dividends_take_the_charts_when_they_come_and_when_they_are_withdrawn(
    office: Office, front_end: PriceCache
) -> None:
    office.desk.services.warehouse.transact(
        load_assets, [{"symbol": "TSLA", "asset_class": "stock"}]
    )  # it never paid any
    office.day(FRIDAY)
    show(front_end)
    office.admin.add_dividend("MSFT", TUESDAY, 40.0)
    office.at(MONDAY)
    office.sync()
    assert "MSFT" not in shown(front_end)
    assert "X:BTCUSD" in shown(front_end)
    show(front_end)
    office.sync(run="again")
    assert shown(front_end) == list(ALL), "nothing new"
    office.desk.query(
        "insert into dividend (asset_id, vendor_id, ex_date, cash_amount, currency, fetched_at)"
        " select asset_id, 'gone', '2026-11-23', 1, 'USD', now() from asset where symbol = 'TSLA' returning 1"
    )
    show(front_end, ["TSLA"])
    office.sync(run="what the vendor does not tell any more")
    assert shown(front_end, ["TSLA"]) == []


@pytest.mark.fault("R09")
def test_an_import_takes_the_charts_of_what_it_wrote_and_hours_with_hourly_rows(
    desk: Desk, front_end: PriceCache, tmp_path: Path
) -> None:
    show(front_end)
    front_end.put_hours({"AAPL": [hour("AAPL")]})
    rows = [line("AAPL", FRIDAY), line("MSFT", FRIDAY)]
    (tmp_path / "prices.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")

    def run(name: str) -> None:
        import_file(
            desk.services.warehouse, "prices.csv", spec(),
            base=tmp_path, name=RunName("data_migration", name), now=desk.now, again=True, cache=front_end,
        )  # fmt: skip

    run("first")
    assert shown(front_end) == ["GOOGL", "X:BTCUSD"]
    assert front_end.get_hours("AAPL")
    show(front_end)
    run("the same again")
    assert shown(front_end) == list(ALL)


@pytest.mark.promise("P2")
@pytest.mark.fault("R09")
def test_an_import_that_goes_on_after_a_kill_drops_the_charts_of_the_parts_that_are_stored(
    desk: Desk, front_end: PriceCache, tmp_path: Path
) -> None:
    rows = [line("AAPL", FRIDAY), line("MSFT", FRIDAY)]
    (tmp_path / "prices.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    for cache, left in ((None, list(ALL)), (front_end, ["GOOGL", "X:BTCUSD"])):  # the first one never came to the cache
        show(front_end)
        name = RunName("data_migration", "killed and tried again")
        import_file(desk.services.warehouse, "prices.csv", spec(), base=tmp_path, name=name, now=desk.now, cache=cache)
        assert shown(front_end) == left


@pytest.mark.promise("P2")
@pytest.mark.fault("R09")
def test_a_sync_that_is_tried_again_drops_the_charts_of_all_that_it_may_have_written(
    office: Office, front_end: PriceCache
) -> None:
    office.day(FRIDAY)
    for run, left in (("first", list(ALL)), ("first", ["X:BTCUSD"]), ("second", list(ALL))):
        show(front_end)
        office.sync(run=run)
        assert shown(front_end) == left, run


@pytest.mark.fault("R09")
def test_a_symbol_that_goes_to_another_company_leaves_no_chart_behind(
    make_office: Callable[..., Office], front_end: PriceCache
) -> None:
    office = make_office("FB")
    office.day(date(2022, 6, 8), "7D")
    show(front_end, ["FB", "META", "AAPL"])
    office.at(date(2022, 6, 9))
    office.sync()
    assert office.desk.query("select symbol from asset") == [("META",)]
    assert shown(front_end, ["FB", "META", "AAPL"]) == ["AAPL"]


NO_SECOND = 5.0
"""A quarter of one, and what a busy machine adds; the library's own time-outs and tries would take more than 7."""


def seconds_in_the_cache(desk: Desk, monkeypatch: pytest.MonkeyPatch, days: int) -> float:
    """How long the historical runs of some days waited for the cache, however long they took themselves."""
    monkeypatch.setattr(cache_connection, "BREAK_SECONDS", 3600.0)
    spent = 0.0
    drop = PriceCache.drop_charts

    def timed(self: PriceCache, symbols: Sequence[str], *, hours: bool = False) -> int:
        nonlocal spent
        started = monotonic()
        try:
            return drop(self, symbols, hours=hours)
        finally:
            spent += monotonic() - started

    monkeypatch.setattr(PriceCache, "drop_charts", timed)
    assert desk.run("1M").state == "success"
    for day in range(3, 3 + days):
        desk.at(SATURDAY_NOON + timedelta(days=day))
        assert desk.run("1M", run=str(day)).state == "success"
    return spent


@pytest.mark.promise("P6")
@pytest.mark.fault("R01")
def test_a_cache_that_is_down_costs_a_run_no_second(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(redis_url=NOWHERE)
    assert seconds_in_the_cache(desk, monkeypatch, days=3) < NO_SECOND
    counts = desk.services.cache.counts
    assert counts.errors == 1
    assert counts.skipped >= 3


@pytest.mark.promise("P6")
@pytest.mark.fault("R02")
def test_a_cache_that_hangs_costs_a_run_no_second(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_valkey(tmp_path) as server:
        desk = make_desk(redis_url=server.url())
        freeze(server)
        assert seconds_in_the_cache(desk, monkeypatch, days=3) < NO_SECOND
    assert desk.services.cache.counts.errors == 1
    assert len(desk.rows()) > 60
