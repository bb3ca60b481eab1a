"""A plan's requests are those that the run then makes, by the simulator's own log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import pytest
import redis

from local.simulator.listings import load_universe
from marketdata.flows.forecast import Forecast, forecast
from tests.flows.conftest import ASSETS, SATURDAY_NOON, Desk

STOCKS = ("AAPL", "MSFT", "GOOGL")


def announced(desk: Desk, range_name: str, symbols: Sequence[str] = ()) -> Forecast:
    """What ``marketdata plan`` would say; the log of requests is empty afterwards."""
    coming = forecast(desk.services, desk.plan(range_name, symbols, run="announced", dry_run=True), symbols, desk.now)
    desk.simulator.admin.forget_requests()
    return coming


def run(desk: Desk, range_name: str, symbols: Sequence[str] = ()) -> int:
    """How many requests the run makes."""
    desk.run(range_name, symbols, run=f"{range_name} {desk.now} {symbols}")
    return len(desk.simulator.admin.requests())


def within_a_tenth(coming: Forecast, made: int) -> bool:
    return coming.requests > 0 and abs(made - coming.requests) <= 0.1 * coming.requests


def test_a_first_year_of_stocks_and_a_coin(desk: Desk) -> None:
    coming = announced(desk, "1Y")
    assert (coming.calls, coming.probes) == (4, 0)
    assert run(desk, "1Y") == coming.requests


def test_all_history_of_stocks_whose_listing_is_known(desk: Desk) -> None:
    coming = announced(desk, "MAX", STOCKS)
    assert run(desk, "MAX", STOCKS) == coming.requests == 3


def test_one_session_that_all_assets_miss(desk: Desk) -> None:
    desk.run("1M")
    desk.at(SATURDAY_NOON + timedelta(days=3))
    coming = announced(desk, "1M")
    assert {(part.kind.value, part.calls) for part in coming.parts} == {("market_day", 1), ("coin_chart", 1)}
    assert run(desk, "1M") == coming.requests


def test_holes_of_several_shapes(desk: Desk) -> None:
    desk.run("7D", STOCKS, run="newest")
    desk.run("1Y", ["AAPL"], run="longer")
    desk.simulator.admin.add_fault("html", match="/MSFT/")
    desk.run("3M", ["MSFT"], run="failed")
    desk.simulator.admin.clear_faults()
    desk.at(SATURDAY_NOON + timedelta(days=4))
    coming = announced(desk, "1Y")
    assert within_a_tenth(coming, run(desk, "1Y"))


def test_candles_of_a_coin_come_in_pieces(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(coingecko="analyst")
    coming = announced(desk, "3Y", ["X:BTCUSD"])
    assert coming.requests > coming.calls
    assert within_a_tenth(coming, run(desk, "3Y", ["X:BTCUSD"]))


def test_a_history_that_the_plan_is_known_to_clip_is_left_out_and_not_probed(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(polygon="basic")
    coming = announced(desk, "5Y", ["AAPL"])
    assert (coming.requests, coming.probes) == (1, 1), "nothing is known of this key yet"
    assert run(desk, "5Y", ["AAPL"]) == 2
    coming = announced(desk, "5Y", STOCKS)
    assert coming.probes == 0
    assert [(left.vendor, left.clipped_assets) for left in coming.left_out] == [("polygon", 3)]
    assert run(desk, "5Y", STOCKS) == coming.requests == 2


def test_many_stocks_of_a_key_of_which_nothing_is_known_yet(make_desk: Callable[..., Desk]) -> None:
    listed = [listing for listing in load_universe().listings if listing.kind == "CS" and not listing.delisted_on]
    stocks = [
        {"symbol": listing.ticker, "asset_class": "stock", "listed_on": listing.listed_on.isoformat()}
        for listing in listed
        if listing.listed_on < date(2018, 1, 1)
    ]
    assert len(stocks) >= 15
    desk = make_desk(polygon="basic", assets=stocks)
    coming = announced(desk, "3Y")
    made = run(desk, "3Y")
    assert within_a_tenth(coming, made)
    assert made <= coming.requests + coming.probes


def test_a_stock_whose_listing_is_unknown_may_take_a_probe_and_the_plan_says_so(make_desk: Callable[..., Desk]) -> None:
    unlisted = [{"symbol": symbol, "asset_class": "stock"} for symbol in STOCKS]
    desk = make_desk(assets=[*unlisted, ASSETS[3]])
    coming = announced(desk, "MAX")
    assert coming.probes == 3
    assert coming.requests <= run(desk, "MAX") <= coming.requests + coming.probes


def test_nothing_missing_is_nothing_to_ask(desk: Desk) -> None:
    desk.run("1M")
    coming = announced(desk, "1M")
    assert (coming.calls, coming.requests, coming.parts, coming.left_out) == (0, 0, (), ())
    assert coming.ends_at == desk.now


@pytest.mark.parametrize("left", [0, 1])
def test_calls_that_the_months_credits_do_not_pay_are_deferred(
    make_desk: Callable[..., Desk], redis_url: str, left: int
) -> None:
    coins = [
        {"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"},
        {"symbol": "X:ETHUSD", "asset_class": "crypto", "vendor_symbol": "ethereum"},
    ]
    desk = make_desk(assets=coins)
    desk.services.coingecko.quota.acquire("batch", 0.0)
    with redis.Redis.from_url(redis_url) as cache:
        (spent,) = cache.scan_iter("*:credits:*")
        cache.incrby(spent, desk.services.coingecko.quota.left("batch").credits - left)
    coming = announced(desk, "1M")
    assert coming.calls == left
    assert [(each.vendor, each.deferred) for each in coming.left_out] == [("coingecko", 2 - left)]
