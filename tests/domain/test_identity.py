"""What the vendor's lists of tickers say about an asset."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from marketdata.domain.identity import Finding, Followed, Listings, Status, identify, is_settled
from marketdata.domain.tickers import ListedTicker

FB = Followed(1, "FB", "FB", "FIGI-META", is_identified=True, last_session=date(2022, 6, 8))
TWTR = Followed(2, "TWTR", "TWTR", "FIGI-TWTR", is_identified=True, last_session=date(2022, 10, 27))
NEW = Followed(3, "NEW", "NEW")
ENDED = date(2022, 10, 28)


def active(ticker: str, figi: str = "") -> ListedTicker:
    return ListedTicker(ticker, f"{ticker} Inc.", figi, True)


def inactive(ticker: str, figi: str = "", ended: date | None = ENDED) -> ListedTicker:
    return ListedTicker(ticker, f"{ticker} Inc.", figi, False, ended)


def find(asset: Followed, *rows: ListedTicker) -> Finding:
    (found,) = identify(
        [asset],
        Listings(row for row in rows if row.is_active),
        Listings(row for row in rows if not row.is_active),
    )
    return found


def test_an_asset_that_trades_under_its_ticker_is_listed_and_takes_its_figi() -> None:
    found = find(NEW, active("NEW", "FIGI-NEW"))
    assert (found.status, found.figi, found.name, found.has_past) == (Status.LISTED, "FIGI-NEW", "NEW Inc.", False)
    assert find(TWTR, active("TWTR", "FIGI-TWTR")).status is Status.LISTED
    assert find(TWTR, active("TWTR")).figi == "FIGI-TWTR", "a list without the FIGI takes none away"


def test_the_same_figi_under_another_ticker_is_a_rename() -> None:
    found = find(FB, active("META", "FIGI-META"), inactive("FB", "FIGI-META"))
    assert (found.status, found.ticker, found.has_past) == (Status.RENAMED, "META", True)


def test_a_rename_whose_old_ticker_went_to_another_company_is_a_rename() -> None:
    found = find(FB, active("META", "FIGI-META"), active("FB", "FIGI-ETF"))
    assert (found.status, found.ticker) == (Status.RENAMED, "META")


def test_an_asset_among_the_inactive_ones_only_is_delisted() -> None:
    found = find(TWTR, inactive("TWTR", "FIGI-TWTR"))
    assert (found.status, found.delisted_on, found.is_reused) == (Status.DELISTED, ENDED, False)


def test_a_ticker_with_another_figi_belongs_to_another_company() -> None:
    found = find(TWTR, active("TWTR", "FIGI-OTHER"), inactive("TWTR", "FIGI-TWTR"))
    assert (found.status, found.delisted_on, found.is_reused) == (Status.DELISTED, ENDED, True)


def test_a_new_figi_for_a_ticker_whose_old_one_is_nowhere_is_left_to_its_history() -> None:
    found = find(TWTR, active("TWTR", "FIGI-OTHER"))
    assert (found.status, found.figi, found.is_reused) == (Status.REPLACED, "FIGI-OTHER", True)


def test_an_asset_in_neither_list_is_unknown() -> None:
    assert find(NEW).status is Status.UNKNOWN
    assert find(TWTR).status is Status.UNKNOWN


@pytest.mark.parametrize("figi", ["", "FIGI-NEW"])
def test_an_asset_first_seen_after_its_end_is_delisted_by_its_ticker(figi: str) -> None:
    found = find(NEW, inactive("NEW", figi))
    assert (found.status, found.figi, found.delisted_on) == (Status.DELISTED, figi, ENDED)


def test_an_asset_first_seen_under_a_former_name_is_a_rename() -> None:
    found = find(Followed(1, "FB", "FB"), active("META", "FIGI-META"), inactive("FB", "FIGI-META"))
    assert (found.status, found.figi, found.ticker) == (Status.RENAMED, "FIGI-META", "META")


def test_of_several_companies_that_had_a_ticker_the_one_that_ended_with_our_asset_is_it() -> None:
    rows = [inactive("NEW", "FIGI-1", date(2010, 1, 5)), inactive("NEW", "FIGI-2", date(2020, 1, 5))]
    assert find(NEW, *rows).figi == "FIGI-2"
    assert find(replace(NEW, delisted_on=date(2010, 1, 4)), *rows).figi == "FIGI-1"


def test_an_asset_that_ended_is_not_taken_for_the_next_owner_of_its_ticker() -> None:
    ended = replace(NEW, delisted_on=date(2022, 10, 27))
    for owner in ("", "FIGI-OTHER"):
        found = find(ended, active("NEW", owner), inactive("NEW", "FIGI-NEW"))
        assert (found.status, found.figi, found.is_reused) == (Status.DELISTED, "FIGI-NEW", True)


def test_a_delisted_asset_is_asked_about_no_more_until_it_trades_again_or_its_ticker_does() -> None:
    ended = replace(TWTR, delisted_on=ENDED)
    assert identify([ended], Listings([]), Listings([])) == []
    assert is_settled(ended, Listings([]))
    assert find(ended, active("TWTR", "FIGI-TWTR")).status is Status.LISTED
    assert find(ended, active("X", "FIGI-TWTR")).status is Status.RENAMED
    assert find(ended, active("TWTR", "FIGI-OTHER")).is_reused


def test_two_assets_for_one_company_are_told_and_the_known_one_keeps_its_identity() -> None:
    meta, former = Followed(7, "META", "META", "FIGI-META", is_identified=True), Followed(8, "FB", "FB")
    lists = Listings([active("META", "FIGI-META")]), Listings([inactive("FB", "FIGI-META")])
    for assets in ([former, meta], [meta, former]):
        found = {one.asset.symbol: one for one in identify(assets, *lists)}
        assert found["META"].status is Status.LISTED
        assert (found["FB"].status, found["FB"].other) == (Status.TWICE, "META")


def test_former_names_and_namesakes_are_a_past_that_only_the_ticker_history_can_tell() -> None:
    meta = Followed(1, "META", "META")
    assert find(meta, active("META", "FIGI-META"), inactive("FB", "FIGI-META")).has_past
    assert find(meta, active("META", "FIGI-META"), inactive("META", "FIGI-ETF")).has_past
    assert not find(meta, active("META", "FIGI-META"), inactive("X", "FIGI-X")).has_past


def test_the_inactive_list_is_needed_only_for_what_is_new_or_lost() -> None:
    listed = Listings([active("FB", "FIGI-META"), active("NEW", "FIGI-NEW")])
    assert is_settled(FB, listed)
    assert not is_settled(TWTR, listed)
    assert not is_settled(NEW, listed)
