"""What the simulator can do for realtime: many small coins, symbols that go silent, snapshots made beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.simulator.admin import SimulatorError
from local.simulator.engine import Options
from local.simulator.listings import load_universe
from local.simulator.server import Addresses, running
from tests.simulator.conftest import Wire

SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
TARGET = f"/massive{SNAPSHOT}?include_otc=false"
OPEN_HOURS = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


def named(wire: Wire, **query: object) -> list[str]:
    return [row["ticker"] for row in wire.massive(SNAPSHOT, **query).json()["tickers"]]


def test_extra_coins_are_added_and_the_first_ones_stay_the_same() -> None:
    few, many = load_universe(extra_coins=5), load_universe(extra_coins=500)
    assert many.coins[: len(few.coins)] == few.coins
    assert len({coin.coin_id for coin in many.coins}) == len(many.coins) == len(load_universe().coins) + 500
    extra = many.coins[-500:]
    assert all(0 < coin.price < 100 for coin in extra)
    assert min(coin.price for coin in extra) < 0.001


def test_another_seed_gives_other_extra_coins() -> None:
    one, other = load_universe(extra_coins=3, seed=1), load_universe(extra_coins=3, seed=2)
    assert [coin.coin_id for coin in one.coins[-3:]] == [coin.coin_id for coin in other.coins[-3:]]
    assert [coin.price for coin in one.coins[-3:]] != [coin.price for coin in other.coins[-3:]]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Addresses]:
    """A simulator that was started with extra coins."""
    with running(Options(now=OPEN_HOURS, extra_coins=300)) as addresses:
        yield addresses


def test_extra_coins_have_prices_and_charts(crowd: Addresses, wire: Wire) -> None:
    here = Wire(crowd, crowd.admin, wire.session)
    ids = ",".join(f"synthetic-coin-{number:05d}" for number in range(250))
    prices = here.coingecko("/simple/price", ids=ids, vs_currencies="usd", include_last_updated_at="true").json()
    assert len(prices) == 250
    assert all(price["usd"] > 0 and price["last_updated_at"] for price in prices.values())
    chart = here.coingecko("/coins/synthetic-coin-00007/market_chart", vs_currency="usd", days=7, interval="daily")
    assert len(chart.json()["prices"]) == 8


def test_symbols_that_are_left_out_are_not_named_by_any_present_price(wire: Wire) -> None:
    wire.admin.set_clock(OPEN_HOURS)
    wire.admin.leave_out(["AAPL", "bitcoin"])
    assert named(wire, tickers="AAPL,SPY") == ["SPY"]
    assert "AAPL" not in named(wire)
    assert wire.massive(f"{SNAPSHOT}/AAPL").status_code == 404
    assert wire.massive("/v2/last/trade/AAPL").status_code == 404
    prices = wire.coingecko("/simple/price", ids="bitcoin,ethereum", vs_currencies="usd").json()
    assert list(prices) == ["ethereum"]


def test_symbols_that_are_left_out_keep_their_history(wire: Wire) -> None:
    wire.admin.leave_out(["AAPL"])
    bars = wire.massive("/v2/aggs/ticker/AAPL/range/1/day/2026-11-16/2026-11-19").json()
    assert bars["resultsCount"] == 4


def test_leaving_out_nothing_or_a_reset_brings_them_back(wire: Wire) -> None:
    wire.admin.set_clock(OPEN_HOURS)
    wire.admin.leave_out(["AAPL"])
    wire.admin.leave_out([])
    assert named(wire, tickers="AAPL") == ["AAPL"]
    wire.admin.leave_out(["AAPL"])
    wire.admin.reset()
    wire.admin.set_clock(OPEN_HOURS)
    assert named(wire, tickers="AAPL") == ["AAPL"]


def test_a_halted_ticker_is_named_with_zeros_all_day(wire: Wire) -> None:
    wire.admin.set_clock(OPEN_HOURS)
    wire.admin.halt("AAPL", OPEN_HOURS.date())
    (row,) = wire.massive(SNAPSHOT, tickers="AAPL").json()["tickers"]
    assert (row["day"]["c"], row["min"]["c"], row["updated"]) == (0, 0, 0)
    assert "lastTrade" not in row


def test_a_snapshot_made_for_a_minute_is_served_in_that_minute_only(wire: Wire) -> None:
    minutes = [OPEN_HOURS + timedelta(minutes=offset) for offset in range(3)]
    key = "demo-polygon-advanced"
    fresh = []
    for minute in minutes:
        wire.admin.set_clock(minute)
        fresh.append(wire.massive(SNAPSHOT, include_otc="false").json()["tickers"])
    assert fresh[0] != fresh[1] != fresh[2]
    wire.admin.set_clock(minutes[0], running=True)
    assert wire.admin.prepare(key, [TARGET], minutes=minutes[:2])["answers"] == 2
    wire.admin.forget_requests()
    assert wire.massive(SNAPSHOT, include_otc="false").json()["tickers"] == fresh[0]
    (served,) = wire.admin.requests()
    assert served.prepared


def test_minutes_that_were_not_prepared_are_computed(wire: Wire) -> None:
    wire.admin.set_clock(OPEN_HOURS, running=True)
    wire.admin.prepare("demo-polygon-advanced", [TARGET], minutes=[OPEN_HOURS + timedelta(minutes=1)])
    wire.massive(SNAPSHOT, include_otc="false")
    assert not wire.admin.requests()[-1].prepared


def test_minutes_without_an_offset_are_refused(wire: Wire) -> None:
    with pytest.raises(SimulatorError, match="no time zone"):
        wire.admin.prepare("demo-polygon-advanced", [TARGET], minutes=[OPEN_HOURS.replace(tzinfo=None)])
