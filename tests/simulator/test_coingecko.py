"""CoinGecko on the wire: charts, candles, prices, keys and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import requests

from local.simulator.clock import to_ms
from tests.simulator.conftest import NOW, Wire

DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
CHART = "/coins/bitcoin/market_chart"
OHLC = "/coins/bitcoin/ohlc"
MIDNIGHT = to_ms(datetime(2026, 11, 20, tzinfo=UTC))


def points(answer: requests.Response, name: str = "prices") -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    rows: list[list[float]] = answer.json()[name]
    return rows


def test_daily_points_are_midnights_and_the_last_one_is_now(wire: Wire) -> None:
    rows = points(wire.coingecko(CHART, vs_currency="usd", days=90, interval="daily", precision="full"))
    assert len(rows) == 91
    assert [at for at, _ in rows[:-1]] == [MIDNIGHT - back * DAY for back in range(89, -1, -1)]
    assert rows[-1][0] == to_ms(NOW)


def test_a_price_is_the_same_whichever_window_shows_it(wire: Wire) -> None:
    short = dict(map(tuple, points(wire.coingecko(CHART, vs_currency="usd", days=90, interval="daily"))))
    long = dict(map(tuple, points(wire.coingecko(CHART, vs_currency="usd", days=365))))
    ranged = points(
        wire.coingecko(f"{CHART}/range", vs_currency="usd", from_=MIDNIGHT // 1000 - 100 * 86400, to=MIDNIGHT // 1000)
    )
    assert len(short.keys() & long.keys()) == 91
    assert all(long[at] == price for at, price in short.items())
    assert len(ranged) == 101
    assert all(long[at] == price for at, price in ranged)


def test_the_three_arrays_have_the_same_times(wire: Wire) -> None:
    answer = wire.coingecko(CHART, vs_currency="usd", days=30)
    times = [[at for at, _ in points(answer, name)] for name in ("prices", "market_caps", "total_volumes")]
    assert times[0] == times[1] == times[2]
    assert len(times[0]) > 700


@pytest.mark.parametrize(
    ("days", "step", "count"), [(1, 5 * MINUTE, 288), (2, HOUR, 48), (90, HOUR, 2160), (91, DAY, 92)]
)
def test_granularity_follows_the_span(wire: Wire, days: int, step: int, count: int) -> None:
    rows = points(wire.coingecko(CHART, vs_currency="usd", days=days))
    assert len(rows) == pytest.approx(count, abs=3)
    gaps = sorted(later - at for (at, _), (later, _) in pairwise(rows[:-1]))
    assert gaps[len(gaps) // 2] == pytest.approx(step, rel=0.2)


def test_hours_are_off_the_grid_and_days_are_not(wire: Wire) -> None:
    hours = points(wire.coingecko(CHART, vs_currency="usd", days=30))[:-1]
    assert len(hours) > 700
    assert sum(at % HOUR != 0 for at, _ in hours) > 0.9 * len(hours)
    gaps = [later - at for (at, _), (later, _) in pairwise(hours)]
    assert min(gaps) < 40 * MINUTE
    assert max(gaps) > 80 * MINUTE


def test_the_last_five_minute_point_is_earlier_than_the_one_before_it(wire: Wire) -> None:
    rows = points(wire.coingecko(CHART, vs_currency="usd", days=1))
    assert rows[-1][0] == rows[-2][0] - 955


def test_the_newest_midnight_appears_ten_minutes_after_it(wire: Wire) -> None:
    for minutes, newest in ((9, MIDNIGHT - DAY), (10, MIDNIGHT)):
        wire.admin.set_clock(datetime(2026, 11, 20, 0, minutes, tzinfo=UTC))
        assert points(wire.coingecko(CHART, vs_currency="usd", days=100))[-2][0] == newest


def test_candles_are_stamped_with_their_close_and_the_newest_lies_in_the_future(wire: Wire) -> None:
    for days, step in ((1, 30 * MINUTE), (7, 4 * HOUR), (30, 4 * HOUR), (90, 4 * DAY), (365, 4 * DAY)):
        rows = wire.coingecko(OHLC, vs_currency="usd", days=days).json()
        assert {later[0] - row[0] for row, later in pairwise(rows)} == {step}
        assert rows[-1][0] > to_ms(NOW)
        assert rows[-2][0] <= to_ms(NOW)
        assert all(low <= min(opened, close) and high >= max(opened, close) for _, opened, high, low, close in rows)


def test_a_daily_candle_closes_at_the_price_of_the_midnight_that_stamps_it(wire: Wire) -> None:
    candles = wire.coingecko_pro(OHLC, vs_currency="usd", days=90, interval="daily").json()
    prices = dict(map(tuple, points(wire.coingecko_pro(CHART, vs_currency="usd", days=100))))
    closed = [row for row in candles if row[0] <= MIDNIGHT]
    assert len(closed) >= 90
    assert all(row[4] == pytest.approx(prices[row[0]], abs=0.01) for row in closed)


def test_paid_candles_are_capped_and_the_range_form_is_paid_only(wire: Wire) -> None:
    span = {"vs_currency": "usd", "interval": "daily", "from_": "2026-06-01", "to": "2026-11-20"}
    rows = wire.coingecko_pro(f"{OHLC}/range", **span).json()
    assert len(rows) == 173
    assert rows[0][0] == to_ms(datetime(2026, 6, 2, tzinfo=UTC))
    assert wire.coingecko_pro(f"{OHLC}/range", **{**span, "from_": "2026-01-01"}).status_code == 422
    assert wire.coingecko_pro(f"{OHLC}/range", **{**span, "interval": "hourly"}).status_code == 422
    refused = wire.coingecko(f"{OHLC}/range", **span)
    assert (refused.status_code, refused.json()["status"]["error_code"]) == (401, 10005)
    assert wire.coingecko(OHLC, vs_currency="usd", days=30, interval="daily").status_code == 401


def test_simple_price_leaves_unknown_coins_out_and_dead_ones_empty(wire: Wire) -> None:
    body = wire.coingecko(
        "/simple/price",
        ids="bitcoin, ethereum,nope,bitconnect",
        vs_currencies="usd,eur",
        include_market_cap="true",
        include_24hr_vol="true",
        include_24hr_change="true",
        include_last_updated_at="true",
        precision="full",
    ).json()
    assert body.keys() == {"bitcoin", "ethereum", "bitconnect"}
    assert body["bitconnect"] == {}
    assert body["bitcoin"]["eur"] == pytest.approx(body["bitcoin"]["usd"] * 0.92)
    assert body["bitcoin"]["last_updated_at"] == to_ms(NOW) // 1000
    assert {"usd_market_cap", "usd_24h_vol", "usd_24h_change"} <= body["bitcoin"].keys()


def test_lists_and_markets(wire: Wire) -> None:
    coins = wire.coingecko("/coins/list").json()
    assert {"id": "shiba-inu", "symbol": "shib", "name": "Shiba Inu"} in coins
    assert "platforms" in wire.coingecko("/coins/list", include_platform="true").json()[0]
    assert [coin["id"] for coin in wire.coingecko("/coins/list", status="inactive").json()] == ["bitconnect"]
    markets = wire.coingecko("/coins/markets", vs_currency="usd", per_page=5, page=1).json()
    assert [row["market_cap_rank"] for row in markets] == [1, 2, 3, 4, 5]
    second = wire.coingecko("/coins/markets", vs_currency="usd", per_page=5, page=2).json()
    assert not {row["id"] for row in markets} & {row["id"] for row in second}
    by_id = wire.coingecko("/coins/markets", vs_currency="usd", order="id_asc", per_page=250).json()
    assert [row["id"] for row in by_id] == sorted(row["id"] for row in by_id)
    (dead,) = wire.coingecko("/coins/markets", vs_currency="usd", ids="bitconnect").json()
    assert dead["current_price"] is dead["market_cap_rank"] is None
    (wide,) = wire.coingecko(
        "/coins/markets", vs_currency="usd", ids="bitcoin", sparkline="true", price_change_percentage="1h,7d"
    ).json()
    assert len(wide["sparkline_in_7d"]["price"]) == 168
    assert {"price_change_percentage_1h_in_currency", "price_change_percentage_7d_in_currency"} <= wide.keys()


def test_several_coins_share_a_symbol_and_the_first_one_listed_is_not_the_big_one(wire: Wire) -> None:
    coins = wire.coingecko("/coins/list").json()
    assert [coin["id"] for coin in coins] == sorted(coin["id"] for coin in coins)
    found = {
        symbol: [coin["id"] for coin in coins if coin["symbol"] == symbol] for symbol in ("btc", "eth", "sol", "ltc")
    }
    assert found == {
        "btc": ["batcat", "bitcoin", "bitcoin-wormhole"],
        "eth": ["ethereum", "ethereum-wormhole", "heavenly-ether"],
        "sol": ["solana", "wrapped-solana"],
        "ltc": ["litecoin"],
    }
    assert [coin["symbol"] for coin in coins].count("") == 1
    assert any(" " in coin["id"] for coin in coins)
    prices = wire.coingecko("/simple/price", symbols="btc,eth", vs_currencies="usd").json()
    assert prices.keys() == {"bitcoin", "ethereum"}
    every = wire.coingecko("/simple/price", symbols="btc", vs_currencies="usd", include_tokens="all").json()
    assert every.keys() == set(found["btc"])
    rows = wire.coingecko("/coins/markets", vs_currency="usd", symbols="btc", include_tokens="all").json()
    assert [row["id"] for row in rows] == ["bitcoin", "bitcoin-wormhole", "batcat"]


def test_history_beyond_a_year_is_401_with_10012_nested_once_more(wire: Wire) -> None:
    old = (NOW - timedelta(days=400)).date().isoformat()
    for key in (None, "demo-coingecko-demo"):
        for path, query in (
            (CHART, {"days": "max"}),
            (CHART, {"days": 366}),
            (f"{CHART}/range", {"from_": old, "to": "2026-11-01"}),
        ):
            answer = wire.coingecko(path, key=key, vs_currency="usd", **query)
            assert answer.status_code == 401
            assert answer.json()["error"]["status"]["error_code"] == 10012
        wire.admin.reset()
    assert len(points(wire.coingecko(CHART, vs_currency="usd", days=365))) == 366
    assert len(points(wire.coingecko_pro(CHART, vs_currency="usd", days="max"))) > 4000


def test_a_coin_has_no_price_before_its_listing(wire: Wire) -> None:
    rows = points(wire.coingecko_pro("/coins/solana/market_chart", vs_currency="usd", days="max"))
    assert rows[0][0] == to_ms(datetime(2020, 4, 11, tzinfo=UTC))
    body = wire.coingecko("/coins/bitconnect/market_chart", vs_currency="usd", days=30).json()
    assert body == {"prices": [], "market_caps": [], "total_volumes": []}


def test_the_four_error_shapes(wire: Wire) -> None:
    plain = wire.coingecko("/coins/nope/market_chart", vs_currency="usd", days=1)
    assert (plain.status_code, plain.json()) == (404, {"error": "coin not found"})
    missing = wire.coingecko(CHART, days=1)
    assert (missing.status_code, missing.json()) == (422, {"error": "Missing parameter vs_currency"})
    invalid = wire.coingecko(CHART, days=1, vs_currency="usdt")
    assert (invalid.status_code, invalid.json()) == (400, {"error": "invalid vs_currency"})
    crashed = wire.coingecko(OHLC)
    assert (crashed.status_code, crashed.json()) == (500, {"status": 500, "error": "Internal Server Error"})
    unknown = wire.coingecko("/ping", key="CG-nobody")
    assert (unknown.status_code, unknown.json()["status"]["error_code"]) == (401, 10002)


def test_a_key_on_the_wrong_host_is_400_with_the_code_at_the_top(wire: Wire) -> None:
    demo_on_pro = requests.get(
        f"{wire.addresses.coingecko_pro_url}/ping", headers={"x-cg-demo-api-key": "demo-coingecko-demo"}, timeout=5
    )
    pro_on_public = requests.get(
        f"{wire.addresses.coingecko_url}/ping", headers={"x-cg-pro-api-key": "demo-coingecko-pro"}, timeout=5
    )
    assert [(answer.status_code, answer.json()["error_code"]) for answer in (demo_on_pro, pro_on_public)] == [
        (400, 10011),
        (400, 10010),
    ]
    assert "pro-api.coingecko.com" in pro_on_public.json()["status"]["error_message"]
    no_key = requests.get(f"{wire.addresses.coingecko_pro_url}/ping", timeout=30)
    assert no_key.json()["status"]["error_code"] == 10002


def test_429_has_retry_after_without_a_key_and_a_reset_time_with_one(wire: Wire) -> None:
    keyless = [wire.coingecko("/ping", key=None) for _ in range(6)]
    assert [answer.status_code for answer in keyless] == [200] * 5 + [429]
    assert 1 <= int(keyless[-1].headers["Retry-After"]) <= 60
    wire.admin.put_key("demo-coingecko-demo", requests_per_minute=1)
    answers = [wire.coingecko("/ping") for _ in range(2)]
    assert answers[1].status_code == 429
    assert answers[1].headers["x-ratelimit-limit"] == "1"
    assert answers[1].headers["x-ratelimit-reset"].endswith(" +0000")
    assert "Retry-After" not in answers[1].headers
    assert answers[1].json()["status"]["error_code"] == 429


def test_errors_count_toward_the_rate_and_only_successes_cost_credits(wire: Wire) -> None:
    wire.admin.put_key("small", like="demo-coingecko-pro", requests_per_minute=3, monthly_credits=2)
    assert wire.coingecko_pro("/coins/nope/market_chart", key="small", vs_currency="usd", days=1).status_code == 404
    assert wire.coingecko_pro("/ping", key="small").status_code == 200
    body = wire.coingecko_pro("/key", key="small").json()
    assert (body["current_total_monthly_calls"], body["monthly_call_credit"]) == (1, 2)
    assert wire.coingecko_pro("/ping", key="small").json()["status"]["error_code"] == 429


def test_spent_credits_are_10006_until_the_month_turns(wire: Wire) -> None:
    wire.admin.put_key("small", like="demo-coingecko-pro", monthly_credits=1)
    assert wire.coingecko_pro("/ping", key="small").status_code == 200
    for path in ("/ping", "/key"):
        answer = wire.coingecko_pro(path, key="small")
        assert (answer.status_code, answer.json()["status"]["error_code"]) == (429, 10006)
    wire.admin.set_clock(datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC))
    assert wire.coingecko_pro("/ping", key="small").status_code == 200


def test_key_is_for_paid_plans(wire: Wire) -> None:
    assert wire.coingecko("/key").json()["status"]["error_code"] == 10005
    assert wire.coingecko_pro("/key").json()["plan"] == "Pro"


def test_a_corrected_price_shows_in_the_chart(wire: Wire) -> None:
    wire.admin.correct_coin_price("bitcoin", datetime(2026, 11, 19, tzinfo=UTC), 12345.5)
    rows = dict(map(tuple, points(wire.coingecko(CHART, vs_currency="usd", days=95))))
    assert rows[MIDNIGHT - DAY] == 12345.5
    assert rows[MIDNIGHT] != 12345.5
