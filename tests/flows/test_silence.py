"""A plan that clips history in silence is never taken for a share that did not trade."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from marketdata.domain.sessions import sessions
from tests.flows.conftest import SATURDAY_NOON, Desk


@pytest.mark.promise("P10")
@pytest.mark.parametrize("days", range(7))
def test_a_clip_on_any_day_of_the_week_declares_nothing_absent(make_desk: Callable[..., Desk], days: int) -> None:
    desk = make_desk(polygon="basic")  # two years, to the day
    desk.at(SATURDAY_NOON + timedelta(days=days))
    earliest = desk.now.date() - timedelta(days=730)
    desk.run("5Y", ["AAPL"])
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.query("select min(session) >= %(day)s from bar_daily", day=earliest) == [(True,)]
    assert desk.missing("AAPL", date(2021, 12, 1), earliest - timedelta(days=4)) > 1000


@pytest.mark.promise("P10")
def test_a_share_that_did_not_trade_when_the_plan_begins_leaves_what_is_before_it_open(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(polygon="basic", assets=[{"symbol": "JPMpD", "asset_class": "stock"}])
    year = date(2024, 1, 2), date(2024, 11, 20)
    traded = {row["session"] for row in desk.simulator.admin.truth_daily("JPMpD", *year)}
    quiet = next(day for day in sessions(*year) if day not in traded)
    desk.at(datetime(quiet.year, quiet.month, quiet.day, 18, tzinfo=UTC) + timedelta(days=730))
    desk.run("MAX")
    assert desk.query("select min(session) > %(day)s from bar_daily", day=quiet) == [(True,)]
    assert desk.query("select session from absence where session <= %(day)s", day=quiet) == []
    assert desk.missing("JPMpD", date(2021, 12, 1), quiet) > 750


def asked_for_ranges(desk: Desk) -> list[str]:
    return [one.path for one in desk.simulator.admin.requests(vendor="massive", path_contains="/range/")]


def live_a_week(desk: Desk) -> None:
    """The first load, then a run each noon up to the day on which what is known of the key is old."""
    desk.run("MAX", run="first")
    for days in range(1, 8):
        desk.simulator.admin.forget_requests()
        desk.at(SATURDAY_NOON + timedelta(days=days))
        desk.run("MAX", run=f"day {days}")


def test_a_clipped_history_is_probed_anew_after_a_week_by_one_asset_alone(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(polygon="basic")
    live_a_week(desk)
    asked = asked_for_ranges(desk)
    assert len({path.split("/")[4] for path in asked}) == 1
    assert len(asked) == 2, "one call with the old sessions, one that finds out that they were cut off"
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.query(
        "select learnt_on from entitlement where capability = 'daily_history' and vendor = 'polygon'"
    ) == [(date(2026, 11, 28),)]
    desk.simulator.admin.forget_requests()
    assert desk.plan("MAX", run="again").calls == 0


def test_a_key_that_reaches_further_than_it_did_gets_all_history_once_that_is_found_out(
    make_desk: Callable[..., Desk],
) -> None:
    desk = make_desk(polygon="basic")
    desk.run("MAX", run="first")
    desk.simulator.admin.put_key("demo-polygon-basic", history_days=None)
    desk.at(SATURDAY_NOON + timedelta(days=7))
    desk.run("MAX", run="probe")
    desk.run("MAX", run="rest")
    assert desk.missing("AAPL", date(2003, 9, 10), date(2026, 11, 27)) == 0
    assert desk.missing("GOOGL", date(2014, 4, 3), date(2026, 11, 27)) == 0
    assert desk.missing("MSFT", date(2003, 9, 10), date(2026, 11, 27)) == 0
