"""Crypto history by plan: what keyless, demo and paid give, and what a change of plan does to what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from marketdata.domain.candles import FIRST_CANDLE, candle_requests
from marketdata.flows import fetch, history
from marketdata.flows.request import HistoryRequest
from marketdata.storage.runs import RunReport
from tests.flows.conftest import SATURDAY_NOON, Desk

if TYPE_CHECKING:
    from local.simulator.server import Addresses

BITCOIN = ["X:BTCUSD"]
YESTERDAY = date(2026, 11, 20)
SUNDAY = datetime.fromisoformat("2026-11-22T07:00:00+00:00")
MakeDesk = Callable[..., Desk]


def backfill(desk: Desk, run: str) -> RunReport:
    """What a Sunday does: fill the gaps of all history, then compare what is stored."""
    request = HistoryRequest("MAX", tuple(BITCOIN), verify_hours=6.0)
    plan = history.plan_run(
        desk.services, request, dag_id="historical_backfill", airflow_run_id=run, as_of=desk.now, now=desk.now
    )
    for batch in plan.batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    report = history.close_run(desk.services, dag_id="historical_backfill", airflow_run_id=run)
    assert report is not None
    return report


def asked(desk: Desk) -> list[str]:
    return [request.path.rsplit("/", 1)[-1] for request in desk.simulator.admin.requests(path_contains="/coins/")]


def shapes(desk: Desk) -> dict[date, tuple[bool, bool]]:
    """Of each stored day: whether it is a candle, and whether it has a volume."""
    return {
        session: (is_candle, has_volume)
        for session, is_candle, has_volume in desk.query(
            "select session, open is not null, volume_24h is not null from bar_daily order by session"
        )
    }


@pytest.mark.parametrize("plan", ["keyless", "demo"])
def test_a_free_plan_gives_closes_of_365_days_with_one_request_and_says_what_it_lacks(
    make_desk: MakeDesk, simulator: Addresses, plan: str
) -> None:
    simulator.admin.put_key("demo-coingecko-keyless", like="demo-coingecko-demo")  # the desk names a key for each plan
    desk = make_desk(coingecko=plan)
    report = desk.run("MAX", BITCOIN)
    stored = shapes(desk)
    assert asked(desk) == ["market_chart"]
    assert (min(stored), max(stored), len(stored)) == (date(2025, 11, 21), YESTERDAY, 365)
    assert set(stored.values()) == {(False, True)}
    assert report.state == "success"
    assert any("history" in warning for warning in report.warnings)
    assert desk.query("select count(*) from absence") == [(0,)]


def test_a_paid_plan_gives_candles_with_volumes_of_a_year_in_four_requests(make_desk: MakeDesk) -> None:
    desk = make_desk(coingecko="analyst")
    planned = desk.plan("1Y", BITCOIN, dry_run=True, run="dry")
    report = desk.run("1Y", BITCOIN)
    assert set(shapes(desk).values()) == {(True, True)}
    assert asked(desk) == ["range", "range", "range", "market_chart"]
    assert planned.calls == report.calls_done == 1
    assert report.requests == planned.coins.requests == candle_requests(date(2025, 11, 21), YESTERDAY) == 4


def test_all_history_of_a_paid_plan_is_one_call_with_closes_before_the_first_candle(make_desk: MakeDesk) -> None:
    desk = make_desk(coingecko="analyst")
    report = desk.run("MAX", BITCOIN)
    stored = shapes(desk)
    assert (report.state, report.calls_done) == ("success", 1)
    assert report.requests == candle_requests(date(2013, 4, 28), YESTERDAY)
    candles = {day for day, (is_candle, _) in stored.items() if is_candle}
    assert min(candles) == FIRST_CANDLE
    assert {day for day in stored if day >= FIRST_CANDLE} == candles
    assert min(stored) < FIRST_CANDLE
    assert {has_volume for _, has_volume in stored.values()} == {True}
    assert desk.missing("X:BTCUSD", date(2013, 4, 28), YESTERDAY) == 0
    assert desk.plan("MAX", BITCOIN, run="again").calls == 0


def test_a_close_that_precedes_its_candle_by_minutes_does_not_take_the_candles_place(make_desk: MakeDesk) -> None:
    desk = make_desk(coingecko="analyst")
    desk.run("1M", BITCOIN)
    desk.at(datetime.fromisoformat("2026-11-22T00:20:00+00:00"))  # the chart has Saturday, the candles do not yet
    report = desk.run("1M", BITCOIN, run="early")
    assert report.state == "success"
    assert max(shapes(desk)) == YESTERDAY
    assert desk.missing("X:BTCUSD", date(2026, 11, 21), date(2026, 11, 21)) == 1
    desk.at(datetime.fromisoformat("2026-11-22T01:10:00+00:00"))
    desk.run("1M", BITCOIN, run="settled")
    assert shapes(desk)[date(2026, 11, 21)] == (True, True)


def test_closes_get_their_candles_from_a_larger_plan_when_they_are_next_compared(make_desk: MakeDesk) -> None:
    demo = make_desk(coingecko="demo")
    demo.run("MAX", BITCOIN)
    before = demo.query("select session, close from bar_daily order by session")
    desk = make_desk(coingecko="analyst")
    desk.at(SUNDAY)
    report = backfill(desk, "sunday")
    stored = shapes(desk)
    assert report.state == "success"
    assert all(is_candle for day, (is_candle, _) in stored.items() if day >= FIRST_CANDLE)
    assert len(stored) > len(before) == 365, "the older history came too"
    kept = desk.query("select session, close from bar_revision where open is null order by session")
    assert kept == before, "what was known before is kept"
    assert desk.plan("MAX", BITCOIN, run="again").calls == 0


def test_candles_and_volumes_survive_a_smaller_plan(make_desk: MakeDesk) -> None:
    make_desk(coingecko="analyst").run("1Y", BITCOIN)
    desk = make_desk(coingecko="demo")
    before = desk.rows()
    desk.at(SUNDAY + timedelta(days=7))
    report = backfill(desk, "sunday")
    assert report.changed == 0
    assert desk.rows()[: len(before)] == before
    assert [is_candle for is_candle, _ in shapes(desk).values()][-8:] == [False] * 8


def test_a_key_without_candles_is_asked_for_them_once_and_gives_closes(make_desk: MakeDesk) -> None:
    desk = make_desk(coingecko="analyst")
    body = {"status": {"error_code": 10005, "error_message": "limited to PRO API subscribers"}}
    desk.simulator.admin.add_fault("status", match="/ohlc", status=401, body=body)
    report = desk.run("1M", BITCOIN)
    assert report.state == "success"
    assert set(shapes(desk).values()) == {(False, True)}
    assert asked(desk) == ["range", "market_chart"]
    assert report.requests == 2
    assert desk.query("select capability, allowed from entitlement where vendor = 'coingecko'") == [
        ("coin_ohlc", False)
    ]
    desk.at(SATURDAY_NOON + timedelta(days=1))
    desk.run("1M", BITCOIN, run="sunday")
    assert asked(desk) == ["range", "market_chart", "market_chart"]
