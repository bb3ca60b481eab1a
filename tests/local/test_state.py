"""What the stack remembers is private, survives, and keeps a second make out."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from local.addresses import Addresses, services
from local.processes import StackError
from local.state import State

ADDRESSES = Addresses(
    MARKETDATA_DSN="postgresql://postgres:pw@127.0.0.1:5433/marketdata",
    REDIS_URL="redis://:pw@127.0.0.1:6380/0",
    AIRFLOW_URL="http://127.0.0.1:8080",
    SIMULATOR_URL="http://127.0.0.1:9000",
    AIRFLOW_USER="admin",
    AIRFLOW_PASSWORD="secret",  # noqa: S106
)


def test_stack_env_has_the_six_addresses_for_this_user_alone(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.write_addresses(ADDRESSES)
    lines = state.stack_env.read_text(encoding="utf-8").splitlines()
    assert [line.split("=", 1)[0] for line in lines] == [
        "MARKETDATA_DSN",
        "REDIS_URL",
        "AIRFLOW_URL",
        "SIMULATOR_URL",
        "AIRFLOW_USER",
        "AIRFLOW_PASSWORD",
    ]
    assert lines[0] == "MARKETDATA_DSN=postgresql://postgres:pw@127.0.0.1:5433/marketdata"
    assert state.stack_env.stat().st_mode & 0o777 == 0o600


def test_secrets_are_made_once_differ_and_are_private(tmp_path: Path) -> None:
    secrets = State(tmp_path).secrets()
    assert State(tmp_path).secrets() == secrets
    assert len({secrets.database, secrets.cache, secrets.airflow, secrets.jwt, secrets.fernet}) == 5
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_service_keeps_its_port_and_shares_it_with_no_other(tmp_path: Path) -> None:
    port = State(tmp_path).port("postgres")
    assert State(tmp_path).port("postgres") == port
    assert State(tmp_path).last_port("postgres") == port
    State(tmp_path).remember_port("valkey", port)
    assert State(tmp_path).port("valkey") != port


def test_a_second_make_waits_until_the_first_lets_go(tmp_path: Path) -> None:
    told = threading.Event()
    order = []

    def second() -> None:
        with State(tmp_path).lock(lambda _: told.set()):
            order.append("second")

    thread = threading.Thread(target=second)
    with State(tmp_path).lock(lambda _: None):
        thread.start()
        assert told.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_a_second_make_gives_up_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.state.LOCK_PATIENCE", 0.0)
    with (
        State(tmp_path).lock(lambda _: None),
        pytest.raises(StackError, match="busy"),
        State(tmp_path).lock(lambda _: None),
    ):
        pass


def test_the_services_get_connections_and_no_real_host() -> None:
    environment = services(ADDRESSES)
    assert environment["MARKETDATA_ALLOW_LOOPBACK"] == "1"
    assert "http://127.0.0.1:9000/massive" in environment["AIRFLOW_CONN_POLYGON_DEFAULT"]
    assert "http://127.0.0.1:9000/coingecko-pro/api/v3" in environment["AIRFLOW_CONN_COINGECKO_DEFAULT"]
    assert '"schema": "marketdata"' in environment["AIRFLOW_CONN_MARKETDATA_DB"]
    assert environment["AIRFLOW_CONN_MARKETDATA_REDIS"] == ADDRESSES.REDIS_URL
