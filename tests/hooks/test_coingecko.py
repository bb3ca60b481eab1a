"""CoinGeckoHook: which points are closes, candles, clipping, and what each refusal means."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from marketdata.errors import (
    ContractBroken,
    Gone,
    InvalidRequest,
    KeyRejected,
    NotEntitled,
    RateLimited,
    VendorError,
)
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


def test_candles_bear_the_time_of_their_close_and_the_unfinished_one_is_left_out() -> None:
    body = [
        [MIDNIGHT - DAY, 1, 3, 0.5, 2],
        [MIDNIGHT, 2, 4, 1.5, 3],
        [MIDNIGHT + DAY, 3, 3, 3, 3],
        [MIDNIGHT + 3_600_000, 9, 9, 9, 9],
    ]
    with Upstream([reply(body)]) as upstream:
        bars = coingecko(upstream, "pro").daily_ohlc("bitcoin", date(2026, 3, 1), date(2026, 3, 10), now=NOW).data
    assert bars.session.tolist() == [date(2026, 3, 8), date(2026, 3, 9)]
    assert (bars.open.tolist(), bars.high.tolist()) == ([1, 2], [3, 4])
    assert (bars.low.tolist(), bars.close.tolist()) == ([0.5, 1.5], [2, 3])
    assert np.isnan(bars.volume_24h).all()


def test_a_long_window_of_candles_is_asked_for_in_pieces_that_miss_no_day() -> None:
    first, last = date(2025, 1, 1), date(2026, 3, 9)
    with Upstream([reply([[MIDNIGHT, 1, 1, 1, 1]])]) as upstream:
        answer = coingecko(upstream, "pro").daily_ohlc("bitcoin", first, last, now=NOW)
    pieces = [asked_for(upstream, which) for which in range(len(upstream.asked))]
    starts = [date.fromisoformat(piece["from"][0]) for piece in pieces]
    ends = [date.fromisoformat(piece["to"][0]) for piece in pieces]
    assert (starts[0], ends[-1]) == (first, last + timedelta(days=1))
    assert starts[1:] == ends[:-1]
    assert max(end - start for start, end in zip(starts, ends, strict=True)) <= timedelta(days=180)
    assert answer.requests == len(pieces) == 3
    assert len(answer.data) == 1


def test_candles_older_than_the_vendors_first_are_not_asked_for() -> None:
    with Upstream([reply([])]) as upstream:
        answer = coingecko(upstream, "pro").daily_ohlc("bitcoin", date(2018, 1, 1), date(2018, 3, 1), now=NOW)
    assert asked_for(upstream)["from"] == ["2018-02-09"]
    assert answer.clipped_to == date(2018, 2, 9)


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
