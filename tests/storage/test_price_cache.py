"""The cache keeps its contract: keys, values and TTLs; the newest price stays, whatever order writers finish in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.ranges import RANGES
from marketdata.errors import ConfigurationError
from marketdata.storage.cache_keys import (
    ADJUSTMENTS,
    CACHE_KEYS,
    chart_key,
    price_key,
)
from marketdata.storage.cache_values import FIELDS, DayValue, HourValue, PriceValue
from marketdata.storage.price_cache import PriceCache
from tests.storage.cached_prices import NOON, chart, hour, latest

MINUTE = timedelta(minutes=1)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def cache(redis_url: str) -> Iterator[PriceCache]:
    opened = PriceCache(redis_url)
    yield opened
    opened.close()


def published(client: redis.Redis) -> list[dict[str, Any]]:
    """Every price in the stream, oldest first."""
    return [price for _, entry in client.xrange("prices:recent") for price in json.loads(entry[b"prices"])]


def test_a_price_is_the_object_that_front_ends_know(cache: PriceCache, client: redis.Redis) -> None:
    assert cache.put_prices([latest("AAPL", 271.5)]) == 1
    value = client.get("latest_price:AAPL")
    assert cache.get_prices(["AAPL", "MSFT"]) == {"AAPL": value}
    assert json.loads(value or b"") == {
        "symbol": "AAPL",
        "price": 271.5,
        "change": 1.5,
        "changePercent": 1.5 / 2.7,
        "timestamp": "2026-11-20T17:00:00.000000Z",
        "previousClose": 270.0,
        "session": "2026-11-20",
        "volume": 1234567.0,
        "as_of": "2026-11-20T17:00:05.000000Z",
        "source": "polygon",
        "delayed": False,
    }


def test_hours_are_a_list_with_the_session_of_each(cache: PriceCache, client: redis.Redis) -> None:
    night = datetime.fromisoformat("2026-11-21T01:00:00+00:00")
    cache.put_hours({"AAPL": [hour(), hour(starts_at=NOON + 60 * MINUTE, is_final=False)]})
    cache.put_hours({"X:BTCUSD": [hour("X:BTCUSD", night)]}, delayed=True)
    first, second = json.loads(cache.get_hours("AAPL") or b"")
    assert first == {
        "timestamp": "2026-11-20T17:00:00.000000Z",
        "open": 270.0,
        "high": 272.25,
        "low": None,
        "close": 271.5,
        "volume": None,
        "session": "2026-11-20",
        "as_of": "2026-11-20T18:00:00.000000Z",
        "source": "polygon",
        "final": True,
        "delayed": False,
    }
    assert (second["timestamp"], second["final"]) == ("2026-11-20T18:00:00.000000Z", False)
    (coin,) = json.loads(client.get("hourly_data:X:BTCUSD:1D") or b"")
    assert (coin["session"], coin["delayed"]) == ("2026-11-21", True)
    assert cache.get_hours("MSFT") is None


def test_every_field_of_a_value_is_explained() -> None:
    fields = {
        field.encode_name for value in (PriceValue, HourValue, DayValue) for field in msgspec.structs.fields(value)
    }
    assert fields == set(FIELDS)


@pytest.mark.fault("R07")
def test_ttls_are_those_of_the_contract(cache: PriceCache, client: redis.Redis) -> None:
    cache.put_prices([latest()])
    cache.put_hours({"AAPL": [hour()]})
    for range_name in RANGES:
        for adjusted in ADJUSTMENTS:
            cache.put_chart("AAPL", range_name, adjusted, chart(1.0))
    expected = {"latest_price:AAPL": 60, "hourly_data:AAPL:1D": 120}
    expected |= {
        chart_key("AAPL", range_name, adjusted): 3600 if range_name == "MAX" else 300
        for range_name in RANGES
        for adjusted in ADJUSTMENTS
    }
    found = {key.decode(): client.pttl(key) for key in client.scan_iter() if not key.startswith(b"prices:")}
    assert set(found) == set(expected)
    for key, milliseconds in found.items():
        assert expected[key] * 1000 - 2000 < milliseconds <= expected[key] * 1000, key


@pytest.mark.fault("R07")
def test_a_value_is_there_until_its_ttl_ends_and_not_after(cache: PriceCache, client: redis.Redis) -> None:
    cache.put_prices([latest()])
    client.pexpire("latest_price:AAPL", 30_000)
    assert cache.get_prices(["AAPL"])
    cache.put_prices([latest()])
    assert client.pttl("latest_price:AAPL") > 58_000, "the same price seen again lives on"
    client.pexpire("latest_price:AAPL", 1)
    while client.exists("latest_price:AAPL"):
        pass
    assert cache.get_prices(["AAPL"]) == {}
    assert cache.counts.misses == 1


@pytest.mark.fault("R06")
def test_nothing_in_the_cache_stays_for_ever(cache: PriceCache, client: redis.Redis) -> None:
    client.set("latest_price:MSFT", cache_value("MSFT", at=NOON + MINUTE))
    cache.put_prices([latest("AAPL"), latest("MSFT")])
    cache.put_hours({"AAPL": [hour()]})
    cache.put_hours({"AAPL": [hour()], "MSFT": [hour("MSFT")]}, only_missing=True)
    with cache.filling(chart_key("AAPL", "1Y")) as filling:
        assert cache.put_chart("AAPL", "1Y", "splits", chart(1.0), filling=filling)
        keys = set(client.keys())
        assert b"filling:asset_data:AAPL:1Y" in keys
        assert all(client.pttl(key) > 0 for key in keys)
    cache.put_chart("AAPL", "MAX", "none", chart(1.0))
    cache.drop_charts(["MSFT"])
    keys |= set(client.keys())
    kinds = {kind for kind in CACHE_KEYS if kind.kind != "channel"}
    assert len(keys) >= len(kinds), "each kind of key was written"
    assert [key for key in client.scan_iter() if client.pttl(key) < 0] == []


@pytest.mark.fault("R06")
def test_a_chart_and_hours_that_lost_their_ttl_get_it_back_when_they_are_read(
    cache: PriceCache, client: redis.Redis
) -> None:
    cache.put_chart("AAPL", "1Y", "splits", chart(1.0))
    cache.put_hours({"AAPL": [hour()]})
    names = {chart_key("AAPL", "1Y"): 300, "hourly_data:AAPL:1D": 120}
    assert [client.persist(name) for name in names] == [1, 1]
    assert cache.get_chart("AAPL", "1Y") == chart(1.0)
    assert cache.get_hours("AAPL")
    assert all(0 < client.ttl(name) <= seconds for name, seconds in names.items())


def cache_value(symbol: str, *, at: datetime) -> bytes:
    from marketdata.storage.cache_values import encode_price

    return encode_price(latest(symbol, at=at))


def test_an_older_price_never_replaces_a_newer_one(cache: PriceCache, redis_url: str) -> None:
    other = PriceCache(redis_url)
    newer, older = latest(price=2.0, at=NOON + MINUTE), latest(price=1.0, at=NOON)
    assert [cache.put_prices([newer]), other.put_prices([older])] == [1, 0]
    seen_again = latest(price=2.5, at=newer.at, fetched_at=newer.fetched_at + MINUTE)
    assert other.put_prices([seen_again]) == 1
    assert cache.put_prices([newer]) == 0
    assert json.loads(cache.get_prices(["AAPL"])["AAPL"])["price"] == 2.5
    assert (other.counts.refused, cache.counts.refused) == (1, 1)
    other.close()


def test_an_older_price_does_not_come_back_after_the_newer_one_expired(cache: PriceCache, client: redis.Redis) -> None:
    cache.put_prices([latest(price=2.0, at=NOON + MINUTE)])
    client.delete("latest_price:AAPL")
    assert cache.put_prices([latest(price=1.0)]) == 0
    assert cache.put_prices([latest(price=1.0)], publish=False) == 0
    assert [price["price"] for price in published(client)] == [2.0]


def test_an_older_price_does_not_replace_a_newer_one_even_when_redis_forgot_what_was_published(
    cache: PriceCache, client: redis.Redis
) -> None:
    cache.put_prices([latest(price=2.0, at=NOON + MINUTE)])
    client.delete("prices:published")
    assert cache.put_prices([latest(price=1.0)]) == 0
    assert [price["price"] for price in published(client)] == [2.0]


def test_what_is_new_is_published_once_and_what_only_was_seen_again_is_not(
    cache: PriceCache, client: redis.Redis
) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("prices")
        listener.get_message(timeout=60)
        cache.put_prices([latest("AAPL", 1.0), latest("MSFT", 2.0)])
        cache.put_prices([latest("AAPL", 1.0, fetched_at=NOON + MINUTE), latest("MSFT", 2.5, at=NOON + MINUTE)])
        client.delete("latest_price:AAPL")  # its TTL has ended
        cache.put_prices([latest("AAPL", 1.0, fetched_at=NOON + 2 * MINUTE)])
        cache.put_prices([latest("AAPL", 3.0, at=NOON + MINUTE)], publish=False)
        cache.put_prices([latest("AAPL", 3.0, at=NOON + MINUTE)])
        client.publish("prices", "null")  # what we send ourselves now ends it
        messages = []
        while published := json.loads(listener.get_message(timeout=60)["data"]):
            messages.append(published)
    entries = client.xrange("prices:recent")
    assert [[(one["symbol"], one["price"]) for one in message["prices"]] for message in messages] == [
        [("AAPL", 1.0), ("MSFT", 2.0)],
        [("MSFT", 2.5)],
        [("AAPL", 3.0)],
    ]
    assert [message["id"].encode() for message in messages] == [entry_id for entry_id, _ in entries]
    assert [message["prices"] for message in messages] == [json.loads(entry[b"prices"]) for _, entry in entries]


def test_of_several_prices_of_an_asset_in_one_write_the_newest_counts(cache: PriceCache, client: redis.Redis) -> None:
    assert cache.put_prices([latest(price=1.0), latest(price=2.0, at=NOON + MINUTE), latest(price=1.5)]) == 1
    assert [price["price"] for price in published(client)] == [2.0]


def test_a_write_of_many_prices_is_cut_into_scripts_that_hold_nobody_up(cache: PriceCache, client: redis.Redis) -> None:
    assert cache.put_prices([latest(f"S{number}") for number in range(2500)]) == 2500
    sizes = [len(json.loads(entry[b"prices"])) for _, entry in client.xrange("prices:recent")]
    assert sizes == [1000, 1000, 500]
    assert len(cache.get_prices([f"S{number}" for number in range(2500)])) == 2500


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_writers_finish_the_newest_price_stays_and_none_older_is_published_after_it(
    redis_url: str, data: st.DataObject
) -> None:
    instants = st.integers(0, 3)
    ticks = data.draw(
        st.lists(st.tuples(st.sampled_from("AB"), instants, instants), min_size=1, max_size=12, unique=True)
    )
    prices = [
        latest(symbol, 1.0 + at + fetched / 8, NOON + at * MINUTE, fetched_at=NOON + (at + fetched + 1) * MINUTE)
        for symbol, at, fetched in ticks
    ]
    batches = data.draw(st.lists(st.integers(1, 4), min_size=len(prices), max_size=len(prices)))
    expiries = data.draw(st.sets(st.integers(0, len(prices))))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        writers = [PriceCache(redis_url) for _ in range(3)]
        for number, size in enumerate(batches):
            chunk, prices_left = prices[:size], prices[size:]
            if number in expiries:
                client.delete("latest_price:A", "latest_price:B")
            writers[number % 3].put_prices(chunk)
            prices = prices_left
        for symbol in {tick[0] for tick in ticks}:
            _, at, fetched = max(tick for tick in ticks if tick[0] == symbol)
            told = [price for price in published(client) if price["symbol"] == symbol]
            ages = [(price["timestamp"], price["as_of"]) for price in told]
            assert ages == sorted(ages)
            assert told[-1]["price"] == 1.0 + at + fetched / 8
            value = client.get(price_key(symbol))
            assert value is None or json.loads(value) == told[-1]
        for writer in writers:
            writer.close()


@pytest.mark.fault("R10")
def test_strange_symbols_meet_only_their_own_values(cache: PriceCache, client: redis.Redis) -> None:
    symbols = ["*", "A", "A*", "A:1Y", "A:1Y:none", "{A}", "[A]", '"as_of":"', "?", "é"]
    assert cache.put_prices([latest(symbol, 1.0 + number) for number, symbol in enumerate(symbols)]) == len(symbols)
    told = {price["symbol"]: price["price"] for price in published(client)}
    assert told == {symbol: 1.0 + number for number, symbol in enumerate(symbols)}
    for number, symbol in enumerate(symbols):
        assert json.loads(cache.get_prices([symbol])[symbol])["price"] == 1.0 + number
        cache.put_chart(symbol, "1Y", "splits", chart(1.0 + number))
        cache.put_chart(symbol, "MAX", "none", chart(1.0 + number))
    assert cache.drop_charts(["*", "A"]) == 4
    left = [symbol for symbol in symbols if cache.get_chart(symbol, "1Y") and cache.get_chart(symbol, "MAX", "none")]
    assert left == symbols[2:]


def test_without_an_address_all_is_a_miss_and_nothing_an_error() -> None:
    cache = PriceCache(None)
    assert cache.put_prices([latest()]) == 0
    cache.put_hours({"AAPL": [hour()]})
    assert cache.get_prices(["AAPL"]) == {}
    assert cache.get_hours("AAPL") is None
    with cache.filling(chart_key("AAPL", "1Y")) as filling:
        assert not cache.put_chart("AAPL", "1Y", "splits", chart(1.0), filling=filling)
    assert cache.get_chart("AAPL", "1Y") is None
    assert cache.drop_charts(["AAPL"]) == 0
    figures = cache.counts.figures()
    assert (figures.pop("misses"), set(figures.values())) == (3, {0})
    cache.close()


@pytest.mark.parametrize("url", ["nonsense", "http://:geheim@host", "redis://:geheim@host:port/0"])
def test_a_malformed_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no Redis URL") as caught:
        PriceCache(url)
    assert "geheim" not in str(caught.value)
