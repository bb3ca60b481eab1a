"""Hours of the session: of stocks from half hours anchored at the open, else, as those of coins, from minute prices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from marketdata.domain.sessions import session_open
from tests.flows.conftest import ASSETS
from tests.flows.floor import FRIDAY, MINUTE, MONDAY, OPEN, THURSDAY, Floor
from tests.flows.office import new_york

NOON = new_york(FRIDAY, 12)
HOUR = timedelta(hours=1)
STOCKS = [asset for asset in ASSETS if asset["asset_class"] == "stock"]
DENIED = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
MakeFloor = Callable[..., Floor]


def test_hours_of_a_stock_begin_at_the_open_and_the_last_one_is_provisional(floor: Floor) -> None:
    report = floor.tick_hours(NOON)
    assert (report.state, report.calls_done, report.warnings) == ("success", 3, ())
    for stock in STOCKS:
        hours = floor.hours_of(stock["symbol"])
        assert [hour[0] for hour in hours] == [OPEN, OPEN + HOUR, OPEN + 2 * HOUR]
        assert [hour[6] for hour in hours] == [True, True, False]
        assert {hour[7] for hour in hours} == {"polygon"}
        cached = floor.cached_hours(stock["symbol"])
        assert cached is not None
        assert [datetime.fromisoformat(hour["timestamp"]) for hour in cached] == [hour[0] for hour in hours]
        assert [hour["close"] for hour in cached] == [hour[4] for hour in hours]
        assert [hour["final"] for hour in cached] == [True, True, False]
        assert 0 < floor.redis.ttl(f"hourly_data:{stock['symbol']}:1D") <= 120
    assert len(floor.asked("/range/30/minute/")) == 3


def test_the_hours_of_a_day_add_up_to_its_regular_session(floor: Floor) -> None:
    for at in (new_york(FRIDAY, 9, 40), new_york(FRIDAY, 12, 50), new_york(FRIDAY, 16, 0)):
        assert floor.tick_hours(at).state == "success"
    hours = floor.hours_of("AAPL")
    assert [hour[0] for hour in hours] == [OPEN + number * HOUR for number in range(7)]
    assert [hour[6] for hour in hours] == [True] * 7
    floor.desk.at(new_york(FRIDAY, 20, 30))
    (truth,) = floor.admin.truth_daily("AAPL", FRIDAY, FRIDAY)
    assert max(hour[2] for hour in hours) <= truth["high"] * 1.0001
    assert min(hour[3] for hour in hours) >= truth["low"] * 0.9999
    assert 0 < sum(hour[5] for hour in hours) <= truth["volume"], "the day's volume has the extended hours, too"


@pytest.mark.fault("U29")
def test_a_short_day_has_four_hours(floor: Floor) -> None:
    short = date(2026, 11, 27)
    floor.tick_hours(new_york(short, 13, 0))
    hours = [hour for hour in floor.hours_of("AAPL") if hour[0] >= session_open(short)]
    assert [hour[0] for hour in hours] == [session_open(short) + number * HOUR for number in range(4)]
    assert hours[-1][6], "the last hour ends with the session"
    floor.forget()
    assert floor.tick_hours(new_york(short, 13, 10)).state == "success"
    assert floor.asked() == []


@pytest.mark.fault("A06")
@pytest.mark.parametrize("day", [date(2026, 10, 30), date(2026, 11, 2)])
def test_hours_begin_at_half_past_nine_on_both_sides_of_the_clock_change(floor: Floor, day: date) -> None:
    floor.tick_hours(new_york(day, 10, 40))
    assert [hour[0] for hour in floor.hours_of("AAPL")] == [new_york(day, 9, 30), new_york(day, 10, 30)]


def test_the_first_tick_of_a_session_settles_the_hours_of_the_one_before(floor: Floor) -> None:
    floor.tick_hours(new_york(FRIDAY, 15, 50))
    assert [hour[6] for hour in floor.hours_of("AAPL")] == [True] * 6 + [False]
    floor.tick_hours(new_york(MONDAY, 9, 30))
    hours = floor.hours_of("AAPL")
    assert [hour[6] for hour in hours] == [True] * 7
    assert hours[-1][0] == OPEN + 6 * HOUR
    cached = floor.cached_hours("AAPL")
    assert cached is not None
    assert len(cached) == 7


def test_a_delayed_plan_makes_an_hour_final_when_its_answers_have_reached_its_end(make_floor: MakeFloor) -> None:
    floor = make_floor(polygon="starter")
    floor.tick_hours(new_york(FRIDAY, 10, 40))
    assert [hour[6] for hour in floor.hours_of("AAPL")] == [False], "what they tell ends at 10:25"
    floor.tick_hours(new_york(FRIDAY, 10, 50))
    assert [hour[6] for hour in floor.hours_of("AAPL")] == [True, False]
    cached = floor.cached_hours("AAPL")
    assert cached is not None
    assert [hour["delayed"] for hour in cached] == [True, True]


def test_an_hour_is_over_when_it_is_by_the_vendors_clock_and_by_ours(floor: Floor) -> None:
    for ours, vendors, finals in (
        (new_york(FRIDAY, 12, 25), new_york(FRIDAY, 12, 31), [True, True, False]),
        (new_york(MONDAY, 1), new_york(FRIDAY, 12, 25), [True, True, False]),
        (new_york(MONDAY, 1, 10), new_york(FRIDAY, 12, 31), [True, True, True]),
    ):
        floor.desk.at(ours)
        floor.admin.set_clock(vendors)
        floor.update_hours(None)
        assert [hour[6] for hour in floor.hours_of("AAPL")][:3] == finals


def test_hours_by_hand_at_night_are_those_of_the_last_session(floor: Floor) -> None:
    floor.desk.at(datetime(2026, 11, 22, 4, tzinfo=UTC))
    assert floor.update_hours(None).state == "success"
    assert len(floor.hours_of("AAPL")) == 7


@pytest.mark.promise("P1")
def test_the_same_hours_again_are_the_same_rows(floor: Floor) -> None:
    floor.tick_hours(NOON)
    before = floor.hours_of("AAPL")
    again = floor.tick_hours(NOON)
    assert (again.inserted, again.changed) == (0, 0)
    assert floor.hours_of("AAPL") == before


def test_hours_of_a_coin_are_built_from_its_minute_prices_without_a_call(floor: Floor) -> None:
    for minute in (0, 10, 20, 30, 40, 59):
        floor.tick(OPEN + minute * MINUTE)
    floor.forget()
    floor.tick_hours(new_york(FRIDAY, 10, 30))
    assert floor.asked("/coins/") == floor.asked("/simple/") == []
    prices = floor.minutes("X:BTCUSD")
    hours = floor.hours_of("X:BTCUSD")
    assert [hour[0] for hour in hours] == [
        datetime(2026, 11, 20, 14, tzinfo=UTC),
        datetime(2026, 11, 20, 15, tzinfo=UTC),
    ]
    for start, *figures, is_final, source in hours:
        within = [price for at, price in prices if start < at <= start + HOUR]
        assert figures[:4] == [within[0], max(within), min(within), within[-1]]
        assert is_final is (start.hour == 14)
        assert source == "coingecko:minutes"
    cached = floor.cached_hours("X:BTCUSD")
    assert cached is not None
    assert len(cached) == 2


def test_the_last_hours_of_a_coins_day_are_built_after_it(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_CRYPTO_HOURS", "always")
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    floor.tick(midnight - 30 * MINUTE)
    floor.tick_hours(midnight - 10 * MINUTE)
    floor.tick(midnight - 2 * MINUTE)
    floor.tick_hours(midnight + 10 * MINUTE)
    ((start, *figures, is_final, _),) = floor.hours_of("X:BTCUSD")
    assert (start, is_final) == (midnight - HOUR, True)
    assert figures[3] == floor.minutes("X:BTCUSD")[-1][1]


def test_more_stocks_than_are_asked_for_singly_are_built_from_the_minute_prices(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketdata.flows.realtime.hours.MOST_SINGLE", 2)
    for minute in (1, 30, 60, 90):
        floor.tick(OPEN + minute * MINUTE)
    floor.forget()
    report = floor.tick_hours(new_york(FRIDAY, 11, 0))
    assert (report.state, floor.asked()) == ("success", [])
    assert any("minute prices give" in warning for warning in report.warnings)
    hours = floor.hours_of("AAPL")
    assert [hour[0] for hour in hours] == [OPEN, OPEN + HOUR]
    assert {hour[7] for hour in hours} == {"polygon:minutes"}
    assert [hour[6] for hour in hours] == [True, False]
    assert floor.tick_hours(new_york(FRIDAY, 11, 10)).warnings == (), "said once"
    monkeypatch.undo()
    floor.tick_hours(new_york(FRIDAY, 11, 20))
    assert {hour[7] for hour in floor.hours_of("AAPL")} == {"polygon"}, "a vendor's hour stands before a built one"


@pytest.mark.fault("U24")
def test_a_plan_without_half_hours_is_asked_twice_and_then_the_minute_prices_do(floor: Floor) -> None:
    floor.admin.add_fault("status", match="/range/30/minute/", status=403, body=DENIED)
    floor.tick(new_york(FRIDAY, 11, 0))
    report = floor.tick_hours(new_york(FRIDAY, 11, 0))
    assert (report.state, report.failed_symbols) == ("success", ())
    assert len(floor.asked("/range/30/minute/")) == 2
    assert {hour[7] for hour in floor.hours_of("AAPL")} == {"polygon:minutes"}
    floor.tick_hours(new_york(FRIDAY, 11, 10))
    assert len(floor.asked("/range/30/minute/")) == 2
    assert floor.feed("polygon", "hourly") == ("minute_prices", 10, 0)


@pytest.mark.promise("P4")
@pytest.mark.fault("U24")
def test_one_stock_that_fails_alone_is_named_and_the_others_have_their_hours(floor: Floor) -> None:
    floor.admin.add_fault("status", match="/MSFT/range/30/", status=403, body=DENIED)
    report = floor.tick_hours(NOON)
    assert (report.state, [(failed.symbol, failed.kind) for failed in report.failed_symbols]) == (
        "partial",
        [("MSFT", "not_entitled")],
    )
    assert len(floor.hours_of("AAPL")) == len(floor.hours_of("GOOGL")) == 3
    assert floor.hours_of("MSFT") == []


@pytest.mark.promise("P4")
def test_a_stock_vendor_that_is_down_leaves_coins_their_hours(floor: Floor) -> None:
    floor.tick(NOON - 10 * MINUTE)
    floor.admin.add_fault("status", vendor="massive", status=503)
    report = floor.tick_hours(NOON)
    assert (report.state, report.inserted, len(report.failed_symbols)) == ("partial", 1, 3), "what was built counts"
    assert len(floor.hours_of("X:BTCUSD")) == 1
    assert floor.cached_hours("X:BTCUSD") is not None


@pytest.mark.promise("P4")
def test_a_tick_without_an_answer_and_without_a_price_to_build_from_is_failed(floor: Floor) -> None:
    floor.admin.add_fault("status", vendor="massive", status=503)
    report = floor.tick_hours(NOON)
    assert (report.state, report.calls_done) == ("failed", 0)


@pytest.mark.promise("P3")
def test_hours_built_from_delayed_prices_are_known_since_they_were_built(
    make_floor: MakeFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketdata.flows.realtime.hours.MOST_SINGLE", 2)
    floor = make_floor(polygon="starter")
    floor.tick(new_york(FRIDAY, 10, 40))
    floor.tick_hours(new_york(FRIDAY, 10, 40))
    known = floor.desk.query("select distinct fetched_at, is_final from bar_hourly where source = 'polygon:minutes'")
    assert known == [(floor.desk.now, False)], "what the prices tell ends at 10:25"
    cached = floor.cached_hours("AAPL")
    assert cached is not None
    assert datetime.fromisoformat(cached[0]["as_of"]) == floor.desk.now


@pytest.mark.promise("P7")
def test_a_refused_half_hour_is_kept_with_its_reason_and_the_rest_is_stored(floor: Floor) -> None:
    floor.admin.add_fault("high_below_low", match="/AAPL/range/30/", row=12)
    report = floor.tick_hours(NOON)
    assert (report.state, report.quarantined) == ("partial", 1)
    ((symbol, reason, session),) = floor.desk.query("select symbol, reason, session from quarantine")
    assert (symbol, session) == ("AAPL", FRIDAY)
    assert "high" in reason
    assert len(floor.hours_of("AAPL")) == 3


def test_a_tick_before_the_first_half_hour_is_about_the_session_before(make_floor: MakeFloor) -> None:
    floor = make_floor(assets=STOCKS)
    floor.tick_hours(OPEN)
    assert {hour[0].date() for hour in floor.hours_of("AAPL")} == {THURSDAY}
