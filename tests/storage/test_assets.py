"""Loading the universe and finding assets in it."""

from __future__ import annotations

from datetime import date

import pytest

from marketdata.errors import InvalidRequest
from marketdata.storage.assets import LoadedAssets, find_assets, load_assets
from marketdata.storage.connection import connect
from marketdata.storage.warehouse import Warehouse
from tests.storage.ledger import Ledger

APPLE = {
    "symbol": "AAPL",
    "asset_class": "stock",
    "vendor_symbol": "AAPL",
    "name": "Apple",
    "listed_on": "1980-12-12",
    "delisted_on": "",
    "watchlists": "tech; favourites",
    "market_overview": "1",
}
BITCOIN = {"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}
LISTS = (
    "select a.symbol, w.name from watchlist_member join asset a using (asset_id) join watchlist w using (watchlist_id)"
)


def _load(dsn: str, *rows: dict[str, str]) -> LoadedAssets:
    with Warehouse.open(dsn) as warehouse:
        return warehouse.transact(load_assets, rows)


def _rows(dsn: str, query: str) -> set[tuple[object, ...]]:
    with connect(dsn) as connection:
        return set(connection.execute(query).fetchall())


def test_a_load_says_what_it_inserted_changed_and_left(dsn: str) -> None:
    assert _load(dsn, APPLE, BITCOIN) == LoadedAssets(2, 0, 0)
    assert _load(dsn, APPLE, BITCOIN) == LoadedAssets(0, 0, 2)
    assert _load(dsn, {**APPLE, "name": "Apple Inc."}, BITCOIN) == LoadedAssets(0, 1, 1)
    assert _rows(dsn, "select symbol, name, listed_on, delisted_on from asset") == {
        ("AAPL", "Apple Inc.", date(1980, 12, 12), None),
        ("X:BTCUSD", "", None, None),
    }
    assert _rows(dsn, "select symbol, lower(valid) from asset_alias") == {
        ("AAPL", date(1980, 12, 12)),
        ("bitcoin", None),
    }
    assert _load(dsn, {**BITCOIN, "vendor_symbol": "bitcoin-2"}) == LoadedAssets(0, 1, 0)
    assert _rows(dsn, "select symbol from asset_alias") == {("AAPL",), ("bitcoin-2",)}, "in step with vendor_symbol"


def test_what_a_row_leaves_out_keeps_what_is_known(dsn: str) -> None:
    _load(dsn, {**APPLE, "delisted_on": "2030-01-02"})
    assert _load(dsn, {**APPLE, "name": "", "listed_on": "", "delisted_on": ""}) == LoadedAssets(0, 0, 1)
    assert _rows(dsn, "select name, listed_on, delisted_on from asset") == {
        ("Apple", date(1980, 12, 12), date(2030, 1, 2))
    }


def test_the_first_day_of_the_present_ticker_cuts_off_nothing_of_an_earlier_one(dsn: str) -> None:
    meta = {"symbol": "META", "asset_class": "stock", "vendor_symbol": "META", "listed_on": "2022-06-09"}
    _load(dsn, meta)
    with connect(dsn) as connection:
        connection.execute("insert into asset_alias select asset_id, 'FB', '[2012-05-18,2022-06-09)' from asset")
        connection.execute("update asset set listed_on = '2012-05-18'")
    assert _load(dsn, meta) == LoadedAssets(0, 0, 1)
    assert _load(dsn, {**meta, "name": "Meta"}) == LoadedAssets(0, 1, 0)
    assert _rows(dsn, "select name, listed_on from asset") == {("Meta", date(2012, 5, 18))}
    assert _load(dsn, {**meta, "listed_on": "2012-05-17"}) == LoadedAssets(0, 1, 0), "an earlier day is news"


def test_a_loaded_asset_is_on_just_the_lists_that_its_row_names(dsn: str) -> None:
    _load(dsn, APPLE, {**BITCOIN, "watchlists": "coins"})
    assert _rows(dsn, LISTS) == {("AAPL", "tech"), ("AAPL", "favourites"), ("X:BTCUSD", "coins")}
    _load(dsn, {**APPLE, "watchlists": "tech", "market_overview": ""})
    assert _rows(dsn, LISTS) == {("AAPL", "tech"), ("X:BTCUSD", "coins")}
    assert _rows(dsn, "select * from market_overview") == set()


def test_a_symbol_is_found_by_its_exact_case(ledger: Ledger) -> None:
    (found,) = ledger.warehouse.transact(find_assets, ["A2"])
    assert (found.asset_id, found.symbol, found.asset_class, found.vendor) == (2, "A2", "stock", "polygon")
    with pytest.raises(InvalidRequest):
        ledger.warehouse.transact(find_assets, ["a2"])


def test_all_that_are_followed_are_found_in_order(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("update asset set inactive_since = current_date where asset_id = 2")
    assert [asset.asset_id for asset in ledger.warehouse.transact(find_assets, None)] == [1, 3]
    assert ledger.warehouse.transact(find_assets, []) == []


def test_an_unknown_symbol_is_refused_with_near_matches_and_how_many_there_are(ledger: Ledger) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ledger.warehouse.transact(find_assets, ["A1", "A11", "../x", "'; drop table asset; --", "Z" * 200])
    text = str(caught.value)
    assert "'A11' (near: A1)" in text
    assert "not among the 3 assets" in text
    assert len(text) < 500, "a symbol of 200 characters is cut"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"symbol": ""}, "row 2, symbol"),
        ({"symbol": "AAPL\nX"}, "row 2, symbol"),
        ({"symbol": "../x"}, "row 2, symbol"),
        ({"asset_class": "bond"}, "use one of stock, etf, crypto"),
        ({"listed_on": "12/12/1980"}, "it is no date"),
        ({"delisted_on": "1970-01-01"}, "before listed_on"),
        ({"market_overview": "0"}, "it is no place"),
        ({"symbol": "X:BTCUSD"}, "it stands there twice"),
    ],
    ids=str,
)
def test_a_bad_row_is_named_and_nothing_is_loaded(dsn: str, wrong: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        _load(dsn, BITCOIN, {**APPLE, **wrong})
    assert _rows(dsn, "select symbol from asset") == set()
