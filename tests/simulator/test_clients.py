"""The vendors' own clients work against the simulator, each endpoint that they have and it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import coingecko_sdk
import massive
import pytest
from massive.exceptions import BadResponse
from massive.rest.models import Agg

from tests.simulator.conftest import Wire


@pytest.fixture
def client(wire: Wire) -> Iterator[massive.RESTClient]:
    client = massive.RESTClient(api_key="demo-polygon-advanced", base=wire.addresses.polygon_url, retries=0)
    yield client
    client.client.clear()


@pytest.fixture
def coins(wire: Wire) -> Iterator[coingecko_sdk.Coingecko]:
    with coingecko_sdk.Coingecko(
        demo_api_key="demo-coingecko-demo", base_url=wire.addresses.coingecko_url, max_retries=0,
        _strict_response_validation=True,
    ) as client:  # fmt: skip
        yield client


@pytest.fixture
def paid_coins(wire: Wire) -> Iterator[coingecko_sdk.Coingecko]:
    with coingecko_sdk.Coingecko(
        pro_api_key="demo-coingecko-pro", base_url=wire.addresses.coingecko_pro_url, max_retries=0,
        _strict_response_validation=True,
    ) as client:  # fmt: skip
        yield client


def test_massive_follows_the_pages_of_a_range(wire: Wire, client: massive.RESTClient) -> None:
    paged = list(client.list_aggs("AAPL", 1, "day", "2026-10-01", "2026-11-19", limit=10))
    whole = client.get_aggs("AAPL", 1, "day", date(2026, 10, 1), date(2026, 11, 19), adjusted=True, limit=50000)
    assert paged == whole
    assert len(whole) == 36
    assert isinstance(whole[0], Agg)
    assert isinstance(whole[0].timestamp, int)
    assert len(wire.admin.requests(path_contains="/range/")) == 5


def test_massive_reads_bars(client: massive.RESTClient) -> None:
    grouped = client.get_grouped_daily_aggs("2026-11-19", adjusted=False)
    (range_bar,) = client.get_aggs("AAPL", 1, "day", "2026-11-19", "2026-11-19", adjusted=False)
    assert next(row.close for row in grouped if row.ticker == "AAPL") == range_bar.close
    assert client.get_daily_open_close_agg("AAPL", "2026-11-19", adjusted=False).close == range_bar.close
    (previous,) = client.get_previous_close_agg("AAPL")
    assert previous.ticker == "AAPL"
    assert len(list(client.list_aggs("AAPL", 1, "hour", "2026-11-19", "2026-11-19", limit=50000))) == 16


def test_massive_reads_snapshots_and_the_last_trade(client: massive.RESTClient) -> None:
    one, two = client.get_snapshot_all("stocks", tickers=["AAPL", "BRK.B"])
    assert (one.ticker, two.ticker) == ("AAPL", "BRK.B")
    single = client.get_snapshot_ticker("stocks", "AAPL")
    assert single == one
    known, unknown = client.list_universal_snapshots(ticker_any_of=["AAPL", "NOPE"], limit=250)
    assert known.last_trade.price == single.last_trade.price == client.get_last_trade("AAPL").price
    assert unknown.error == "NOT_FOUND"


def test_massive_reads_reference_data(client: massive.RESTClient) -> None:
    tickers = [row.ticker for row in client.list_tickers(market="stocks", limit=40)]
    assert len(tickers) > 90
    assert "JPMpD" in tickers
    assert client.get_ticker_details("META").list_date == "2022-06-09"
    events = client.get_ticker_events("META").events
    assert [event["ticker_change"]["ticker"] for event in events] == ["META", "FB"]
    old = list(client.list_splits("AAPL"))
    new = list(client.list_stocks_splits(ticker="AAPL"))
    assert [split.execution_date for split in old] == [split.execution_date for split in new]
    assert new[0].historical_adjustment_factor == 0.25
    assert (
        len(list(client.list_dividends("KO", limit=1000))) == len(list(client.list_stocks_dividends(ticker="KO"))) > 80
    )


def test_massive_reads_what_happened_to_companies(wire: Wire, client: massive.RESTClient) -> None:
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 12))
    wire.admin.delist("COIN", date(2026, 11, 12))
    wire.admin.list_company("COIN", date(2026, 11, 17), price=20.0)
    day = date(2026, 11, 17)
    row = {"execution_date": day, "split_from": 20, "split_to": 21}
    wire.admin.add_split("SLSF", day, 20, 21, reported=[row, row])
    wire.admin.add_dividend("SLSF", day, 0.5, currency="CAD", kind="special", frequency=0)
    gone = {row.ticker: row for row in client.list_tickers(market="stocks", active=False, limit=10)}
    assert gone["CRM"].delisted_utc == "2026-11-12T00:00:00Z"
    details = client.get_ticker_details("SLSF")
    assert (
        details.composite_figi
        == gone["CRM"].composite_figi
        == client.get_ticker_details("CRM", "2026-11-11").composite_figi
    )
    assert client.get_ticker_details("COIN").composite_figi != gone["COIN"].composite_figi
    events = client.get_ticker_events(details.composite_figi, types="ticker_change")
    assert [event["ticker_change"]["ticker"] for event in events.events] == ["SLSF", "CRM"]
    one, other = client.list_stocks_splits(ticker="SLSF")
    assert (one.adjustment_type, one.split_to, one.id != other.id) == ("stock_dividend", 21, True)
    (dividend,) = client.list_stocks_dividends(ticker="SLSF")
    assert (dividend.currency, dividend.distribution_type, dividend.frequency) == ("CAD", "special", 0)
    (dividend,) = client.list_dividends("SLSF")
    assert dividend.dividend_type == "SC"
    bars = list(client.list_aggs("COIN", 1, "day", "2026-11-10", "2026-11-19", adjusted=False))
    assert len(bars) == 6
    with pytest.raises(BadResponse, match="Ticker not found"):
        client.get_ticker_details("CRM")


def test_massive_reads_the_market_status(client: massive.RESTClient) -> None:
    status = client.get_market_status()
    assert (status.market, status.after_hours) == ("extended-hours", True)
    assert client.get_market_holidays()[0].name == "Thanksgiving"


def test_massive_raises_the_vendors_error_text(client: massive.RESTClient) -> None:
    with pytest.raises(BadResponse, match="Data not found"):
        client.get_last_trade("NOPE")


def test_coingecko_reads_charts_and_candles(
    coins: coingecko_sdk.Coingecko, paid_coins: coingecko_sdk.Coingecko
) -> None:
    chart = coins.coins.market_chart.get("bitcoin", vs_currency="usd", days="90", interval="daily", precision="full")
    assert len(chart.prices) == len(chart.total_volumes) == 91
    span = {"from_": "2026-06-01", "to": "2026-11-01"}
    assert (
        len(paid_coins.coins.market_chart.get_range("bitcoin", vs_currency="usd", interval="daily", **span).prices)
        == 154
    )
    assert len(coins.coins.ohlc.get("bitcoin", vs_currency="usd", days="7")[0]) == 5
    candles = paid_coins.coins.ohlc.get_range("bitcoin", vs_currency="usd", interval="daily", **span)
    assert len(candles) == 154


def test_coingecko_reads_prices_lists_and_the_key(
    coins: coingecko_sdk.Coingecko, paid_coins: coingecko_sdk.Coingecko
) -> None:
    assert coins.ping.get().gecko_says.startswith("(V3)")
    prices = coins.simple.price.get(vs_currencies="usd", ids="bitcoin,shiba-inu", include_market_cap=True)
    assert prices["bitcoin"].usd is not None
    assert prices["bitcoin"].usd > 1000 > 1 > (prices["shiba-inu"].usd or 1)
    assert {coin.id for coin in coins.coins.list.get()} >= {"bitcoin", "ethereum"}
    markets = coins.coins.markets.get(vs_currency="usd", per_page=3)
    assert [row.market_cap_rank for row in markets] == [1, 2, 3]
    assert "usd" in coins.simple.supported_vs_currencies.get()
    assert paid_coins.key.get().rate_limit_request_per_minute == 1000


def test_coingecko_raises_typed_errors(wire: Wire, coins: coingecko_sdk.Coingecko) -> None:
    with pytest.raises(coingecko_sdk.NotFoundError):
        coins.coins.market_chart.get("nope", vs_currency="usd", days="1")
    with pytest.raises(coingecko_sdk.AuthenticationError):
        coins.coins.market_chart.get("bitcoin", vs_currency="usd", days="max")
    wire.admin.put_key("demo-coingecko-demo", requests_per_minute=0)
    with pytest.raises(coingecko_sdk.RateLimitError):
        coins.ping.get()
