"""All batches of a plan in one process: what a quota holds up is tried again after the others."""

from __future__ import annotations

import pytest
import redis

from marketdata.errors import DatabaseUnavailable
from marketdata.flows.alone import fetch_all
from marketdata.storage.calls import Call
from tests.flows.conftest import Desk
from tests.storage.ledger import kill_other_sessions


def unexpected_sleep(seconds: float) -> None:
    raise AssertionError(f"it waits for {seconds} s")


def test_each_call_is_announced_once_and_made(desk: Desk) -> None:
    seen: list[str] = []
    refusal = fetch_all(
        desk.services, desk.plan("1M"), watch=lambda call: seen.append(call.label), sleep=unexpected_sleep
    )
    assert refusal is None
    assert sorted(seen) == ["AAPL", "GOOGL", "MSFT", "bitcoin"]
    assert desk.query("select distinct state from ingest_call") == [("done",)]


def test_a_batch_that_a_vendor_holds_up_is_tried_again_after_the_others_and_after_the_pause(
    desk: Desk, redis_url: str
) -> None:
    desk.simulator.admin.add_fault("status", status=429, match="/AAPL/", retry_after="300", times=1)
    seen: list[str] = []
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        with redis.Redis.from_url(redis_url) as cache:
            cache.delete(*cache.keys("*:pause"))  # the time passes

    assert fetch_all(desk.services, desk.plan("1M"), watch=lambda call: seen.append(call.label), sleep=pause) is None
    assert len(waits) == 1
    assert 290 < waits[0] < 301
    assert seen.index("bitcoin") < len(seen) - seen[::-1].index("AAPL") - 1, "the other vendor does not wait"
    assert desk.query("select distinct state from ingest_call") == [("done",)]


def test_a_pause_of_a_day_is_not_waited_for(desk: Desk) -> None:
    desk.simulator.admin.add_fault("status", status=429, match="/AAPL/", retry_after="86400")
    refusal = fetch_all(desk.services, desk.plan("1M"), watch=lambda _: None, sleep=unexpected_sleep)
    assert refusal is not None
    assert desk.query("select state, count(*) from ingest_call group by state order by state") == [
        ("done", 1), ("pending", 3)
    ]  # fmt: skip


def test_a_database_that_goes_away_ends_it_and_leaves_the_rest_pending(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = desk.plan("1M")
    monkeypatch.setattr(desk.services.warehouse._database, "dsn", "postgresql://nobody@127.0.0.1:1/none")

    def cut(_: Call) -> None:
        kill_other_sessions(desk.dsn)

    with pytest.raises(DatabaseUnavailable):
        fetch_all(desk.services, plan, watch=cut, sleep=unexpected_sleep)
    assert desk.query("select distinct state from ingest_call") == [("pending",)]
