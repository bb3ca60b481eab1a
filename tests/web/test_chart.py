"""Charts over HTTP: the same bars as the views have, at most so many, from the cache where it has them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
import redis

from marketdata.storage import charts
from marketdata.storage.cache_keys import ADJUSTMENTS
from marketdata.storage.connection import connect
from marketdata.storage.market_reader import CHART_RANGES
from tests.web.market import COIN, FRIDAY, QUIET, Client, Market

AAPL = "/api/assets/AAPL/chart"
VIEWS = {"none": "bar_daily", "splits": "bar_daily_adjusted", "total-return": "bar_daily_total_return"}

SPLIT = """
    insert into split (asset_id, executed_on, split_from, split_to, vendor_id, kind, fetched_at, state)
    select asset_id, %(on)s, 1, 4, 'S1', 'forward_split', now(), 'applied' from asset where symbol = 'AAPL'
"""
DIVIDEND = """
    insert into dividend (asset_id, vendor_id, ex_date, cash_amount, currency, fetched_at)
    select asset_id, 'D1', '2026-10-01', 5, 'USD', now() from asset where symbol = 'AAPL'
"""


def chart(client: Client, range_name: str = "1Y", adjusted: str = "splits", symbol: str = "AAPL") -> dict[str, object]:
    answer = client.get(f"/api/assets/{symbol}/chart", params={"range": range_name, "adjusted": adjusted})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_chart_says_of_itself_how_old_it_is_and_where_it_comes_from(client: Client) -> None:
    found = chart(client, "7D")
    bars = found.pop("bars")
    assert [bar["date"] for bar in bars] == ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"]
    assert found == {
        "symbol": "AAPL",
        "range": "7D",
        "adjusted": "splits",
        "session": "2026-11-20",
        "as_of": "2026-11-20T22:00:00.000000Z",
        "age_seconds": 20 * 3600.0,
        "source": "polygon",
        "delayed": False,
    }
    assert bars[-1] == {
        "date": "2026-11-20",
        "open": 100.0,
        "high": 500.0,
        "low": 90.0,
        "close": 424.0,
        "volume": 1000.0,
        "as_of": "2026-11-20T22:00:00.000000Z",
        "source": "polygon",
        "final": True,
    }


@pytest.mark.parametrize(
    ("range_name", "first"),
    [("1M", "2026-10-21"), ("YTD", "2026-01-02"), ("1Y", "2025-11-21"), ("MAX", "2025-01-02")],
)
def test_a_range_begins_where_its_name_says(client: Client, range_name: str, first: str) -> None:
    assert chart(client, range_name)["bars"][0]["date"] == first


def test_one_day_is_the_hours_of_the_newest_session(client: Client) -> None:
    found = chart(client, "1D")
    assert [bar["timestamp"][11:16] for bar in found["bars"]] == [f"{hour}:30" for hour in range(14, 21)]
    assert {bar["session"] for bar in found["bars"]} == {found["session"]} == {"2026-11-20"}


@pytest.mark.parametrize("adjusted", ADJUSTMENTS)
def test_the_bars_are_those_of_the_view(client: Client, market: Market, adjusted: str) -> None:
    market.execute(SPLIT, {"on": date(2026, 6, 1)})
    market.execute(DIVIDEND)
    view = f"""
        select session::text, open, high, low, close, volume from {VIEWS[adjusted]}
        where asset_id = (select asset_id from asset where symbol = 'AAPL') and session >= '2025-11-21'
        order by session
    """
    bars = chart(client, "1Y", adjusted)["bars"]
    assert len(bars) == 251
    columns = ("date", "open", "high", "low", "close", "volume")
    assert [tuple(bar[name] for name in columns) for bar in bars] == market.execute(view)
    factors = {
        "none": {1.0},
        "splits": {0.25, 1.0},
        "total-return": {bars[0]["open"] / 100, bars[150]["open"] / 100, 1},
    }
    assert {bar["open"] / 100 for bar in bars} == factors[adjusted]


def test_a_split_since_the_newest_session_counts_in_its_hours(client: Client, market: Market) -> None:
    market.now = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    market.execute(SPLIT, {"on": FRIDAY})  # of the session itself: its hours are on the new count already
    assert chart(client, "1D")["bars"][0]["open"] == 100
    market.execute("update split set executed_on = '2026-11-21'")
    market.cache.drop_charts(["AAPL"], hours=True)
    market.execute(f"alter database {market.dsn.rpartition('/')[2]} set marketdata.now = '2026-11-23T14:00Z'")
    market.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'marketdata'")
    assert chart(client, "1D")["bars"][0]["open"] == 25
    assert chart(client, "1D", "none")["bars"][0]["open"] == 100


def test_an_asset_without_bars_has_an_empty_chart_that_is_not_kept(client: Client, market: Market) -> None:
    for range_name in ("1D", "1Y"):
        found = chart(client, range_name, symbol=QUIET)
        assert (found["bars"], found["session"], found["as_of"], found["age_seconds"]) == ([], None, None, None)
    with redis.Redis.from_url(market.redis_url or "") as server:
        assert server.keys(f"*{QUIET}*") == []


def test_a_coins_day_is_a_utc_day(market: Market) -> None:
    market.execute(
        "insert into bar_daily (asset_id, fetched_at, run_id, close, session, is_final, source)"
        " select asset_id, now(), 1, 90000, d::date, true, 'coingecko'"
        " from asset, generate_series(date '2026-11-10', date '2026-11-21', '1 day') d where symbol = 'X:BTCUSD'"
    )
    market.now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # still Saturday in New York
    days = [bar["date"] for bar in json.loads(bytes(market.reader.chart(COIN, "7D").bars))]
    assert days == [f"2026-11-{day}" for day in range(16, 22)]


def test_a_chart_has_the_newest_points_where_there_are_too_many(market: Market) -> None:
    from marketdata.domain.coverage import Span

    with connect(market.dsn) as connection:
        (asset_id, _) = charts.find_charted(connection, "AAPL")
        bars = charts.read_days(connection, asset_id, Span(date(2000, 1, 1), FRIDAY), "splits", most=3)
    assert [bar.date for bar in bars] == ["2026-11-18", "2026-11-19", "2026-11-20"]


@pytest.mark.parametrize("range_name", CHART_RANGES)
@pytest.mark.parametrize("adjusted", ADJUSTMENTS)
def test_what_the_cache_has_is_what_the_database_gave(
    client: Client, market: Market, range_name: str, adjusted: str
) -> None:
    first = chart(client, range_name, adjusted)
    loads = market.reader.loads
    assert chart(client, range_name, adjusted) == first
    is_cached = range_name != "1D" or adjusted == "splits"
    assert market.reader.loads == loads + (0 if is_cached else 1)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/assets/NOPE/chart", 404),
        ("/api/assets/aapl/chart", 404),
        ("/api/assets/AAPL/chart?range=2Y", 422),
        ("/api/assets/AAPL/chart?range=1y", 422),
        ("/api/assets/AAPL/chart?adjusted=yes", 422),
        ("/api/assets/AAPL,BRK.B/chart", 400),
        ("/api/assets/%20/chart", 400),
        ("/api/assets/%00/chart", 400),
        ("/api/assets/AAPL%27%20or%201=1--/chart", 400),
        ("/api/assets/%3Cscript%3E/chart", 400),
        ("/api/assets/" + "A" * 61 + "/chart", 422),
        ("/api/assets//chart", 404),
    ],
)
def test_a_bad_question_is_refused_with_what_why_and_next(client: Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"what", "why", "next"}
    assert all(answer.json().values())
