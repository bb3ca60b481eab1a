"""What a caller may not ask is refused before anything is done, with what, why and the next step."""

from __future__ import annotations

import math

import pytest

from marketdata.errors import InvalidRequest
from marketdata.flows.request import HistoryRequest

BAD_SYMBOLS = [
    "AAPL\n",
    "",
    " AAPL",
    "../x",
    "AAPL/../../v3/x?",
    "AAPL' or '1'='1",
    'AAPL"; drop table asset; --',
    "A" * 200,
    ".AAPL",
    "AAPL\x00",
    "\u0410\u0410PL",  # Cyrillic, looks like AAPL
    17,
    None,
]


def test_defaults_mean_all_assets_and_a_real_run() -> None:
    assert HistoryRequest.from_conf({"range": "1Y"}) == HistoryRequest("1Y", (), dry_run=False)


def test_symbols_keep_their_order_and_case_and_are_asked_once() -> None:
    request = HistoryRequest.from_conf({"range": "7D", "symbols": ["GSpJ", "BRK.B", "X:BTCUSD", "GSpJ"]})
    assert request.symbols == ("GSpJ", "BRK.B", "X:BTCUSD")


@pytest.mark.fault("S01")
@pytest.mark.parametrize("symbol", BAD_SYMBOLS, ids=lambda symbol: ascii(symbol)[:24])
def test_a_malformed_symbol_is_refused(symbol: object) -> None:
    with pytest.raises(InvalidRequest, match="malformed") as refused:
        HistoryRequest.from_conf({"range": "1Y", "symbols": ["AAPL", symbol]})
    assert "AAPL, BRK.B or X:BTCUSD" in refused.value.next_step
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        ({"range": "2Y"}, "7D, 1M, 3M, 6M, YTD, 1Y, 3Y, 5Y, MAX"),
        ({"range": "1y"}, "7D, 1M"),
        ({}, "7D, 1M"),
        ({"range": ["1Y"]}, "7D, 1M"),
        ({"range": "1Y", "symbol": ["AAPL"]}, "range, symbols, dry_run"),
        ({"range": "1Y", "symbols": "AAPL"}, '"symbols": ["AAPL", "MSFT"]'),
        ({"range": "1Y", "symbols": ""}, '"symbols": ["AAPL", "MSFT"]'),
        ({"range": "1Y", "symbols": False}, '"symbols": ["AAPL", "MSFT"]'),
        ({"range": "1Y", "dry_run": "yes"}, "true or false"),
    ],
)
def test_an_unknown_range_key_or_type_is_refused_with_what_exists(conf: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        HistoryRequest.from_conf(conf)
    assert named in refused.value.next_step


def test_a_backfill_is_for_all_history_and_says_how_long_it_may_compare() -> None:
    request = HistoryRequest.for_backfill({"symbols": ["AAPL"], "verify_hours": 6, "dry_run": True})
    assert request == HistoryRequest("MAX", ("AAPL",), dry_run=True, verify_hours=6.0)
    assert HistoryRequest.for_backfill({}) == HistoryRequest("MAX")


@pytest.mark.parametrize(
    ("conf", "named"),
    [
        ({"range": "1Y"}, "symbols, verify_hours, dry_run"),
        ({"verify_hours": -0.1}, "0 (verify nothing) to 168"),
        ({"verify_hours": 168.5}, "0 (verify nothing) to 168"),
        ({"verify_hours": math.nan}, "0 (verify nothing) to 168"),
        ({"verify_hours": "6"}, "0 (verify nothing) to 168"),
        ({"verify_hours": True}, "0 (verify nothing) to 168"),
        ({"symbols": ["AAPL\n"]}, "AAPL, BRK.B or X:BTCUSD"),
        ({"dry_run": 1}, "true or false"),
    ],
)
def test_a_malformed_backfill_is_refused_with_what_exists(conf: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        HistoryRequest.for_backfill(conf)
    assert named in refused.value.next_step
