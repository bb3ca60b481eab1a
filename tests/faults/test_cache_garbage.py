"""What somebody else put under our keys is a miss, and is overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.storage.cache_keys import chart_key, hours_key, price_key
from marketdata.storage.cache_values import encode_price
from marketdata.storage.price_cache import PriceCache
from tests.storage.cached_prices import NOON, chart, hour, latest

GOOD = json.loads(encode_price(latest("AAPL", at=NOON + timedelta(days=30))))

GARBAGE: dict[str, bytes] = {
    "corrupt": encode_price(latest(at=NOON + timedelta(days=30)))[:-1],
    "empty": b"",
    "not UTF-8": b'"\xff\xfe"',
    "another type": b"[1, 2]",
    "a number": b"17",
    "null": b"null",
    "an old schema": b'{"symbol": "AAPL", "price": 1.0, "ts": 1795194000}',
    "a price as text": json.dumps(GOOD | {"price": "271.49"}).encode(),
    "a time as number": json.dumps(GOOD | {"timestamp": 1795194000}).encode(),
    "a time of another width": json.dumps(GOOD | {"timestamp": "2999-01-01T00:00:00Z"}).encode(),
    "another symbol": json.dumps(GOOD | {"symbol": "MSFT"}).encode(),
    "infinity": json.dumps(GOOD | {"price": float("inf")}).encode(),
    "nested too deep": b"[" * 2000 + b"]" * 2000,
}


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def cache(redis_url: str) -> Iterator[PriceCache]:
    opened = PriceCache(redis_url)
    yield opened
    opened.close()


@pytest.mark.fault("R05")
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_price_that_is_none_is_a_miss_and_overwritten(cache: PriceCache, client: redis.Redis, garbage: bytes) -> None:
    client.set(price_key("AAPL"), garbage)
    if garbage != GARBAGE["infinity"]:  # which only a reader tells from a price
        assert cache.put_prices([latest()]) == 1, "by a writer"
        assert cache.get_prices(["AAPL"])
    client.set(price_key("AAPL"), garbage)
    assert cache.get_prices(["AAPL"]) == {}
    assert cache.counts.garbage == 1
    assert cache.put_prices([latest()], publish=False) == 1, "by a reader"
    assert cache.get_prices(["AAPL"])
    assert client.ttl(price_key("AAPL")) > 0


@pytest.mark.fault("R05")
@pytest.mark.parametrize("garbage", [*GARBAGE.values(), b'[{"date": "2026-11-20"}]'])
def test_a_chart_or_hours_that_are_none_are_a_miss_and_overwritten(
    cache: PriceCache, client: redis.Redis, garbage: bytes
) -> None:
    for key in (chart_key("AAPL", "1Y"), hours_key("AAPL")):
        client.set(key, garbage)
        with cache.filling(key) as filling:
            assert filling.value is None, "nor is it handed to a reader that waits"
    assert cache.get_chart("AAPL", "1Y") is None
    assert cache.get_hours("AAPL") is None
    assert cache.counts.garbage == 2
    cache.put_hours({"AAPL": [hour()]}, only_missing=True)
    cache.put_chart("AAPL", "1Y", "splits", chart(1.0))
    assert cache.get_hours("AAPL")
    assert cache.get_chart("AAPL", "1Y") == chart(1.0)


@pytest.mark.fault("R05")
def test_a_key_of_another_type_is_a_miss_and_overwritten(cache: PriceCache, client: redis.Redis) -> None:
    for key in (price_key("AAPL"), price_key("MSFT"), chart_key("AAPL", "1Y"), hours_key("AAPL"), "prices:published"):
        client.lpush(key, "x")
    client.set("prices:recent", "x")
    assert cache.get_prices(["AAPL"]) == {}
    assert cache.get_chart("AAPL", "1Y") is None
    assert cache.get_hours("AAPL") is None
    assert cache.put_prices([latest("AAPL"), latest("MSFT")]) == 2
    cache.put_hours({"AAPL": [hour()]}, only_missing=True)
    assert cache.put_chart("AAPL", "1Y", "splits", chart(1.0))
    assert set(cache.get_prices(["AAPL", "MSFT"])) == {"AAPL", "MSFT"}
    assert cache.get_hours("AAPL")
    assert client.xlen("prices:recent") == 1
    assert client.type("prices:published") == b"hash"


@pytest.mark.fault("R05")
def test_what_looks_like_a_note_of_what_was_published_and_is_none_stops_no_writer(
    cache: PriceCache, client: redis.Redis
) -> None:
    """As long as a note, and later than any instant when compared as text."""
    client.hset("prices:published", price_key("AAPL"), b"[" * 94)
    client.set(price_key("AAPL"), json.dumps({**GOOD, "timestamp": "z" * 27, "as_of": "z" * 27}))
    assert cache.put_prices([latest()]) == 1


@pytest.mark.fault("R05")
@given(garbage=st.one_of(st.binary(max_size=60), st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner, max_size=8),
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_garbage_whatever_stops_a_writer_or_reaches_a_reader(
    cache: PriceCache, client: redis.Redis, garbage: bytes
) -> None:
    client.set(price_key("AAPL"), garbage)
    assert cache.get_prices(["AAPL"]) == {}
    client.set(price_key("AAPL"), garbage)
    client.hset("prices:published", price_key("AAPL"), garbage)
    assert cache.put_prices([latest()]) == 1
    assert json.loads(cache.get_prices(["AAPL"])["AAPL"])["price"] == 271.49
    assert cache.counts.errors == 0
