"""The history flow on a real database, against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from marketdata.domain.sessions import sessions
from marketdata.errors import InvalidRequest
from marketdata.flows.history import vantage
from tests.flows.conftest import FRIDAY_EVENING, NOWHERE, SATURDAY_NOON, Desk

STOCKS = ("AAPL", "MSFT", "GOOGL")
FRIDAY = date(2026, 11, 20)


def calls_of(desk: Desk, vendor: str) -> list[str]:
    return [request.path for request in desk.simulator.admin.requests(vendor=vendor)]


@pytest.mark.promise("P1")
def test_a_year_of_three_stocks_is_stored_once_and_never_fetched_again(desk: Desk) -> None:
    report = desk.run("1Y", STOCKS)
    expected = sessions(date(2025, 11, 21), FRIDAY)
    assert (report.state, report.inserted, report.changed) == ("success", 3 * len(expected), 0)
    assert len(calls_of(desk, "massive")) == 3
    first = desk.rows()
    assert [row[1] for row in first if row[0] == "AAPL"] == expected
    again = desk.run("1Y", STOCKS, run="again")
    assert (again.state, again.requests, again.received) == ("success", 0, 0)
    assert len(calls_of(desk, "massive")) == 3
    assert desk.rows() == first


def test_all_assets_that_miss_one_session_cost_one_call(desk: Desk) -> None:
    desk.run("1M")
    desk.simulator.admin.forget_requests()
    desk.at(SATURDAY_NOON + timedelta(days=3))  # Tuesday 13:00 New York: Monday is missing
    report = desk.run("1M", run="tuesday")
    assert calls_of(desk, "massive") == ["/v2/aggs/grouped/locale/us/market/stocks/2026-11-23"]
    assert report.state == "success"
    assert desk.missing("GOOGL", date(2026, 10, 24), date(2026, 11, 23)) == 0


def test_a_range_within_a_stored_one_needs_no_call(desk: Desk) -> None:
    desk.run("1Y", ["AAPL"])
    desk.simulator.admin.forget_requests()
    for name in ("7D", "1M", "3M", "6M", "YTD"):
        assert desk.plan(name, ["AAPL"], run=name).calls == 0
    assert calls_of(desk, "massive") == []


@pytest.mark.fault("U28")
def test_a_bar_taken_on_its_own_day_is_provisional_until_the_day_after(desk: Desk) -> None:
    desk.at(FRIDAY_EVENING)
    desk.run("7D", ["AAPL"], run="friday")
    assert desk.query("select session, is_final from bar_daily order by session desc limit 1") == [(FRIDAY, False)]
    assert desk.plan("7D", ["AAPL"], run="same evening").calls == 0
    desk.at(SATURDAY_NOON)
    report = desk.run("7D", ["AAPL"], run="saturday")
    assert report.received >= 1
    assert desk.query("select session, is_final from bar_daily order by session desc limit 1") == [(FRIDAY, True)]
    assert desk.plan("7D", ["AAPL"], run="settled").calls == 0


@pytest.mark.fault("U27")
@pytest.mark.promise("P3")
def test_a_bar_that_the_vendor_changed_keeps_its_earlier_version(desk: Desk) -> None:
    desk.at(FRIDAY_EVENING)
    desk.run("7D", ["AAPL"], run="friday")
    ((before,),) = desk.query("select close from bar_daily where session = %(day)s", day=FRIDAY)
    desk.simulator.admin.correct_bar("AAPL", FRIDAY, v=123456.0)
    desk.at(SATURDAY_NOON)
    report = desk.run("7D", ["AAPL"], run="saturday")
    assert report.changed == 1
    assert desk.query("select close, volume from bar_daily where session = %(day)s", day=FRIDAY) == [(before, 123456.0)]
    assert desk.query("select session, close from bar_revision") == [(FRIDAY, before)]


def test_a_market_day_before_the_plan_publishes_it_is_not_yet_and_stays_missing(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(polygon="basic")
    desk.run("7D", run="settled")
    desk.at(SATURDAY_NOON + timedelta(days=2, hours=4))  # Monday 17:00 New York
    report = desk.run("7D", STOCKS, run="monday")
    assert (report.state, report.failed_symbols) == ("success", ())
    assert any("not published yet" in warning for warning in report.warnings)
    assert desk.missing("AAPL", date(2026, 11, 23), date(2026, 11, 23)) == 1


@pytest.mark.promise("P10")
def test_history_that_the_plan_clips_in_silence_is_never_declared_absent(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(polygon="basic")  # two years
    report = desk.run("5Y", ["AAPL"])
    ((first,),) = desk.query("select min(session) from bar_daily")
    assert first > date(2024, 11, 15)
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.missing("AAPL", date(2021, 11, 22), first - timedelta(days=1)) > 1000
    assert any("history is shorter than asked" in warning for warning in report.warnings)
    assert desk.query("select capability, earliest from entitlement where vendor = 'polygon'") == [
        ("daily_history", first)
    ]
    desk.simulator.admin.forget_requests()
    again = desk.run("5Y", ["AAPL"], run="again")
    assert calls_of(desk, "massive") == [], "what the plan cannot give is not asked for again"
    assert any("does not reach" in warning for warning in again.warnings)


@pytest.mark.promise("P10")
def test_sessions_before_the_first_bar_are_absent_only_after_a_probe(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(assets=[{"symbol": "GOOGL", "asset_class": "stock"}])  # we do not know when it was listed
    desk.run("MAX", ["GOOGL"])
    ((first,),) = desk.query("select min(session) from bar_daily")
    assert first == date(2014, 4, 3)
    paths = calls_of(desk, "massive")
    assert [path.rsplit("/", 2)[1:] for path in paths] == [["2003-09-10", "2026-11-20"], ["2003-09-10", "2003-09-10"]]
    expected = len(sessions(date(2003, 9, 10), date(2014, 4, 2)))
    assert desk.query("select count(*), min(session) from absence") == [(expected, date(2003, 9, 10))]
    assert desk.plan("MAX", ["GOOGL"], run="again").calls == 0


@pytest.mark.promise("P4")
@pytest.mark.fault("U24")
def test_one_symbol_that_the_plan_refuses_does_not_fail_the_others(desk: Desk) -> None:
    desk.simulator.admin.put_key("demo-polygon-advanced", denied_symbols=["MSFT"])
    report = desk.run("1Y", STOCKS)
    assert report.state == "partial"
    assert [(failed.symbol, failed.kind) for failed in report.failed_symbols] == [("MSFT", "not_entitled")]
    assert {row[0] for row in desk.rows()} == {"AAPL", "GOOGL"}
    ((kind, message, next_step),) = desk.query("select kind, message, next_step from fetch_failure")
    assert kind == "not_entitled"
    assert "MSFT" in message
    assert next_step


@pytest.mark.promise("P4")
@pytest.mark.promise("P10")
@pytest.mark.fault("A12")
def test_a_run_in_which_every_call_fails_is_failed_and_everything_stays_missing(desk: Desk) -> None:
    desk.simulator.admin.add_fault("html", path="/")
    report = desk.run("1M", ["AAPL", "X:BTCUSD"])
    assert report.state == "failed"
    assert {failed.kind for failed in report.failed_symbols} == {"contract_broken"}
    assert desk.query("select count(*) from coverage") == [(0,)]
    assert desk.query("select count(*) from absence") == [(0,)]
    desk.simulator.admin.clear_faults()
    healed = desk.run("1M", ["AAPL", "X:BTCUSD"], run="healed")
    assert healed.state == "success"
    assert desk.query("select count(*) from fetch_failure where resolved_at is null") == [(0,)]


@pytest.mark.fault("U23")
def test_a_rejected_key_is_asked_once_and_the_other_vendor_goes_on(desk: Desk) -> None:
    desk.simulator.admin.remove_key("demo-polygon-advanced")
    report = desk.run("1Y", [*STOCKS, "X:BTCUSD"])
    assert report.state == "partial"
    assert len(calls_of(desk, "massive")) == 1
    assert {failed.symbol: failed.kind for failed in report.failed_symbols} == dict.fromkeys(STOCKS, "key_rejected")
    assert {row[0] for row in desk.rows()} == {"X:BTCUSD"}


@pytest.mark.fault("U14")
@pytest.mark.promise("P7")
def test_a_bad_bar_is_quarantined_with_its_reason_and_its_session_stays_missing(desk: Desk) -> None:
    desk.simulator.admin.correct_bar("AAPL", date(2026, 11, 18), h=1.0)
    report = desk.run("1M", ["AAPL"])
    assert (report.state, report.quarantined) == ("partial", 1)
    ((symbol, kind, message),) = report.failed_symbols
    assert (symbol, kind) == ("AAPL", "refused")
    assert "2026-11-18" in message
    ((symbol, session, reason),) = desk.query("select symbol, session, reason from quarantine")
    assert (symbol, session) == ("AAPL", date(2026, 11, 18))
    assert "high" in reason
    assert desk.missing("AAPL", date(2026, 11, 18), date(2026, 11, 18)) == 1
    assert desk.missing("AAPL", date(2026, 11, 17), date(2026, 11, 17)) == 0


def test_a_coin_gets_closes_of_its_utc_days_and_never_the_price_of_this_moment(desk: Desk) -> None:
    report = desk.run("1M", ["X:BTCUSD"])
    rows = desk.rows()
    assert report.state == "success"
    assert [row[1] for row in rows] == [date(2026, 10, 21) + timedelta(days=n) for n in range(31)]
    assert all(row[2:5] == (None, None, None) and row[5] > 0 and row[6] is None and row[7] > 0 for row in rows)


def test_a_plan_with_candles_gives_coins_open_high_and_low(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(coingecko="analyst")
    report = desk.run("1Y", ["X:BTCUSD"])
    rows = desk.rows()
    assert report.state == "success"
    assert len(rows) == 365
    assert all(row[3] >= row[5] >= row[4] > 0 for row in rows)


def test_a_dry_run_plans_and_asks_the_vendors_nothing(desk: Desk) -> None:
    plan = desk.plan("1Y", STOCKS, dry_run=True)
    assert (plan.calls, plan.batches) == (3, ())
    assert calls_of(desk, "massive") == []
    assert desk.query("select state from ingest_run") == [("dry_run",)]


@pytest.mark.parametrize(
    ("interval_end", "logical_date", "expected"),
    [
        (None, None, SATURDAY_NOON),  # airflow dags trigger
        (FRIDAY_EVENING, FRIDAY_EVENING.replace(hour=0), FRIDAY_EVENING),  # scheduled, backfilled, or -l 2026-11-20
        (FRIDAY_EVENING, SATURDAY_NOON, SATURDAY_NOON),  # the trigger form in the browser
    ],
)
def test_a_run_looks_back_from_its_interval_or_from_now(
    interval_end: datetime | None, logical_date: datetime | None, expected: datetime
) -> None:
    assert vantage(interval_end, logical_date, SATURDAY_NOON) == expected


def test_an_unknown_symbol_is_refused_with_what_is_near(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match=r"APPL.*near: AAPL"):
        desk.plan("1Y", ["APPL"])


@pytest.mark.promise("P6")
@pytest.mark.fault("R01")
def test_without_redis_the_run_goes_on_at_its_share_of_the_quota(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(redis_url=NOWHERE)
    report = desk.run("1Y", STOCKS)
    assert report.state == "success"
    assert {row[0] for row in desk.rows()} == set(STOCKS)


def test_a_market_day_with_too_few_rows_proves_no_absence(desk: Desk) -> None:
    desk.run("1M")
    desk.at(SATURDAY_NOON + timedelta(days=3))
    desk.run("1M", run="monday")
    desk.at(SATURDAY_NOON + timedelta(days=4))
    desk.simulator.admin.add_fault("drop_rows", match="/grouped/", keep=1)
    report = desk.run("1M", run="tuesday")
    assert any("no absence proven" in warning for warning in report.warnings)
    assert desk.query("select count(*) from absence") == [(0,)]
    desk.simulator.admin.clear_faults()
    assert desk.run("1M", run="again").state == "success"
    assert desk.missing("MSFT", date(2026, 11, 24), date(2026, 11, 24)) == 0


@pytest.mark.promise("P10")
@pytest.mark.fault("U29")
def test_an_expected_session_without_one_bar_in_the_whole_market_proves_nothing(desk: Desk) -> None:
    desk.run("1M")
    desk.at(SATURDAY_NOON + timedelta(days=3))
    desk.simulator.admin.add_fault("drop_rows", match="/grouped/", keep=0)
    report = desk.run("1M", STOCKS, run="tuesday")
    assert (report.state, [failed.kind for failed in report.failed_symbols]) == ("failed", ["transient"])
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.missing("MSFT", date(2026, 11, 23), date(2026, 11, 23)) == 1


@pytest.mark.promise("P10")
def test_a_bound_learnt_too_low_never_turns_a_clip_into_absences(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(polygon="basic")  # two years
    day = date(2026, 11, 21)
    desk.services.polygon_key.learn_earliest(date(2021, 5, 4), day, "a market day before it was refused")
    desk.run("5Y", ["AAPL"])
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.missing("AAPL", date(2021, 11, 22), date(2024, 11, 1)) > 700
