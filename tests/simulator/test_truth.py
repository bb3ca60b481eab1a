"""What tests may hold against a warehouse: the world's truth, by the clock."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

import pytest

from local.simulator.admin import SimulatorError
from tests.simulator.conftest import NOW, Wire

FIRST, LAST = date(2026, 11, 2), date(2026, 11, 30)


def test_the_truth_of_a_stock_is_its_raw_bars(wire: Wire) -> None:
    served = wire.massive(f"/v2/aggs/ticker/KO/range/1/day/{FIRST}/2026-11-19", adjusted="false").json()["results"]
    truth = wire.admin.truth_daily("KO", FIRST, date(2026, 11, 19))
    names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "vwap": "vw", "trades": "n"}
    assert len(truth) == 14
    assert [{letter: row[name] for name, letter in names.items()} for row in truth] == [
        {letter: row[letter] for letter in names.values()} for row in served
    ]
    assert truth[0]["session"] == FIRST
    assert truth[0].keys() == {"session", *names}


def test_the_truth_has_a_session_when_its_last_trade_is_over(wire: Wire) -> None:
    last = {}
    for hour, minute in ((0, 59), (1, 0)):  # 20:00 in New York is 01:00 UTC
        wire.admin.set_clock(datetime(2026, 11, 20, hour, minute, tzinfo=UTC))
        last[minute] = wire.admin.truth_daily("KO", FIRST, LAST)[-1]["session"]
    assert last == {59: date(2026, 11, 18), 0: date(2026, 11, 19)}


def test_the_truth_follows_a_company_through_its_tickers(wire: Wire) -> None:
    genuine = wire.admin.truth_daily("CRM", FIRST, LAST)
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 12))
    assert wire.admin.truth_daily("SLSF", FIRST, LAST) == genuine
    assert wire.admin.truth_daily("CRM", FIRST, LAST) == genuine
    wire.admin.list_company("CRM", date(2026, 11, 17), price=9.0)
    newcomer = wire.admin.truth_daily("CRM", FIRST, LAST)
    assert [row["session"].day for row in newcomer] == [17, 18, 19]
    assert newcomer[0]["close"] == 9.0
    assert wire.admin.truth_daily("CRM", FIRST, LAST, on=date(2026, 11, 11)) == genuine
    wire.admin.set_clock(datetime(2026, 11, 16, 17, tzinfo=UTC))
    assert wire.admin.truth_daily("CRM", FIRST, LAST) == [row for row in genuine if row["session"].day < 16]


def test_the_truth_of_a_delisted_company_ends_with_its_last_session(wire: Wire) -> None:
    wire.admin.delist("COIN", date(2026, 11, 6))
    truth = wire.admin.truth_daily("COIN", FIRST, LAST)
    assert [row["session"].day for row in truth] == [2, 3, 4, 5, 6]
    (former, _) = wire.admin.truth_daily("META", date(2022, 1, 27), date(2022, 2, 10), on=date(2021, 12, 1))
    assert former["close"] < 60
    assert len(wire.admin.truth_daily("META", date(2022, 1, 27), date(2022, 1, 28))) == 2
    assert former not in wire.admin.truth_daily("META", date(2022, 1, 27), date(2022, 1, 28))


def test_the_truth_has_corrections_when_they_are_published_and_splits_when_they_are_executed(wire: Wire) -> None:
    wire.admin.correct_bar("KO", FIRST, published_at=datetime(2026, 11, 9, 13, tzinfo=UTC), c=70.25)
    wire.admin.add_split("KO", date(2026, 11, 10), 1, 2, reported=[])
    seen = []
    for day in (9, 10):
        wire.admin.set_clock(datetime(2026, 11, day, 12 + 2 * (day == 10), tzinfo=UTC))
        seen.append((wire.admin.truth_daily("KO", FIRST, FIRST)[0]["close"] == 70.25, wire.admin.truth_splits("KO")))
    split = {"execution_date": date(2026, 11, 10), "split_from": 1, "split_to": 2}
    assert seen == [(False, []), (True, [split])]


def test_the_truth_of_a_coin_is_the_daily_chart_a_midnight_earlier(wire: Wire) -> None:
    chart = wire.coingecko("/coins/bitcoin/market_chart", vs_currency="usd", days=30, interval="daily").json()
    days = [datetime.fromtimestamp(ms / 1000, UTC).date() - timedelta(days=1) for ms, _ in chart["prices"][:-1]]
    assert len(days) == 30
    truth = wire.admin.truth_coin("bitcoin", days[0], LAST)
    assert [row["session"] for row in truth] == days
    assert [row["close"] for row in truth] == [price for _, price in chart["prices"][:-1]]
    assert [row["volume_24h"] for row in truth] == [volume for _, volume in chart["total_volumes"][:-1]]
    assert wire.admin.truth_coin("bitconnect", FIRST, LAST) == []


def test_a_coins_truth_has_a_day_when_the_chart_has_it_and_begins_where_the_chart_begins(wire: Wire) -> None:
    newest = []
    for minute in (9, 10):
        wire.admin.set_clock(datetime(2026, 11, 20, 0, minute, tzinfo=UTC))
        newest.append(wire.admin.truth_coin("bitcoin", FIRST, LAST)[-1]["session"].day)
    assert newest == [18, 19]
    chart = wire.coingecko_pro("/coins/solana/market_chart", vs_currency="usd", days="max", interval="daily").json()
    first = datetime.fromtimestamp(chart["prices"][0][0] / 1000, UTC).date() - timedelta(days=1)
    assert wire.admin.truth_coin("solana", date(2013, 1, 1), LAST)[0]["session"] == first


def test_the_truth_of_dividends_ends_today(wire: Wire) -> None:
    wire.admin.add_dividend("ORCL", date(2026, 11, 17), 3.0, currency="EUR", kind="special", frequency=0)
    wire.admin.add_dividend("ORCL", date(2026, 11, 24), 1.0)
    (paid,) = wire.admin.truth_dividends("ORCL")
    assert (paid["ex_date"], paid["cash_amount"], paid["currency"]) == (date(2026, 11, 17), 3.0, "EUR")
    assert (paid["declared_on"], paid["pay_date"]) == (date(2026, 11, 3), date(2026, 11, 23))
    listed = wire.massive("/stocks/v1/dividends", ticker="KO", limit=1000).json()["results"]
    truth = wire.admin.truth_dividends("KO")
    assert [row["cash_amount"] for row in truth] == [row["cash_amount"] for row in reversed(listed)]


@pytest.mark.parametrize("question", ["truth_daily", "truth_coin"])
def test_nobodys_truth_is_an_error(wire: Wire, question: str) -> None:
    with pytest.raises(SimulatorError, match="nope"):
        getattr(wire.admin, question)("nope", FIRST, LAST)


def test_two_years_of_fifty_stocks_take_a_few_seconds_at_most(wire: Wire) -> None:
    tickers = [row["ticker"] for row in wire.massive("/v3/reference/tickers", limit=50).json()["results"]]
    assert len(tickers) == 50
    started = time.process_time()
    rows = [row for ticker in tickers for row in wire.admin.truth_daily(ticker, date(2024, 11, 20), NOW.date())]
    assert len(rows) > 20_000
    assert time.process_time() - started < 10
