"""The watch on real outages: what is stale is told once, by its cause, to a real receiver, and recovers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis

from marketdata.alerts.delivery import deliver
from marketdata.flows import freshness
from marketdata.flows.freshness import published
from marketdata.storage.alerts import add_silence
from marketdata.storage.outbox import find_waiting
from marketdata.storage.warehouse import Warehouse
from tests.alerts.receivers import apprise_connection, free_port
from tests.faults.own_valkey import own_valkey
from tests.flows.conftest import ASSETS
from tests.flows.floor import FRIDAY, MINUTE, Floor
from tests.flows.office import new_york
from tests.flows.tower import Tower, open_tower

NOON = new_york(FRIDAY, 12)


@pytest.fixture
def tower(floor: Floor, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tower]:
    """Four active assets with fresh prices at noon, watched."""
    with open_tower(floor, redis_url, monkeypatch) as opened:
        floor.tick(NOON - MINUTE)
        yield opened


def test_while_all_is_fresh_nothing_is_told(tower: Tower) -> None:
    assert tower.go(NOON, NOON + 15 * MINUTE) == []
    report = tower.watch(NOON + 15 * MINUTE)
    said = published(report)
    assert (said["state"], said["wrong"], said["feeds"]["polygon latest"]) == ("fresh", [], "fresh")
    assert json.loads(json.dumps(said)) == said


@pytest.mark.promise("P9")
@pytest.mark.parametrize(("down", "vendor"), [("massive", "polygon"), ("coingecko", "coingecko")])
def test_a_vendor_that_is_down_is_one_alert_within_two_watches_and_recovers(
    tower: Tower, down: str, vendor: str
) -> None:
    tower.floor.admin.add_fault("status", vendor=down, status=503)
    assert tower.go(NOON + 5 * MINUTE, NOON + 10 * MINUTE) == [
        f"opened feed_stale:{vendor}",
        f"worsened feed_stale:{vendor}",
    ]
    text = tower.hook.got[0]["message"]
    assert "since: 2026-11-20 11:59 New York" in text
    assert "likely cause: calls fail, the last at" in text
    assert "transient" in text
    assert "runbook: docs/runbooks/feed_stale.md" in text
    assert tower.go(NOON + 15 * MINUTE, NOON + 30 * MINUTE) == []
    tower.floor.admin.clear_faults()
    assert tower.go(NOON + 35 * MINUTE, NOON + 45 * MINUTE) == [f"recovered feed_stale:{vendor}"]


@pytest.mark.promise("P9")
def test_without_any_run_the_scheduler_is_the_likely_cause_and_that_is_one_alert_for_all_vendors(tower: Tower) -> None:
    tower.tick(NOON - MINUTE)
    tower.go(NOON + 10 * MINUTE, NOON + 15 * MINUTE, ticks=False)
    assert tower.hook.titles == ["[error] realtime_latest does not run: latest prices of all vendors are stale"]
    text = tower.hook.got[0]["message"]
    assert "likely cause: no run of realtime_latest since 2026-11-20 11:59 New York: the scheduler or the DAG" in text
    assert "runbook: docs/runbooks/runs_stopped.md" in text
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    assert tower.go(NOON + 20 * MINUTE, NOON + 20 * MINUTE) == [
        "opened feed_stale:polygon",
        "recovered runs_stopped:realtime_latest",
    ]


def test_without_any_run_a_single_vendors_feed_is_its_one_alert(
    make_floor: Callable[..., Floor], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    coins = [asset for asset in ASSETS if asset["asset_class"] == "crypto"]
    with open_tower(make_floor(assets=coins), redis_url, monkeypatch) as tower:
        tower.tick(NOON - MINUTE)
        tower.watch(NOON + 10 * MINUTE)
        assert tower.hook.titles[0] == "[error] latest prices of coingecko are stale"
        assert "no run of realtime_latest since" in tower.hook.got[0]["message"]


def test_an_asset_that_the_vendor_does_not_name_is_told_apart_from_the_feed(tower: Tower) -> None:
    tower.floor.desk.query("update asset set vendor_symbol = 'NOSUCH' where symbol = 'MSFT' returning 1")
    assert tower.go(NOON + 5 * MINUTE, NOON + 10 * MINUTE) == [
        "opened assets_left_out:polygon",
        "worsened assets_left_out:polygon",
    ]
    assert "assets (1): MSFT" in tower.hook.got[0]["message"]
    assert "gives no price for them" in tower.hook.got[0]["message"]
    tower.floor.desk.query("update asset set vendor_symbol = 'MSFT' where symbol = 'MSFT' returning 1")
    assert tower.go(NOON + 15 * MINUTE, NOON + 20 * MINUTE) == ["recovered assets_left_out:polygon"]


@pytest.mark.fault("U23")
@pytest.mark.promise("P8")
def test_a_rejected_key_is_one_alert_once_an_hour_and_never_shows_the_key(tower: Tower) -> None:
    tower.floor.admin.add_fault("status", vendor="massive", status=401)
    told = tower.go(NOON + 5 * MINUTE, NOON + 70 * MINUTE)
    assert told == ["opened key_rejected:polygon", "reminder key_rejected:polygon"]
    assert tower.hook.titles[0] == "[error] key rejected by polygon"
    tower.floor.admin.clear_faults()
    assert tower.go(NOON + 75 * MINUTE, NOON + 80 * MINUTE) == ["recovered key_rejected:polygon"]
    assert not any("demo-polygon" in json.dumps(got) for got in tower.hook.got)


@pytest.mark.fault("U31")
def test_credits_are_told_at_80_and_at_95_percent_of_the_month(
    make_floor: Callable[..., Floor], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_tower(make_floor(), redis_url, monkeypatch) as tower:
        coins = tower.floor.services.coingecko.connection
        extra = {"plan": coins.plan, "credits_per_month": 20, "requests_per_minute": 10_000}
        fields = {"conn_type": "coingecko", "host": coins.base_url, "password": coins.key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_COINGECKO_DEFAULT", json.dumps(fields))
        told = [text for text in tower.go(NOON, NOON + 100 * MINUTE) if "daily_history" not in text]
        assert told == ["opened credits_used_up:coingecko", "worsened credits_used_up:coingecko"]
        texts = [got["message"] for got in tower.hook.got if "figures: " in got["message"]]
        used = [text.partition("figures: ")[2].partition(" credits")[0] for text in texts]
        assert used == ["16 of 20", "19 of 20"]


@pytest.mark.fault("A11")
def test_a_dead_receiver_changes_no_watch_and_loses_nothing(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = tower.hook.connection()
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", apprise_connection(f"json://127.0.0.1:{free_port()}"))
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    assert tower.go(NOON + 5 * MINUTE, NOON + 10 * MINUTE) == []
    tower.floor.tick(NOON + 14 * MINUTE)
    report = tower.watch(NOON + 15 * MINUTE)
    assert (report.sent.delivered, len(report.sent.failures)) == (0, 1)
    said = published(report)
    assert said["state"] == "stale"
    assert any(warning.startswith("not delivered: ") for warning in said["warnings"])
    assert tower.floor.services.warehouse.transact(find_waiting).waiting == 2
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", alive)
    tower.floor.admin.clear_faults()
    assert tower.go(NOON + 20 * MINUTE, NOON + 20 * MINUTE) == [
        "opened feed_stale:polygon",
        "worsened feed_stale:polygon",
        "recovered feed_stale:polygon",
    ]


def test_two_watches_at_once_tell_once(tower: Tower) -> None:
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    tower.floor.tick(NOON + 5 * MINUTE)
    start = threading.Barrier(3)

    def watch() -> None:
        with Warehouse.open(tower.floor.desk.dsn) as warehouse:
            start.wait()
            freshness.watch(warehouse, deliver=deliver, now=tower.floor.desk.now)

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tower.hook.titles == ["[warn] latest prices of polygon are stale"]


def test_a_silenced_outage_is_on_record_and_told_to_nobody(tower: Tower) -> None:
    warehouse = tower.floor.services.warehouse
    warehouse.transact(
        add_silence,
        pattern="feed_stale:polygon",
        until=NOON + timedelta(minutes=32),
        reason="moving",
        who="ops",
        now=NOON,
    )
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    assert tower.go(NOON + 5 * MINUTE, NOON + 10 * MINUTE) == []
    tower.floor.admin.clear_faults()
    assert tower.go(NOON + 15 * MINUTE, NOON + 20 * MINUTE) == []
    assert tower.floor.desk.query("select alert_key, state, told_level from alert") == [
        ("feed_stale:polygon", "recovered", None)
    ]
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    assert tower.go(NOON + 25 * MINUTE, NOON + 35 * MINUTE) == [
        "the silence of feed_stale:polygon has ended",
        "opened feed_stale:polygon",
    ]


def test_without_redis_the_watch_goes_on(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:s3cret@127.0.0.1:{free_port()}/0")
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    assert tower.go(NOON + 5 * MINUTE, NOON + 5 * MINUTE) == ["opened feed_stale:polygon", "opened cache_away:redis"]
    assert "Redis is away" in tower.hook.got[0]["message"]
    assert "likely cause: it does not answer: ConnectionError" in tower.hook.got[1]["message"]
    assert "s3cret" not in json.dumps(tower.hook.got)


@pytest.mark.fault("R03")
def test_a_full_redis_is_told_once_and_recovers(tower: Tower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_valkey(tmp_path) as server, redis.Redis.from_url(server.url()) as client:
        monkeypatch.setenv("REDIS_URL", server.url())
        client.set("ballast", b"x" * 3_000_000)
        client.config_set("maxmemory", "2mb")
        assert tower.go(NOON + 5 * MINUTE, NOON + 10 * MINUTE) == ["opened cache_away:redis"]
        assert tower.hook.titles == ["[warn] the cache takes no values: redis is away or full"]
        assert "it answers and refuses to write: OutOfMemoryError" in tower.hook.got[0]["message"]
        assert "runbook: docs/runbooks/cache_away.md" in tower.hook.got[0]["message"]
        client.config_set("maxmemory", "0")
        assert tower.go(NOON + 15 * MINUTE, NOON + 15 * MINUTE) == ["recovered cache_away:redis"]


def test_a_wrong_connection_hides_no_stale_data(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_POLYGON_DEFAULT", json.dumps({"conn_type": "polygon", "host": "evil.example.com"}))
    monkeypatch.setenv("REDIS_URL", "nonsense://")
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    assert tower.go(NOON + 5 * MINUTE, NOON + 5 * MINUTE) == ["opened feed_stale:polygon"]


def test_a_watch_writes_nothing_but_alerts(tower: Tower) -> None:
    def counts() -> list[tuple[object, ...]]:
        with psycopg.connect(tower.floor.desk.dsn) as connection:
            tables = connection.execute(
                "select table_name from information_schema.tables where table_schema = 'marketdata'"
                " and table_type = 'BASE TABLE' and table_name not like 'alert%' order by 1"
            ).fetchall()
            return [
                (name, connection.execute(f"select count(*) from marketdata.{name}").fetchone()) for (name,) in tables
            ]

    tower.floor.desk.query("update latest_price set seen_at = seen_at - interval '1 hour' returning 1")
    tower.floor.desk.query("update ingest_run set opened_at = %(at)s returning 1", at=NOON + 4 * MINUTE)  # not by ours
    before, asked = counts(), tower.floor.asked()
    tower.watch(NOON + 5 * MINUTE)
    assert len(tower.hook.got) == 2
    assert (counts(), tower.floor.asked()) == (before, asked)
