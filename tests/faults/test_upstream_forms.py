"""Answers that differ a little from the known form: numbers that are none, new fields, fields of another type."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from marketdata.errors import ContractBroken, VendorError
from tests.hooks.accounts import coingecko, polygon
from tests.hooks.upstream import Upstream, reply

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 6)
MONDAY = 1772427600000  # 2026-03-02, midnight New York
DAY = 86_400_000
MIDNIGHT = 1773100800000  # 2026-03-10T00:00Z
NOW = datetime(2026, 3, 10, 14, tzinfo=UTC)


def bars(**changed: Any) -> bytes:  # noqa: ANN401 - JSON
    """Two bars of a ticker; the second one changed."""
    rows = [{"o": 1, "h": 1, "l": 1, "c": 1, "v": 7, "vw": 1, "n": 3, "t": MONDAY + day * DAY} for day in range(2)]
    rows[1] |= changed
    return json.dumps({"ticker": "AAPL", "status": "OK", "resultsCount": 2, "results": rows}).encode()


def written(body: bytes, number: str) -> bytes:
    """The body with the placeholder 4711 written as ``number``."""
    assert body.count(b"4711") == 1
    return body.replace(b"4711", number.encode())


@pytest.mark.fault("U14")
@pytest.mark.parametrize(
    ("number", "price"),
    [
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("1e400", math.inf),
        ("-1E+400", -math.inf),
        ("-1", -1.0),
        ("0", 0.0),
        ("-0.0", 0.0),
        ("1e-400", 0.0),
    ],
)
@pytest.mark.parametrize("field", ["o", "h", "l", "c"])
def test_a_price_that_is_none_spoils_its_own_bar_alone(field: str, number: str, price: float) -> None:
    with Upstream([reply(written(bars(**{field: 4711}), number))]) as upstream:
        answer = polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    name = {"o": "open", "h": "high", "l": "low", "c": "close"}[field]
    assert getattr(answer.data, name).tolist() == pytest.approx([1.0, price], nan_ok=True, abs=0)
    is_said = not math.isfinite(price)
    assert answer.warnings == (("polygon: schema drift: numbers that are none, like NaN",) if is_said else ())


@pytest.mark.fault("U14")
@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    "number",
    [
        *("nan", "NAN", "inf", "-inf", "+Infinity", "-NaN", "undefined"),
        *("+1", ".5", "1.", "01", "0x1F", "1_000", "1,000", "9" * 400),
        *('"NaN"', '"12"', "true", "[1]", "{}"),
    ],
)
def test_what_no_json_spells_like_that_breaks_the_contract(number: str) -> None:
    with Upstream([reply(written(bars(c=4711), number))]) as upstream, pytest.raises(ContractBroken):
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert len(upstream.asked) == 1


@pytest.mark.fault("U14")
@pytest.mark.parametrize("field", ["t", "n"])
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_a_time_or_a_count_that_is_no_number_breaks_the_contract(field: str, number: str) -> None:
    with Upstream([reply(written(bars(**{field: 4711}), number))]) as upstream, pytest.raises(ContractBroken):
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)


@pytest.mark.fault("U14")
def test_a_coins_point_and_candle_that_are_no_numbers_spoil_their_day_alone() -> None:
    points = [[MIDNIGHT - DAY, 100], [MIDNIGHT, 4711]]
    chart = json.dumps({"prices": points, "total_volumes": []}).encode()
    with Upstream([reply(written(chart, "Infinity"))]) as upstream:
        days = coingecko(upstream).daily_closes("bitcoin", date(2026, 3, 1), date(2026, 3, 9), now=NOW).data
    assert days.close.tolist() == [100, math.inf]
    candles = json.dumps([[MIDNIGHT - DAY, 1, 1, 1, 1], [MIDNIGHT, 1, 4711, 1, 1]]).encode()
    with Upstream([reply(written(candles, "1e400")), reply({"prices": [], "total_volumes": []})]) as upstream:
        hook = coingecko(upstream, plan="analyst")
        days = hook.daily_bars("bitcoin", date(2026, 3, 8), date(2026, 3, 9), now=NOW).data
    assert days.high.tolist() == [1, math.inf]


@pytest.mark.fault("U14")
def test_a_present_price_that_is_no_number_spoils_no_other() -> None:
    trades = [{"ticker": ticker, "lastTrade": {"p": price, "t": 10**18}} for ticker, price in (("A", 5), ("B", 4711))]
    snapshot = json.dumps({"status": "OK", "count": 2, "tickers": trades}).encode()
    with Upstream([reply(written(snapshot, "Infinity"))]) as upstream:
        assert polygon(upstream).snapshot(["A", "B"]).data.price.tolist() == [5, math.inf]
    prices = json.dumps({"a": {"usd": 5, "last_updated_at": 1}, "b": {"usd": 4711, "last_updated_at": 1}}).encode()
    with Upstream([reply(written(prices, "NaN"))]) as upstream:
        answer = coingecko(upstream).simple_prices(["a", "b"])
    assert answer.data.price.tolist() == pytest.approx([5, math.nan], nan_ok=True)
    assert answer.warnings == ("coingecko: schema drift: numbers that are none, like NaN",)


@pytest.mark.fault("U14")
def test_reference_data_which_no_check_judges_row_by_row_is_refused_as_a_whole() -> None:
    split = {"ticker": "A", "execution_date": "2026-03-02", "split_from": 1, "split_to": 4711}
    body = json.dumps({"status": "OK", "results": [split]}).encode()
    for number in ("NaN", "Infinity", "1e400"):
        with Upstream([reply(written(body, number))]) as upstream, pytest.raises(ContractBroken):
            polygon(upstream).splits(FIRST)


@pytest.mark.fault("U08")
def test_a_body_that_is_nested_too_deeply_breaks_the_contract() -> None:
    deep = b'{"zz":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for status in (200, 400):
        with Upstream([reply(deep, status)]) as upstream:
            with pytest.raises(ContractBroken):
                polygon(upstream).daily_bars("AAPL", FIRST, LAST)
            with pytest.raises(ContractBroken):
                coingecko(upstream).daily_closes("bitcoin", FIRST, LAST)


@pytest.mark.fault("U32")
def test_a_new_field_of_a_bar_is_ignored_and_named_once_a_call() -> None:
    changed = json.loads(bars(zz="new"))
    pages = [changed | {"next_url": None}, changed]
    with Upstream() as upstream:
        pages[0]["next_url"] = f"{upstream.url}/massive/v2/more"
        upstream.scripts = [reply(page) for page in pages]
        answer = polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert answer.data.close.tolist() == [1, 1] * 2
    assert answer.warnings == ("polygon: schema drift: the new field 'zz' is ignored",)


@pytest.mark.fault("U14")
@pytest.mark.fault("U32")
def test_a_new_field_beside_a_price_that_is_none_spoils_no_more_than_that_price() -> None:
    with Upstream([reply(written(bars(zz="new", c=4711), "NaN"))]) as upstream:
        assert polygon(upstream).daily_bars("AAPL", FIRST, LAST).data.close.tolist() == [
            1,
            pytest.approx(math.nan, nan_ok=True),
        ]


@pytest.mark.fault("U32")
def test_what_the_vendor_is_known_to_send_is_not_called_new() -> None:
    body = json.loads(bars(T="AAPL", otc=True)) | {"request_id": "x", "adjusted": False, "queryCount": 2, "count": 2}
    with Upstream([reply(body)]) as upstream:
        assert polygon(upstream).daily_bars("AAPL", FIRST, LAST).warnings == ()


@pytest.mark.fault("U32")
@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("field", "value"), [("c", "1"), ("t", "2026-03-02"), ("t", str(MONDAY)), ("v", "7"), ("n", "3"), ("c", [1])]
)
@pytest.mark.parametrize("beside", [{}, {"zz": "new"}])
def test_a_field_of_another_type_breaks_the_contract(field: str, value: object, beside: dict[str, str]) -> None:
    with Upstream([reply(bars(**{field: value}, **beside))]) as upstream, pytest.raises(VendorError) as caught:
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert caught.type is ContractBroken
    assert f"$.results[1].{field}" in str(caught.value) or "$.results[...]" in str(caught.value)
