"""PolygonHook: decoding, sessions, emptiness, paging, and what each refusal means."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pytest

from marketdata.errors import (
    ContractBroken,
    Gone,
    InvalidRequest,
    KeyRejected,
    NotEntitled,
    NotYet,
    VendorError,
)
from marketdata.hooks.http import Patience
from marketdata.hooks.quota import Quota
from marketdata.hooks.windows import LocalWindows, Rate
from tests.hooks.accounts import polygon
from tests.hooks.upstream import Upstream, raw, reply

FIRST, LAST = date(2026, 3, 6), date(2026, 3, 9)
WINTER = {"v": 100.5, "vw": 10.5, "o": 10, "h": 12, "l": 9.5, "c": 11, "t": 1772773200000, "n": 7}
SUMMER = {"v": 1.2e8, "o": 11, "h": 11.5, "l": 10, "c": 10.25, "t": 1773028800000}
EMPTY: dict[str, Any] = {"status": "OK", "queryCount": 0, "resultsCount": 0, "adjusted": False}


def page(*bars: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"status": "OK", "resultsCount": len(bars), "results": list(bars), **more}


def test_a_daily_bar_belongs_to_the_new_york_date_of_its_start_before_and_after_the_clock_change() -> None:
    with Upstream([reply(page(WINTER, SUMMER), zipped=True)]) as upstream:
        bars = polygon(upstream).daily_bars("BRK.B", FIRST, LAST).data
    assert bars.session.tolist() == [date(2026, 3, 6), date(2026, 3, 9)]
    assert bars.symbols.tolist() == ["BRK.B", "BRK.B"]
    assert bars.close.tolist() == [11.0, 10.25]
    assert bars.volume.tolist() == [100.5, 1.2e8]
    assert bars.trades.tolist() == [7, -1]
    assert bars.vwap[0] == 10.5
    assert math.isnan(bars.vwap[1])
    assert np.isnan(bars.volume_24h).all()


def test_the_range_call_asks_for_raw_bars_on_one_page_in_ascending_order_with_the_key_in_the_header() -> None:
    with Upstream([reply(EMPTY)]) as upstream:
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    (asked,) = upstream.asked
    assert asked.target == (
        "/massive/v2/aggs/ticker/AAPL/range/1/day/2026-03-06/2026-03-09?adjusted=false&sort=asc&limit=50000"
    )
    assert asked.headers["authorization"] == "Bearer canary/KEY+4711=="


def test_adjusted_bars_come_only_when_asked_for() -> None:
    with Upstream([reply(EMPTY)]) as upstream:
        polygon(upstream).daily_bars("AAPL", FIRST, LAST, adjusted=True)
    assert "adjusted=true" in upstream.asked[0].target


def test_a_market_day_takes_the_session_asked_for_and_keeps_every_ticker_as_spelled() -> None:
    bars = [WINTER | {"T": "KIMpL", "t": 1773086400000}, SUMMER | {"T": "BRK.B", "t": 1773086400000}]
    with Upstream([reply(page(*bars))]) as upstream:
        answer = polygon(upstream).market_day(date(2026, 3, 9))
    assert answer.data.symbols.tolist() == ["KIMpL", "BRK.B"]
    assert answer.data.session.tolist() == [date(2026, 3, 9)] * 2
    assert upstream.asked[0].target == (
        "/massive/v2/aggs/grouped/locale/us/market/stocks/2026-03-09?adjusted=false&include_otc=false"
    )


def test_an_answer_says_what_it_took() -> None:
    with Upstream([reply(page(WINTER), 503), reply(page(WINTER, status="DELAYED"), zipped=True)]) as upstream:
        answer = polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert (answer.status, answer.requests, answer.rate_limited, answer.delayed) == (200, 2, 0, True)
    assert answer.vendor == "polygon"
    assert answer.endpoint == "/v2/aggs/ticker/{ticker}/range/1/day/{from}/{to}"
    assert answer.received_bytes > 0
    assert answer.elapsed_ms > 0
    assert len(answer.digest) == 64


@pytest.mark.fault("U11")
@pytest.mark.parametrize("body", [EMPTY, EMPTY | {"results": None}, EMPTY | {"results": []}])
def test_a_count_of_zero_proves_that_there_is_nothing(body: dict[str, Any]) -> None:
    with Upstream([reply(body)]) as upstream:
        assert len(polygon(upstream).daily_bars("AAPL", FIRST, LAST).data) == 0
        assert len(polygon(upstream).market_day(LAST).data) == 0


@pytest.mark.parametrize(
    "body",
    [
        {"status": "OK"},
        {"status": "OK", "results": None},
        {"status": "OK", "results": []},
        page(WINTER) | {"resultsCount": 2},
        page(WINTER | {"c": "11"}),
        page({key: value for key, value in WINTER.items() if key != "c"}),
        page(WINTER | {"t": 1.5}),
        page(WINTER | {"t": 2**70}),
        {"results": [], "resultsCount": 0},
        [page(WINTER)],
        page(WINTER, status="PENDING"),
    ],
)
def test_an_answer_that_proves_nothing_breaks_the_contract(body: object) -> None:
    with Upstream([reply(body)]) as upstream, pytest.raises(ContractBroken):
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert len(upstream.asked) == 1


@pytest.mark.fault("U11")
def test_a_price_of_null_becomes_nan_for_the_quality_check_to_refuse() -> None:
    nulls = [WINTER | {"c": None}, WINTER | {"o": None, "h": None, "l": None}, WINTER | {"v": None, "n": None}]
    with Upstream([reply(page(*nulls))]) as upstream:
        bars = polygon(upstream).daily_bars("AAPL", FIRST, LAST).data
    assert np.isnan(bars.close).tolist() == [True, True, False]
    assert math.isnan(bars.volume[2])
    assert bars.trades[2] == -1


def test_prices_keep_every_digit() -> None:
    body = (
        b'{"status":"OK","resultsCount":1,"results":'
        b'[{"o":700000.01,"h":0.1,"l":8.12e-6,"c":0.00000812,"v":1e20,"t":1772773200000}]}'
    )
    with Upstream([reply(body)]) as upstream:
        bars = polygon(upstream).daily_bars("BRK.A", FIRST, LAST).data
    assert (repr(bars.open[0].item()), repr(bars.close[0].item())) == ("700000.01", "8.12e-06")
    assert bars.volume[0] == 1e20


@pytest.mark.parametrize(
    ("status", "words", "kind", "scope"),
    [
        (401, {"error": "Unknown API Key"}, KeyRejected, None),
        (403, {"message": "Attempted to request today's data before end of day. Please upgrade"}, NotYet, None),
        (403, {"message": "Your plan doesn't include this data timeframe."}, NotEntitled, "history"),
        (403, {"message": "You are NOT ENTITLED to this data."}, NotEntitled, "symbol"),
        (404, {"message": "Data not found."}, Gone, None),
        (400, {"error": "Ticker was incorrectly formatted"}, ContractBroken, None),
        (418, {}, ContractBroken, None),
    ],
)
def test_a_refusal_is_told_apart_by_its_words_and_never_tried_again(
    status: int, words: dict[str, str], kind: type[VendorError], scope: str | None
) -> None:
    with Upstream([reply({"status": "NOT_AUTHORIZED", **words}, status)]) as upstream, pytest.raises(kind) as caught:
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert len(upstream.asked) == 1
    assert caught.value.status == status
    assert caught.value.requests == 1
    assert "AAPL" in caught.value.what
    assert all(text in str(caught.value) for text in words.values())
    assert getattr(caught.value, "scope", None) == scope


def test_a_market_day_that_the_plan_lacks_is_an_endpoint_that_it_lacks() -> None:
    body = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
    with Upstream([reply(body, 403)]) as upstream, pytest.raises(NotEntitled) as caught:
        polygon(upstream).market_day(LAST)
    assert caught.value.scope == "endpoint"


def test_a_market_day_with_a_nameless_bar_breaks_the_contract() -> None:
    with Upstream([reply(page(WINTER))]) as upstream, pytest.raises(ContractBroken, match="names no ticker"):
        polygon(upstream).market_day(LAST)


@pytest.mark.parametrize("ticker", ["", "..", "AAPL/../x", "AAPL\n", "A\x00", "Ä", "A" * 101])
def test_what_cannot_be_a_ticker_is_refused_before_anything_is_sent(ticker: str) -> None:
    with Upstream([raw(b"")]) as upstream:
        with pytest.raises(InvalidRequest):
            polygon(upstream).daily_bars(ticker, FIRST, LAST)
        assert not upstream.asked


def test_the_connection_test_tells_plan_and_entitlement() -> None:
    denied = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
    scripts = [reply(page(WINTER)), reply(page(WINTER)), reply(denied, 403), reply(page(WINTER))]
    with Upstream(scripts) as upstream:
        ok, text = polygon(upstream).test_connection()
    assert ok
    assert "plan starter" in text
    assert "market day: yes; intraday prices: not in the plan; history: from 2026-03-06" in text


def test_the_connection_test_with_little_quota_says_what_it_did_not_ask() -> None:
    with Upstream([reply(page(WINTER))]) as upstream:
        local = LocalWindows("test", [Rate(1, 61)])
        ok, text = polygon(upstream, Patience(quota_wait=1), Quota("polygon", None, local)).test_connection()
        assert len(upstream.asked) == 1
    assert ok
    assert text.count("not asked, the quota is used up") == 3


def test_the_connection_test_says_that_a_key_is_rejected() -> None:
    with Upstream([reply({"status": "ERROR", "error": "Unknown API Key"}, 401)]) as upstream:
        ok, text = polygon(upstream).test_connection()
    assert not ok
    assert "Unknown API Key" in text
