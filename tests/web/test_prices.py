"""Latest prices over HTTP: from the cache, else from the database, else a clear refusal."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.web.market import CLOSE, COIN, QUIET, SATURDAY, Client, Market

PRICES = "/api/prices"


def test_after_the_close_the_last_price_is_given_with_its_own_time_and_age(client: Client) -> None:
    answer = client.get(PRICES, params={"symbols": "AAPL"})
    assert answer.status_code == 200
    (price,) = answer.json()["prices"]
    assert price == {
        "symbol": "AAPL",
        "price": 110.5,
        "change": 10.5,
        "changePercent": 10.5,
        "timestamp": "2026-11-20T21:00:00.000000Z",
        "previousClose": 100.0,
        "session": "2026-11-20",
        "volume": None,
        "as_of": "2026-11-20T21:00:03.000000Z",
        "source": "polygon",
        "delayed": False,
        "age_seconds": (SATURDAY - CLOSE).total_seconds(),
    }


def test_prices_come_in_the_order_of_the_question_and_each_once(client: Client) -> None:
    answer = client.get(PRICES, params={"symbols": f"{COIN},AAPL,BRK.B,AAPL"}).json()
    assert [price["symbol"] for price in answer["prices"]] == [COIN, "AAPL", "BRK.B"]


def test_unknown_symbols_and_assets_without_a_price_are_named(client: Client) -> None:
    answer = client.get(PRICES, params={"symbols": f"AAPL,aapl,{QUIET},NOPE"}).json()
    assert [price["symbol"] for price in answer["prices"]] == ["AAPL"]
    assert (answer["unknown"], answer["without_price"], answer["unread"]) == (["aapl", "NOPE"], [QUIET], [])


def test_only_unknown_symbols_are_not_found(client: Client) -> None:
    answer = client.get(PRICES, params={"symbols": "NOPE"})
    assert answer.status_code == 404
    assert answer.json() == {
        "what": "symbol 'NOPE'",
        "why": "there is no such asset",
        "next": "case matters: AAPL, BRK.B, X:BTCUSD; or follow it first",
    }


@pytest.mark.parametrize(
    "symbols",
    ["", ",", "'; drop table asset; --", "A" * 33, "AAPL\n", "<img src=x onerror=alert(1)>", "%00", "ÄÖ", "A B"],
)
def test_a_malformed_symbol_is_refused_in_words_that_a_browser_does_not_run(client: Client, symbols: str) -> None:
    answer = client.get(PRICES, params={"symbols": symbols})
    if symbols == "AAPL\n":  # white space around a symbol is none of it
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    assert set(answer.json()) == {"what", "why", "next"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_too_many_symbols_are_refused(client: Client) -> None:
    answer = client.get(PRICES, params={"symbols": ",".join(f"A{n}" for n in range(501))})
    assert (answer.status_code, answer.json()["why"]) == (400, "501 were given")


def test_a_price_that_was_read_is_cached_for_the_next(client: Client, market: Market) -> None:
    for _ in range(3):
        assert client.get(PRICES, params={"symbols": f"AAPL,{COIN}"}).status_code == 200
    assert market.reader.loads == 1


def test_all_that_the_cache_lacks_is_one_query(client: Client, market: Market) -> None:
    client.get(PRICES, params={"symbols": "AAPL"})
    answer = client.get(PRICES, params={"symbols": f"AAPL,BRK.B,GSpJ,{COIN},{QUIET}"}).json()
    assert len(answer["prices"]) == 4
    assert market.reader.loads == 2


def test_filling_the_cache_publishes_nothing(client: Client, market: Market) -> None:
    import redis

    client.get(PRICES, params={"symbols": "AAPL"})
    with redis.Redis.from_url(market.redis_url or "") as server:
        assert server.exists("latest_price:AAPL")
        assert not server.exists("prices:recent")


def test_a_reader_never_puts_an_older_price_over_a_newer_one(market: Market) -> None:
    from tests.web.market import latest

    newer = latest("AAPL", 120.0, CLOSE + timedelta(minutes=1))
    market.cache.put_prices([newer])
    market.reader._load_prices(["AAPL"])
    assert market.reader.prices(["AAPL"]).prices[0].price == 120.0
