"""A spec is checked as a whole before a row is read, and every mistake names its key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from marketdata.domain.import_spec import CsvFormat, ImportSpec, legacy_spec, parse_spec
from marketdata.errors import InvalidRequest

DAILY = {"symbol": "Ticker", "session": "Date", "close": "Close"}
HOURLY = {"symbol": "Ticker", "starts_at": "Time", "close": "Close"}


def parsed(**keys: object) -> ImportSpec:
    return parse_spec({"name": "acme", "columns": DAILY, **keys})


def test_the_smallest_spec_names_itself_a_symbol_a_session_and_a_close() -> None:
    spec = parsed()
    assert (spec.source, spec.interval, spec.time_field) == ("import:acme", "1d", "session")
    assert (spec.csv.delimiter, spec.csv.decimal, spec.volume_unit, spec.time_format) == (",", ".", 1.0, "iso")
    assert parsed(interval="1h", columns=HOURLY).time_field == "starts_at"


@pytest.mark.parametrize(
    ("keys", "key", "why"),
    [
        pytest.param({"columns": {"session": "D", "close": "C"}}, "columns.symbol", "it is missing", id="symbol"),
        pytest.param({"columns": {"symbol": "S", "close": "C"}}, "columns.session", "it is missing", id="session"),
        pytest.param({"columns": {"symbol": "S", "session": "D"}}, "columns.close", "it is missing", id="close"),
        pytest.param({"columns": {**DAILY, "clsoe": "C"}}, "columns.clsoe", "no such key", id="unknown column key"),
        pytest.param({"columns": {**DAILY, "open": 3}}, "columns.open", "3 is no text", id="column type"),
        pytest.param({"columns": {**DAILY, "open": ""}}, "columns.open", "it is empty", id="empty column"),
        pytest.param({"columns": "Close"}, "columns", "no table", id="columns no table"),
        pytest.param({"columns": {**DAILY, "starts_at": "T"}}, "columns.starts_at", "have none", id="hour in daily"),
        pytest.param({"interval": "1h"}, "columns.session", "have none", id="session in hourly"),
        pytest.param({"interval": "5m"}, "interval", "'5m' is none of them", id="interval"),
        pytest.param({"colums": {}}, "colums", "no such key", id="unknown key"),
        pytest.param({"name": ""}, "name", "it is missing", id="no name"),
        pytest.param({"name": "A b"}, "name", "no short plain name", id="name with a space"),
        pytest.param({"name": "x" * 33}, "name", "no short plain name", id="long name"),
        pytest.param({"name": 7}, "name", "7 is no text", id="name type"),
        pytest.param({"asset_class": "bond"}, "asset_class", "'bond' is none of them", id="class"),
        pytest.param({"add_assets": "yes"}, "add_assets", "neither true nor false", id="flag"),
        pytest.param({"add_assets": True}, "add_assets", "once their class is known", id="add without class"),
        pytest.param({"volume_unit": 0}, "volume_unit", "0.0 is not positive", id="unit"),
        pytest.param({"volume_unit": "1000"}, "volume_unit", "no number", id="unit type"),
        pytest.param({"volume_unit": True}, "volume_unit", "no number", id="unit bool"),
        pytest.param({"zone": "New York"}, "zone", "no time zone", id="zone"),
        pytest.param({"zone": "../../etc/passwd"}, "zone", "no time zone", id="zone path"),
        pytest.param({"skip": "TEST"}, "skip", "no list of texts", id="skip"),
        pytest.param({"symbols": {"A": "no symbol"}}, "symbols.'A'", "no house symbol", id="mapped symbol"),
        pytest.param({"symbols": {"A": 1}}, "symbols.'A'", "1 is no text", id="mapped type"),
        pytest.param({"constants": {"close": 1.0}}, "constants.close", "a column is named", id="both"),
        pytest.param({"constants": {"volume": "x"}}, "constants.volume", "no number", id="constant type"),
        pytest.param({"csv": {"delimiter": ";;"}}, "csv.delimiter", "no single mark", id="delimiter"),
        pytest.param({"csv": {"decimal": ";"}}, "csv.decimal", "marks no decimals", id="decimal"),
        pytest.param({"csv": {"thousands": "."}}, "csv.thousands", "cannot part thousands", id="thousands"),
        pytest.param({"csv": {"encoding": "utf-16"}}, "csv.encoding", "none of them", id="encoding"),
        pytest.param({"csv": {"header": ["a", "a"]}}, "csv.header", "a column twice", id="header"),
        pytest.param({"csv": {"quote": "'"}}, "csv.quote", "no such key", id="csv key"),
    ],
)
def test_a_mistake_is_refused_with_its_key(keys: dict[str, Any], key: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed(**keys)
    assert refused.value.what == f"import spec, key {key}"
    assert why in refused.value.why
    assert refused.value.next_step


def test_a_constant_can_stand_for_a_column() -> None:
    spec = parsed(columns={"session": "D", "close": "C"}, constants={"symbol": "AAPL", "volume": 5})
    assert spec.constants == {"symbol": "AAPL", "volume": 5.0}


def test_symbols_are_mapped_left_out_or_taken_as_they_are() -> None:
    spec = parsed(symbols={"BRK-B": "BRK.B"}, skip=["TEST"], dashed_crypto=True)
    assert spec.house_symbol("BRK-B") == "BRK.B"
    assert spec.house_symbol("TEST") is None
    assert spec.house_symbol("BTC-USD") == "X:BTCUSD"
    assert spec.house_symbol("BTC-EUR") == "BTC-EUR"
    assert spec.house_symbol("-USD") == "-USD"
    assert parsed().house_symbol("BTC-USD") == "BTC-USD"


def test_equal_specs_have_equal_facts_and_others_have_not() -> None:
    assert parsed().facts() == parsed().facts()
    assert parsed().facts() != parsed(volume_unit=100).facts()


def test_the_spec_that_the_page_shows_is_one_and_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "imports.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    given = tomllib.loads(example)
    spec = parse_spec({**given, "asset_class": "stock"})
    assert spec.csv == CsvFormat()
    assert set(given) == set(spec.facts())


def test_an_old_system_has_a_spec_of_its_own_that_only_symbols_and_places_may_change() -> None:
    daily, hourly = legacy_spec({}, "1d"), legacy_spec({"zone": "America/New_York"}, "1h")
    assert (daily.source, daily.columns["session"], daily.zone) == ("import:legacy", "date", "UTC")
    assert (hourly.columns["starts_at"], hourly.zone) == ("timestamp", "America/New_York")
    assert daily.house_symbol("ETH-USD") == "X:ETHUSD"
    assert legacy_spec({"symbols": {"BTC-USD": "X:XBTUSD"}}, "1d").house_symbol("BTC-USD") == "X:XBTUSD"
    with pytest.raises(InvalidRequest, match="columns of asset_data are known"):
        legacy_spec({"columns": {}}, "1d")
