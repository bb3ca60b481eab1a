"""What stops a sync, and what does not: unknown symbols, endpoints that fail or are not in the plan, rejected keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.flows.office import Office

FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)


def test_symbols_that_the_vendor_never_heard_of_are_named_and_stop_nothing(make_office: Callable[..., Office]) -> None:
    office = make_office("AAPL", "NOSUCH", "NEITHER")
    office.at(FRIDAY, 18)
    report = office.sync()
    assert any("neither active nor inactive at polygon: NEITHER, NOSUCH" in warning for warning in report.warnings)
    assert report.state == "success"
    assert len(office.splits("AAPL")) == 3


@pytest.mark.fault("U25")
def test_a_symbol_answered_with_404_is_reported_once_and_followed_again_when_it_is_listed(office: Office) -> None:
    office.admin.add_fault("status", match="/MSFT/range", status=404, body={"status": "NOT_FOUND", "message": "no"})
    report = office.desk.run("1M")
    assert [(failed.symbol, failed.kind) for failed in report.failed_symbols] == [("MSFT", "gone")]
    assert office.desk.query("select symbol, inactive_since from asset where inactive_since is not null") == [
        ("MSFT", FRIDAY)
    ]
    assert office.desk.run("1M", run="next").failed_symbols == ()
    office.admin.clear_faults()
    synced = office.sync()
    assert any("MSFT is known to the vendor again" in warning for warning in synced.warnings)
    assert office.desk.query("select count(*) from asset where inactive_since is not null") == [(0,)]
    assert office.desk.run("1M", run="after").state == "success"
    assert len(office.closes("MSFT")) > 15


@pytest.mark.fault("U25")
def test_a_404_for_a_former_ticker_does_not_end_the_tries_for_the_asset(make_office: Callable[..., Office]) -> None:
    office = make_office("META")
    office.at(FRIDAY, 18)
    office.sync()
    unknown = {"status": "NOT_FOUND", "message": "no"}
    office.admin.add_fault("status", match="/ticker/FB/", status=404, body=unknown)
    report = office.desk.run("5Y")
    assert [(failed.symbol, failed.kind) for failed in report.failed_symbols] == [("META", "gone")]
    assert office.desk.query("select count(*) from asset where inactive_since is not null") == [(0,)]
    assert len(office.closes("META")) > 1_000


def test_an_asset_that_somebody_removed_stays_removed(office: Office) -> None:
    office.desk.query("update asset set inactive_since = '2026-11-01' where symbol = 'MSFT' returning 1")
    office.sync()
    assert office.desk.query("select inactive_since from asset where symbol = 'MSFT'") == [(date(2026, 11, 1),)]


def test_a_coin_answered_with_404_is_tried_again_after_a_week(office: Office) -> None:
    office.admin.add_fault("status", match="/coins/bitcoin", status=404, body={"error": "coin not found"})
    office.desk.run("7D", ["X:BTCUSD"])
    inactive = "select count(*) from asset where inactive_since is not null"
    assert office.desk.query(inactive) == [(1,)]
    office.at(MONDAY)
    office.sync()
    assert office.desk.query(inactive) == [(1,)]
    office.at(date(2026, 11, 30))
    assert any("X:BTCUSD" in warning for warning in office.sync().warnings)
    assert office.desk.query(inactive) == [(0,)]


@pytest.mark.promise("P4")
@pytest.mark.parametrize("part", ["active=true", "active=false", "/splits", "/dividends", "/events"])
def test_an_endpoint_that_fails_stops_nothing_else(make_office: Callable[..., Office], part: str) -> None:
    office = make_office("AAPL", "META")
    office.at(FRIDAY, 18)
    office.admin.add_fault("html", match=part)
    report = office.sync(run="broken")
    assert (report.state, [failed.kind for failed in report.failed_symbols]) == ("partial", ["contract_broken"])
    assert bool(office.splits("AAPL")) == (part != "/splits")
    assert bool(office.desk.query("select from dividend")) == (part != "/dividends")
    office.admin.clear_faults()
    assert office.sync(run="whole").state == "success"
    assert len(office.splits("AAPL")) == 3
    assert office.desk.query("select count(*) from asset_alias") == [(3,)]


@pytest.mark.fault("U24")
def test_an_endpoint_that_the_plan_lacks_is_asked_once_a_week_and_said_so(make_office: Callable[..., Office]) -> None:
    office = make_office("AAPL", "META")
    office.at(FRIDAY, 18)
    denied = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
    office.admin.add_fault("status", match="/events", status=403, body=denied)
    assert office.sync(run="first").state == "partial"
    office.admin.forget_requests()
    office.at(MONDAY)
    second = office.sync()
    assert second.state == "success"
    assert office.asked("/events") == []


@pytest.mark.fault("U23")
def test_a_rejected_key_ends_the_sync_with_a_failed_run(office: Office) -> None:
    office.admin.remove_key("demo-polygon-advanced")
    report = office.sync()
    assert (report.state, [failed.kind for failed in report.failed_symbols]) == ("failed", ["key_rejected"])
    assert len(office.asked()) == 1


def test_an_empty_list_of_tickers_delists_nobody(office: Office) -> None:
    office.sync()
    office.admin.add_fault("drop_rows", match="/v3/reference/tickers", keep=0)
    office.at(MONDAY)
    report = office.sync()
    assert any("proves nothing" in warning for warning in report.warnings)
    assert office.desk.query("select count(*) from asset where delisted_on is not null") == [(0,)]


def test_what_does_not_fit_into_the_time_for_single_companies_is_left_for_the_next_run(
    make_office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make_office("META", "AAPL")
    office.at(FRIDAY, 18)
    with monkeypatch.context() as patched:
        patched.setattr("marketdata.flows.inquiry._MINUTES", 0)
        report = office.sync(run="short")
    assert any("the next run goes on" in warning for warning in report.warnings)
    assert office.asked("/events") == []
    assert office.desk.query("select count(identified_on) from reference_progress") == [(0,)]
    office.sync(run="long")
    assert office.desk.query("select symbol, listed_on from asset order by 1") == [
        ("AAPL", date(1980, 12, 12)),
        ("META", date(2012, 5, 18)),
    ]


def test_a_rename_seen_while_ticker_events_fail_waits_for_its_date(make_office: Callable[..., Office]) -> None:
    office = make_office("FB")
    office.day(date(2022, 6, 8))
    office.admin.add_fault("html", match="/events")
    synced, _ = office.day(date(2022, 6, 9))
    assert synced.state == "partial"
    assert office.desk.query("select symbol from asset") == [("FB",)]
    office.admin.clear_faults()
    office.day(date(2022, 6, 10))
    office.at(date(2022, 6, 11), 13)
    office.desk.run("1M", run="whole")
    assert office.desk.query("select symbol from asset") == [("META",)]
    closes = office.closes("META")
    assert closes == office.truth("META", min(closes), date(2022, 6, 10))
    assert date(2022, 6, 9) in closes, "what FB was asked for since proves nothing"


def test_a_rename_without_entitlement_to_its_date_takes_place_after_the_last_bar(
    make_office: Callable[..., Office],
) -> None:
    office = make_office("FB")
    denied = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
    office.admin.add_fault("status", match="/events", status=403, body=denied)
    for day in (date(2022, 6, 8), date(2022, 6, 9), date(2022, 6, 10)):
        office.day(day)
    office.at(date(2022, 6, 11), 13)
    office.desk.run("1M", run="whole")
    closes = office.closes("META")
    assert closes == office.truth("META", min(closes), date(2022, 6, 10))


def test_a_company_whose_ticker_events_the_vendor_does_not_know_is_taken_as_it_is(
    make_office: Callable[..., Office],
) -> None:
    office = make_office("META")
    office.at(FRIDAY, 18)
    unknown = {"status": "NOT_FOUND", "message": "Ticker not found."}
    office.admin.add_fault("status", match="/events", status=404, body=unknown)
    first = office.sync(run="first")
    assert [(failed.symbol, failed.kind) for failed in first.failed_symbols] == [("META", "gone")]
    assert office.sync(run="second").state == "success", "said once"
    assert office.desk.query("select symbol, identified_on from asset join reference_progress using (asset_id)") == [
        ("META", FRIDAY)
    ]
