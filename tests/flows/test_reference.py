"""reference_sync on a real database, against the simulator: who an asset is, and what its company did to its shares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from marketdata.domain.sessions import sessions
from marketdata.errors import InvalidRequest
from marketdata.storage.assets import load_assets
from tests.flows.office import Office

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
DAY = timedelta(days=1)


@pytest.mark.promise("P1")
def test_a_sync_identifies_every_stock_and_reads_its_splits_and_dividends_once(office: Office) -> None:
    report = office.sync(run="first")
    assert (report.state, report.warnings, report.failed_symbols) == ("success", (), ())
    identities = office.desk.query("select symbol, figi is not null from asset order by 1")
    assert identities == [("AAPL", True), ("GOOGL", True), ("MSFT", True), ("X:BTCUSD", False)]
    assert office.splits("AAPL") == [
        (date(2005, 2, 28), 2.0, "applied", "pending"),
        (date(2014, 6, 9), 7.0, "applied", "pending"),
        (date(2020, 8, 31), 4.0, "applied", "pending"),
    ]
    ((dividends,),) = office.desk.query("select count(*) from dividend")
    assert dividends > 100
    kinds = office.desk.query("select kind, purpose, state from ingest_call order by call_id")
    assert kinds == [(kind, "reference", "done") for kind in ("tickers", "tickers", "splits", "dividends")], (
        "the one with inactive tickers only since the assets are new"
    )
    again = office.sync(run="again")
    assert (again.state, again.inserted, again.changed) == ("success", 0, 0)
    assert office.bars_asked() == []
    assert office.desk.query("select count(*) from dividend") == [(dividends,)]


def test_the_next_sync_reads_only_what_is_new_with_an_overlap_and_a_new_asset_from_the_beginning(
    office: Office,
) -> None:
    office.sync()
    office.admin.forget_requests()
    office.at(MONDAY)
    office.desk.services.warehouse.transact(
        load_assets, [{"symbol": "NVDA", "asset_class": "stock", "listed_on": "1999-01-22"}]
    )
    office.sync()
    splits = [target for target in office.asked() if "/splits" in target]
    assert len(splits) == 2
    assert "execution_date.gte=2026-10-21" in splits[0], "30 days before Friday's"
    assert "NVDA" not in splits[0]
    assert "execution_date.gte=1970-01-01" in splits[1]
    assert "NVDA" in splits[1]
    assert [split[1] for split in office.splits("NVDA")] == [4.0, 10.0]


def test_symbols_asked_for_by_name_are_read_from_the_beginning(office: Office) -> None:
    office.sync()
    office.desk.query("delete from split where split_to = 7 returning 1")
    office.admin.forget_requests()
    office.sync(["AAPL"], run="by hand")
    assert len(office.splits("AAPL")) == 3
    assert all("MSFT" not in target for target in office.asked())
    with pytest.raises(InvalidRequest, match="APPL"):
        office.sync(["APPL"], run="mistyped")


def test_fb_becomes_meta_keeps_its_bars_and_inherits_none_of_the_fund_that_was_meta(
    make_office: Callable[..., Office],
) -> None:
    office = make_office("FB")
    day_before, day = date(2022, 6, 8), date(2022, 6, 9)
    office.day(day_before, "5Y")
    assert office.desk.query("select symbol, asset_id from asset") == [("FB", 1)]
    synced, daily = office.day(day, "5Y")
    assert any("FB is called META since 2022-06-09" in warning for warning in synced.warnings)
    assert (synced.state, daily.state) == ("success", "success")
    assert office.desk.query("select symbol, vendor_symbol, asset_id, listed_on from asset") == [
        ("META", "META", 1, date(2012, 5, 18))
    ]
    office.day(date(2022, 6, 10), "5Y")
    office.at(date(2022, 6, 11), 13)
    office.desk.run("MAX", run="everything")
    expected = sessions(date(2012, 5, 18), date(2022, 6, 10))
    assert list(office.closes("META")) == expected
    assert office.closes("META") == office.truth("META", expected[0], expected[-1])
    assert office.desk.plan("MAX", run="nothing left").calls == 0
    aliases = "select symbol, lower(valid), upper(valid) from asset_alias order by 2 nulls first"
    assert office.desk.query(aliases) == [("FB", None, day), ("META", day, None)]


def test_an_asset_added_after_its_rename_gets_the_bars_under_both_names_and_no_others(
    make_office: Callable[..., Office],
) -> None:
    office = make_office("META", "QQQ")
    office.at(SATURDAY, 13)
    office.sync()
    office.admin.forget_requests()
    report = office.desk.run("MAX")
    assert report.state == "success"
    first = {"META": date(2012, 5, 18), "QQQ": date(2004, 12, 1)}
    for symbol, listed_on in first.items():
        assert list(office.closes(symbol)) == sessions(listed_on, FRIDAY)
    assert office.closes("META") == office.truth("META", first["META"], FRIDAY)
    spans = sorted("/".join(target.split("/")[4:8]) for target in office.bars_asked())
    assert len(spans) == 4, "one call for each ticker of each"


def test_bars_taken_under_a_ticker_before_it_was_the_assets_own_are_taken_back(
    make_office: Callable[..., Office],
) -> None:
    office = make_office("META")
    office.at(SATURDAY, 13)
    office.desk.run("MAX", run="before any sync")
    fund = date(2021, 7, 1)
    assert fund in office.closes("META"), "the fund that had the ticker before"
    report = office.sync()
    assert any("stored under a ticker that was not its own" in warning for warning in report.warnings)
    assert min(office.closes("META")) == date(2022, 6, 9)
    ((kept,),) = office.desk.query("select count(*) from bar_revision where session = %(day)s", day=fund)
    assert kept == 1, "nothing is dropped in silence"
    office.desk.run("MAX", run="after it")
    assert office.closes("META") == office.truth("META", date(2012, 5, 18), FRIDAY)


@pytest.mark.fault("U25")
def test_a_delisted_asset_keeps_its_history_and_is_asked_for_no_more(office: Office) -> None:
    office.admin.delist("MSFT", FRIDAY)
    office.desk.run("1M")
    stored = office.closes("MSFT")
    assert FRIDAY in stored
    office.at(MONDAY)
    report = office.sync()
    assert any("MSFT was delisted" in warning for warning in report.warnings)
    ((delisted_on,),) = office.desk.query("select delisted_on from asset where symbol = 'MSFT'")
    assert delisted_on in {FRIDAY, FRIDAY + DAY}
    for day in (TUESDAY, date(2026, 11, 25)):
        synced, daily = office.day(day)
        assert (synced.warnings, daily.state) == ((), "success")
    assert office.closes("MSFT") == stored
    office.admin.forget_requests()
    assert office.desk.plan("1M", ["MSFT"], run="complete").calls == 0


def test_a_ticker_that_another_company_takes_over_starts_anew(make_office: Callable[..., Office]) -> None:
    office = make_office("TWTR")
    office.at(date(2022, 10, 27), 18)
    office.desk.run("1Y")
    office.sync()
    office.admin.list_company("TWTR", MONDAY, price=10.0)
    office.at(MONDAY)
    report = office.sync()
    last = date(2022, 10, 27)
    assert office.desk.query("select symbol, vendor_symbol from asset") == [("TWTR-20221027", "TWTR")]
    assert any("TWTR-20221027" in warning for warning in report.warnings)
    old = office.closes("TWTR-20221027")
    assert max(old) == last
    office.desk.services.warehouse.transact(load_assets, [{"symbol": "TWTR", "asset_class": "stock"}])
    office.at(TUESDAY, 12)
    office.desk.run("MAX", run="at once, before any sync")
    assert min(office.closes("TWTR"), default=MONDAY) >= MONDAY, "not one bar of the other company"
    office.day(TUESDAY, "MAX")
    office.at(date(2026, 11, 25), 13)
    office.desk.run("MAX", run="whole")
    assert office.closes("TWTR") == office.truth("TWTR", MONDAY, TUESDAY)
    assert dict(office.desk.query("select symbol, listed_on from asset"))["TWTR"] == MONDAY
    assert office.closes("TWTR-20221027").items() >= old.items()
    assert office.desk.plan("MAX", run="nothing left").calls == 0


def test_a_ticker_taken_over_before_any_sync_saw_its_end_gives_nothing_to_the_old_asset(office: Office) -> None:
    office.sync()
    office.desk.run("1M")
    office.admin.delist("MSFT", FRIDAY)
    office.admin.list_company("MSFT", TUESDAY, price=3.0)
    for day in (MONDAY, TUESDAY):
        office.at(day, 20)
        office.desk.run("7D", run=f"without a sync {day}")
    assert TUESDAY in office.closes("MSFT"), "taken for the old company's"
    office.at(date(2026, 11, 25))
    office.sync()
    assert max(office.closes("MSFT-20261120")) == FRIDAY
    assert office.desk.query("select session from bar_revision where session >= %(day)s", day=MONDAY) == [(TUESDAY,)]
