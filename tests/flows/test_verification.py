"""Stored history compared with the vendor: what differs is found and stored, what does not is left untouched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import pytest

from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.flows.verification import requests_within
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Quota
from marketdata.storage.runs import RunReport
from tests.flows.conftest import Desk

STOCKS = ("AAPL", "MSFT", "GOOGL")
SUNDAY = datetime.fromisoformat("2026-11-22T07:00:00+00:00")
WEEK = timedelta(days=7)
TWO_CALLS = 2.5 * 61 / 9_000 / 3_600
"""Hours in which a key of the desk, at 9,000 calls of batch in 61 seconds, makes two calls."""
A_DAY_IN_MARCH = date(2026, 3, 2)


def plan(desk: Desk, run: str, *, hours: float = 6.0, symbols: Sequence[str] = ()) -> history.RunPlan:
    return history.plan_run(
        desk.services,
        HistoryRequest("MAX", tuple(symbols), verify_hours=hours),
        dag_id="historical_backfill",
        airflow_run_id=run,
        as_of=desk.now,
        now=desk.now,
    )


def backfill(desk: Desk, run: str, *, hours: float = 6.0, symbols: Sequence[str] = ()) -> RunReport:
    for batch in plan(desk, run, hours=hours, symbols=symbols).batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    report = history.close_run(desk.services, dag_id="historical_backfill", airflow_run_id=run)
    assert report is not None
    return report


def versions(desk: Desk) -> list[tuple[object, ...]]:
    """Each stored row with the transaction that wrote it."""
    return desk.query("select asset_id, session, xmin::text, ctid::text from bar_daily order by 1, 2")


def calls(desk: Desk) -> list[str]:
    return [request.path for request in desk.simulator.admin.requests()]


@pytest.fixture
def loaded(desk: Desk) -> Desk:
    """All history of all assets; the vendors' logs emptied; it is Sunday 02:00 in New York."""
    desk.at(SUNDAY)
    assert backfill(desk, "load", hours=0).state == "success"
    desk.simulator.admin.forget_requests()
    return desk


@pytest.mark.promise("P1")
def test_where_nothing_changed_no_bar_is_written_and_each_asset_costs_one_call(loaded: Desk) -> None:
    before = versions(loaded)
    assert len(before) > 15_000
    for run in ("without digests", "with digests"):
        loaded.simulator.admin.forget_requests()
        report = backfill(loaded, run)
        assert (report.state, report.verified, report.differing) == ("success", 4, 0)
        assert (report.inserted, report.changed, report.unchanged, report.received) == (0, 0, len(before), len(before))
        assert (report.calls_done, report.naive_calls, len(calls(loaded))) == (4, 4, 4)
        assert versions(loaded) == before
    assert loaded.query("select count(*) from coverage where compared_at is null") == [(0,)]


def test_the_weeks_new_bars_are_fetched_first_and_verified_the_week_after(loaded: Desk) -> None:
    backfill(loaded, "first sunday")
    loaded.at(SUNDAY + WEEK)
    report = backfill(loaded, "second sunday")
    thanksgiving_week = 4 * len(STOCKS) + 7
    assert (report.inserted, report.verified, report.differing, report.changed) == (thanksgiving_week, 4, 0, 0)
    purposes = loaded.query(
        "select purpose from ingest_call where run_id = %(run)s order by call_id", run=report.run_id
    )
    assert [purpose for (purpose,) in purposes] == ["fill"] * 4 + ["verify"] * 4
    loaded.at(SUNDAY + 2 * WEEK)
    assert backfill(loaded, "third sunday").differing == 0


def test_digests_speak_for_every_year_and_are_not_made_twice(loaded: Desk) -> None:
    backfill(loaded, "first sunday")
    digests = "select asset_id, year, bars, first, last, digest, xmin::text from bar_digest order by 1, 2"
    made = loaded.query(digests)
    stored = loaded.query(
        "select asset_id, extract(year from session)::int, count(*), min(session), max(session)"
        " from bar_daily where is_final group by 1, 2 order by 1, 2"
    )
    assert [row[:5] for row in made if row[2]] == stored
    assert backfill(loaded, "once more").verified == 4
    assert loaded.query(digests) == made


@pytest.mark.fault("U27")
@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    "correction", [{"v": 123456.0}, {"vw": 77.125}, {"n": 4321}, {"c": 0.0}], ids=["volume", "vwap", "trades", "close"]
)
def test_a_late_correction_is_found_and_stored_and_the_earlier_version_kept(
    loaded: Desk, correction: dict[str, float]
) -> None:
    backfill(loaded, "before")
    columns = "open, high, low, close, volume, vwap, trades"
    bar = f"select {columns} from bar_daily join asset using (asset_id) where symbol = 'MSFT' and session = %(day)s"
    (before,) = loaded.query(bar, day=A_DAY_IN_MARCH)
    if "c" in correction:
        correction = {"c": before[1]}  # the high
    loaded.simulator.admin.correct_bar("MSFT", A_DAY_IN_MARCH, **correction)
    untouched = [row for row in versions(loaded) if row[1] != A_DAY_IN_MARCH]
    report = backfill(loaded, "after")
    assert (report.state, report.verified, report.differing, report.changed) == ("success", 4, 1, 1)
    (after,) = loaded.query(bar, day=A_DAY_IN_MARCH)
    assert after != before
    assert next(iter(correction.values())) in after
    assert loaded.query(f"select session, {columns} from bar_revision") == [(A_DAY_IN_MARCH, *before)]
    assert [row for row in versions(loaded) if row[1] != A_DAY_IN_MARCH] == untouched
    assert backfill(loaded, "again").differing == 0


def test_a_bar_that_the_vendor_sends_only_now_is_stored_and_its_absence_is_over(loaded: Desk) -> None:
    loaded.query("delete from bar_daily where session = %(day)s and asset_id = 1 returning 1", day=A_DAY_IN_MARCH)
    loaded.query(
        "insert into absence select 1, '1d', %(day)s, max(call_id), 'x', now() from ingest_call returning 1",
        day=A_DAY_IN_MARCH,
    )
    report = backfill(loaded, "sunday")
    assert (report.differing, report.inserted, report.changed) == (1, 1, 0)
    assert loaded.query("select count(*) from bar_daily where session = %(day)s", day=A_DAY_IN_MARCH) == [(4,)]
    assert loaded.query("select count(*) from absence") == [(0,)]


@pytest.mark.parametrize("known", [False, True], ids=["without digests", "with digests"])
def test_a_bar_that_the_vendor_no_longer_sends_is_kept_and_named(loaded: Desk, known: bool) -> None:
    if known:
        backfill(loaded, "before")
    before = versions(loaded)
    loaded.simulator.admin.add_fault("drop_rows", match="/ticker/MSFT/", keep=5_000)  # of 5,835: the newest are gone
    report = backfill(loaded, "sunday")
    assert (report.state, report.differing, report.inserted, report.changed) == ("success", 1, 0, 0)
    assert versions(loaded) == before, "a stored bar is never deleted"
    (warning,) = (text for text in report.warnings if "MSFT" in text)
    gone = [day for symbol, day, *_ in loaded.rows() if symbol == "MSFT"][5_000:]
    assert f"{gone[0]}, {gone[1]}" in warning
    assert str(gone[-1]) in warning
    assert loaded.query("select count(*) from absence where session = any(%(gone)s)", gone=gone) == [(0,)]
    loaded.simulator.admin.clear_faults()
    assert backfill(loaded, "healed").differing == 0


@pytest.mark.promise("P10")
def test_an_answer_without_any_bar_takes_nothing_away(loaded: Desk) -> None:
    before = versions(loaded)
    loaded.simulator.admin.add_fault("drop_rows", match="/ticker/MSFT/", keep=0)
    report = backfill(loaded, "sunday")
    assert versions(loaded) == before
    assert report.differing == 1
    assert any("MSFT" in text and "kept" in text for text in report.warnings)


@pytest.mark.promise("P10")
def test_a_plan_that_now_clips_verifies_its_part_and_declares_nothing_absent_or_withdrawn(
    make_desk: Callable[..., Desk],
) -> None:
    large = make_desk()
    large.at(SUNDAY)
    backfill(large, "load", hours=0)
    before = versions(large)
    small = make_desk(polygon="basic")  # the same database, two years of history
    small.at(SUNDAY)
    small.simulator.admin.correct_bar("AAPL", A_DAY_IN_MARCH, v=1.0)
    small.simulator.admin.correct_bar("AAPL", date(2015, 3, 2), v=1.0)
    report = backfill(small, "sunday")
    assert (report.verified, report.differing, report.changed) == (4, 1, 1)
    assert not any("kept" in warning for warning in report.warnings)
    assert small.query("select count(*) from absence") == large.query("select count(*) from absence")
    assert len(versions(small)) == len(before)
    ((earliest,),) = small.query("select earliest from entitlement where vendor = 'polygon'")
    assert earliest > date(2024, 11, 15)
    assert small.query("select min(year) from bar_digest where asset_id = 1 and bars > 0") == [(2025,)], (
        "a year that the answer speaks for in part has no digest"
    )
    asked = [request.path for request in small.simulator.admin.requests(vendor="massive")]
    small.simulator.admin.forget_requests()
    again = backfill(small, "again")
    assert (again.verified, again.differing) == (4, 0)
    assert len(small.simulator.admin.requests(vendor="massive")) == 3 < len(asked), "what is known is not probed again"


@pytest.mark.promise("P5")
def test_a_small_plan_verifies_all_assets_over_some_weeks_least_recently_verified_first(
    make_desk: Callable[..., Desk],
) -> None:
    four = [{"symbol": symbol, "asset_class": "stock"} for symbol in ("AAPL", "GOOGL", "MSFT", "NVDA")]
    desk = make_desk(polygon="basic", assets=four)
    seen: list[list[str]] = []
    for week in range(4):
        desk.at(SUNDAY + week * WEEK)
        backfill(desk, f"gaps {week}", hours=0)
        desk.simulator.admin.forget_requests()
        report = backfill(desk, f"sunday {week}", hours=TWO_CALLS)
        asked = [path.split("/ticker/")[1].split("/")[0] for path in calls(desk)]
        assert (report.state, report.verified, report.naive_calls) == ("success", 2, 4)
        seen.append(asked)
    assert seen == 2 * [["AAPL", "GOOGL"], ["MSFT", "NVDA"]]


@pytest.mark.promise("P5")
def test_filling_gaps_comes_first_and_its_calls_are_taken_off_the_time_for_verifying(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk()
    desk.run("MAX", ["AAPL", "MSFT"], run="load")
    report = backfill(desk, "sunday", hours=TWO_CALLS, symbols=STOCKS)  # GOOGL is new: one call
    asked = [(path.split("/ticker/")[1].split("/")[0]) for path in calls(desk)[2:]]
    assert (asked, report.verified) == (["GOOGL", "AAPL"], 1)


@pytest.mark.parametrize(
    ("plan_name", "per_minute", "calls_in_six_hours"),
    [("basic", None, 1770), ("starter", None, 956_065), ("basic", 10, 3186)],
)
def test_the_time_for_verifying_is_counted_in_calls_at_the_pace_of_the_plan(
    plan_name: str, per_minute: int | None, calls_in_six_hours: int
) -> None:
    account = VendorConnection("polygon", key="k", plan=plan_name, requests_per_minute=per_minute)
    hook = PolygonHook(connection=account, quota=Quota.of(account, None))
    assert requests_within(hook, 6.0, filling=0) == calls_in_six_hours
    assert requests_within(hook, 6.0, filling=100) == calls_in_six_hours - 100
    assert requests_within(hook, 6.0, filling=2_000_000) == 0


@pytest.mark.promise("P5")
@pytest.mark.fault("U31")
def test_of_the_months_credits_that_filling_leaves_verifying_takes_half(redis_url: str) -> None:
    account = VendorConnection("coingecko", key="CG-k", plan="demo", credits_per_month=20)
    quota = Quota.of(account, redis_url)
    hook = CoinGeckoHook(connection=account, quota=quota)
    assert requests_within(hook, 6.0, filling=0) == 9, "of 18, realtime's reserve aside"
    for _ in range(4):
        quota.acquire("batch", 10)
    assert requests_within(hook, 6.0, filling=0) == 7
    assert requests_within(hook, 6.0, filling=4) == 5
    assert requests_within(hook, 6.0, filling=14) == 0


def test_one_failed_comparison_is_named_and_leaves_nothing_missing(loaded: Desk) -> None:
    loaded.simulator.admin.add_fault("status", match="/ticker/MSFT/", status=403)
    report = backfill(loaded, "sunday")
    assert (report.state, report.verified) == ("partial", 3)
    assert [failed.symbol for failed in report.failed_symbols] == ["MSFT"]
    assert loaded.query("select count(*) from fetch_failure") == [(0,)], "all of its bars are stored"
    assert loaded.query("select symbol from asset join coverage using (asset_id) where compared_at is null") == [
        ("MSFT",)
    ]
    loaded.simulator.admin.clear_faults()
    loaded.simulator.admin.forget_requests()
    assert backfill(loaded, "healed", hours=TWO_CALLS, symbols=STOCKS).verified == 2
    assert "/ticker/MSFT/" in calls(loaded)[0], "what was not compared comes first"


def test_what_failed_in_a_run_and_is_done_in_its_repetition_counts_as_compared(loaded: Desk) -> None:
    loaded.simulator.admin.add_fault("status", match="/ticker/MSFT/", status=403)
    assert backfill(loaded, "sunday").verified == 3
    loaded.simulator.admin.clear_faults()
    loaded.simulator.admin.forget_requests()
    report = backfill(loaded, "sunday")  # cleared in Airflow: the same run again
    assert (report.state, report.verified, len(calls(loaded))) == ("success", 4, 1)
    assert loaded.query("select count(*) from coverage where compared_at is null") == [(0,)]


@pytest.mark.fault("U15")
@pytest.mark.promise("P7")
def test_a_bar_that_comes_broken_is_quarantined_and_the_stored_one_kept(loaded: Desk) -> None:
    before = versions(loaded)
    loaded.simulator.admin.correct_bar("MSFT", A_DAY_IN_MARCH, h=1.0)
    report = backfill(loaded, "sunday")
    assert (report.state, report.quarantined, report.changed, report.differing) == ("partial", 1, 0, 0)
    assert versions(loaded) == before
    assert not any("kept" in warning for warning in report.warnings)


def test_planning_a_run_anew_leaves_out_what_it_has_verified(loaded: Desk) -> None:
    first, *rest = plan(loaded, "sunday").batches
    fetch.fetch_batch(loaded.services, first.run_id, first.batch)
    assert len(rest) == 3
    assert plan(loaded, "sunday").calls == 3
    assert backfill(loaded, "sunday").verified == 4
    assert len(calls(loaded)) == 4


def test_a_dry_run_counts_the_calls_of_verifying_too(loaded: Desk) -> None:
    request = HistoryRequest("MAX", verify_hours=6.0, dry_run=True)
    planned = history.plan_run(
        loaded.services, request, dag_id="historical_backfill", airflow_run_id="dry", as_of=loaded.now, now=loaded.now
    )
    assert (planned.calls, planned.batches, calls(loaded)) == (4, (), [])


def test_coins_are_compared_by_their_closes_and_rolling_volumes(loaded: Desk) -> None:
    backfill(loaded, "before")
    midnight = datetime.fromisoformat("2026-07-02T00:00:00+00:00")
    loaded.simulator.admin.correct_coin_price("bitcoin", midnight, 4321.5)
    report = backfill(loaded, "after")
    assert (report.differing, report.changed) == (1, 1)
    assert loaded.query("select session, close from bar_daily where close = 4321.5") == [(date(2026, 7, 1), 4321.5)]


def test_candles_are_compared_as_candles_and_never_replaced_by_closes(make_desk: Callable[..., Desk]) -> None:
    coins = [{"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}]
    paid = make_desk(coingecko="analyst", assets=coins)
    paid.run("1Y", run="load")
    before = versions(paid)
    assert backfill(paid, "sunday", symbols=["X:BTCUSD"]).differing == 0
    assert [row for row in versions(paid) if row in before] == before
    free = make_desk(coingecko="demo", assets=coins)
    report = backfill(free, "after the plan ended", symbols=["X:BTCUSD"])
    assert (report.verified, report.differing) == (1, 0)
    assert [row for row in versions(paid) if row in before] == before


def test_a_renamed_company_is_compared_under_each_of_its_tickers(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(assets=[{"symbol": "META", "asset_class": "stock", "listed_on": "2012-05-18"}])
    renamed = date(2022, 6, 9)
    desk.query(
        "with former as (update asset_alias set valid = daterange(%(on)s, null) returning asset_id)"
        " insert into asset_alias (asset_id, symbol, valid) select asset_id, 'FB', daterange(null, %(on)s) from former"
        " returning 1",
        on=renamed,
    )
    desk.at(SUNDAY)
    assert backfill(desk, "load", hours=0).state == "success"
    before = versions(desk)
    assert before[0][1] == date(2012, 5, 18)
    for run in ("without digests", "with digests"):
        report = backfill(desk, run)
        assert (report.state, report.verified, report.differing, report.calls_done) == ("success", 1, 0, 2)
    assert versions(desk) == before
    old, new = date(2021, 3, 2), date(2022, 3, 2)
    desk.simulator.admin.correct_bar("FB", old, v=1.0)
    desk.simulator.admin.correct_bar("FB", new, v=2.0)  # in the year of the rename, which has no digest
    report = backfill(desk, "corrected")
    assert (report.verified, report.differing, report.changed) == (1, 1, 2)
    assert desk.query("select session from bar_revision order by 1") == [(old,), (new,)]
    assert not any("kept" in warning for warning in report.warnings)
