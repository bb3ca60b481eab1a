"""Follows one asset more, after asking its vendor who that is: a coin by its id, a company by its ticker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING

from marketdata.addresses import cache_url
from marketdata.domain.bars import AssetClass
from marketdata.errors import ConfigurationError, Gone, InvalidRequest, VendorError
from marketdata.flows.request import SYMBOL_PATTERN
from marketdata.hooks.coingecko import Coin, CoinGeckoHook
from marketdata.hooks.connection import from_airflow
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.polygon_reference import PolygonReference
from marketdata.hooks.quota import Quota
from marketdata.storage.followed_assets import KnownAsset, NewAsset, Outcome, add_asset, find_known

if TYPE_CHECKING:
    from marketdata.storage.warehouse import Warehouse

_COIN_SYMBOL = re.compile(r"X:(?P<base>[A-Za-z0-9.-]+)USD")
_MOST_CANDIDATES = 20
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks to follow. ``asset_class`` may be None for an asset that is there already."""

    symbol: str
    asset_class: AssetClass | None = None
    vendor_symbol: str = ""
    name: str = ""
    listed_on: date | None = None
    watchlists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of it. ``is_verified`` False: the vendor could not be asked, ``warnings`` say why."""

    asset: NewAsset
    outcome: Outcome
    is_verified: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Identified:
    asset: NewAsset
    is_verified: bool = True
    warnings: tuple[str, ...] = ()


def follow(warehouse: Warehouse, wanted: Wanted) -> Followed:
    """Follow an asset: its vendor must know it, as far as it can be asked.

    One that is there is followed again as it is; nothing is asked then. A coin is written ``X:BTCUSD`` or ``btc``.
    Raises InvalidRequest for a symbol that the vendor does not know or that is ambiguous, with what is near, and for
    one that means another asset already; VendorError or ConfigurationError where only the vendor can tell which coin is
    meant and it cannot be asked.
    """
    wanted = _in_house_form(wanted)
    found = warehouse.transact(find_known, wanted.symbol)
    if found:
        identified = _Identified(_as_known(wanted, found[0]))
    elif wanted.asset_class is None:
        raise InvalidRequest(
            f"symbol {wanted.symbol!r}", "it is new, and its class was not given", "give --class stock, etf or crypto"
        )
    elif wanted.asset_class == "crypto":
        identified = _identified_coin(wanted)
        _refuse_second_symbol(warehouse, identified.asset)
    else:
        identified = _identified_company(wanted, wanted.asset_class)
    outcome = warehouse.transact(add_asset, identified.asset)
    return Followed(identified.asset, outcome, identified.is_verified, identified.warnings)


def choose_coin(coins: Sequence[Coin], base: str, coin_id: str) -> Coin:
    """The coin with this id, or, where none is given, the only one whose symbol is ``base`` (small letters).

    InvalidRequest for an unknown id or symbol, with what is near, and for a symbol that several coins have, with them.
    """
    if coin_id:
        by_id = {coin.coin_id: coin for coin in coins}
        if coin_id in by_id:
            return by_id[coin_id]
        near = [by_id[match] for match in get_close_matches(coin_id.lower(), by_id, n=5)]
        raise _refused(f"coin id {coin_id!r:.60}", "the vendor lists no coin with it", near or _called(coins, coin_id))
    called = _called(coins, base)
    if len(called) == 1:
        return called[0]
    if called:
        raise _refused(f"symbol {base!r}", f"{len(called)} coins have it", called)
    symbols = {coin.symbol for coin in coins}
    near = [coin for match in get_close_matches(base, symbols, n=3) for coin in _called(coins, match)]
    same_id = [coin for coin in coins if coin.coin_id == base]
    raise _refused(f"symbol {base!r:.60}", "no coin has it", [*same_id, *near])


def _called(coins: Sequence[Coin], symbol: str) -> list[Coin]:
    """The coins of a symbol, short ids first: those of the original ones are short."""
    found = [coin for coin in coins if coin.symbol == symbol.lower()]
    return sorted(found, key=lambda coin: (len(coin.coin_id), coin.coin_id))


def _refused(what: str, why: str, candidates: Sequence[Coin]) -> InvalidRequest:
    named = ", ".join(f"{coin.coin_id} ({coin.symbol}, {_shown(coin.name)})" for coin in candidates[:_MOST_CANDIDATES])
    more = len(candidates) - _MOST_CANDIDATES
    near = f": {named}{f' and {more} more' if more > 0 else ''}" if candidates else ""
    return InvalidRequest(what, f"{why}{near}", "name the coin by its id: --vendor-symbol COIN_ID")


def _in_house_form(wanted: Wanted) -> Wanted:
    """With ``X:BTCUSD`` for a coin written ``btc``; InvalidRequest for what cannot be a house symbol."""
    symbol = wanted.symbol
    if wanted.asset_class == "crypto" and symbol.isascii() and symbol.isalnum():
        symbol = f"X:{symbol.upper()}USD"
    if not re.match(SYMBOL_PATTERN, symbol):
        raise InvalidRequest(
            f"symbol {symbol!r:.80}", "it is malformed", "letters, digits, '.', ':' and '-', at most 32"
        )
    if wanted.asset_class == "crypto" and not _COIN_SYMBOL.fullmatch(symbol):
        raise InvalidRequest(f"symbol {symbol!r}", "it is no house symbol of a coin", "write it like X:BTCUSD, or btc")
    return replace(wanted, symbol=symbol)


def _as_known(wanted: Wanted, known: KnownAsset) -> NewAsset:
    """The asset that is there; InvalidRequest where something else is asked for under its symbol."""
    other_class = wanted.asset_class not in {None, known.asset_class}
    if other_class or wanted.vendor_symbol not in {"", known.vendor_symbol}:
        raise InvalidRequest(
            f"symbol {wanted.symbol!r}",
            f"it is there already, as {known.asset_class} {known.vendor_symbol!r}",
            "take another symbol, or change what is there: marketdata assets load FILE",
        )
    return NewAsset(known.symbol, known.asset_class, known.vendor_symbol, known.name, watchlists=wanted.watchlists)


def _identified_coin(wanted: Wanted) -> _Identified:
    """The coin as the vendor lists it."""
    match = _COIN_SYMBOL.fullmatch(wanted.symbol)
    base = match["base"].lower() if match else ""
    try:
        with _coingecko() as hook:
            coins = hook.coins().data
    except (VendorError, ConfigurationError) as error:
        if not wanted.vendor_symbol:
            raise
        asset = _new(wanted, "crypto", wanted.vendor_symbol, "")
        return _Identified(asset, False, (f"the coin was not verified: {error}",))
    coin = choose_coin(coins, base, wanted.vendor_symbol)
    differs = f"{coin.coin_id} is called {coin.symbol!r} by the vendor, and {base!r} in its house symbol"
    asset = _new(wanted, "crypto", coin.coin_id, coin.name)
    return _Identified(asset, warnings=() if coin.symbol == base else (differs,))


def _identified_company(wanted: Wanted, asset_class: AssetClass) -> _Identified:
    """The company as the vendor knows it today."""
    ticker = wanted.vendor_symbol or wanted.symbol
    try:
        with _polygon() as hook:
            details = hook.ticker_details(ticker).data
    except Gone as error:
        raise InvalidRequest(
            f"ticker {ticker!r}",
            "the vendor knows no company that has it today",
            "check the spelling (BRK.B, case matters); one that is delisted is loaded: marketdata assets load FILE",
        ) from error
    except (VendorError, ConfigurationError) as error:
        asset = _new(wanted, asset_class, ticker, "")
        return _Identified(asset, False, (f"the ticker was not verified: {error}",))
    gone = f"the vendor says that it was delisted on {details.delisted_on}"
    asset = _new(wanted, asset_class, ticker, details.name)
    return _Identified(asset, warnings=(gone,) if details.delisted_on else ())


def _refuse_second_symbol(warehouse: Warehouse, asset: NewAsset) -> None:
    for other in warehouse.transact(find_known, asset.symbol, asset.vendor_symbol):
        raise InvalidRequest(
            f"coin {asset.vendor_symbol!r}", f"it is there already as {other.symbol}", f"use {other.symbol}"
        )


def _new(wanted: Wanted, asset_class: AssetClass, vendor_symbol: str, vendors_name: str) -> NewAsset:
    name = _shown(wanted.name or vendors_name)
    return NewAsset(wanted.symbol, asset_class, vendor_symbol, name, wanted.listed_on, wanted.watchlists)


def _shown(name: str) -> str:
    """A vendor's text on one line, without characters that a terminal would obey."""
    return "".join(letter for letter in name if letter.isprintable())[:_LONGEST_NAME].strip()


@contextmanager
def _coingecko() -> Iterator[CoinGeckoHook]:
    connection = from_airflow(CoinGeckoHook.default_conn_name, "coingecko")
    hook = CoinGeckoHook(connection=connection, quota=Quota.of(connection, cache_url()))
    try:
        yield hook
    finally:
        hook.close()


@contextmanager
def _polygon() -> Iterator[PolygonReference]:
    connection = from_airflow(PolygonHook.default_conn_name, "polygon")
    hook = PolygonReference(connection=connection, quota=Quota.of(connection, cache_url()))
    try:
        yield hook
    finally:
        hook.close()
