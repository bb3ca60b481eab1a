"""The universe file and the world that is built from it."""

from __future__ import annotations

import csv
from datetime import date

from local.simulator.listings import UNIVERSE, load_universe


def test_universe_has_forty_stocks_and_etfs_ten_coins_two_watchlists_and_an_overview() -> None:
    with UNIVERSE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = [row["asset_class"] for row in rows]
    assert classes.count("stock") + classes.count("etf") >= 40
    assert classes.count("crypto") >= 10
    assert len({name for row in rows for name in row["watchlists"].split(";") if name}) >= 2
    positions = sorted(int(row["market_overview"]) for row in rows if row["market_overview"])
    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) >= 5


def test_universe_has_late_listings_a_delisting_a_share_class_and_a_lower_case_preferred() -> None:
    universe = load_universe()
    tickers = {listing.ticker: listing for listing in universe.listings}
    assert tickers["RDDT"].listed_on == date(2024, 3, 21)
    assert tickers["TWTR"].delisted_on == date(2022, 10, 27)
    assert {"BRK.B", "JPMpD"} <= tickers.keys()


def test_a_ticker_can_belong_to_two_companies_one_after_the_other() -> None:
    universe = load_universe()
    owners = [universe.listings[row] for row in universe.by_ticker["META"]]
    assert [owner.company for owner in owners] == ["META (former)", "META"]
    assert owners[0].delisted_on is not None
    assert owners[0].delisted_on < owners[1].listed_on


def test_extra_stocks_are_added_and_the_first_ones_stay_the_same() -> None:
    few, many = load_universe(extra_stocks=5), load_universe(extra_stocks=50)
    assert len(many.listings) == len(load_universe().listings) + 50
    assert few.listings == many.listings[: len(few.listings)]


def test_another_seed_is_another_world_with_the_same_listings() -> None:
    one, other = load_universe(seed=1), load_universe(seed=2)
    assert [listing.ticker for listing in one.listings] == [listing.ticker for listing in other.listings]
    assert one.listings[0].key != other.listings[0].key
