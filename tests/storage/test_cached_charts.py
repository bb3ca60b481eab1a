"""Charts and hours in the cache: keys that never meet, one reader fills, nothing is set that was dropped meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.domain.ranges import RANGES
from marketdata.storage.cache_keys import (
    ADJUSTMENTS,
    CHART_ENDINGS,
    chart_key,
    charted_symbol,
    generation_key,
    hours_key,
    lock_key,
    price_key,
    seconds_of,
)
from marketdata.storage.price_cache import PriceCache
from tests.storage.cached_prices import chart, hour, latest


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def cache(redis_url: str) -> Iterator[PriceCache]:
    opened = PriceCache(redis_url)
    yield opened
    opened.close()


def test_each_adjustment_of_a_chart_has_a_key_of_its_own(cache: PriceCache, client: redis.Redis) -> None:
    for number, adjusted in enumerate(ADJUSTMENTS):
        assert cache.put_chart("AAPL", "1Y", adjusted, chart(number + 1.0))
    assert set(client.keys()) == {b"asset_data:AAPL:1Y", b"asset_data:AAPL:1Y:none", b"asset_data:AAPL:1Y:total-return"}
    assert json.loads(cache.get_chart("AAPL", "1Y", "none") or b"")[0]["close"] == 2.0
    assert cache.get_chart("AAPL", "1Y") == chart(1.0)
    assert cache.get_chart("AAPL", "3Y") is None
    for wrong in (("1D", "splits"), ("1y", "splits"), ("1Y", "dividends")):
        with pytest.raises(ValueError, match="no chart"):
            cache.get_chart("AAPL", *wrong)


SYMBOLS = st.text(st.sampled_from("AX:*{}?[]\\1YMD none-\"'é\n"), min_size=1, max_size=12)
KINDS = st.one_of(
    st.just(("price",)),
    st.just(("hours",)),
    st.just(("generation",)),
    st.tuples(st.just("chart"), st.sampled_from(RANGES), st.sampled_from(ADJUSTMENTS)),
)


def key_of(symbol: str, kind: tuple[str, ...]) -> str:
    name = {"price": price_key, "hours": hours_key, "generation": generation_key, "chart": chart_key}[kind[0]]
    return name(symbol, *kind[1:])  # type: ignore[operator]


@pytest.mark.fault("R10")
@given(one=st.tuples(SYMBOLS, KINDS), other=st.tuples(SYMBOLS, KINDS))
@settings(max_examples=500)
def test_two_keys_are_the_same_only_for_the_same_symbol_range_and_adjustment(
    one: tuple[str, tuple[str, ...]], other: tuple[str, tuple[str, ...]]
) -> None:
    assert (key_of(*one) == key_of(*other)) == (one == other)
    assert lock_key(key_of(*one)) != key_of(*other)
    assert seconds_of(key_of(*one)) > 0


@pytest.mark.fault("R10")
@given(symbol=SYMBOLS, range_name=st.sampled_from(RANGES), adjusted=st.sampled_from(ADJUSTMENTS))
def test_the_symbol_can_be_read_from_the_key_of_its_chart(symbol: str, range_name: str, adjusted: str) -> None:
    assert charted_symbol(chart_key(symbol, range_name, adjusted)) == symbol
    assert charted_symbol(hours_key(symbol)) is None


@pytest.mark.fault("R09")
def test_dropping_removes_every_range_and_adjustment_and_nothing_else(cache: PriceCache, client: redis.Redis) -> None:
    for symbol in ("AAPL", "MSFT"):
        for range_name in RANGES:
            for adjusted in ADJUSTMENTS:
                cache.put_chart(symbol, range_name, adjusted, chart(1.0))
        cache.put_hours({symbol: [hour(symbol)]})
    cache.put_prices([latest()])
    before = client.dbsize()
    client.config_resetstat()
    assert cache.drop_charts(["AAPL", "TSLA"]) == len(CHART_ENDINGS) == len(RANGES) * len(ADJUSTMENTS)
    assert client.dbsize() == before - len(CHART_ENDINGS) + 2, "two generations were added"
    assert not {"cmdstat_keys", "cmdstat_scan"} & set(client.info("commandstats"))
    assert cache.get_hours("AAPL")
    assert cache.get_chart("MSFT", "1Y")
    assert cache.drop_charts(["AAPL"], hours=True) == 0
    assert cache.get_hours("AAPL") is None
    assert cache.drop_charts([]) == 0


@pytest.mark.fault("R09")
def test_a_chart_that_was_read_before_a_correction_is_not_set_after_it(cache: PriceCache, redis_url: str) -> None:
    writer = PriceCache(redis_url)
    with cache.filling(chart_key("AAPL", "1Y")) as filling:  # a reader asks the database here
        writer.drop_charts(["AAPL"])  # a writer commits a correction, and drops
        assert not cache.put_chart("AAPL", "1Y", "splits", chart(1.0), filling=filling)
    assert cache.get_chart("AAPL", "1Y") is None
    with cache.filling(chart_key("AAPL", "1Y")) as filling:
        assert cache.put_chart("AAPL", "1Y", "splits", chart(2.0), filling=filling)
    assert writer.get_chart("AAPL", "1Y") == chart(2.0)
    writer.close()


def test_hours_that_a_reader_brings_do_not_replace_those_of_a_writer(cache: PriceCache) -> None:
    cache.put_hours({"AAPL": [hour(close=2.0)]})
    cache.put_hours({"AAPL": [hour(close=1.0)], "MSFT": [hour("MSFT", close=3.0)]}, only_missing=True)
    assert json.loads(cache.get_hours("AAPL") or b"")[0]["close"] == 2.0
    assert json.loads(cache.get_hours("MSFT") or b"")[0]["close"] == 3.0


@pytest.mark.fault("R08")
def test_of_fifty_readers_of_a_cold_key_one_asks_the_database(redis_url: str) -> None:
    key, asked, got = chart_key("AAPL", "1Y"), [], []
    everyone, made = threading.Barrier(50), threading.Event()

    def read() -> None:
        cache = PriceCache(redis_url, sleep=lambda _: made.wait(60))  # each as if in a process of its own
        everyone.wait()
        with cache.filling(key) as filling:
            value = filling.value
            if value is None:
                asked.append(1)
                value = chart(1.0)
                cache.put_chart("AAPL", "1Y", "splits", value, filling=filling)
                made.set()
        got.append(value)
        cache.close()

    readers = [threading.Thread(target=read) for _ in range(50)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert got == [chart(1.0)] * 50
    assert len(asked) == 1


@pytest.mark.fault("R08")
def test_a_reader_whose_forerunner_died_goes_itself_after_half_a_second(redis_url: str, client: redis.Redis) -> None:
    waits: list[float] = []
    cache = PriceCache(redis_url, sleep=waits.append)
    key = chart_key("AAPL", "1Y")
    client.set(lock_key(key), b"of a process that was killed", px=2000)
    with cache.filling(key) as filling:
        assert filling.value is None
        assert cache.put_chart("AAPL", "1Y", "splits", chart(1.0), filling=filling)
    assert 0.4 <= sum(waits) <= 0.6
    assert client.get(lock_key(key)) == b"of a process that was killed", "it was not its to give up"
    with PriceCache(redis_url).filling(key) as filling:
        assert filling.value == chart(1.0)
    cache.close()


@pytest.mark.fault("R08")
def test_the_turn_ends_with_the_block_even_after_an_error(cache: PriceCache, client: redis.Redis) -> None:
    key = hours_key("AAPL")

    def fail() -> None:
        with cache.filling(key):
            assert client.pttl(lock_key(key)) <= 2000
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not client.exists(lock_key(key))
