"""Ranges are windows on one stored series: a session is fetched once, and a new asset gets all of them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from marketdata.domain.ranges import EARLIEST, RANGES, window
from marketdata.domain.sessions import sessions
from marketdata.storage.assets import load_assets
from tests.flows.conftest import SATURDAY_NOON, Desk

FRIDAY = date(2026, 11, 20)
TUESDAY_NOON = SATURDAY_NOON + timedelta(days=3)
MONDAY = date(2026, 11, 23)


def asked_sessions(desk: Desk) -> Counter[date]:
    """How often each session was asked for, in all ticker calls that reached the vendor."""
    counted: Counter[date] = Counter()
    for request in desk.simulator.admin.requests(path_contains="/range/1/day/"):
        first, last = request.path.split("?")[0].split("/")[-2:]
        counted.update(sessions(date.fromisoformat(first), date.fromisoformat(last)))
    return counted


@pytest.mark.promise("P1")
@pytest.mark.parametrize("names", [RANGES, tuple(reversed(RANGES))], ids=["from the shortest", "from the longest"])
def test_a_session_is_fetched_once_whatever_ranges_contain_it(desk: Desk, names: tuple[str, ...]) -> None:
    for name in names:
        report = desk.run(name, ["AAPL"], run=name)
        assert report.state == "success"
    asked = asked_sessions(desk)
    assert set(asked.values()) == {1}
    assert sorted(asked) == sessions(EARLIEST["stock"], FRIDAY)
    assert desk.query("select sum(received), sum(inserted), sum(changed) from ingest_run") == [
        (len(asked), len(asked), 0)
    ]
    requests = len(desk.simulator.admin.requests())
    assert requests == (1 if names[0] == "MAX" else len({window(name, FRIDAY).first for name in RANGES}))


def test_a_coins_day_is_stored_once_whatever_ranges_contain_it(desk: Desk) -> None:
    for name in RANGES:
        desk.run(name, ["X:BTCUSD"], run=name)
    assert desk.query("select count(*), sum(inserted), sum(changed) from ingest_run") == [(9, 365, 0)]
    desk.simulator.admin.forget_requests()
    for name in reversed(RANGES):
        desk.run(name, ["X:BTCUSD"], run=f"{name} again")
    assert desk.simulator.admin.requests() == []


def test_a_new_asset_gets_all_of_its_history_on_the_next_run(desk: Desk) -> None:
    old = ["AAPL", "MSFT", "X:BTCUSD"]
    desk.run("MAX", old, run="before")
    desk.services.warehouse.transact(load_assets, [{"symbol": "NVDA", "asset_class": "stock"}])
    desk.at(TUESDAY_NOON)
    desk.simulator.admin.forget_requests()
    report = desk.run("MAX", run="the next daily run")  # all assets, what the scheduled run asks for
    assert report.state == "success"
    nvidia = [row[1] for row in desk.rows() if row[0] == "NVDA"]
    assert nvidia == sessions(EARLIEST["stock"], MONDAY)
    assert [row[1] for row in desk.rows() if row[0] == "AAPL"] == nvidia
    stocks = [request.path.split("?")[0] for request in desk.simulator.admin.requests(vendor="massive")]
    assert stocks.count("/v2/aggs/grouped/locale/us/market/stocks/2026-11-23") == 1, "Monday, for all"
    assert sorted(path.split("/")[4] for path in stocks if "/ticker/" in path) == ["GOOGL", "NVDA"], "the new ones"
    assert desk.run("MAX", run="again").requests == 0


def test_a_new_asset_gets_all_of_its_history_at_once_by_a_trigger_for_it(desk: Desk) -> None:
    desk.services.warehouse.transact(load_assets, [{"symbol": "NVDA", "asset_class": "stock"}])
    report = desk.run("MAX", ["NVDA"], run="trigger")
    assert (report.state, report.assets, report.calls_done) == ("success", 1, 1)
    assert [row[1] for row in desk.rows()] == sessions(EARLIEST["stock"], FRIDAY)
    assert {row[0] for row in desk.rows()} == {"NVDA"}
