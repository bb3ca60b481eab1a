"""CoinGeckoHook: which points are closes, candles, clipping, and what each refusal means."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from marketdata.domain.candles import candle_requests
from marketdata.errors import (
    ContractBroken,
    Gone,
    InvalidRequest,
    KeyRejected,
    NotEntitled,
    RateLimited,
    VendorError,
)
from marketdata.hooks.coingecko import Coin
from tests.hooks.accounts import coingecko, pushed_back
from tests.hooks.upstream import Upstream, reply

NOW = datetime(2026, 3, 10, 14, 39, 54, tzinfo=UTC)
MIDNIGHT = 1773100800000  # 2026-03-10T00:00Z
DAY = 86_400_000


def chart(*stamps: int, volume: float | None = 5e9) -> dict[str, Any]:
    prices = [[stamp, 100 + index] for index, stamp in enumerate(stamps)]
    volumes = [[stamp, volume] for stamp in reversed(stamps)]
    return {"prices": prices, "market_caps": [[stamp, None] for stamp in stamps], "total_volumes": volumes}


def asked_for(upstream: Upstream, which: int = 0) -> dict[str, list[str]]:
    return parse_qs(urlsplit(upstream.asked[which].target).query)


def test_the_price_at_midnight_is_the_close_of_the_day_before_and_the_last_point_is_none() -> None:
    body = chart(MIDNIGHT - 2 * DAY, MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + 52_794_000)
    with Upstream([reply(body)]) as upstream:
        bars = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 1), date(2026, 3, 10), now=NOW).data
    assert bars.session.tolist() == [date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)]
    assert bars.close.tolist() == [100.0, 101.0, 102.0]
    assert bars.volume_24h.tolist() == [5e9] * 3
    assert np.isnan([bars.open, bars.high, bars.low, bars.volume, bars.vwap]).all()
    assert bars.trades.tolist() == [-1] * 3
    assert set(bars.symbols) == {"bitcoin"}


def test_points_off_the_grid_by_a_millisecond_are_no_closes() -> None:
    with Upstream([reply(chart(MIDNIGHT - DAY + 1, MIDNIGHT - 1, MIDNIGHT))]) as upstream:
        bars = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 1), date(2026, 3, 9), now=NOW).data
    assert bars.session.tolist() == [date(2026, 3, 9)]


def test_volumes_are_joined_by_time_and_a_missing_one_is_nan() -> None:
    body = chart(MIDNIGHT - DAY, MIDNIGHT)
    body["total_volumes"] = [[MIDNIGHT, None], [MIDNIGHT + 1, 7.0]]
    with Upstream([reply(body)]) as upstream:
        bars = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 8), date(2026, 3, 9), now=NOW).data
    assert len(bars) == 2
    assert np.isnan(bars.volume_24h).all()


def test_closes_outside_the_window_are_left_out() -> None:
    body = chart(*(MIDNIGHT - back * DAY for back in range(5, -1, -1)))
    with Upstream([reply(body)]) as upstream:
        bars = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 6), date(2026, 3, 7), now=NOW).data
    assert bars.session.tolist() == [date(2026, 3, 6), date(2026, 3, 7)]


def test_one_call_counts_its_days_back_from_now() -> None:
    with Upstream([reply(chart())]) as upstream:
        answer = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 4), date(2026, 3, 5), now=NOW)
    assert upstream.asked[0].path == "/gecko/api/v3/coins/bitcoin/market_chart"
    assert asked_for(upstream) == {"vs_currency": ["usd"], "days": ["7"], "interval": ["daily"], "precision": ["full"]}
    assert len(answer.data) == 0
    assert answer.clipped_to is None


@pytest.mark.parametrize(
    ("plan", "first", "days", "clipped_to"),
    [
        ("demo", date(2025, 3, 10), "365", None),
        ("demo", date(2025, 3, 9), "365", date(2025, 3, 10)),
        ("keyless", date(2013, 4, 28), "365", date(2025, 3, 10)),
        ("analyst", date(2013, 4, 28), "4700", None),
    ],
)
def test_a_window_older_than_the_plan_is_clipped_and_says_so(
    plan: str, first: date, days: str, clipped_to: date | None
) -> None:
    with Upstream([reply(chart(MIDNIGHT))]) as upstream:
        answer = coingecko(upstream, plan).daily_closes("bitcoin", first, date(2026, 3, 9), now=NOW)
    assert asked_for(upstream)["days"] == [days]
    assert answer.clipped_to == clipped_to


@pytest.mark.parametrize(
    ("plan", "header"), [("demo", "x-cg-demo-api-key"), ("lite", "x-cg-pro-api-key"), ("keyless", None)]
)
def test_each_plan_has_its_header(plan: str, header: str | None) -> None:
    with Upstream([reply(chart())]) as upstream:
        coingecko(upstream, plan).daily_closes("bitcoin", date(2026, 3, 4), date(2026, 3, 5), now=NOW)
    headers = upstream.asked[0].headers
    assert [name for name in headers if name.startswith("x-cg")] == ([header] if header else [])
    assert "authorization" not in headers


def ohlc(*stamps: int, low: float = 1.0) -> list[list[float]]:
    """Candles that end at these instants, with four prices that differ."""
    return [[stamp, low + 1, low + 3, low, low + 2] for stamp in stamps]


def test_a_candle_bears_the_time_of_its_end_takes_its_volume_from_the_chart_and_leaves_out_the_unfinished_one() -> None:
    candles = [*ohlc(MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + DAY), [MIDNIGHT + 3_600_000, 9, 9, 9, 9]]
    body = chart(MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + 52_000_000)
    with Upstream([reply(candles), reply(body)]) as upstream:
        bars = coingecko(upstream, "pro").daily_bars("bitcoin", date(2026, 3, 8), date(2026, 3, 10), now=NOW).data
    assert bars.session.tolist() == [date(2026, 3, 8), date(2026, 3, 9)]
    assert (bars.open.tolist(), bars.high.tolist()) == ([2.0, 2.0], [4.0, 4.0])
    assert (bars.low.tolist(), bars.close.tolist()) == ([1.0, 1.0], [3.0, 3.0])
    assert bars.volume_24h.tolist() == [5e9, 5e9]
    assert np.isnan(bars.volume).all()


def test_a_long_window_takes_its_candles_newest_first_in_pieces_that_miss_no_day_and_all_volumes_at_once() -> None:
    first, last = date(2025, 1, 1), date(2026, 3, 9)
    with Upstream([reply(ohlc(MIDNIGHT))] * 3 + [reply(chart(MIDNIGHT))]) as upstream:
        answer = coingecko(upstream, "pro").daily_bars("bitcoin", first, last, now=NOW)
    pieces = [asked_for(upstream, which) for which in range(3)]
    starts = [date.fromisoformat(piece["from"][0]) for piece in pieces]
    ends = [date.fromisoformat(piece["to"][0]) for piece in pieces]
    assert (starts[-1], ends[0]) == (first, last + timedelta(days=1))
    assert starts[:-1] == ends[1:]
    assert max(end - start for start, end in zip(starts, ends, strict=True)) <= timedelta(days=180)
    assert upstream.asked[3].path.endswith("/market_chart")
    assert asked_for(upstream, 3)["days"] == [str((date(2026, 3, 10) - first).days + 1)]
    assert answer.requests == candle_requests(first, last) == 4
    assert len(answer.data) == 1
    assert answer.clipped_to is None


def test_days_before_the_first_candle_have_closes_and_no_candle_is_asked_for_there() -> None:
    stamp = 1483228800000  # 2017-01-01T00:00Z
    with Upstream([reply(chart(stamp))]) as upstream:
        answer = coingecko(upstream, "pro").daily_bars("bitcoin", date(2016, 12, 1), date(2017, 1, 5), now=NOW)
    assert [asked.path for asked in upstream.asked] == ["/gecko/api/v3/coins/bitcoin/market_chart"]
    assert answer.data.session.tolist() == [date(2016, 12, 31)]
    assert np.isnan(answer.data.open).all()
    assert answer.clipped_to is None


@pytest.mark.promise("P10")
def test_candles_that_the_plan_refuses_for_their_age_end_the_answer_where_the_plan_ends() -> None:
    refused = reply({"error": {"status": {"error_code": 10012, "error_message": "allowed time range"}}}, 401)
    with Upstream([reply(ohlc(MIDNIGHT)), refused, reply(chart(MIDNIGHT))]) as upstream:
        answer = coingecko(upstream, "basic").daily_bars("bitcoin", date(2025, 1, 1), date(2026, 3, 9), now=NOW)
    reached = date.fromisoformat(asked_for(upstream, 0)["from"][0])
    assert answer.clipped_to == reached > date(2025, 1, 1)
    assert asked_for(upstream, 2)["days"] == [str((date(2026, 3, 10) - reached).days + 1)]
    assert answer.requests == 3


@pytest.mark.parametrize("code", [10005, 10012])
def test_a_plan_without_any_of_the_candles_costs_one_request(code: int) -> None:
    body = {"status": {"error_code": code, "error_message": "limited"}}
    with Upstream([reply(body, 401)]) as upstream, pytest.raises(NotEntitled):
        coingecko(upstream, "basic").daily_bars("bitcoin", date(2025, 1, 1), date(2026, 3, 9), now=NOW)
    assert len(upstream.asked) == 1


def test_history_that_the_connection_limits_is_not_asked_for() -> None:
    with Upstream([reply(ohlc(MIDNIGHT)), reply(chart(MIDNIGHT))]) as upstream:
        hook = coingecko(upstream, "basic", history_days=100)
        answer = hook.daily_bars("bitcoin", date(2025, 1, 1), date(2026, 3, 9), now=NOW)
    assert asked_for(upstream)["from"] == ["2025-11-30"]
    assert asked_for(upstream, 1)["days"] == ["100"]
    assert answer.clipped_to == date(2025, 11, 30)


def test_the_list_of_coins_comes_whole_with_symbols_in_small_letters() -> None:
    body = [{"id": "bitcoin", "symbol": "BTC", "name": "Bitcoin"}, {"id": "1move token", "symbol": "", "name": "1Move"}]
    with Upstream([reply(body)]) as upstream:
        coins = coingecko(upstream).coins().data
    assert upstream.asked[0].path == "/gecko/api/v3/coins/list"
    assert coins == (Coin("bitcoin", "btc", "Bitcoin"), Coin("1move token", "", "1Move"))


@pytest.mark.parametrize("body", [{"coins": []}, [{"id": "bitcoin"}], [["bitcoin", "btc", "Bitcoin"]]])
def test_a_list_of_coins_of_another_shape_breaks_the_contract(body: object) -> None:
    with Upstream([reply(body)]) as upstream, pytest.raises(ContractBroken):
        coingecko(upstream).coins()


@pytest.mark.parametrize(
    ("status", "body", "kind", "scope"),
    [
        (404, {"error": "coin not found"}, Gone, None),
        (401, {"status": {"error_code": 10002, "error_message": "API Key Missing"}}, KeyRejected, None),
        (401, {"status": {"error_code": 10005, "error_message": "limited to PRO"}}, NotEntitled, "endpoint"),
        (
            401,
            {"error": {"status": {"error_code": 10012, "error_message": "allowed time range"}}},
            NotEntitled,
            "history",
        ),
        (400, {"error_code": 10010, "status": {"error_message": "change your root URL"}}, KeyRejected, None),
        (400, {"error_code": 10011, "status": {"error_message": "change your root URL"}}, KeyRejected, None),
        (429, {"status": {"error_code": 10006, "error_message": "credits used up"}}, RateLimited, None),
        (401, {"error": "who are you"}, KeyRejected, None),
        (400, {"error": "invalid vs_currency"}, ContractBroken, None),
        (422, {"error": "Missing parameter"}, ContractBroken, None),
        (200, {"status": {"error_code": 10012, "error_message": "time range"}}, NotEntitled, "history"),
        (200, {"error": "surprise"}, ContractBroken, None),
    ],
)
def test_an_error_in_any_of_the_four_shapes_is_told_apart_and_not_tried_again(
    status: int, body: object, kind: type[VendorError], scope: str | None
) -> None:
    with Upstream([reply(body, status)]) as upstream, pytest.raises(kind) as caught:
        coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 4), date(2026, 3, 5), now=NOW)
    assert len(upstream.asked) == 1
    assert getattr(caught.value, "scope", None) == scope
    assert caught.value.status == status


def test_used_up_credits_and_a_blocking_firewall_push_everybody_back_for_an_hour() -> None:
    html = reply(b"<html>Error 1020</html>", 403, Content_Type="text/html")
    credits_gone = reply({"status": {"error_code": 10006, "error_message": "x"}}, 429)
    for script in (html, credits_gone):
        with Upstream([script]) as upstream:
            hook = coingecko(upstream)
            with pytest.raises(RateLimited):
                hook.daily_closes("bitcoin", date(2026, 3, 4), date(2026, 3, 5), now=NOW)
        assert pushed_back(hook) == [3600.0]
        assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"prices": [[MIDNIGHT, 1.0]]},
        {"total_volumes": []},
        {"prices": [[MIDNIGHT, "1"]], "total_volumes": []},
        {"prices": [[MIDNIGHT]], "total_volumes": []},
        {"prices": None, "total_volumes": []},
        [],
    ],
)
def test_a_chart_without_its_parts_breaks_the_contract(body: object) -> None:
    with Upstream([reply(body)]) as upstream, pytest.raises(ContractBroken):
        coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 4), date(2026, 3, 5), now=NOW)


def test_a_close_of_null_becomes_nan_for_the_quality_check_to_refuse() -> None:
    body = {"prices": [[MIDNIGHT, None]], "total_volumes": []}
    with Upstream([reply(body)]) as upstream:
        bars = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 9), date(2026, 3, 9), now=NOW).data
    assert math.isnan(bars.close[0])


def test_a_coin_id_with_a_blank_is_one_segment_and_one_that_climbs_is_refused() -> None:
    with Upstream([reply(chart())]) as upstream:
        hook = coingecko(upstream)
        hook.daily_closes("1move token", date(2026, 3, 4), date(2026, 3, 5), now=NOW)
        assert upstream.asked[0].path == "/gecko/api/v3/coins/1move%20token/market_chart"
        with pytest.raises(InvalidRequest):
            hook.daily_closes("../../key", date(2026, 3, 4), date(2026, 3, 5), now=NOW)
        assert len(upstream.asked) == 1


def test_the_connection_test_tells_plan_credits_and_candles() -> None:
    key = {
        "plan": "Analyst",
        "rate_limit_request_per_minute": 500,
        "monthly_call_credit": 500000,
        "current_remaining_monthly_calls": 499000,
    }
    with Upstream([reply({"gecko_says": "(V3) To the Moon!"}), reply(key), reply([])]) as upstream:
        ok, text = coingecko(upstream, "analyst").test_connection()
    assert ok
    assert "plan Analyst, 500 calls a minute allowed, 499,000 of 500,000 credits left this month" in text
    assert text.endswith("history: all; daily candles: yes")


def test_the_connection_test_of_a_free_plan_says_what_it_lacks() -> None:
    pro_only = {"status": {"error_code": 10005, "error_message": "limited to PRO"}}
    with Upstream([reply({"gecko_says": "(V3) To the Moon!"}), reply(pro_only, 401)]) as upstream:
        ok, text = coingecko(upstream).test_connection()
    assert ok
    assert text == "plan demo; 25 calls a minute are used at most; history: 365 days; daily candles: not in the plan"
