"""Which coin is meant, and what may be added, without a vendor."""

from __future__ import annotations

import pytest

from marketdata.errors import InvalidRequest
from marketdata.flows.assets import Wanted, choose_coin, follow
from marketdata.hooks.coingecko import Coin
from marketdata.storage.warehouse import Warehouse

COINS = (
    Coin("osmosis-allbtc", "btc", "Osmosis\x1b[31m allBTC"),
    Coin("batcat", "btc", "Batcat"),
    Coin("bitcoin", "btc", "Bitcoin"),
    Coin("litecoin", "ltc", "Litecoin"),
    Coin("nameless", "", "Nameless"),
    *(Coin(f"copy-of-pepe-{number:02d}", "pepe", "Pepe") for number in range(25)),
)


@pytest.mark.parametrize(
    ("base", "coin_id", "expected"),
    [("ltc", "", "litecoin"), ("btc", "bitcoin", "bitcoin"), ("eth", "litecoin", "litecoin")],
)
def test_a_coin_is_known_by_its_id_or_by_a_symbol_that_it_alone_has(base: str, coin_id: str, expected: str) -> None:
    assert choose_coin(COINS, base, coin_id).coin_id == expected


def test_a_symbol_of_several_coins_is_refused_with_all_of_them_and_how_to_name_one() -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose_coin(COINS, "btc", "")
    assert caught.value.why == (
        "3 coins have it: batcat (btc, Batcat), bitcoin (btc, Bitcoin), osmosis-allbtc (btc, Osmosis[31m allBTC)"
    )
    assert "--vendor-symbol" in caught.value.next_step


def test_of_very_many_candidates_the_first_twenty_are_named() -> None:
    with pytest.raises(InvalidRequest, match=r"25 coins have it.*copy-of-pepe-19 \(pepe, Pepe\) and 5 more"):
        choose_coin(COINS, "pepe", "")


@pytest.mark.parametrize(
    ("base", "coin_id", "near"),
    [
        ("btc", "bitcoins", "bitcoin (btc, Bitcoin)"),
        ("btc", "ltc", "litecoin (ltc, Litecoin)"),
        ("btcc", "", "bitcoin (btc, Bitcoin)"),
        ("litecoin", "", "litecoin (ltc, Litecoin)"),
    ],
)
def test_an_unknown_coin_is_refused_with_what_is_near(base: str, coin_id: str, near: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose_coin(COINS, base, coin_id)
    assert near in caught.value.why


def test_a_coin_like_no_other_is_refused_without_candidates() -> None:
    with pytest.raises(InvalidRequest, match=r"no coin has it\. Next"):
        choose_coin(COINS, "zzzzzz", "")


@pytest.mark.fault("S02")
@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted("AAPL/../../v3", "stock"), "it is malformed"),
        (Wanted("AAPL\n", "stock"), "it is malformed"),
        (Wanted("", "crypto"), "it is malformed"),
        (Wanted("x:btcusd", "crypto"), "write it like X:BTCUSD"),
        (Wanted("X:BTCEUR", "crypto"), "write it like X:BTCUSD"),
        (Wanted("NEWCO"), "its class was not given"),
    ],
    ids=str,
)
def test_what_cannot_be_an_asset_is_refused_before_anybody_is_asked(dsn: str, wanted: Wanted, message: str) -> None:
    with Warehouse.open(dsn) as warehouse, pytest.raises(InvalidRequest, match=message):
        follow(warehouse, wanted)
