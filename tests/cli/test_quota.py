"""``marketdata quota``: what may still be sent, and what is known of the keys; never the keys themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import redis

from local.processes import free_port
from tests.cli.conftest import Terminal

KEY = "demo-polygon-basic"


@pytest.mark.promise("P8")
def test_the_quota_shows_plan_window_reserve_and_credits_and_the_keys_digest_only(
    make_terminal: Callable[..., Terminal],
) -> None:
    terminal = make_terminal(polygon="basic")
    terminal.desk.run("5Y", ["AAPL", "X:BTCUSD"])
    done = terminal.run("quota")
    assert done.exit_code == 0
    assert KEY not in done.output
    assert "demo-coingecko" not in done.output
    assert hashlib.sha256(KEY.encode()).hexdigest()[:12] in done.stdout
    said = {vendor["vendor"]: vendor for vendor in terminal.json("quota")["vendors"]}
    minute = said["polygon"]["windows"][-1]
    assert minute == {"seconds": 61, "allowed": 10_000, "reserve": 1_000, "used": 5_002, "left": 3_998}
    assert said["coingecko"]["credits"] == {"allowed": 10_000, "used": 1, "reserve": 1_000}
    assert said["coingecko"]["credits_left"] == 8_999


def test_the_quota_tells_what_was_found_out_of_a_key_and_when_it_is_probed_anew(
    make_terminal: Callable[..., Terminal],
) -> None:
    terminal = make_terminal(polygon="basic")
    terminal.desk.run("5Y", ["AAPL"])
    (known,) = terminal.json("quota")["vendors"][0]["known"]
    assert known == {
        "capability": "daily_history",
        "allowed": True,
        "earliest": "2024-11-21",
        "learnt_on": "2026-11-21",
        "probed_anew_on": "2026-11-28",
        "note": "AAPL asked from 2021-11-22, answered from 2024-11-21",
    }


def test_asking_for_the_quota_takes_nothing_of_it_and_starts_no_window(terminal: Terminal, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as cache:
        first = terminal.json("quota")
        assert cache.dbsize() == 0
        assert terminal.json("quota") == first
    assert [vendor["is_known"] for vendor in first["vendors"]] == [False, False]
    assert "remembers nothing yet" in terminal.run("quota").stdout
    assert terminal.desk.simulator.admin.requests() == []


def test_a_pause_that_a_vendor_asked_for_is_told(terminal: Terminal) -> None:
    terminal.desk.services.polygon.quota.push_back(40.0)
    done = terminal.run("quota")
    assert "polygon: the vendor asked for a pause: nothing is sent for " in done.stdout


@pytest.mark.promise("P6")
def test_without_redis_the_share_of_one_process_is_shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    done = terminal.run("quota")
    assert done.exit_code == 0
    assert "each process keeps to this share" in done.stdout
    stocks = terminal.json("quota")["vendors"][0]
    assert (stocks["is_shared"], stocks["windows"][-1]["allowed"]) == (False, 10_000 // 8)


def test_a_connection_that_is_missing_is_told_beside_the_other_one(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_POLYGON_DEFAULT")
    done = terminal.run("quota")
    assert done.exit_code == 1
    assert "export AIRFLOW_CONN_POLYGON_DEFAULT" in done.stdout
    assert "coingecko │ demo" in done.stdout
