"""CoinGeckoHook's present prices: against the simulator's plans, and against answers byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from local.simulator.engine import Options
from local.simulator.server import Addresses, running
from marketdata.errors import ContractBroken, InvalidRequest, NotEntitled, RateLimited
from marketdata.hooks.coingecko_prices import price_calls
from tests.hooks.accounts import KEY, coingecko
from tests.hooks.market import AFTERNOON, coins
from tests.hooks.upstream import Upstream, reply

EXTRA = 600
BITCOIN = {"usd": 76975.25, "usd_24h_vol": 29096603418.89, "last_updated_at": 1_795_204_800}


@pytest.fixture(scope="module")
def crowd() -> Iterator[Addresses]:
    """A simulator with hundreds of coins."""
    with running(Options(now=AFTERNOON, extra_coins=EXTRA)) as addresses:
        yield addresses


def ids_of(target: str) -> list[str]:
    return parse_qs(urlsplit(target).query)["ids"][0].split(",")


@pytest.mark.parametrize("plan", ["demo", "analyst"])
def test_prices_come_with_the_vendors_own_time_and_the_rolling_volume(simulator: Addresses, plan: str) -> None:
    simulator.admin.set_clock(AFTERNOON)
    answer = coins(simulator, plan).simple_prices(["bitcoin", "ethereum"])
    assert answer.data.symbols.tolist() == ["bitcoin", "ethereum"]
    assert answer.data.at.tolist() == [AFTERNOON.replace(second=0, tzinfo=None)] * 2
    assert (answer.data.price > 1).all()
    assert (answer.data.volume_24h > 1e6).all()
    assert np.isnan(answer.data.volume).all()
    assert (answer.requests, answer.delayed) == (1, False)


def test_the_request_names_the_coins_with_plain_commas_and_keeps_every_digit() -> None:
    with Upstream([reply({"bitcoin": BITCOIN})]) as upstream:
        coingecko(upstream).simple_prices(["bitcoin", "shiba-inu", "bitcoin"])
    assert upstream.asked[0].target == (
        "/gecko/api/v3/simple/price?ids=bitcoin,shiba-inu&vs_currencies=usd"
        "&include_24hr_vol=true&include_last_updated_at=true&precision=full"
    )
    assert upstream.asked[0].headers["x-cg-demo-api-key"] == KEY


def test_a_small_price_keeps_every_digit() -> None:
    body = b'{"shiba-inu":{"usd":0.00000812,"last_updated_at":1795204800}}'
    with Upstream([reply(body)]) as upstream:
        prices = coingecko(upstream).simple_prices(["shiba-inu"]).data
    assert repr(prices.price[0].item()) == "8.12e-06"
    assert np.isnan(prices.volume_24h[0])


def test_a_coin_with_a_space_in_its_id_has_its_price(simulator: Addresses) -> None:
    simulator.admin.set_clock(AFTERNOON)
    prices = coins(simulator, "demo").simple_prices(["1move token", "bitcoin"]).data
    assert sorted(prices.symbols.tolist()) == ["1move token", "bitcoin"]
    assert (prices.price > 0).all()


def test_a_dead_coin_is_named_without_a_price_and_an_unknown_one_is_left_out(simulator: Addresses) -> None:
    simulator.admin.set_clock(AFTERNOON)
    prices = coins(simulator, "demo").simple_prices(["no-such-coin", "bitconnect", "bitcoin"]).data
    assert prices.symbols.tolist() == ["bitconnect", "bitcoin"]
    assert np.isnan(prices.price).tolist() == [True, False]
    assert np.isnat(prices.at).tolist() == [True, False]


@pytest.mark.parametrize("coin", [{}, {"usd": None}, {"usd": None, "usd_24h_vol": None, "last_updated_at": None}])
def test_nothing_and_null_are_no_price(coin: dict[str, Any]) -> None:
    with Upstream([reply({"bitconnect": coin})]) as upstream:
        prices = coingecko(upstream).simple_prices(["bitconnect"]).data
    assert prices.symbols.tolist() == ["bitconnect"]
    assert np.isnan(prices.price).all()


def test_an_old_time_of_a_dead_coin_is_kept_as_it_is() -> None:
    old = {"usd": 0.01, "last_updated_at": int((AFTERNOON - timedelta(days=400)).timestamp())}
    with Upstream([reply({"dead": old})]) as upstream:
        prices = coingecko(upstream).simple_prices(["dead"]).data
    assert prices.at.tolist() == [(AFTERNOON - timedelta(days=400)).replace(tzinfo=None)]


def test_hundreds_of_coins_take_one_request_for_each_250(crowd: Addresses) -> None:
    wanted = [f"synthetic-coin-{number:05d}" for number in range(EXTRA)]
    answer = coins(crowd, "analyst").simple_prices(wanted)
    assert answer.data.symbols.tolist() == wanted
    assert (answer.data.price > 0).all()
    assert answer.requests == price_calls(wanted) == 3
    asked = crowd.admin.requests(path_contains="/simple/price")
    assert [len(ids_of(f"?{row.query}")) for row in asked] == [250, 250, 100]


def test_no_url_is_longer_than_it_may_be() -> None:
    wanted = [f"{number:03d} {'x' * 66}" for number in range(250)]  # the longest ids, with a space each
    with Upstream([reply({})]) as upstream:
        coingecko(upstream).simple_prices(wanted)
        longest = max(len(f"{upstream.url}{asked.target}") for asked in upstream.asked)
    assert [coin for asked in upstream.asked for coin in ids_of(asked.target)] == wanted
    assert len(upstream.asked) == price_calls(wanted) == 4
    assert 5_500 < longest <= 6_000


@pytest.mark.parametrize("status", [400, 414])
def test_a_request_that_the_vendor_finds_too_long_is_halved(status: int) -> None:
    wanted = [f"coin-{number}" for number in range(100)]
    scripts = [reply({}, status), reply({"coin-0": BITCOIN}), reply({"coin-99": BITCOIN})]
    with Upstream(scripts) as upstream:
        answer = coingecko(upstream).simple_prices(wanted)
    assert answer.data.symbols.tolist() == ["coin-0", "coin-99"]
    assert [ids_of(asked.target) for asked in upstream.asked] == [wanted, wanted[:50], wanted[50:]]
    assert answer.requests == 3


def test_a_vendor_that_refuses_every_length_is_not_asked_for_each_coin() -> None:
    with Upstream([reply({}, 400)]) as upstream, pytest.raises(ContractBroken):
        coingecko(upstream).simple_prices([f"coin-{number}" for number in range(250)])
    assert len(upstream.asked) <= 4


def test_an_error_in_the_body_of_a_200_is_no_coin_without_a_price() -> None:
    body = {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}
    with Upstream([reply(body)]) as upstream, pytest.raises(RateLimited):
        coingecko(upstream).simple_prices(["bitcoin", "status"])


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"bitcoin": None},
        {"bitcoin": {"usd": "76975"}},
        {"bitcoin": {"usd": 1, "last_updated_at": 1.5}},
        {"bitcoin": {"usd": 1, "last_updated_at": 2**50}},
        b"<html>Just a moment...</html>",
    ],
)
def test_an_answer_that_is_none_breaks_the_contract(body: object) -> None:
    with Upstream([reply(body)]) as upstream, pytest.raises(ContractBroken):
        coingecko(upstream).simple_prices(["bitcoin"])


def test_prices_of_no_coin_are_refused_before_anything_is_sent() -> None:
    with Upstream([reply({})]) as upstream:
        with pytest.raises(InvalidRequest):
            coingecko(upstream).simple_prices([])
        assert not upstream.asked
    assert price_calls([]) == 0


def test_an_endpoint_for_paid_plans_only_is_not_in_the_plan() -> None:
    body = {"status": {"error_code": 10005, "error_message": "This request is limited to PRO API subscribers."}}
    with Upstream([reply(body, 401)]) as upstream, pytest.raises(NotEntitled) as caught:
        coingecko(upstream).simple_prices(["bitcoin"])
    assert caught.value.scope == "endpoint"
