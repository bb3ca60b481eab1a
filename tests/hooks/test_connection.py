"""A vendor account: what follows from its plan, what an Airflow connection says, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketdata.errors import ConfigurationError
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import PLANS, VendorConnection, from_airflow
from marketdata.hooks.polygon import PolygonHook

KEY = "canary-key-4711"


def store(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def test_the_limits_follow_from_the_plan_unless_they_are_given() -> None:
    plain = VendorConnection("coingecko", key=KEY)
    assert (plain.plan, plain.requests_per_minute, plain.credits_per_month, plain.history_days) == (
        "demo",
        25,
        10_000,
        365,
    )
    told = VendorConnection("coingecko", key=KEY, requests_per_minute=90, credits_per_month=7, history_days=30)
    assert (told.requests_per_minute, told.credits_per_month, told.history_days) == (90, 7, 30)
    assert VendorConnection("coingecko").plan == "keyless"
    assert VendorConnection("polygon", key=KEY).requests_per_minute == 5


@pytest.mark.parametrize("plan", [plan for plan in PLANS["coingecko"] if plan not in {"keyless", "demo"}])
def test_paid_coingecko_plans_go_to_the_paid_host_with_the_paid_header(plan: str) -> None:
    connection = VendorConnection("coingecko", key=KEY, plan=plan)
    assert connection.base_url == "https://pro-api.coingecko.com/api/v3"
    assert connection.auth_headers() == {"x-cg-pro-api-key": KEY}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"plan": "gold"}, "plan 'gold' is unknown. Next: set plan to one of basic, starter"),
        ({"key": ""}, "no key"),
        ({"requests_per_minute": 0}, "requests_per_minute is 0"),
        ({"realtime_share": 0.95}, "realtime_share=0.95"),
        ({"fallback_processes": 0}, "fallback_processes=0"),
    ],
)
def test_a_wrong_field_is_named_with_the_next_step(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VendorConnection("polygon", **{"key": KEY, **fields})
    assert words in str(caught.value)


def test_the_digest_tells_keys_apart_without_telling_them() -> None:
    digests = {VendorConnection("polygon", key=key).key_digest for key in (KEY, f"{KEY}x", "other")}
    assert len(digests) == 3
    assert all(len(digest) == 12 and KEY not in digest for digest in digests)
    assert KEY not in repr(VendorConnection("polygon", key=KEY))


def test_an_airflow_connection_becomes_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"plan": "analyst", "requests_per_minute": "400", "realtime_percent": 0, "fallback_processes": 3}
    store(monkeypatch, "gecko", conn_type="coingecko", password=KEY, extra=extra)
    assert from_airflow("gecko", "coingecko") == VendorConnection(
        "coingecko", key=KEY, plan="analyst", requests_per_minute=400, realtime_share=0.0, fallback_processes=3
    )


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "https://api.polygon.io"}, "https://api.polygon.io"),
        ({"host": "api.polygon.io"}, "https://api.polygon.io"),
        ({"host": "api.polygon.io", "schema": "https", "port": 443}, "https://api.polygon.io:443"),
        ({"host": "http://127.0.0.1:8123/massive/"}, "http://127.0.0.1:8123/massive"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8123}, "http://127.0.0.1:8123"),
        ({}, "https://api.massive.com"),
    ],
)
def test_the_host_of_an_airflow_connection_may_be_a_url_or_a_name(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], base_url: str
) -> None:
    store(monkeypatch, "polygon_default", conn_type="polygon", password=KEY, **fields)
    assert PolygonHook().connection.base_url == base_url


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"conn_type": "http"}, "its type is 'http'"),
        ({"extra": {"requests_per_minute": "many"}}, "requests_per_minute in its extra is no whole number"),
        ({"host": "evil.example"}, "allow-list"),
        ({"password": None}, "has no key"),
    ],
)
def test_a_wrong_airflow_connection_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: str
) -> None:
    store(monkeypatch, "polygon_default", **{"conn_type": "polygon", "password": KEY, **fields})
    with pytest.raises(ConfigurationError, match=words):
        PolygonHook().get_conn()


def test_a_hook_with_a_connection_given_asks_airflow_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Airflow was asked for a connection")

    monkeypatch.setattr("airflow.sdk.BaseHook.get_connection", refuse)
    hook = CoinGeckoHook(connection=VendorConnection("coingecko"))
    assert hook.get_conn().connection.is_keyless
