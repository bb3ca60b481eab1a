"""Massive's aggregates on the wire."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.simulator.trading_days import new_york_ms
from tests.simulator.conftest import Wire

DAY = "/v2/aggs/ticker/AAPL/range/1/day"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
MIDNIGHT = time(0)


def follow(wire: Wire, url: str) -> dict[str, Any]:
    """The page behind a ``next_url``, asked as the vendors' client does: path and query on the configured base."""
    parts = urlsplit(url)
    body: dict[str, Any] = wire.massive(f"{parts.path}?{parts.query}").json()
    return body


def test_a_daily_bar_is_stamped_with_new_york_midnight_on_both_sides_of_a_clock_change(wire: Wire) -> None:
    rows = wire.massive(f"{DAY}/2026-03-06/2026-03-09").json()["results"]
    assert [row["t"] for row in rows] == [1772773200000, 1773028800000]
    rows = wire.massive(f"{DAY}/2026-10-30/2026-11-02").json()["results"]
    assert [row["t"] for row in rows] == [1793332800000, 1793595600000]


def test_a_grouped_bar_is_stamped_with_the_end_of_the_session_and_else_equals_the_range_bar(wire: Wire) -> None:
    grouped = wire.massive(f"{GROUPED}/2026-11-19", adjusted="false").json()
    row = next(row for row in grouped["results"] if row["T"] == "AAPL")
    assert row["t"] == new_york_ms(date(2026, 11, 19), time(16))
    ranged = wire.massive(f"{DAY}/2026-11-19/2026-11-19", adjusted="false").json()["results"][0]
    assert {**ranged, "T": "AAPL", "t": row["t"]} == row
    assert grouped["resultsCount"] == len(grouped["results"]) > 60


def test_numbers_are_written_as_the_vendor_does(wire: Wire) -> None:
    text = wire.massive(f"{DAY}/2026-10-01/2026-11-19").text
    assert re.search(r'"v":\d\.\d+e\+07,', text)
    assert re.search(r'"o":\d{2,3}(\.\d{1,2})?,', text)
    assert ".0," not in text


def test_an_empty_answer_has_no_results_and_says_zero(wire: Wire) -> None:
    for path in (f"{DAY}/2026-11-14/2026-11-15", "/v2/aggs/ticker/NOPE/range/1/day/2026-11-02/2026-11-19"):
        body = wire.massive(path).json()
        assert (body["resultsCount"], body["queryCount"], body["status"]) == (0, 0, "OK")
        assert "results" not in body
    body = wire.massive(f"{GROUPED}/2026-11-14").json()
    assert body["resultsCount"] == 0
    assert "results" not in body


def test_limit_pages_ascending_days_without_loss_or_repetition(wire: Wire) -> None:
    whole = wire.massive(f"{DAY}/2026-10-01/2026-11-19", limit=50000).json()
    assert "next_url" not in whole
    page = wire.massive(f"{DAY}/2026-10-01/2026-11-19", limit=10).json()
    rows, pages = list(page["results"]), 1
    while "next_url" in page:
        assert "apiKey" not in page["next_url"]
        page = follow(wire, page["next_url"])
        rows, pages = rows + page["results"], pages + 1
    assert rows == whole["results"]
    assert pages == -(-len(rows) // 10)


def test_descending_pages_give_the_same_bars_backwards(wire: Wire) -> None:
    whole = wire.massive(f"{DAY}/2026-10-01/2026-11-19").json()["results"]
    page = wire.massive(f"{DAY}/2026-10-01/2026-11-19", limit=15, sort="desc").json()
    rows = list(page["results"])
    while "next_url" in page:
        page = follow(wire, page["next_url"])
        rows += page["results"]
    assert rows == whole[::-1]


def test_limit_counts_base_minutes_of_an_hour_range(wire: Wire) -> None:
    path = "/v2/aggs/ticker/AAPL/range/1/hour/2026-11-18/2026-11-19"
    whole = wire.massive(path, limit=50000).json()
    assert whole["resultsCount"] == 32
    assert whole["queryCount"] > 1500
    page = wire.massive(path, limit=120).json()
    assert page["resultsCount"] == 2
    assert page["queryCount"] <= 120
    rows = list(page["results"])
    while "next_url" in page:
        page = follow(wire, page["next_url"])
        rows += page["results"]
    assert rows == whole["results"]


def test_half_hours_are_made_of_their_minutes(wire: Wire) -> None:
    day = "2026-11-19/2026-11-19"
    minutes = wire.massive(f"/v2/aggs/ticker/AAPL/range/1/minute/{day}", limit=50000).json()["results"]
    halves = wire.massive(f"/v2/aggs/ticker/AAPL/range/30/minute/{day}", limit=50000).json()["results"]
    assert len(halves) == 32
    opening = next(row for row in halves if row["t"] == new_york_ms(date(2026, 11, 19), time(9, 30)))
    parts = [row for row in minutes if 0 <= row["t"] - opening["t"] < 30 * 60_000]
    assert len(parts) == 30
    assert opening["o"] == parts[0]["o"]
    assert opening["c"] == parts[-1]["c"]
    assert opening["h"] == max(row["h"] for row in parts)
    assert opening["l"] == min(row["l"] for row in parts)
    assert opening["v"] == pytest.approx(sum(row["v"] for row in parts))
    assert opening["n"] == sum(row["n"] for row in parts)


def test_the_daily_volume_counts_extended_hours_and_the_daily_prices_do_not(wire: Wire) -> None:
    span = "2026-11-19/2026-11-19"
    day = wire.massive(f"{DAY}/{span}").json()["results"][0]
    minutes = wire.massive(f"/v2/aggs/ticker/AAPL/range/1/minute/{span}", limit=50000).json()["results"]
    opened, closed = (new_york_ms(date(2026, 11, 19), at) for at in (time(9, 30), time(16)))
    regular = [row for row in minutes if opened <= row["t"] < closed]
    assert len(regular) < len(minutes)
    assert (day["o"], day["c"]) == (regular[0]["o"], regular[-1]["c"])
    assert (day["h"], day["l"]) == (max(row["h"] for row in regular), min(row["l"] for row in regular))
    assert day["v"] == pytest.approx(sum(row["v"] for row in minutes))


def test_millisecond_bounds_are_inclusive_and_snap_to_bars(wire: Wire) -> None:
    first, last = (new_york_ms(date(2026, 11, day), MIDNIGHT) for day in (17, 19))
    rows = wire.massive(f"{DAY}/{first}/{last}").json()["results"]
    assert [row["t"] for row in rows] == [first, new_york_ms(date(2026, 11, 18), MIDNIGHT), last]
    assert len(wire.massive(f"{DAY}/{first}/{last - 1}").json()["results"]) == 2
    assert wire.massive(f"{DAY}/{first + 3_600_000}/{last}").json()["results"] == rows


def test_adjusted_is_the_default_and_counts_splits_only(wire: Wire) -> None:
    raw = wire.massive(f"{DAY}/2020-08-28/2020-08-31", adjusted="false").json()
    even = wire.massive(f"{DAY}/2020-08-28/2020-08-31").json()
    assert (raw["adjusted"], even["adjusted"]) == (False, True)
    assert even["results"][0]["c"] == pytest.approx(raw["results"][0]["c"] / 4, abs=1e-4)
    assert even["results"][0]["v"] == pytest.approx(raw["results"][0]["v"] * 4, rel=1e-6)
    assert even["results"][1] == raw["results"][1]


def test_weeks_and_months_are_made_of_days(wire: Wire) -> None:
    days = wire.massive(f"{DAY}/2026-10-01/2026-10-31").json()["results"]
    months = wire.massive("/v2/aggs/ticker/AAPL/range/1/month/2026-10-01/2026-10-31").json()
    assert months["queryCount"] == len(days) == 22
    assert months["results"][0]["h"] == max(row["h"] for row in days)
    weeks = wire.massive("/v2/aggs/ticker/AAPL/range/1/week/2026-10-05/2026-10-16").json()["results"]
    assert [row["t"] for row in weeks] == [new_york_ms(date(2026, 10, day), MIDNIGHT) for day in (4, 11)]


def test_the_running_session_holds_only_what_is_over(wire: Wire) -> None:
    wire.admin.set_clock(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    partial = wire.massive(f"{DAY}/2026-11-20/2026-11-20").json()["results"][0]
    grouped = wire.massive(f"{GROUPED}/2026-11-20").json()["results"]
    assert next(row for row in grouped if row["T"] == "AAPL")["v"] == partial["v"]
    wire.admin.set_clock(datetime(2026, 11, 20, 21, 30, tzinfo=UTC))
    evening = wire.massive(f"{DAY}/2026-11-20/2026-11-20").json()["results"][0]
    wire.admin.set_clock(datetime(2026, 11, 21, 15, 0, tzinfo=UTC))
    final = wire.massive(f"{DAY}/2026-11-20/2026-11-20").json()["results"][0]
    assert partial["v"] < evening["v"] < final["v"]
    assert [evening[name] for name in "ohlc"] == [final[name] for name in "ohlc"]
    assert partial["h"] <= final["h"]


def test_a_bar_before_the_first_minute_of_the_session_does_not_exist(wire: Wire) -> None:
    for at, count in (
        (datetime(2026, 11, 20, 14, 30, 30, tzinfo=UTC), 0),
        (datetime(2026, 11, 20, 14, 31, tzinfo=UTC), 1),
    ):
        wire.admin.set_clock(at)
        assert wire.massive(f"{DAY}/2026-11-20/2026-11-20").json()["resultsCount"] == count


def test_previous_close_is_the_last_complete_session(wire: Wire) -> None:
    body = wire.massive("/v2/aggs/ticker/AAPL/prev").json()
    assert body["results"][0]["T"] == "AAPL"
    assert body["results"][0]["t"] == new_york_ms(date(2026, 11, 20), time(16))
    wire.admin.set_clock(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    body = wire.massive("/v2/aggs/ticker/AAPL/prev").json()
    assert body["results"][0]["t"] == new_york_ms(date(2026, 11, 19), time(16))


def test_open_close_answers_404_without_a_bar_and_400_without_a_ticker(wire: Wire) -> None:
    assert wire.massive("/v1/open-close/AAPL/2026-11-19").json()["symbol"] == "AAPL"
    missing = wire.massive("/v1/open-close/NOPE/2026-11-19")
    assert (missing.status_code, missing.json()["message"]) == (404, "Data not found.")
    malformed = wire.massive("/v1/open-close//2026-11-19")
    assert (malformed.status_code, malformed.json()["error"]) == (400, "Ticker was incorrectly formatted")


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("/v2/aggs/ticker/AA%20PL/range/1/day/2026-11-02/2026-11-19", {}, "Ticker was incorrectly formatted"),
        (f"{DAY}/2026-11-19/2026-11-02", {}, "'to' cannot be a time that occurs before 'from'"),
        (f"{DAY}/yesterday/2026-11-02", {}, "'from'"),
        (f"{DAY}/2026-11-02/2026-11-19", {"limit": 50001}, "'limit'"),
        ("/v2/aggs/ticker/AAPL/range/1/fortnight/2026-11-02/2026-11-19", {}, "time parameters"),
    ],
)
def test_a_bad_parameter_is_a_400_with_the_text_under_error(
    wire: Wire, path: str, query: dict[str, object], text: str
) -> None:
    answer = wire.massive(path, **query)
    assert answer.status_code == 400
    assert answer.json()["status"] == "ERROR"
    assert text in answer.json()["error"]


def test_tickers_are_case_sensitive_and_may_have_dots(wire: Wire) -> None:
    span = "range/1/day/2026-11-02/2026-11-19"
    assert wire.massive(f"/v2/aggs/ticker/JPMpD/{span}").json()["resultsCount"] > 0
    assert wire.massive(f"/v2/aggs/ticker/JPMPD/{span}").json()["resultsCount"] == 0
    assert wire.massive(f"/v2/aggs/ticker/BRK.B/{span}").json()["resultsCount"] > 0


def test_meta_before_its_rename_is_another_security(wire: Wire) -> None:
    rows = wire.massive("/v2/aggs/ticker/META/range/1/day/2022-01-27/2022-06-10", adjusted="false").json()["results"]
    assert [row["t"] for row in rows[:2]] == [
        new_york_ms(date(2022, 1, 27) + timedelta(days=more), MIDNIGHT) for more in (0, 1)
    ]
    assert rows[2]["t"] == new_york_ms(date(2022, 6, 9), MIDNIGHT)
    assert rows[2]["c"] > 5 * rows[1]["c"]
