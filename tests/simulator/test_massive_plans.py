"""What a Massive key may do, and how the vendor says no."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from local.simulator.trading_days import new_york_ms
from tests.simulator.conftest import Wire

BASIC, STARTER, DEVELOPER, ADVANCED = (f"demo-polygon-{plan}" for plan in ("basic", "starter", "developer", "advanced"))
DAY = "/v2/aggs/ticker/AAPL/range/1/day"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"


def test_a_missing_and_an_unknown_key_are_401_with_different_texts(wire: Wire) -> None:
    missing, unknown = wire.massive(f"{DAY}/2026-11-02/2026-11-19", key=None), wire.massive(DAY, key="nobody")
    assert (missing.status_code, missing.json()["error"]) == (401, "API Key was not provided")
    assert (unknown.status_code, unknown.json()["error"]) == (401, "Unknown API Key")
    assert missing.json()["status"] == "ERROR"


def test_a_coingecko_key_is_unknown_to_massive(wire: Wire) -> None:
    assert wire.massive(f"{DAY}/2026-11-02/2026-11-19", key="demo-coingecko-demo").status_code == 401


def test_the_key_is_taken_from_the_query_too_and_the_log_says_so_without_it(wire: Wire) -> None:
    assert wire.massive(f"{DAY}/2026-11-02/2026-11-19", key=None, apiKey=ADVANCED).status_code == 200
    (logged,) = wire.admin.requests()
    assert logged.key_in == "query"
    assert ADVANCED not in logged.query


def test_the_sixth_call_within_a_minute_is_429_without_retry_after(wire: Wire) -> None:
    answers = [wire.massive("/v1/marketstatus/now", key=BASIC) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json()["error"].startswith("You've exceeded the maximum requests per minute")
    assert "Retry-After" not in answers[-1].headers
    assert not [name for name in answers[-1].headers if name.lower().startswith("x-ratelimit")]
    assert "Content-Encoding" not in answers[-1].headers


def test_history_beyond_the_plan_is_clipped_in_silence_and_refused_only_when_wholly_outside(wire: Wire) -> None:
    clipped = wire.massive(f"{DAY}/2022-07-01/2026-11-19", key=BASIC)
    assert clipped.status_code == 200
    assert clipped.json()["results"][0]["t"] == new_york_ms(date(2024, 11, 20), time(0))
    outside = wire.massive(f"{DAY}/2022-07-01/2022-08-01", key=BASIC)
    assert outside.status_code == 403
    assert outside.json()["status"] == "NOT_AUTHORIZED"
    assert outside.json()["message"].startswith("Your plan doesn't include this data timeframe.")
    assert wire.massive(f"{GROUPED}/2022-07-01", key=BASIC).status_code == 403
    assert wire.massive(f"{DAY}/2004-07-01/2004-08-01", key=ADVANCED).json()["resultsCount"] > 0


def test_today_is_403_on_an_end_of_day_plan_until_it_is_published(wire: Wire) -> None:
    for path in (f"{GROUPED}/2026-11-20", f"{DAY}/2026-11-20/2026-11-20"):
        early = wire.massive(path, key=BASIC)
        assert early.status_code == 403
        assert early.json()["message"].startswith("Attempted to request today's data before end of day.")
    newest = wire.massive(f"{DAY}/2026-11-18/2026-11-20", key=BASIC).json()["results"][-1]
    assert newest["t"] == new_york_ms(date(2026, 11, 19), time(0))
    wire.admin.set_clock(datetime(2026, 11, 21, 1, 30, tzinfo=UTC))  # 20:30 in New York
    assert wire.massive(f"{GROUPED}/2026-11-20", key=BASIC).json()["resultsCount"] > 50


def test_the_publishing_time_is_the_keys(wire: Wire) -> None:
    wire.admin.put_key("late", like=BASIC, published_at="23:00")
    wire.admin.set_clock(datetime(2026, 11, 21, 1, 30, tzinfo=UTC))
    assert wire.massive(f"{GROUPED}/2026-11-20", key="late").status_code == 403


def test_a_delayed_plan_sees_fifteen_minutes_less(wire: Wire) -> None:
    wire.admin.set_clock(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    path = "/v2/aggs/ticker/AAPL/range/1/minute/2026-11-20/2026-11-20"
    newest = {key: wire.massive(path, key=key, limit=50000).json()["results"][-1]["t"] for key in (STARTER, ADVANCED)}
    assert newest[ADVANCED] - newest[STARTER] == 15 * 60_000


def test_delayed_is_said_only_of_ranges_that_reach_the_newest_session(wire: Wire) -> None:
    assert wire.massive(f"{DAY}/2026-11-02/2026-11-20", key=STARTER).json()["status"] == "DELAYED"
    assert wire.massive(f"{DAY}/2026-11-02/2026-11-19", key=STARTER).json()["status"] == "OK"
    assert wire.massive(f"{DAY}/2026-11-02/2026-11-20", key=ADVANCED).json()["status"] == "OK"


@pytest.mark.parametrize(
    ("key", "snapshot", "last_trade", "fields"),
    [
        (BASIC, 403, 403, set()),
        (STARTER, 200, 403, set()),
        (DEVELOPER, 200, 200, {"lastTrade"}),
        (ADVANCED, 200, 200, {"lastTrade", "lastQuote"}),
    ],
)
def test_entitlements_by_plan(wire: Wire, key: str, snapshot: int, last_trade: int, fields: set[str]) -> None:
    wire.admin.put_key(key, requests_per_minute=None)
    one = wire.massive(f"{SNAPSHOT}/AAPL", key=key)
    assert one.status_code == wire.massive("/v3/snapshot", key=key).status_code == snapshot
    assert wire.massive("/v2/last/trade/AAPL", key=key).status_code == last_trade
    for path in (f"{GROUPED}/2026-11-19", "/stocks/v1/splits", "/v3/reference/tickers", "/v1/marketstatus/now"):
        assert wire.massive(path, key=key).status_code == 200
    if snapshot == 200:
        assert {"lastTrade", "lastQuote"} & one.json()["ticker"].keys() == fields
    else:
        assert one.json()["message"].startswith("You are not entitled to this data.")


def test_one_symbol_can_be_outside_the_plan(wire: Wire) -> None:
    wire.admin.put_key(ADVANCED, denied_symbols=["MSFT"])
    span = "range/1/day/2026-11-02/2026-11-19"
    assert wire.massive(f"/v2/aggs/ticker/MSFT/{span}").status_code == 403
    assert wire.massive(f"/v2/aggs/ticker/AAPL/{span}").status_code == 200


def test_a_removed_key_is_unknown(wire: Wire) -> None:
    wire.admin.remove_key(ADVANCED)
    assert wire.massive("/v1/marketstatus/now").status_code == 401
    wire.admin.reset()
    assert wire.massive("/v1/marketstatus/now").status_code == 200


def test_an_unknown_path_is_404_in_the_vendors_shape(wire: Wire) -> None:
    answer = wire.massive("/v9/nothing")
    assert (answer.status_code, answer.json()["status"]) == (404, "NOT_FOUND")
