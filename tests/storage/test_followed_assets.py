"""Assets followed, no longer followed and listed; lists and the market overview."""

from __future__ import annotations

from datetime import date

import pytest

from marketdata.domain.coverage import Span
from marketdata.errors import InvalidRequest
from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.connection import connect
from marketdata.storage.followed_assets import (
    KnownAsset,
    ListedAsset,
    NewAsset,
    add_asset,
    find_known,
    list_assets,
    remove_assets,
)
from marketdata.storage.gaps import missing
from marketdata.storage.watchlists import (
    Watchlist,
    add_members,
    create_lists,
    delete_list,
    list_members,
    list_overview,
    list_watchlists,
    remove_members,
    set_overview,
)
from tests.storage.ledger import MONDAY, WEEK, Ledger, answer, bars

TODAY = date(2026, 11, 21)
NEWCO = NewAsset("NEWCO", "stock", "NEWCO", "New Company", date(2026, 1, 5), ("tech", "new"))


def listed(ledger: Ledger, symbol: str) -> ListedAsset:
    (found,) = ledger.warehouse.transact(list_assets, [symbol], today=TODAY, with_inactive=True)
    return found


def test_an_added_asset_is_followed_on_its_lists_and_under_its_vendors_name(ledger: Ledger) -> None:
    assert ledger.warehouse.transact(add_asset, NEWCO) == "added"
    assert listed(ledger, "NEWCO") == ListedAsset(
        "NEWCO", "stock", "NEWCO", "New Company", "followed", date(2026, 1, 5), None, None, None, None, 0,
        [], ["new", "tech"], None,
    )  # fmt: skip
    assert ledger.warehouse.transact(add_asset, NewAsset("X:PEPEUSD", "crypto", "pepe")) == "added"
    assert ledger.read("select symbol, lower(valid) from asset_alias where asset_id > 3 order by asset_id") == [
        ("NEWCO", date(2026, 1, 5)),
        ("pepe", None),
    ]
    assert ledger.warehouse.transact(add_asset, NEWCO) == "followed already"


def test_a_removed_asset_keeps_its_history_and_lists_and_is_taken_back_as_it_was(ledger: Ledger) -> None:
    ledger.warehouse.transact(add_asset, NEWCO)
    ledger.warehouse.store_daily(ledger.call(4), answer(4, bars(dict.fromkeys(WEEK, 10.0))))
    before = listed(ledger, "NEWCO")
    assert (before.bars, before.covered_first, before.covered_last) == (5, date(2026, 11, 14), WEEK[-1])
    (removed,) = ledger.warehouse.transact(remove_assets, ["NEWCO"], TODAY)
    assert (removed.status, removed.inactive_since, removed.bars) == ("inactive", TODAY, 5)
    assert [asset.symbol for asset in ledger.warehouse.transact(find_assets, None)] == ["A1", "A2", "A3"]
    (gap,) = ledger.warehouse.transact(missing, "us", Span(WEEK[0], WEEK[-1]), asset_ids=None, today=TODAY)
    assert gap.asset_ids == (1, 2, 3)
    assert ledger.warehouse.transact(add_asset, NewAsset("NEWCO", "stock", "NEWCO", "Other")) == "followed again"
    assert listed(ledger, "NEWCO") == before


def test_removing_again_keeps_the_first_day_and_an_unknown_symbol_removes_nothing(ledger: Ledger) -> None:
    ledger.warehouse.transact(remove_assets, ["A1"], TODAY)
    (again,) = ledger.warehouse.transact(remove_assets, ["A1"], date(2026, 12, 1))
    assert again.inactive_since == TODAY
    with pytest.raises(InvalidRequest, match="NOPE"):
        ledger.warehouse.transact(remove_assets, ["A2", "NOPE"], TODAY)
    assert listed(ledger, "A2").status == "followed"


def test_the_list_tells_followed_delisted_and_inactive_apart(ledger: Ledger) -> None:
    ledger.warehouse.transact(
        load_assets,
        [
            {"symbol": "OLD", "asset_class": "stock", "delisted_on": "2026-11-20"},
            {"symbol": "LAST", "asset_class": "stock", "delisted_on": "2026-11-21", "market_overview": "2"},
        ],
    )
    ledger.warehouse.transact(remove_assets, ["A1", "A2"], TODAY)
    found = ledger.warehouse.transact(list_assets, None, today=TODAY, with_inactive=False)
    assert {asset.symbol: asset.status for asset in found} == {"A3": "followed", "OLD": "delisted", "LAST": "followed"}
    everything = ledger.warehouse.transact(list_assets, None, today=TODAY, with_inactive=True)
    assert [asset.symbol for asset in everything] == ["A1", "A2", "A3", "LAST", "OLD"]
    assert {asset.overview_position for asset in everything} == {None, 2}


def test_the_names_that_an_asset_had_before_are_listed_oldest_first(ledger: Ledger) -> None:
    ledger.warehouse.transact(load_assets, [{"symbol": "META", "asset_class": "stock", "vendor_symbol": "META"}])
    asset_id = ledger.warehouse.transact(find_assets, ["META"])[0].asset_id
    with connect(ledger.dsn) as connection:
        for symbol, valid in (("FB", "[2012-05-18,2022-06-09)"), ("THEFB", "[2004-02-04,2012-05-18)")):
            connection.execute("insert into asset_alias values (%s, %s, %s)", (asset_id, symbol, valid))
    assert listed(ledger, "META").former_names == ["THEFB", "FB"]


def test_an_asset_is_known_by_its_symbol_and_by_its_coin(ledger: Ledger) -> None:
    ledger.warehouse.transact(add_asset, NewAsset("X:BTCUSD", "crypto", "bitcoin", "Bitcoin"))
    bitcoin = KnownAsset("X:BTCUSD", "crypto", "bitcoin", "Bitcoin", None)
    assert ledger.warehouse.transact(find_known, "X:BTCUSD") == [bitcoin]
    assert ledger.warehouse.transact(find_known, "X:XBTUSD", "bitcoin") == [bitcoin]
    assert ledger.warehouse.transact(find_known, "X:XBTUSD") == []
    assert [known.symbol for known in ledger.warehouse.transact(find_known, "A1", "bitcoin")] == ["A1", "X:BTCUSD"]


def test_lists_are_made_filled_emptied_and_deleted_and_assets_stay(ledger: Ledger) -> None:
    transact = ledger.warehouse.transact
    transact(create_lists, ["tech", "old & new"])
    transact(create_lists, ["tech"])
    assert transact(add_members, "tech", ["A2", "A1"]) == 2
    assert transact(add_members, "tech", ["A1", "A3"]) == 1
    assert [member.symbol for member in transact(list_members, "tech")] == ["A1", "A2", "A3"]
    assert transact(remove_members, "tech", ["A1"]) == 1
    assert transact(remove_members, "tech", ["A1"]) == 0
    assert transact(list_watchlists) == [Watchlist("old & new", 0), Watchlist("tech", 2)]
    transact(delete_list, "tech")
    assert transact(list_watchlists) == [Watchlist("old & new", 0)]
    assert len(ledger.warehouse.transact(find_assets, None)) == 3


def test_a_list_or_symbol_that_is_not_there_is_refused_and_nothing_changes(ledger: Ledger) -> None:
    transact = ledger.warehouse.transact
    transact(create_lists, ["tech"])
    with pytest.raises(InvalidRequest, match=r"near: tech"):
        transact(add_members, "tec", ["A1"])
    with pytest.raises(InvalidRequest, match="NOPE"):
        transact(add_members, "tech", ["A1", "NOPE"])
    for verb in (list_members, delete_list):
        with pytest.raises(InvalidRequest, match="there is no such list"):
            transact(verb, "nothing like it")
    assert transact(list_members, "tech") == []


@pytest.mark.parametrize("name", ["", " tech", "a;b", "a\nb", "x" * 65])
def test_what_is_no_name_of_a_list_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(InvalidRequest, match="no name of a list"):
        ledger.warehouse.transact(create_lists, ["good", name])
    assert ledger.warehouse.transact(list_watchlists) == []


def test_the_overview_is_just_what_it_was_set_to_in_that_order(ledger: Ledger) -> None:
    transact = ledger.warehouse.transact
    for symbols in (["A2", "A1"], ["A3", "A2", "A1"], ["A1"], []):
        transact(set_overview, symbols)
        assert [member.symbol for member in transact(list_overview)] == symbols
    transact(set_overview, ["A1"])
    for wrong in (["A2", "NOPE"], ["A2", "A3", "A2"]):
        with pytest.raises(InvalidRequest):
            transact(set_overview, wrong)
    assert [member.symbol for member in transact(list_overview)] == ["A1"]


def test_bars_are_counted_for_each_asset_alone(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(1), answer(1, bars({MONDAY: 10.0, WEEK[1]: 11.0})))
    ledger.warehouse.store_daily(ledger.call(2), answer(2, bars({MONDAY: 10.0})))
    found = ledger.warehouse.transact(list_assets, None, today=TODAY, with_inactive=False)
    assert {asset.symbol: asset.bars for asset in found} == {"A1": 2, "A2": 1, "A3": 0}
