"""The cache while its server is down, hung, full, wiped or restarted: no error, no wait to speak of, nothing stale."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from local.valkey import ValkeyServer
from marketdata.storage.cache_connection import BREAK_SECONDS, SOCKET_SECONDS
from marketdata.storage.cache_keys import chart_key
from marketdata.storage.price_cache import PriceCache
from tests.faults.own_valkey import freeze, own_valkey, thaw
from tests.storage.cached_prices import NOON, chart, hour, latest


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with own_valkey(tmp_path) as started:
        yield started


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def everything(cache: PriceCache) -> list[Callable[[], object]]:
    """Each thing that can be asked of a cache."""

    def fill() -> None:
        with cache.filling(chart_key("AAPL", "1Y")) as filling:
            assert filling.value is None
            assert not cache.put_chart("AAPL", "1Y", "splits", chart(1.0), filling=filling)

    return [
        lambda: cache.put_prices([latest()]),
        lambda: cache.put_hours({"AAPL": [hour()]}),
        lambda: cache.get_prices(["AAPL", "MSFT"]),
        lambda: cache.get_hours("AAPL"),
        lambda: cache.get_chart("AAPL", "MAX"),
        lambda: cache.put_chart("AAPL", "1Y", "splits", chart(1.0)),
        lambda: cache.drop_charts(["AAPL"]),
        fill,
    ]


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


@pytest.mark.promise("P6")
@pytest.mark.fault("R01")
def test_a_cache_that_is_down_is_a_miss_at_no_cost_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    cache = PriceCache("redis://:secret-of-redis@127.0.0.1:1/0", clock=Clock())
    for ask in everything(cache) * 20:
        ask()
    assert cache.counts.errors == 1
    assert cache.counts.skipped > 150
    assert cache.counts.misses == 20 * 4
    (record,) = (record for record in caplog.records if record.name == "marketdata.storage.cache_connection")
    assert record.getMessage() == "the cache is away seconds=30 cause=ConnectionError"
    assert cache.get_prices(["AAPL"]) == {}


@pytest.mark.promise("P6")
@pytest.mark.fault("R02")
@pytest.mark.parametrize("number", range(8))
def test_whatever_is_asked_of_a_hung_cache_costs_a_quarter_of_a_second_once(server: ValkeyServer, number: int) -> None:
    clock = Clock()
    cache = PriceCache(server.url(), clock=clock)
    cache.put_prices([latest()])
    freeze(server)
    first = seconds(everything(cache)[number])
    assert SOCKET_SECONDS <= first < 10
    for ask in everything(cache) * 10:
        ask()
    clock.now += BREAK_SECONDS - 0.1
    everything(cache)[0]()
    assert cache.counts.errors == 1, "nothing more was sent"
    assert cache.counts.skipped > 80
    thaw(server)
    cache.close()


@pytest.mark.fault("R02")
def test_half_a_minute_later_one_caller_tries_and_the_others_do_not_wait_for_it(server: ValkeyServer) -> None:
    clock = Clock()
    cache = PriceCache(server.url(), clock=clock)
    freeze(server)
    cache.get_hours("AAPL")
    clock.now += BREAK_SECONDS
    everyone = threading.Barrier(8)

    def ask() -> None:
        everyone.wait()
        cache.get_hours("AAPL")

    readers = [threading.Thread(target=ask) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert (cache.counts.errors, cache.counts.skipped) == (2, 7)
    thaw(server)
    clock.now += BREAK_SECONDS
    assert cache.put_prices([latest()]) == 1
    assert cache.get_prices(["AAPL"])
    assert cache.counts.errors == 2
    cache.close()


@pytest.mark.fault("R02")
@pytest.mark.fault("R09")
def test_charts_that_could_not_be_dropped_are_dropped_when_the_cache_answers_again(server: ValkeyServer) -> None:
    clock = Clock()
    cache, front_end = PriceCache(server.url(), clock=clock), PriceCache(server.url())
    for symbol in ("AAPL", "MSFT"):
        front_end.put_chart(symbol, "1Y", "splits", chart(1.0))
    front_end.put_hours({"AAPL": [hour()]})
    freeze(server)
    assert cache.drop_charts(["AAPL"], hours=True) == 0
    assert cache.drop_charts(["AAPL"]) == 0
    thaw(server)
    assert cache.drop_charts([]) == 0, "the breaker is open"
    assert front_end.get_chart("AAPL", "1Y")
    clock.now += BREAK_SECONDS
    assert cache.drop_charts(["MSFT"]) == 2
    assert front_end.get_chart("AAPL", "1Y") is None
    assert front_end.get_hours("AAPL") is None
    cache.close()
    front_end.close()


@pytest.mark.promise("P6")
@pytest.mark.fault("R03")
def test_a_full_cache_refuses_in_silence_and_still_drops_and_reads(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    cache = PriceCache(server.url())
    cache.put_chart("AAPL", "1Y", "splits", chart(1.0))
    cache.put_prices([latest(price=1.0)])
    with redis.Redis.from_url(server.url()) as client:
        client.set("ballast", b"x" * 3_000_000)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "2mb")
        later = NOON + timedelta(minutes=1)
        assert cache.put_prices([latest(price=2.0, at=later)]) == 0
        assert not cache.put_chart("AAPL", "3Y", "splits", chart(2.0))
        cache.put_hours({"AAPL": [hour()]})
        with cache.filling(chart_key("AAPL", "5Y")) as filling:
            assert not cache.put_chart("AAPL", "5Y", "splits", chart(3.0), filling=filling)
        assert cache.counts.errors >= 4
        assert json.loads(cache.get_prices(["AAPL"])["AAPL"])["price"] == 1.0, "as old as its timestamp says"
        assert cache.get_chart("AAPL", "1Y") == chart(1.0)
        assert cache.drop_charts(["AAPL"]) == 1, "what is stale goes, and makes room"
        assert cache.get_chart("AAPL", "1Y") is None
        assert caplog.text.count("the cache refuses a command cause=OutOfMemoryError") == 1
        client.flushall()
        assert cache.put_prices([latest(price=2.0, at=later)]) == 1, "it was never taken for away"
    cache.close()


@pytest.mark.promise("P6")
@pytest.mark.fault("R04")
def test_a_wiped_cache_is_filled_again_by_the_next_reader_and_writer(redis_url: str) -> None:
    cache = PriceCache(redis_url)
    cache.put_prices([latest()])
    cache.put_chart("AAPL", "1Y", "splits", chart(1.0))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        assert cache.get_prices(["AAPL"]) == {}
        assert cache.get_chart("AAPL", "1Y") is None
        assert cache.put_prices([latest()], publish=False) == 1
        assert client.xlen("prices:recent") == 0, "a reader publishes nothing"
        with cache.filling(chart_key("AAPL", "1Y")) as filling:
            client.flushall()  # in the middle of a fill
            cache.put_chart("AAPL", "1Y", "splits", chart(1.0), filling=filling)
        assert cache.get_chart("AAPL", "1Y") == chart(1.0)
        assert cache.put_prices([latest()]) == 1
        assert client.xlen("prices:recent") == 1
    assert cache.counts.errors == 0
    cache.close()


@pytest.mark.fault("R11")
def test_scripts_that_the_server_has_forgotten_are_no_loss(redis_url: str) -> None:
    cache = PriceCache(redis_url)
    for number in range(3):
        with redis.Redis.from_url(redis_url) as client:
            client.script_flush()
        assert cache.put_prices([latest(at=NOON + timedelta(minutes=number))]) == 1
        assert cache.drop_charts(["AAPL"]) == 0
    assert cache.counts.errors == 0
    cache.close()


@pytest.mark.promise("P6")
@pytest.mark.fault("R11")
def test_a_restarted_cache_is_taken_up_again(tmp_path: Path) -> None:
    clock = Clock()
    with own_valkey(tmp_path) as first:
        cache = PriceCache(first.url(), clock=clock)
        assert cache.put_prices([latest()]) == 1
    assert cache.get_prices(["AAPL"]) == {}
    with own_valkey(tmp_path, first.port, first.password) as second:
        assert second.port == first.port
        assert cache.put_prices([latest()]) == 0, "the breaker is open"
        clock.now += BREAK_SECONDS
        assert cache.put_prices([latest()]) == 1
        assert cache.get_prices(["AAPL"])
    cache.close()
