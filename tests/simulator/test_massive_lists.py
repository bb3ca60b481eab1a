"""Massive's snapshots, reference data, corporate actions and market status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.simulator.conftest import Wire

SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"


def all_pages(wire: Wire, path: str, **query: object) -> list[dict[str, Any]]:
    body = wire.massive(path, **query).json()
    rows = list(body["results"])
    while "next_url" in body:
        parts = urlsplit(body["next_url"])
        body = wire.massive(f"{parts.path}?{parts.query}").json()
        rows += body["results"]
    return rows


def test_a_snapshot_agrees_with_the_bars(wire: Wire) -> None:
    wire.admin.set_clock(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    row = wire.massive(f"{SNAPSHOT}/AAPL").json()["ticker"]
    day = wire.massive("/v2/aggs/ticker/AAPL/range/1/day/2026-11-19/2026-11-20").json()["results"]
    minute = wire.massive("/v2/aggs/ticker/AAPL/range/1/minute/2026-11-20/2026-11-20", limit=50000).json()["results"][
        -1
    ]
    assert [row["prevDay"][name] for name in "ohlcv"] == [day[0][name] for name in "ohlcv"]
    assert [row["day"][name] for name in "ohlcv"] == [day[1][name] for name in "ohlcv"]
    assert [row["min"][name] for name in "ohlcvt"] == [minute[name] for name in "ohlcvt"]
    assert row["lastTrade"]["p"] == minute["c"]
    assert row["todaysChange"] == pytest.approx(minute["c"] - day[0]["c"], abs=1e-4)
    assert row["updated"] == row["lastTrade"]["t"]
    assert row["updated"] // 1_000_000 // 60_000 == minute["t"] // 60_000


def test_listed_snapshots_leave_unknown_tickers_out_and_all_means_all(wire: Wire) -> None:
    body = wire.massive(SNAPSHOT, tickers="AAPL,BRK.B,NOPE,aapl").json()
    assert [row["ticker"] for row in body["tickers"]] == ["AAPL", "BRK.B"]
    assert body["count"] == 2
    everyone = {row["ticker"] for row in wire.massive(SNAPSHOT).json()["tickers"]}
    assert {"AAPL", "Z00001"} <= everyone
    assert "TWTR" not in everyone
    assert wire.massive(f"{SNAPSHOT}/NOPE").status_code == 404


def test_before_trading_a_snapshot_is_zero_and_not_a_price(wire: Wire) -> None:
    wire.admin.set_clock(datetime(2026, 11, 20, 8, 45, tzinfo=UTC))  # 03:45 in New York
    row = wire.massive(f"{SNAPSHOT}/AAPL").json()["ticker"]
    assert {row["day"]["c"], row["min"]["c"], row["min"]["t"], row["updated"], row["todaysChange"]} == {0}
    assert row["prevDay"]["c"] > 0
    assert "lastTrade" not in row
    wire.admin.set_clock(datetime(2026, 11, 20, 8, 15, tzinfo=UTC))  # 03:15: not yet cleared
    assert wire.massive(f"{SNAPSHOT}/AAPL").json()["ticker"]["day"]["c"] > 0


def test_the_pre_market_fills_the_minute_first(wire: Wire) -> None:
    wire.admin.set_clock(datetime(2026, 11, 20, 13, 0, tzinfo=UTC))  # 08:00 in New York
    row = wire.massive(f"{SNAPSHOT}/AAPL").json()["ticker"]
    assert row["day"]["c"] == 0
    assert row["min"]["c"] > 0
    assert 12 in row["lastTrade"]["c"]


def test_the_universal_snapshot_pages_by_ten_and_reports_unknown_tickers_one_by_one(wire: Wire) -> None:
    assert len(wire.massive("/v3/snapshot").json()["results"]) == 10
    rows = all_pages(wire, "/v3/snapshot", limit=25)
    assert len(rows) > 90
    assert len({row["ticker"] for row in rows}) == len(rows)
    answer = wire.massive("/v3/snapshot", ticker__any_of="AAPL,NOPE", limit=250)
    assert answer.json()["results"][1] == {"ticker": "NOPE", "error": "NOT_FOUND", "message": "Ticker not found."}
    too_many = ",".join(f"T{number}" for number in range(251))
    assert wire.massive("/v3/snapshot", ticker__any_of=too_many).status_code == 400


def test_last_trade_times_are_nanoseconds_beyond_float_precision(wire: Wire) -> None:
    results = wire.massive("/v2/last/trade/AAPL").json()["results"]
    assert results["t"] > 2**53
    assert results["y"] < results["t"]
    assert wire.massive("/v2/last/trade/NOPE").status_code == 404


def test_tickers_page_filter_and_know_who_was_listed_when(wire: Wire) -> None:
    rows = all_pages(wire, "/v3/reference/tickers", limit=30)
    names = [row["ticker"] for row in rows]
    assert names == sorted(names)
    assert len(set(names)) == len(names) > 90
    etfs = all_pages(wire, "/v3/reference/tickers", type="ETF", limit=1000)
    assert {"SPY"} <= {row["ticker"] for row in etfs}
    assert {row["type"] for row in etfs} == {"ETF"}
    (gone,) = all_pages(wire, "/v3/reference/tickers", active="false", ticker="TWTR")
    assert (gone["active"], gone["delisted_utc"]) == (False, "2022-10-28T00:00:00Z")
    (then,) = all_pages(wire, "/v3/reference/tickers", ticker="META", date="2021-12-01")
    assert then["name"] == "Roundhill Ball Metaverse ETF"
    assert wire.massive("/v3/reference/tickers", limit=1001).status_code == 400


def test_details_and_events_follow_the_company_behind_a_ticker(wire: Wire) -> None:
    now = wire.massive("/v3/reference/tickers/META").json()["results"]
    then = wire.massive("/v3/reference/tickers/META", date="2021-12-01").json()["results"]
    former = wire.massive("/v3/reference/tickers/FB", date="2021-12-01").json()["results"]
    assert now["composite_figi"] == former["composite_figi"] != then["composite_figi"]
    events = wire.massive("/vX/reference/tickers/META/events").json()["results"]
    assert [(event["date"], event["ticker_change"]["ticker"]) for event in events["events"]] == [
        ("2022-06-09", "META"),
        ("2012-05-18", "FB"),
    ]
    assert wire.massive("/v3/reference/tickers/NOPE").status_code == 404
    assert wire.massive("/vX/reference/tickers/NOPE/events").status_code == 404


def test_split_factors_are_cumulative_and_lead_from_raw_to_adjusted_prices(wire: Wire) -> None:
    splits = wire.massive("/stocks/v1/splits", ticker="AAPL").json()["results"]
    assert [(row["execution_date"], row["historical_adjustment_factor"]) for row in splits] == [
        ("2020-08-31", 0.25),
        ("2014-06-09", 0.035714),
        ("2005-02-28", 0.017857),
    ]
    path = "/v2/aggs/ticker/AAPL/range/1/day/2010-03-01/2010-03-01"
    raw, even = (wire.massive(path, adjusted=word).json()["results"][0]["c"] for word in ("false", "true"))
    assert even == pytest.approx(raw * 0.035714, rel=1e-3)


def test_the_old_split_path_has_fewer_fields_and_pages_of_ten(wire: Wire) -> None:
    first = wire.massive("/v3/reference/splits").json()
    assert len(first["results"]) == 10
    assert first["results"][0].keys() == {"id", "execution_date", "split_from", "split_to", "ticker"}
    old = all_pages(wire, "/v3/reference/splits", limit=7)
    new = all_pages(wire, "/stocks/v1/splits", limit=1000)
    assert [row["id"] for row in old] == [row["id"] for row in new]
    since = all_pages(wire, "/stocks/v1/splits", execution_date__gte="2024-01-01", limit=1000)
    assert {row["ticker"] for row in since} >= {"WMT", "AVGO", "NVDA"}
    assert min(row["execution_date"] for row in since) >= "2024-01-01"
    reverse = all_pages(wire, "/stocks/v1/splits", ticker="GE")
    assert reverse[0]["adjustment_type"] == "reverse_split"


def test_a_new_split_rescales_old_adjusted_bars_and_no_raw_one(wire: Wire) -> None:
    path = "/v2/aggs/ticker/KO/range/1/day/2026-11-02/2026-11-20"
    raw, even = (wire.massive(path, adjusted=word).json()["results"] for word in ("false", "true"))
    assert raw == even
    wire.admin.add_split("KO", datetime(2026, 11, 20, tzinfo=UTC).date(), 1, 2)
    new_raw, new_even = (wire.massive(path, adjusted=word).json()["results"] for word in ("false", "true"))
    assert new_raw[:-1] == raw[:-1]
    assert new_even[0]["c"] == pytest.approx(raw[0]["c"] / 2)
    assert new_even[0]["v"] == pytest.approx(raw[0]["v"] * 2)
    assert wire.massive("/stocks/v1/splits", ticker="KO").json()["results"][0]["split_to"] == 2


def test_dividends_are_quarterly_and_the_same_on_both_paths(wire: Wire) -> None:
    new = all_pages(wire, "/stocks/v1/dividends", ticker="KO", limit=30)
    old = all_pages(wire, "/v3/reference/dividends", ticker="KO", limit=1000)
    assert len(new) > 80
    assert [row["cash_amount"] for row in new] == [row["cash_amount"] for row in old]
    assert {row["dividend_type"] for row in old} == {"CD"}
    factors = [row["historical_adjustment_factor"] for row in new]
    assert factors == sorted(factors, reverse=True)
    year = [row["ex_dividend_date"] for row in new if row["ex_dividend_date"].startswith("2025")]
    assert len(year) == 4
    before_split = next(
        row
        for row in all_pages(wire, "/stocks/v1/dividends", ticker="AAPL", limit=5000)
        if row["ex_dividend_date"].startswith("2013")
    )
    assert before_split["cash_amount"] == pytest.approx(before_split["split_adjusted_cash_amount"] * 28, rel=1e-3)


@pytest.mark.parametrize(
    ("instant", "market", "early", "after", "fx"),
    [
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), "open", False, False, "open"),
        (datetime(2026, 11, 20, 12, 0, tzinfo=UTC), "extended-hours", True, False, "open"),
        (datetime(2026, 11, 20, 21, 30, tzinfo=UTC), "extended-hours", False, True, "open"),
        (datetime(2026, 11, 21, 15, 0, tzinfo=UTC), "closed", False, False, "closed"),
        (datetime(2026, 11, 26, 15, 0, tzinfo=UTC), "closed", False, False, "open"),
        (datetime(2026, 11, 27, 19, 0, tzinfo=UTC), "extended-hours", False, True, "open"),
        (datetime(2026, 11, 27, 22, 30, tzinfo=UTC), "closed", False, False, "closed"),
    ],
)
def test_market_status_follows_the_calendar(
    wire: Wire, instant: datetime, market: str, early: bool, after: bool, fx: str
) -> None:
    wire.admin.set_clock(instant)
    body = wire.massive("/v1/marketstatus/now").json()
    assert (body["market"], body["earlyHours"], body["afterHours"]) == (market, early, after)
    assert body["currencies"] == {"fx": fx, "crypto": "open"}
    assert datetime.fromisoformat(body["serverTime"]) == instant


def test_upcoming_holidays_have_one_row_an_exchange(wire: Wire) -> None:
    rows = wire.massive("/v1/marketstatus/upcoming").json()
    assert [(row["date"], row["exchange"], row["status"]) for row in rows[:4]] == [
        ("2026-11-26", "NYSE", "closed"),
        ("2026-11-26", "NASDAQ", "closed"),
        ("2026-11-26", "OTC", "closed"),
        ("2026-11-27", "NYSE", "early-close"),
    ]
    assert rows[3]["close"] == "2026-11-27T18:00:00.000Z"
    names = {row["name"] for row in rows}
    assert {"Christmas", "Good Friday", "Juneteenth", "Martin Luther King, Jr. Day"} <= names
