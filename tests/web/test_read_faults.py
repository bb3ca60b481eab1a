"""Readers go on when the cache or the database does not, and never see what was before a correction."""

from __future__ import annotations

import dataclasses
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from local import processes, valkey
from marketdata.errors import DatabaseUnavailable, StorageError
from marketdata.storage import cache_connection, cache_keys, price_cache
from marketdata.storage.market_reader import MarketReader
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.read_pool import ReadPool
from tests.storage.ledger import kill_other_sessions
from tests.web.market import CLOSE, SATURDAY, Client, Market, app_of, away, open_market, serving

CHART = "/api/assets/AAPL/chart"


def together(count: int, ask: Callable[[], object]) -> list[object]:
    """Ask from so many threads at the same moment."""
    start = threading.Barrier(count)

    def wait_and_ask(_: int) -> object:
        start.wait()
        return ask()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(wait_and_ask, range(count)))


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[valkey.ValkeyServer]:
    """A Valkey that a test may stop."""
    server = valkey.start(tmp_path, password=secrets.token_hex(8), log=tmp_path / "valkey.log")
    processes.guard(server.process, signal.SIGKILL)
    yield server
    os.kill(server.process.pid, signal.SIGCONT)
    processes.stop([server.process])


@pytest.mark.fault("R08")
@pytest.mark.parametrize("path", [CHART, f"{CHART}?range=1D", "/api/prices?symbols=AAPL,BRK.B"])
def test_fifty_readers_of_a_cold_key_cause_one_query(client: Client, market: Market, path: str) -> None:
    answers = together(50, lambda: client.get(path).status_code)
    assert answers == [200] * 50
    assert market.reader.loads == 1


@pytest.mark.fault("R08")
def test_a_reader_that_was_stopped_after_its_look_into_the_cache_causes_no_query(market: Market) -> None:
    look = market.cache.get_prices

    def look_too_early(symbols: Sequence[str]) -> dict[str, bytes]:
        found = look(symbols)
        market.cache.get_prices = look  # type: ignore[method-assign]
        assert market.reader.prices(["AAPL", "BRK.B"]).prices, "another one, from its first step to its last"
        return found

    market.cache.get_prices = look_too_early  # type: ignore[method-assign, assignment]
    assert [price.symbol for price in market.reader.prices(["BRK.B", "AAPL"]).prices] == ["BRK.B", "AAPL"]
    assert market.reader.loads == 1
    assert (market.cache.counts.hits, market.cache.counts.misses) == (0, 4)


@pytest.mark.fault("R08")
def test_readers_of_overlapping_symbols_never_ask_for_one_twice(market: Market) -> None:
    asked: list[str] = []
    load = market.reader._load_prices

    def slowly(symbols: list[str]) -> object:
        asked.extend(symbols)
        time.sleep(0.2)  # long enough for the other one to come
        return load(symbols)

    market.reader._load_prices = slowly  # type: ignore[method-assign]
    questions = iter([["AAPL", "BRK.B"], ["BRK.B", "GSpJ"]])
    found = together(2, lambda: [price.symbol for price in market.reader.prices(next(questions)).prices])
    assert sorted(map(tuple, found)) == [("AAPL", "BRK.B"), ("BRK.B", "GSpJ")]  # type: ignore[call-overload]
    assert sorted(asked) == ["AAPL", "BRK.B", "GSpJ"]


@pytest.mark.fault("R08")
def test_two_processes_make_a_chart_once(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    with_own_flight = MarketReader(market.reader._pool, PriceCache(market.redis_url), clock=lambda: SATURDAY)
    monkeypatch.setattr(price_cache, "_LOOKS", 3000)  # and the lock, so that a busy machine changes nothing
    monkeypatch.setattr(cache_keys, "LOCK", dataclasses.replace(cache_keys.LOCK, seconds=60))
    readers = [market.reader, with_own_flight]
    turn = iter(readers)
    together(2, lambda: next(turn).chart("AAPL", "MAX"))
    assert sum(reader.loads for reader in readers) == 1


@pytest.mark.fault("R09")
@pytest.mark.parametrize("range_name", ["7D", "MAX"])
def test_a_correction_is_read_at_once(client: Client, market: Market, range_name: str) -> None:
    path = f"{CHART}?range={range_name}"
    assert client.get(path).json()["bars"][-1]["close"] == 424.0
    market.execute("update bar_daily set close = 425 where session = '2026-11-20'")
    assert client.get(path).json()["bars"][-1]["close"] == 424.0  # nobody has said so yet
    market.cache.drop_charts(["AAPL"])
    assert client.get(path).json()["bars"][-1]["close"] == 425.0


@pytest.mark.fault("R09")
def test_a_reader_that_was_slower_than_a_correction_does_not_keep_what_it_read(market: Market) -> None:
    load = market.reader._load

    def correct_meanwhile(work: object, *args: object, **kwargs: object) -> object:
        found = load(work, *args, **kwargs)  # type: ignore[arg-type]
        market.execute("update bar_daily set close = 425 where session = '2026-11-20'")
        market.cache.drop_charts(["AAPL"])
        return found

    market.reader._load = correct_meanwhile  # type: ignore[method-assign, assignment]
    assert b"424.0" in bytes(market.reader.chart("AAPL", "7D").bars)
    del market.reader._load  # type: ignore[method-assign]
    assert b"425.0" in bytes(market.reader.chart("AAPL", "7D").bars)


@pytest.mark.fault("R01")
@pytest.mark.promise("P6")
def test_without_a_cache_everything_comes_from_the_database(dsn: str) -> None:
    for url in (None, "redis://127.0.0.1:1/0"):
        with psycopg.connect(dsn, options="-c search_path=marketdata") as connection:
            connection.execute("truncate asset, bar_daily, bar_hourly, latest_price restart identity cascade")
        with open_market(dsn, url) as market, serving(app_of(market)) as base:
            client = Client(base)
            for path in (CHART, f"{CHART}?range=1D", "/api/prices?symbols=AAPL"):
                assert client.get(path).status_code == 200


@pytest.mark.fault("R02")
def test_a_hung_cache_costs_a_quarter_of_a_second_once(
    dsn: str, own_valkey: valkey.ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_connection, "BREAK_SECONDS", 3600.0)
    with open_market(dsn, own_valkey.url()) as market, serving(app_of(market)) as url:
        client = Client(url)
        client.get(CHART)
        os.kill(own_valkey.process.pid, signal.SIGSTOP)
        for _ in range(40):
            assert client.get(CHART).status_code == 200
        assert market.cache.counts.errors == 1, "one waited for it, nobody else asked it"
        assert market.cache.counts.skipped >= 39


@pytest.mark.fault("R04")
@pytest.mark.fault("R05")
@pytest.mark.parametrize("harm", ["flushall", "wrong type", "no JSON", "another shape", "empty"])
def test_a_wiped_or_spoilt_cache_is_made_good_by_the_next_reader(client: Client, market: Market, harm: str) -> None:
    paths = (CHART, f"{CHART}?range=1D", "/api/prices?symbols=AAPL")
    before = [client.get(path).json() for path in paths]
    names = ("asset_data:AAPL:1Y", "hourly_data:AAPL:1D", "latest_price:AAPL")
    with redis.Redis.from_url(market.redis_url or "") as server:
        assert server.exists(*names) == 3
        if harm == "flushall":
            server.flushall()
        for name in names if harm != "flushall" else ():
            server.delete(name)
            if harm == "wrong type":
                server.lpush(name, "x")
            else:
                server.set(name, {"no JSON": "{", "another shape": '[{"close": "a"}]', "empty": ""}[harm])
        for _ in range(2):  # the first reader may only clear what is in the way
            assert [client.get(path).json() for path in paths] == before
        loads = market.reader.loads
        assert [client.get(path).json() for path in paths] == before
        assert market.reader.loads == loads
        assert all(0 < server.ttl(name) <= 300 for name in names)


def test_while_the_database_is_away_the_cache_is_served(client: Client, market: Market) -> None:
    client.get("/api/prices?symbols=AAPL")
    client.get(CHART)
    with away(market.dsn):
        assert client.get(CHART).status_code == 200
        answer = client.get("/api/prices?symbols=AAPL,BRK.B").json()
        assert ([price["symbol"] for price in answer["prices"]], answer["unread"]) == (["AAPL"], ["BRK.B"])
        for path in ("/api/prices?symbols=BRK.B", f"{CHART}?range=5Y", "/api/freshness"):
            refused = client.get(path)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "5"
            assert set(refused.json()) == {"what", "why", "next"}
            assert "127.0.0.1" not in refused.text  # where the database is stays in the log


def test_a_restarted_database_is_read_again_without_an_error(market: Market) -> None:
    market.reader.chart("AAPL", "1Y")
    assert kill_other_sessions(market.dsn)
    assert market.reader.chart("AAPL", "5Y").session == "2026-11-20"


def test_a_database_that_is_away_is_not_waited_for_by_everybody() -> None:
    now = [0.0]
    pool = ReadPool("postgresql://nobody@127.0.0.1:1/none", clock=lambda: now[0])
    for why in ("no session within 2 s", *["it could not be reached a moment ago"] * 2):
        with pytest.raises(DatabaseUnavailable, match=why):
            pool.read(lambda connection: connection)
    pool.close()


@pytest.mark.fault("S13")
def test_a_reader_can_neither_write_nor_read_for_ever(market: Market) -> None:
    for statement in ("delete from asset", "select pg_sleep(3)"):
        with pytest.raises(StorageError):
            market.reader.read(lambda connection, text: connection.execute(text), statement)
    assert market.execute("select count(*) from asset") == [(5,)]


def test_a_question_for_prices_is_answered_from_the_newest_that_was_stored(market: Market) -> None:
    market.reader.prices(["AAPL"])
    market.price(130.0, CLOSE, "AAPL")
    with redis.Redis.from_url(market.redis_url or "") as server:
        server.delete("latest_price:AAPL")
    assert market.reader.prices(["AAPL"]).prices[0].price == 130.0
