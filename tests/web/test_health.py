"""What a monitor outside is told: 200 while prices come, 503 when they do not, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis

from marketdata.domain.judgement import Judgement
from marketdata.web import health
from marketdata.web.health import Part
from marketdata.web.lazy import MOUNTED_AT
from tests.faults.own_valkey import own_valkey
from tests.web.api_server import ApiServer
from tests.web.market import Client, Market, app_of, away, open_market, serving

HEALTH = "/api/health"
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)

FEED = """
    insert into realtime_feed (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at, last_asked_at)
    values ('polygon', 'latest', 'snapshot', 1, 0, '', %(at)s, %(at)s)
"""
WATCHED = "insert into market_overview (asset_id, position) select asset_id, 1 from asset where symbol = 'AAPL'"


@pytest.fixture(autouse=True)
def _scheduler_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "scheduler_part", lambda: Part("scheduler", "healthy", "heartbeat now"))


def parts(client: Client) -> tuple[int, dict[str, str]]:
    answer = client.get(HEALTH)
    return answer.status_code, {part["name"]: part["status"] for part in answer.json()["parts"]}


def heard(market: Market, at: datetime) -> None:
    """A price of the only asset that is watched, and the vendor's answer that gave it."""
    market.price(111.0, at, "AAPL")
    market.execute("update latest_price set seen_at = fetched_at")
    market.execute("update realtime_feed set last_asked_at = %(at)s", {"at": at})


def test_prices_that_come_are_healthy_and_prices_that_do_not_are_not(client: Client, market: Market) -> None:
    market.now = NOON
    market.execute(WATCHED)
    market.execute("update asset set created_at = '2026-01-01'")
    market.execute(FEED, {"at": NOON})
    heard(market, NOON - timedelta(seconds=30))
    status, found = parts(client)
    assert (status, found["prices of polygon"]) == (200, "healthy")
    assert set(found) == {"scheduler", "database", "cache", "prices of polygon", "prices of coingecko"}
    market.now = NOON + timedelta(minutes=6)
    status, found = parts(client)
    assert (status, found["prices of polygon"]) == (200, "degraded")
    market.now = NOON + timedelta(minutes=15)
    status, found = parts(client)
    assert (status, found["prices of polygon"]) == (503, "unhealthy")
    market.now = NOON + timedelta(hours=10)  # the market is closed: nobody expects prices
    assert parts(client)[0] == 200


def test_a_dead_scheduler_is_told_by_something_that_is_not_the_scheduler(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Part("scheduler", "unhealthy", "newest heartbeat yesterday", "start it")
    monkeypatch.setattr(health, "scheduler_part", lambda: dead)
    status, found = parts(client)
    assert (status, found["scheduler"]) == (503, "unhealthy")


@pytest.mark.parametrize(
    ("heartbeat", "status"),
    [(None, "unhealthy"), ("now() - interval '10 minutes'", "unhealthy"), ("now() + interval '1 minute'", "healthy")],
)
def test_it_is_airflows_own_record_that_tells_a_living_scheduler_from_a_dead_one(
    api_server: ApiServer, airflow_metadata: str, heartbeat: str | None, status: str
) -> None:
    """Through Airflow's API server, beside which no scheduler runs: what it knows is in the table of jobs."""
    with psycopg.connect(airflow_metadata, autocommit=True) as metadata:
        if heartbeat is not None:
            metadata.execute(
                "insert into job (job_type, state, start_date, latest_heartbeat, hostname)"
                f" values ('SchedulerJob', 'running', now() - interval '1 hour', {heartbeat}, 'here')"
            )
        answer = api_server.logged_in["viewer"].get(f"{MOUNTED_AT}/api/health")
        metadata.execute("delete from job where job_type = 'SchedulerJob'")
    (scheduler,) = [part for part in answer.json()["parts"] if part["name"] == "scheduler"]
    assert (scheduler["status"], bool(scheduler["next"])) == (status, status == "unhealthy")
    assert answer.status_code == (503 if status == "unhealthy" else 200)


def test_a_cache_that_is_away_makes_it_degraded_only(dsn: str) -> None:
    with open_market(dsn, "redis://127.0.0.1:1/0") as market, serving(app_of(market)) as url:
        status, found = parts(Client(url))
    assert (status, found["cache"]) == (200, "degraded")


@pytest.mark.fault("R03")
def test_a_cache_that_is_full_makes_it_degraded_though_it_answers(dsn: str, tmp_path: Path) -> None:
    with (
        own_valkey(tmp_path) as server,
        redis.Redis.from_url(server.url()) as full,
        open_market(dsn, server.url()) as market,
        serving(app_of(market)) as url,
    ):
        assert parts(Client(url))[1]["cache"] == "healthy"
        full.set("ballast", b"x" * 3_000_000)
        full.config_set("maxmemory", "2mb")
        status, found = parts(Client(url))
    assert (status, found["cache"]) == (200, "degraded")


def test_a_database_that_is_away_is_unhealthy_and_an_answer_all_the_same(client: Client, market: Market) -> None:
    with away(market.dsn):
        status, found = parts(client)
    assert (status, found["database"]) == (503, "unhealthy")


def test_a_schema_that_does_not_fit_is_unhealthy(client: Client, market: Market) -> None:
    market.execute("delete from schema_migration where name = (select max(name) from schema_migration)")
    status, found = parts(client)
    assert (status, found["database"]) == (503, "unhealthy")


def test_the_freshness_of_every_feed_is_told(client: Client) -> None:
    answer = client.get("/api/freshness").json()
    assert {(feed["vendor"], feed["subject"]) for feed in answer["feeds"]} >= {
        ("polygon", "latest"),
        ("polygon", "hourly"),
        ("polygon", "daily"),
        ("coingecko", "latest"),
    }
    assert answer["judged_at"].startswith("2026-11-21T18:00:00")


def test_one_judgement_serves_all_who_ask_within_ten_seconds(client: Client, market: Market) -> None:
    for _ in range(5):
        client.get("/api/freshness")
    assert market.reader.loads == 1
    market.now += timedelta(seconds=10)
    client.get("/api/freshness")
    assert market.reader.loads == 2


def test_a_reader_that_was_stopped_after_its_look_at_the_judgement_has_none_made(market: Market) -> None:
    look = market.reader._judged

    def look_too_early() -> Judgement | None:
        found = look()
        market.reader._judged = look  # type: ignore[method-assign]
        assert market.reader.freshness(), "another one, from its first step to its last"
        return found

    market.reader._judged = look_too_early  # type: ignore[method-assign]
    assert market.reader.freshness() is market.reader.freshness()
    assert market.reader.loads == 1
