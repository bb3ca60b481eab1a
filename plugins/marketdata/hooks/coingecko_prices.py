"""Present prices of coins from CoinGecko, many coins a request."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated
from urllib.parse import quote_plus

import msgspec
import numpy as np

from marketdata.domain.prices import Prices, no_prices
from marketdata.errors import ContractBroken, InvalidRequest
from marketdata.hooks import coingecko_refusals
from marketdata.hooks.answer import Answer
from marketdata.hooks.forms import Form
from marketdata.hooks.http import Exchange
from marketdata.hooks.vendor_hook import VendorHook

SIMPLE_PRICE = "/simple/price"

MOST_COINS_A_REQUEST = 250
_LONGEST_IDS = 5_700
"""Characters of all ids in one URL; with the rest of it they are at most 6,000."""
_FEWEST_COINS_A_REQUEST = 25
_TOO_LONG = frozenset({400, 414})
_HOW = {
    "vs_currencies": "usd",
    "include_24hr_vol": "true",
    "include_last_updated_at": "true",
    "precision": "full",
}


class _Coin(msgspec.Struct, gc=False):
    """One coin; a dead one has no figures. An error in the body of a 200 has a code: then this is no coin."""

    usd: float | None = None
    usd_24h_vol: float | None = None
    last_updated_at: Annotated[int, msgspec.Meta(ge=0, le=2**40)] | None = None
    error_code: None = None


_coins = Form(dict[str, _Coin], judged=True)


class CoinGeckoPrices(VendorHook):
    """The part of CoinGeckoHook that asks what coins are worth now."""

    vendor = "coingecko"
    classify = staticmethod(coingecko_refusals.classify)

    def simple_prices(self, coin_ids: Sequence[str]) -> Answer[Prices]:
        """The prices of these coins in US dollars, those that the vendor names, with its own time of each.

        GET /simple/price, at most 250 coins and 6,000 characters a request, see ``price_calls``; where the vendor
        still finds it too long, half as many, down to 25. A dead coin has no price, or an old one. A coin without a
        row is unknown to the vendor. ``volume_24h`` is the rolling volume.
        """
        if not coin_ids:
            raise InvalidRequest("prices of no coin", "the vendor refuses it", "name at least one")
        more = f" and {len(coin_ids) - 1} more" if len(coin_ids) > 1 else ""
        exchange = self.get_conn().exchange(f"price of {coin_ids[0]}{more}", SIMPLE_PRICE)
        named: dict[str, _Coin] = {}
        for piece in _pieces(coin_ids):
            named |= _ask(exchange, piece)
        wanted = {coin_id: coin for coin_id in dict.fromkeys(coin_ids) if (coin := named.get(coin_id)) is not None}
        return exchange.answer(_prices_of(wanted))


def price_calls(coin_ids: Sequence[str]) -> int:
    """How many requests, and so credits, ``simple_prices`` takes for these coins."""
    return sum(1 for _ in _pieces(coin_ids))


def _pieces(coin_ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids in their order, each once, cut where a request would hold too many or be too long."""
    piece: list[str] = []
    length = 0
    for coin_id in dict.fromkeys(coin_ids):
        size = len(quote_plus(coin_id)) + 1
        if piece and (len(piece) == MOST_COINS_A_REQUEST or length + size > _LONGEST_IDS):
            yield piece
            piece, length = [], 0
        piece.append(coin_id)
        length += size
    if piece:
        yield piece


def _ask(exchange: Exchange, coin_ids: list[str]) -> dict[str, _Coin]:
    try:
        return exchange.get(SIMPLE_PRICE, {"ids": ",".join(coin_ids), **_HOW}, _coins)
    except ContractBroken as error:
        half = len(coin_ids) // 2
        if error.status not in _TOO_LONG or half < _FEWEST_COINS_A_REQUEST:
            raise
        return _ask(exchange, coin_ids[:half]) | _ask(exchange, coin_ids[half:])


def _prices_of(coins: dict[str, _Coin]) -> Prices:
    if not coins:
        return no_prices()
    symbols = np.empty(len(coins), dtype=np.object_)
    symbols[:] = list(coins)
    at = np.array([coin.last_updated_at or 0 for coin in coins.values()], dtype=np.int64).astype("datetime64[s]")
    at[at == np.datetime64(0, "s")] = np.datetime64("NaT")
    return Prices(
        symbols=symbols,
        at=at.astype("datetime64[us]"),
        price=np.array([coin.usd for coin in coins.values()], dtype=np.float64),
        volume=np.full(len(coins), math.nan),
        volume_24h=np.array([coin.usd_24h_vol for coin in coins.values()], dtype=np.float64),
    )
