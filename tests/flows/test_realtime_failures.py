"""What goes wrong in a tick stays in its tick: the other vendor is asked, nothing waits long, the next one heals."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from marketdata.errors import RateLimited, StorageError
from marketdata.flows.services import Services, connected
from marketdata.storage.runs import RunReport
from tests.flows.conftest import NOWHERE
from tests.flows.floor import FRIDAY, MINUTE, Floor
from tests.flows.office import new_york
from tests.flows.passing_time import wait_no_more

ROOT = Path(__file__).resolve().parents[2]
NOON = new_york(FRIDAY, 12)
POINTS = [
    *("after_fetch", "after_validate", "mid_copy", "after_copy", "after_merge", "after_commit", "after_cache"),
]
MakeFloor = Callable[..., Floor]


def kinds(report: RunReport) -> list[str]:
    return sorted(failed.kind for failed in report.failed_symbols)


@pytest.mark.promise("P4")
@pytest.mark.parametrize(("down", "other"), [("massive", "X:BTCUSD"), ("coingecko", "AAPL")])
def test_a_vendor_that_is_down_does_not_stop_the_other(floor: Floor, down: str, other: str) -> None:
    floor.admin.add_fault("status", vendor=down, status=503)
    report = floor.tick(NOON)
    assert (report.state, kinds(report)) == ("partial", ["transient"])
    assert floor.price(other) is not None
    assert report.inserted == (1 if down == "massive" else 3)
    floor.admin.clear_faults()
    assert floor.tick(NOON + MINUTE).state == "success"
    assert floor.price("AAPL") is not None
    assert floor.price("X:BTCUSD") is not None


@pytest.mark.promise("P4")
@pytest.mark.fault("A12")
def test_a_tick_in_which_nothing_succeeds_is_failed(floor: Floor) -> None:
    floor.admin.add_fault("status", status=503)
    report = floor.tick(NOON)
    assert (report.state, kinds(report)) == ("failed", ["transient", "transient"])


@pytest.mark.fault("U05")
def test_a_tick_ends_inside_its_minute_though_both_vendors_hang(floor: Floor) -> None:
    floor.admin.add_fault("hang", seconds=60)
    started = time.monotonic()
    report = floor.tick(NOON)
    assert report.state == "failed"
    assert time.monotonic() - started < 60


@pytest.mark.fault("U03")
@pytest.mark.parametrize("retry_after", [None, 6, 30])
def test_a_vendor_that_wants_us_to_wait_is_not_waited_for(floor: Floor, retry_after: int | None) -> None:
    wait = {} if retry_after is None else {"retry_after": retry_after}
    floor.admin.add_fault("status", vendor="massive", status=429, **wait)
    waits = wait_no_more(floor.services, floor.redis)
    report = floor.tick(NOON)
    assert sum(waits) < 6
    assert (report.state, kinds(report), report.rate_limited > 0) == ("partial", ["rate_limited"], True)
    assert floor.price("X:BTCUSD") is not None


@pytest.mark.fault("U01")
def test_a_pause_that_the_vendor_wants_is_kept_by_the_next_tick_too(floor: Floor) -> None:
    floor.admin.add_fault("status", vendor="massive", status=429, retry_after=90)
    floor.tick(NOON)
    floor.forget()
    assert kinds(floor.tick(NOON + MINUTE)) == ["rate_limited"]
    assert floor.asked("/snapshot/") == []


@pytest.mark.fault("U23")
def test_a_rejected_key_is_one_request_and_stops_its_vendor_only(floor: Floor) -> None:
    floor.admin.remove_key("demo-polygon-advanced")
    report = floor.tick(NOON)
    assert (report.state, kinds(report)) == ("partial", ["key_rejected"])
    assert len(floor.asked("/snapshot/")) == 1
    assert floor.price("X:BTCUSD") is not None


@pytest.mark.fault("U08")
@pytest.mark.parametrize("fault", ["html", "empty", "cut_json", "results_missing"])
def test_an_answer_that_is_none_is_a_failure_and_no_missing_asset(floor: Floor, fault: str) -> None:
    if fault == "results_missing":
        body = {"status": "OK", "request_id": "x"}
        floor.admin.add_fault("status", match="/snapshot/", status=200, body=body)
    else:
        floor.admin.add_fault(fault, match="/snapshot/")
    report = floor.tick(NOON)
    assert report.state == "partial"
    assert len(report.failed_symbols) == 1
    assert report.warnings == ()


@pytest.mark.promise("P6")
@pytest.mark.fault("R01")
def test_prices_are_stored_while_redis_is_down_and_the_run_says_so_once(make_floor: MakeFloor) -> None:
    floor = make_floor(cache_url=NOWHERE)
    started = time.monotonic()
    report = floor.tick(NOON)
    assert time.monotonic() - started < 30
    assert (report.state, report.inserted) == ("success", 4)
    assert len([warning for warning in report.warnings if "Redis" in warning]) == 1
    assert floor.latest("AAPL")["price"] > 0


@pytest.mark.promise("P6")
def test_a_cache_that_was_wiped_is_full_again_after_the_next_tick(floor: Floor) -> None:
    floor.tick(NOON)
    stored = floor.stored()
    floor.redis.delete(*floor.redis.keys("latest_price:*"))
    floor.tick(NOON)
    assert floor.stored() == stored
    assert len(floor.redis.keys("latest_price:*")) == 4, "what did not change is put there, too"


@pytest.mark.fault("D01")
def test_a_tick_without_a_database_fails_and_the_next_one_goes_on(floor: Floor) -> None:
    floor.tick(NOON)
    name = psycopg.conninfo.conninfo_to_dict(floor.desk.dsn)["dbname"]
    admin = psycopg.conninfo.make_conninfo(floor.desk.dsn, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'alter database "{name}" allow_connections false')
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        with pytest.raises(StorageError):
            floor.tick(NOON + MINUTE)
        connection.execute(f'alter database "{name}" allow_connections true')
    cached = floor.price("AAPL")
    assert cached is not None
    assert datetime.fromisoformat(cached["timestamp"]) <= NOON, "nothing is in the cache that is not stored"
    assert floor.tick(NOON + 2 * MINUTE).state == "success"
    assert len(floor.minutes("AAPL")) == 2


def run_worker(floor: Floor, redis_url: str, run: str, tick: datetime, crash_at: str = "") -> int:
    """Run a tick in a process of its own to its end, or to its death; the exit status."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "MARKETDATA_NOW": floor.desk.now.isoformat(),
        "MARKETDATA_CRASH_AT": crash_at,
    }
    simulator = floor.desk.simulator
    places = [floor.desk.dsn, simulator.polygon_url, simulator.coingecko_url, redis_url]
    command = [sys.executable, "-m", "tests.flows.floor_worker", *places, run, tick.isoformat()]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
@pytest.mark.parametrize("point", POINTS)
def test_the_tick_after_a_kill_leaves_both_stores_as_if_nothing_had_been(
    floor: Floor, redis_url: str, point: str
) -> None:
    floor.desk.at(NOON)
    assert run_worker(floor, redis_url, "killed", NOON, crash_at=point) == 137
    has_committed = point in {"after_commit", "after_cache"}
    assert bool(floor.latest("AAPL")) is has_committed
    assert (floor.price("AAPL") is not None) is (point == "after_cache"), "the cache is never ahead of the database"
    report = floor.tick(NOON + MINUTE)
    assert report.state == "success"
    healed = floor.stored()
    assert len(floor.minutes("AAPL")) == 1 + has_committed
    for symbol in ("AAPL", "MSFT", "GOOGL", "X:BTCUSD"):
        cached = floor.price(symbol)
        assert cached is not None
        assert cached["price"] == floor.latest(symbol)["price"]
    floor.tick(NOON + MINUTE)
    assert floor.stored() == healed


def fill_window(services: Services) -> None:
    """Let batch send all that it may at both vendors."""
    for hook in (services.polygon, services.coingecko):
        for _ in range(hook.quota.left("batch").requests):
            hook.quota.acquire("batch", max_wait=0)
        with pytest.raises(RateLimited):
            hook.quota.acquire("batch", max_wait=0)


@pytest.mark.promise("P5")
def test_a_window_that_batch_has_filled_leaves_the_reserve_to_realtime(floor: Floor, redis_url: str) -> None:
    floor.desk.at(NOON)
    old = floor.services.polygon.connection, floor.services.coingecko.connection
    stocks, coins = (replace(connection, requests_per_minute=40) for connection in old)
    floor.redis.flushall()
    with ExitStack() as stack:
        batch = stack.enter_context(connected(floor.services.warehouse, stocks, coins, redis_url))
        realtime = stack.enter_context(
            connected(floor.services.warehouse, stocks, coins, redis_url, priority="realtime")
        )
        fill_window(batch)
        for minute in range(4):  # a tenth of 40 is realtime's alone
            fill_window(batch)
            assert floor.tick(NOON + minute * MINUTE, services=realtime).state == "success"
        assert floor.tick(NOON + 4 * MINUTE, services=realtime).state == "failed"
