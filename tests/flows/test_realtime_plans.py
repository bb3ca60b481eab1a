"""What a plan cannot give is found out, said once with what it does give, and kept; credits last for the month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from tests.flows.conftest import ASSETS
from tests.flows.floor import FRIDAY, MINUTE, MONDAY, Floor
from tests.flows.office import new_york

NOON = new_york(FRIDAY, 12)
DENIED = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
MakeFloor = Callable[..., Floor]


def about(warnings: tuple[str, ...], vendor: str) -> list[str]:
    return [warning for warning in warnings if warning.startswith(f"{vendor}: the plan")]


def test_a_plan_that_gives_everything_needs_no_words(floor: Floor) -> None:
    assert floor.tick(NOON).warnings == ()
    assert floor.feed("polygon") == ("snapshot", 1, 0)
    assert floor.feed("coingecko") == ("simple_price", 1, 0)


def test_a_delayed_plan_is_said_once_and_its_prices_bear_their_own_time(make_floor: MakeFloor) -> None:
    floor = make_floor(polygon="starter")
    first, second = floor.tick(NOON), floor.tick(NOON + MINUTE)
    assert about(first.warnings, "polygon") == ["polygon: the plan starter gives prices 15 minutes late"]
    assert second.warnings == ()
    assert floor.feed("polygon") == ("snapshot", 1, 900)
    cached = floor.price("AAPL")
    assert cached is not None
    late = NOON + MINUTE - datetime.fromisoformat(cached["timestamp"])
    assert (cached["delayed"], 14 * MINUTE <= late <= 18 * MINUTE) == (True, True)


@pytest.mark.fault("U24")
def test_the_free_stock_plan_is_probed_once_and_then_left_alone_for_a_week(make_floor: MakeFloor) -> None:
    floor = make_floor(polygon="basic")
    first = floor.tick(NOON)
    assert (first.state, first.failed_symbols) == ("success", ())
    assert about(first.warnings, "polygon") == [
        "polygon: the plan basic has no intraday prices; the close comes with historical_daily"
    ]
    probes = [target for target in floor.asked() if "/simple/" not in target]
    assert ["/snapshot/" in probes[0], *("/last/trade/" in probe for probe in probes[1:3])] == [True] * 3
    assert all("/range/1/minute/" in probe for probe in probes[3:])
    assert len(probes) == 5
    floor.forget()
    for minute in range(1, 4):
        assert floor.tick(NOON + minute * MINUTE).warnings == ()
    for day in (MONDAY, date(2026, 11, 25)):
        floor.tick(new_york(day, 12))
        floor.tick_hours(new_york(day, 12))
    assert [target for target in floor.asked() if "/simple/" not in target] == []
    assert floor.feed("polygon") == ("none", 1, 0)
    assert floor.feed("polygon", "hourly") == ("none", 10, 0)
    anew = floor.tick(new_york(date(2026, 11, 27), 12))
    assert about(anew.warnings, "polygon") == [], "nothing that was not said before"
    assert len([target for target in floor.asked() if "/simple/" not in target]) == 5


@pytest.mark.fault("U24")
def test_without_a_snapshot_each_stock_is_asked_for_its_last_trade(floor: Floor) -> None:
    floor.admin.add_fault("status", match="/snapshot/", status=403, body=DENIED)
    first = floor.tick(NOON)
    assert (first.state, first.inserted) == ("success", 4)
    assert about(first.warnings, "polygon") == [
        "polygon: the plan advanced allows the last trade of each, every minute"
    ]
    assert len(floor.asked("/snapshot/")) == 1
    second = floor.tick(NOON + MINUTE)
    assert (second.state, second.warnings) == ("success", ())
    assert len(floor.asked("/snapshot/")) == 1
    assert len(floor.asked("/last/trade/")) == 6
    assert floor.desk.query("select count(*), sum(requests) from ingest_call where kind = 'last_trade'") == [(2, 6)]


@pytest.mark.fault("U24")
def test_without_last_trades_each_stock_is_asked_for_its_last_minute(floor: Floor) -> None:
    floor.admin.add_fault("status", match="/snapshot/", status=403, body=DENIED)
    floor.admin.add_fault("status", match="/last/trade/", status=403, body=DENIED)
    report = floor.tick(NOON)
    assert (report.state, report.inserted) == ("success", 4)
    assert len(floor.asked("/last/trade/")) == 2, "two stocks refused are the endpoint"
    assert len(floor.asked("/range/1/minute/")) == 3
    assert floor.feed("polygon") == ("minute_bar", 1, 0)


@pytest.mark.fault("U24")
@pytest.mark.promise("P4")
@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_one_stock_refused_alone_is_that_stock(floor: Floor, symbol: str) -> None:
    floor.admin.add_fault("status", match="/snapshot/", status=403, body=DENIED)
    floor.admin.add_fault("status", match=f"/last/trade/{symbol}", status=403, body=DENIED)
    for minute in range(2):
        report = floor.tick(NOON + minute * MINUTE)
        assert report.state == "partial"
        assert [(failed.symbol, failed.kind) for failed in report.failed_symbols] == [(symbol, "not_entitled")]
    assert floor.feed("polygon") == ("last_trade", 1, 0)
    assert floor.latest("GOOGL")["price"] > 0
    assert floor.latest(symbol) == {}


def test_a_vendor_that_goes_down_amid_its_stocks_is_not_asked_for_all_of_them(make_floor: MakeFloor) -> None:
    tickers = ["AMZN", "TSLA", "NVDA", "JPM", "XOM"]
    floor = make_floor(assets=[*ASSETS, *({"symbol": ticker, "asset_class": "stock"} for ticker in tickers)])
    floor.admin.add_fault("status", match="/snapshot/", status=403, body=DENIED)
    floor.admin.add_fault("status", match="/last/trade/", status=503, after=2)
    report = floor.tick(NOON)
    assert report.state == "partial"
    assert [failed.kind for failed in report.failed_symbols] == ["transient"] * 3
    assert report.inserted == 3
    assert any("does not reach" in warning for warning in report.warnings)


def test_calls_that_do_not_fit_into_one_tick_are_spread_and_each_stock_has_its_turn(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketdata.flows.realtime.feeds.MOST_CALLS_A_TICK", 2)
    floor.admin.add_fault("status", match="/snapshot/", status=403, body=DENIED)
    first = floor.tick(NOON)
    assert about(first.warnings, "polygon") == [
        "polygon: the plan advanced allows the last trade of each, every 2 minutes"
    ]
    for minute in range(1, 5):
        floor.tick(NOON + minute * MINUTE)
    asked = [target.split("/last/trade/")[1].rstrip("?") for target in floor.asked("/last/trade/")]
    assert {asked.count(ticker) for ticker in ("AAPL", "MSFT", "GOOGL")} == {2, 3}
    assert len(asked) <= 2 * 5


def test_a_tick_that_is_none_of_the_vendors_asks_nothing_of_it_and_says_nothing(make_floor: MakeFloor) -> None:
    floor = make_floor()
    floor.tick(new_york(date(2026, 12, 1), 9, 30))
    assert floor.feed("coingecko") == ("simple_price", 2, 0)
    floor.forget()
    reports = [floor.tick(new_york(date(2026, 12, 1), 9, minute)) for minute in range(31, 35)]
    assert len(floor.asked("/simple/")) == 2
    assert len(floor.asked("/snapshot/")) == 4
    assert [report.state for report in reports] == ["success"] * 4
    assert all(about(report.warnings, "coingecko") == [] for report in reports)


def test_a_round_that_was_missed_is_made_up_for_at_the_next_tick(make_floor: MakeFloor) -> None:
    floor = make_floor()
    start = new_york(date(2026, 12, 1), 9, 30)
    floor.tick(start)
    floor.forget()
    floor.tick(start + 3 * MINUTE)  # those of 09:31 and 09:32 never ran
    floor.tick(start + 3 * MINUTE)
    floor.tick(start + 4 * MINUTE)
    assert len(floor.asked("/simple/")) == 2


@pytest.mark.fault("U31")
def test_the_cadence_slows_down_where_something_else_spends_the_months_credits(make_floor: MakeFloor) -> None:
    floor = make_floor()
    start = new_york(date(2026, 12, 1), 9, 30)
    floor.tick(start)
    assert floor.feed("coingecko") == ("simple_price", 2, 0)
    (key,) = [key for key in floor.redis.keys("*") if b"credits" in key]
    assert floor.redis.get(key) == b"1", "a tick of one call is one credit"
    floor.redis.set(key, 8_000)
    report = floor.tick(start + 2 * MINUTE)
    assert about(report.warnings, "coingecko") == ["coingecko: the plan demo allows many coins a call, every 6 minutes"]
    assert floor.tick(start + 4 * MINUTE).warnings == ()
    floor.tick(start + 6 * MINUTE)
    assert len(floor.asked("/simple/")) == 2
    floor.redis.set(key, 10_000)
    report = floor.tick(start + 12 * MINUTE)
    assert about(report.warnings, "coingecko") == [
        "coingecko: the plan demo allows many coins a call, every 390 minutes"
    ]
    assert len(floor.asked("/simple/")) == 2, "nobody asks beyond the month's credits"
    by_hand = floor.update(None)
    assert [failed.kind for failed in by_hand.failed_symbols] == ["rate_limited"]


def test_a_cadence_is_decided_anew_for_a_new_month(make_floor: MakeFloor) -> None:
    floor = make_floor()
    floor.tick(new_york(date(2026, 11, 30), 9, 30))
    assert floor.feed("coingecko") == ("simple_price", 1, 0), "the last day of a month may use up its credits"
    report = floor.tick(new_york(date(2026, 12, 1), 9, 30))
    assert floor.feed("coingecko") == ("simple_price", 2, 0)
    assert len(about(report.warnings, "coingecko")) == 1
