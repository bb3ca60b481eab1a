"""Who is listed in the world: the universe file, what ``world.toml`` knows about it, and synthetic extra stocks."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from local.simulator.actions import Dividend, Split
from local.simulator.coin_listings import Coin, extra_coin, load_coins
from local.simulator.noise import key_of

UNIVERSE = Path(__file__).parents[1] / "universe.csv"
WORLD = Path(__file__).with_name("world.toml")
EXTRA_FIRST = date(2002, 1, 2)


@dataclass(frozen=True, slots=True)
class Listing:
    """A ticker in the hands of one company for a while, both dates inclusive.

    ``price`` is the level around January 2025 in US dollars on the present share basis, ``volume`` a typical day's
    shares, ``volatility`` a year's standard deviation of log price, ``quiet`` the share of sessions without a trade,
    ``dividend`` US dollars a quarter.
    """

    ticker: str
    name: str
    kind: str
    listed_on: date
    delisted_on: date | None
    key: int
    price: float
    volume: float
    volatility: float
    quiet: float = 0.0
    dividend: float = 0.0
    halts: frozenset[date] = frozenset()
    company: str = ""

    def active_on(self, day: date) -> bool:
        """Whether the ticker is this company's on ``day``."""
        return self.listed_on <= day and (self.delisted_on is None or day <= self.delisted_on)


@dataclass(frozen=True, slots=True)
class Universe:
    """All that exists. Listings are ordered by ticker, then by first day; synthetic ones and newcomers come last.

    ``by_ticker`` and ``by_company`` hold the rows of the listings that ever had a ticker, or that a company ever had,
    in the order of their first day.
    """

    listings: tuple[Listing, ...]
    coins: tuple[Coin, ...]
    splits: tuple[Split, ...]
    dividends: tuple[Dividend, ...]
    by_ticker: dict[str, tuple[int, ...]]
    by_company: dict[str, tuple[int, ...]]

    @classmethod
    def of(
        cls,
        listings: Sequence[Listing],
        coins: Sequence[Coin] = (),
        splits: Iterable[Split] = (),
        dividends: Iterable[Dividend] = (),
    ) -> Self:
        """A universe with its indexes; splits and dividends in the order of their dates."""
        return cls(
            listings=tuple(listings),
            coins=tuple(coins),
            splits=tuple(sorted(splits, key=lambda split: (split.execution_date, split.ticker))),
            dividends=tuple(sorted(dividends, key=lambda dividend: (dividend.ex_date, dividend.ticker))),
            by_ticker=_index(listings, "ticker"),
            by_company=_index(listings, "company"),
        )

    def row_on(self, ticker: str, day: date) -> int | None:
        """The row of the company that has the ticker on ``day``."""
        return next((row for row in self.by_ticker.get(ticker, ()) if self.listings[row].active_on(day)), None)

    def last_row(self, ticker: str, day: date) -> int | None:
        """The row of the company that has the ticker on ``day``, or had it last before."""
        rows = [row for row in self.by_ticker.get(ticker, ()) if self.listings[row].listed_on <= day]
        return rows[-1] if rows else None


def load_universe(path: Path = UNIVERSE, *, seed: int = 1, extra_stocks: int = 0, extra_coins: int = 0) -> Universe:
    """Read the universe file and ``world.toml``; add ``extra_stocks`` synthetic tickers, ``extra_coins`` coins."""
    facts = tomllib.loads(WORLD.read_text(encoding="utf-8"))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listings = [_listing(row, facts, seed) for row in rows if row["asset_class"] != "crypto"]
    known = {listing.ticker: listing for listing in listings}
    listings += [_former(known[row["new"]], row) for row in facts["renames"] if row["new"] in known]
    listings += [_namesake(row, seed) for row in facts["namesakes"] if row["ticker"] in known]
    listings.sort(key=lambda listing: (listing.ticker, listing.listed_on))
    extra = [_extra_listing(number, seed) for number in range(extra_stocks)]
    splits = [_split(row) for row in facts["splits"] if row["ticker"] in known]
    splits += [split for listing in extra if (split := _extra_split(listing)) is not None]
    dividends = [_dividend(row) for row in facts["dividends"] if row["ticker"] in known]
    coins = [*load_coins(rows, facts, seed), *(extra_coin(number, seed) for number in range(extra_coins))]
    return Universe.of([*listings, *extra], coins, splits, dividends)


def _index(listings: Sequence[Listing], name: str) -> dict[str, tuple[int, ...]]:
    index: dict[str, list[int]] = {}
    for row, listing in enumerate(listings):
        index.setdefault(getattr(listing, name), []).append(row)
    return {value: tuple(sorted(rows, key=lambda row: listings[row].listed_on)) for value, rows in index.items()}


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _listing(row: dict[str, str], facts: dict[str, Any], seed: int) -> Listing:
    ticker = row["vendor_symbol"]
    known = cast("dict[str, float]", facts["stocks"].get(ticker, {}))
    key = key_of(seed, "stock", ticker)
    halts = [day for halt in facts["halts"] if halt["ticker"] == ticker for day in halt["sessions"]]
    return Listing(
        ticker=ticker,
        name=row["name"],
        kind=_kind(row),
        listed_on=_day(row["listed_on"]) or EXTRA_FIRST,
        delisted_on=_day(row["delisted_on"]),
        key=key,
        price=known.get("price", 40.0 + key % 300),
        volume=known.get("volume", 1e6 * (2 + key % 11)),
        volatility=known.get("volatility", 0.28),
        quiet=known.get("quiet", 0.0),
        dividend=known.get("dividend", 0.0),
        halts=frozenset(halts),
        company=ticker,
    )


def _kind(row: dict[str, str]) -> str:
    if row["asset_class"] == "etf":
        return "ETF"
    if "Depositary" in row["name"]:
        return "ADRC"
    return "PFD" if "p" in row["vendor_symbol"] else "CS"


def _former(present: Listing, row: dict[str, Any]) -> Listing:
    """The earlier ticker of a company: the same price path, ending the day before the rename."""
    return replace(
        present,
        ticker=row["old"],
        listed_on=row["first_session"],
        delisted_on=row["on"] - timedelta(days=1),
        halts=frozenset(),
    )


def _namesake(row: dict[str, Any], seed: int) -> Listing:
    return Listing(
        ticker=row["ticker"],
        name=row["name"],
        kind="ETF",
        listed_on=row["listed_on"],
        delisted_on=row["delisted_on"],
        key=key_of(seed, "namesake", row["ticker"]),
        price=row["price"],
        volume=2e5,
        volatility=0.3,
        company=f"{row['ticker']} (former)",
    )


def _extra_listing(number: int, seed: int) -> Listing:
    """Synthetic stock ``number``: mostly plain, some thinly traded, some listed late, some delisted."""
    ticker = f"Z{number:05d}"
    key = key_of(seed, "extra", number)
    draw = np.random.default_rng(key)
    kind = "ETF" if draw.random() < 0.2 else "CS"
    price = float(np.round(np.exp(draw.normal(3.3, 1.0)), 2))
    volume = float(np.exp(draw.normal(12.5, 1.6)))
    thin = bool(draw.random() < 0.03)
    late = draw.random() < 0.15
    listed_on = date(2008, 1, 2) + timedelta(days=int(draw.integers(0, 4200))) if late else EXTRA_FIRST
    delisted = draw.random() < 0.04
    delisted_on = date(2021, 1, 4) + timedelta(days=int(draw.integers(0, 1400))) if delisted else None
    return Listing(
        ticker=ticker,
        name=f"Synthetic Company {number}",
        kind=kind,
        listed_on=listed_on,
        delisted_on=delisted_on,
        key=key,
        price=max(price, 0.5),
        volume=max(volume, 2000.0),
        volatility=float(draw.uniform(0.15, 0.6)),
        quiet=0.12 if thin else 0.0002,
        dividend=round(price * 0.006, 2) if draw.random() < 0.3 else 0.0,
        company=ticker,
    )


def _split(row: dict[str, Any]) -> Split:
    return Split(row["ticker"], row["execution_date"], row["from"], row["to"], company=row["ticker"])


def _extra_split(listing: Listing) -> Split | None:
    """One split for every tenth synthetic stock."""
    if listing.key % 10:
        return None
    day = date(2015, 3, 2) + timedelta(days=listing.key // 10 % 3600)
    split_from, split_to = ((1, 2), (1, 3), (2, 3), (10, 1))[listing.key // 100_000 % 4]
    return Split(listing.ticker, day, split_from, split_to, company=listing.company)


def _dividend(row: dict[str, Any]) -> Dividend:
    return Dividend(**{"company": row["ticker"], **row})
