"""Which coins exist: those of the universe file, some that share their symbols, and dead ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from local.simulator.noise import key_of

DEAD_SINCE = date(2017, 1, 20)
EXTRA_FIRST = date(2018, 1, 1)


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin by its vendor id. ``volume`` is a typical day's US dollars. ``price`` 0 means that nobody trades it."""

    coin_id: str
    symbol: str
    name: str
    listed_on: date
    key: int
    price: float
    volume: float
    supply: float
    max_supply: float | None = None


def load_coins(rows: list[dict[str, str]], facts: dict[str, Any], seed: int) -> Iterator[Coin]:
    """The coins of the universe file's ``rows``, then those that only ``facts``, which is ``world.toml``, knows."""
    yield from (_coin(row, facts, seed) for row in rows if row["asset_class"] == "crypto")
    for coin_id, known in facts["more_coins"].items():
        yield Coin(coin_id=coin_id, key=key_of(seed, "coin", coin_id), **known)
    for coin_id, known in facts["dead_coins"].items():
        key = key_of(seed, "coin", coin_id)
        yield Coin(coin_id, known["symbol"], known["name"], DEAD_SINCE, key, 0.0, 0.0, 0.0)


def extra_coin(number: int, seed: int) -> Coin:
    """Synthetic coin ``number``: a small one, some worth far less than a cent."""
    key = key_of(seed, "extra coin", number)
    return Coin(
        coin_id=f"synthetic-coin-{number:05d}",
        symbol=f"sc{number}",
        name=f"Synthetic Coin {number}",
        listed_on=EXTRA_FIRST + timedelta(days=key % 1_500),
        key=key,
        price=float(f"{10.0 ** (key // 1_500 % 700 / 100 - 5):.4g}"),
        volume=float(10_000 + key % 5_000_000),
        supply=1e8,
    )


def _coin(row: dict[str, str], facts: dict[str, Any], seed: int) -> Coin:
    coin_id = row["vendor_symbol"]
    key = key_of(seed, "coin", coin_id)
    known = facts["coins"].get(coin_id, {})
    return Coin(
        coin_id=coin_id,
        symbol=known.get("symbol", row["symbol"].removeprefix("X:").removesuffix("USD").lower()),
        name=row["name"],
        listed_on=date.fromisoformat(row["listed_on"]) if row["listed_on"] else date(2018, 1, 1),
        key=key,
        price=known.get("price", 1.0 + key % 50),
        volume=known.get("volume", 1e8),
        supply=known.get("supply", 1e8),
        max_supply=known.get("max_supply"),
    )
