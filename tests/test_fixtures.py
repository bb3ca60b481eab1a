"""The servers that all other tests stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

if TYPE_CHECKING:
    from local.simulator.server import Addresses


def test_each_empty_database_is_a_new_one(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as connection:
        row = connection.execute("select count(*) from pg_tables where schemaname = 'marketdata'").fetchone()
    assert row == (0,)


def test_a_migrated_database_is_a_clone_of_its_own(dsn: str, empty_dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select to_regclass('marketdata.bar_daily') is not null").fetchone()
    assert row == (True,)
    assert dsn != empty_dsn


def test_redis_starts_empty_and_refuses_strangers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
    address = redis_url.rpartition("@")[2]
    with redis.Redis.from_url(f"redis://{address}") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_the_simulator_starts_with_an_empty_log(simulator: Addresses) -> None:
    assert simulator.admin.health()
    assert simulator.admin.requests() == []
