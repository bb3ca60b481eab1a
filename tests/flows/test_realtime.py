"""A tick of the latest prices: one call for all stocks, our own closes, and the same newest price in both stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from marketdata.flows.realtime import latest
from marketdata.flows.realtime.asking import ask_latest
from marketdata.flows.realtime.feeds import decide_latest
from marketdata.flows.realtime.ticking import Asked, begin
from tests.flows.conftest import ASSETS
from tests.flows.floor import FRIDAY, MINUTE, MONDAY, OPEN, THURSDAY, Floor
from tests.flows.office import Office, new_york

STOCKS = [asset["symbol"] for asset in ASSETS if asset["asset_class"] == "stock"]
NOON = new_york(FRIDAY, 12)
MakeFloor = Callable[..., Floor]


def when(price: dict[str, object] | None) -> datetime:
    """The price's own time."""
    assert price is not None
    return datetime.fromisoformat(str(price["timestamp"]))


def test_a_tick_brings_every_active_asset_into_database_and_cache(floor: Floor) -> None:
    report = floor.tick(NOON)
    assert (report.state, report.assets, report.inserted, report.warnings) == ("success", 4, 4, ())
    for symbol in [*STOCKS, "X:BTCUSD"]:
        stored, cached = floor.latest(symbol), floor.price(symbol)
        assert cached is not None
        assert (cached["price"], cached["change"]) == (stored["price"], stored["change"])
        assert when(cached) == datetime.fromisoformat(stored["at"]) <= NOON
        assert NOON - when(cached) <= 2 * MINUTE
        assert 0 < floor.redis.ttl(f"latest_price:{symbol}") <= 60
        assert floor.minutes(symbol) == [(when(cached), cached["price"])]
    assert floor.latest("X:BTCUSD")["volume_24h"] > 0


def test_an_asset_that_nobody_watches_is_not_asked_for(make_floor: MakeFloor) -> None:
    floor = make_floor()
    floor.desk.query(
        "delete from watchlist_member where asset_id <> (select asset_id from asset where symbol = 'MSFT') returning 1"
    )
    floor.tick(NOON)
    (target,) = floor.asked()
    assert "tickers=MSFT&" in target
    assert floor.latest("AAPL") == {}


def test_all_stocks_are_one_call_whatever_their_number(make_floor: MakeFloor) -> None:
    tickers = [f"ZZ{number:04d}" for number in range(1_500)]
    floor = make_floor(assets=[*ASSETS, *({"symbol": ticker, "asset_class": "stock"} for ticker in tickers)])
    report = floor.tick(NOON)
    assert len(floor.asked("/snapshot/")) == 1
    assert len(floor.asked()) == 2
    assert "tickers=" not in floor.asked("/snapshot/")[0], "their names would not fit into a URL"
    assert report.inserted == 4
    assert any("ZZ0000, ZZ0001" in warning and "and 1490 more" in warning for warning in report.warnings)


def test_the_prices_of_a_day_are_those_of_the_market_and_each_is_kept_once(floor: Floor) -> None:
    ticks = [OPEN + 30 * MINUTE * number for number in range(14)]
    for tick in ticks:
        assert floor.tick(tick).state == "success"
    assert ticks[-1] == new_york(FRIDAY, 16)
    assert len(floor.asked("/snapshot/")) == len(floor.asked("/simple/price")) == 14
    for symbol in STOCKS:
        kept = floor.minutes(symbol)
        assert len(kept) == 14
        assert all(timedelta() < tick - at <= 2 * MINUTE for tick, (at, _) in zip(ticks, kept, strict=True))
        assert floor.latest(symbol)["price"] == kept[-1][1]
    floor.tick(ticks[-1])
    assert len(floor.minutes("AAPL")) == 14, "the same price again is the same row"
    floor.desk.at(new_york(FRIDAY, 20, 30))
    (truth,) = floor.admin.truth_daily("AAPL", FRIDAY, FRIDAY)
    low, high = float(truth["low"]), float(truth["high"])
    assert all(low <= price <= high for _, price in floor.minutes("AAPL")[1:])


def test_change_is_against_our_own_close_of_the_session_before(floor: Floor) -> None:
    floor.desk.at(new_york(MONDAY, 9, 0))
    floor.desk.run("7D", run="weekend")
    floor.tick(new_york(MONDAY, 12))
    ((close,),) = floor.desk.query(
        "select close from bar_daily join asset using (asset_id) where symbol = 'AAPL' and session = %(session)s",
        session=FRIDAY,
    )
    latest = floor.latest("AAPL")
    assert (latest["previous_close"], latest["previous_session"]) == (close, FRIDAY.isoformat())
    assert latest["change"] == pytest.approx(latest["price"] - close)
    assert latest["change_percent"] == pytest.approx((latest["price"] / close - 1) * 100, abs=1e-6)
    assert floor.latest("X:BTCUSD")["previous_session"] == "2026-11-22", "a coin's session before is Sunday"


def test_on_the_day_of_a_split_the_change_is_on_the_new_share_count(floor: Floor) -> None:
    floor.admin.add_split("MSFT", MONDAY, 1, 4)
    floor.desk.at(new_york(MONDAY, 9, 0))
    Office(floor.desk).sync()
    floor.desk.run("7D", run="weekend")
    floor.tick(new_york(MONDAY, 12))
    ((close,),) = floor.desk.query(
        "select close from bar_daily join asset using (asset_id) where symbol = 'MSFT' and session = %(session)s",
        session=FRIDAY,
    )
    latest = floor.latest("MSFT")
    assert latest["previous_close"] == pytest.approx(close / 4)
    assert abs(latest["change_percent"]) < 10


def test_without_a_close_of_before_there_is_a_price_and_no_change(make_floor: MakeFloor) -> None:
    floor = make_floor()
    floor.tick(NOON)
    cached = floor.price("AAPL")
    assert cached is not None
    assert (cached["previousClose"], cached["change"], cached["changePercent"]) == (None, None, None)


def test_zeros_before_the_open_are_no_price(floor: Floor) -> None:
    floor.tick(new_york(THURSDAY, 15, 59))
    before = floor.latest("AAPL")
    floor.desk.at(new_york(FRIDAY, 3, 45))  # the vendor has cleared its board, and nobody trades yet
    report = floor.update(None)
    assert report.state == "success"
    after = floor.latest("AAPL")
    assert (after["at"], after["price"]) == (before["at"], before["price"])
    assert datetime.fromisoformat(after["seen_at"]) == floor.desk.now, "the vendor still names it"
    assert not any("AAPL" in warning for warning in report.warnings)


def test_a_halted_stock_keeps_the_price_and_the_time_that_it_had(floor: Floor) -> None:
    floor.tick(new_york(THURSDAY, 15, 59))
    before = when(floor.price("MSFT"))
    floor.admin.halt("MSFT", FRIDAY)
    floor.redis.delete("latest_price:MSFT")
    report = floor.tick(NOON)
    assert report.state == "success"
    assert when(floor.price("MSFT")) == before
    assert when(floor.price("AAPL")) > before
    assert floor.latest("MSFT")["session"] == THURSDAY.isoformat()


def test_a_dead_coin_has_no_price_and_is_no_error(make_floor: MakeFloor) -> None:
    dead = {"symbol": "X:BCCUSD", "asset_class": "crypto", "vendor_symbol": "bitconnect"}
    unknown = {"symbol": "X:NONEUSD", "asset_class": "crypto", "vendor_symbol": "never-heard-of"}
    floor = make_floor(assets=[*ASSETS, dead, unknown])
    report = floor.tick(NOON)
    assert report.state == "success"
    assert floor.latest("X:BCCUSD") == floor.latest("X:NONEUSD") == {}
    (warning,) = report.warnings
    assert "X:NONEUSD" in warning
    assert "X:BCCUSD" not in warning


def test_a_ticker_that_the_vendor_does_not_name_is_warned_of_and_stops_nothing(make_floor: MakeFloor) -> None:
    floor = make_floor(assets=[*ASSETS, {"symbol": "NOSUCH", "asset_class": "stock"}])
    report = floor.tick(NOON)
    assert (report.state, report.inserted) == ("success", 4)
    assert any("polygon" in warning and "NOSUCH" in warning for warning in report.warnings)


@pytest.mark.promise("P7")
def test_a_refused_price_is_kept_with_its_reason_and_the_others_are_stored(floor: Floor) -> None:
    prices = {"AAPL": 317.0, "MSFT": -3.5, "GOOGL": 300.25}
    at = int(NOON.timestamp() * 1e9)
    rows = [{"ticker": ticker, "lastTrade": {"p": price, "t": at}} for ticker, price in prices.items()]
    body = {"status": "OK", "count": 3, "tickers": rows}
    floor.admin.add_fault("status", match="/snapshot/", status=200, body=body)
    report = floor.tick(NOON)
    assert (report.state, report.quarantined, report.inserted) == ("partial", 1, 3)
    ((symbol, reason, record),) = floor.desk.query(
        "select q.symbol, q.reason, q.record from quarantine as q join ingest_call using (call_id)"
    )
    assert (symbol, record["price"]) == ("MSFT", "-3.5")
    assert "positive" in reason
    assert any("quarantine" in warning and "MSFT" in warning for warning in report.warnings)
    assert (floor.latest("AAPL")["price"], floor.latest("GOOGL")["price"]) == (317.0, 300.25)
    assert floor.latest("MSFT") == {}


@pytest.mark.parametrize("is_newer_first", [False, True])
def test_of_two_ticks_the_newer_one_stays_in_both_stores_whichever_ends_last(
    floor: Floor, is_newer_first: bool
) -> None:
    floor.desk.at(NOON)
    slow = begin(floor.services, dag_id="realtime_latest", airflow_run_id="slow", tick=NOON, now=NOON, every=MINUTE)
    feed, _ = decide_latest(slow, "polygon", slow.assets["polygon"])
    answered = ask_latest(slow, feed.way, slow.assets["polygon"])
    assert isinstance(answered, Asked)
    if not is_newer_first:
        latest._store(slow, slow.assets["polygon"], answered)
    floor.tick(NOON + 5 * MINUTE)
    newer = floor.stored()[0]
    if is_newer_first:
        latest._store(slow, slow.assets["polygon"], answered)
    assert floor.stored()[0] == newer
    assert when(floor.price("AAPL")) == floor.minutes("AAPL")[-1][0] > NOON
    assert [at <= NOON for at, _ in floor.minutes("AAPL")] == [True, False], "the minutes have both"


def test_stocks_are_left_out_while_their_market_is_closed_and_coins_around_the_clock_are_not(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_CRYPTO_HOURS", "always")
    report = floor.tick(new_york(FRIDAY, 20, 0))
    assert (report.state, any("polygon" in warning for warning in report.warnings)) == ("success", False)
    assert len(floor.asked("/simple/price")) == len(floor.asked()) == 1
    assert floor.price("X:BTCUSD") is not None
    assert floor.price("AAPL") is None


@pytest.mark.fault("U29")
@pytest.mark.parametrize("closed", [date(2026, 11, 21), date(2026, 11, 26)])
def test_nothing_is_asked_while_everything_is_closed(floor: Floor, closed: date) -> None:
    assert floor.tick(new_york(closed, 12)).state == "success"
    assert floor.tick(new_york(date(2026, 11, 27), 13, 1)).state == "success"  # closed at 13:00
    assert floor.asked() == []


def test_a_run_by_hand_asks_at_any_hour(floor: Floor) -> None:
    floor.desk.at(datetime(2026, 11, 22, 4, tzinfo=UTC))
    report = floor.update(None)
    assert (report.state, len(floor.asked())) == ("success", 2)
    assert when(floor.price("AAPL")).date() <= date(2026, 11, 21), "Friday's last price with its own time"


@pytest.mark.fault("A03")
def test_a_tick_that_starts_when_the_market_has_closed_asks_nothing_and_says_so(floor: Floor) -> None:
    report = floor.tick(new_york(FRIDAY, 15, 59), late=timedelta(minutes=20))
    assert floor.asked() == []
    assert (report.state, len(report.warnings)) == ("success", 1)
    assert "20 minutes late" in report.warnings[0]


@pytest.mark.fault("A04")
def test_a_late_tick_is_about_the_market_as_it_is_now(floor: Floor) -> None:
    report = floor.tick(OPEN, late=timedelta(hours=3))
    assert (report.state, len(floor.asked())) == ("success", 2)
    assert floor.desk.now - when(floor.price("AAPL")) <= 2 * MINUTE


def test_without_active_assets_nothing_is_asked(make_floor: MakeFloor) -> None:
    floor = make_floor()
    floor.desk.query("delete from watchlist_member returning 1")
    assert floor.tick(NOON).state == "success"
    by_hand = floor.update(None)
    assert any("no asset is active" in warning for warning in by_hand.warnings)
    assert floor.asked() == []


def test_every_new_price_is_published_once(floor: Floor) -> None:
    with floor.redis.pubsub() as listener:
        listener.subscribe("prices")
        assert listener.get_message(timeout=60)["type"] == "subscribe"
        floor.tick(NOON)
        floor.tick(NOON)
        floor.redis.publish("prices", "the end")
        published = []
        while (message := listener.get_message(timeout=60))["data"] not in {b"the end", "the end"}:
            published.append(message)
    assert len(published) == 2, "one for each vendor, and nothing for what is not new"
