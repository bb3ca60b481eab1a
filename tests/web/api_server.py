"""A real API server of Airflow with the plugin: its own metadata database, its login, its middleware."""

from __future__ import annotations

import json
import secrets
import signal
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import requests

from local import processes
from local.addresses import database_connection
from local.airflow import Airflow, Secrets
from local.airflow_api import AirflowApi
from tests.storage.logins import as_reader
from tests.web.market import Client


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A running server; ``logged_in``: a client for each user, admin and viewer; ``environment`` of its process."""

    anonymous: Client
    logged_in: Mapping[str, Client]
    process: processes.Running
    environment: Mapping[str, str]


@contextmanager
def started(home: Path, *, metadata: str, dsn: str, redis_url: str, now: datetime) -> Iterator[ApiServer]:
    """A server whose addresses of our database and cache come from Airflow connections, its clock frozen at ``now``."""
    passwords = {name: secrets.token_hex(8) for name in ("admin", "viewer")}
    services = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{name}" for name in passwords),
        "AIRFLOW_CONN_MARKETDATA_DB": dsn.replace("postgresql:", "postgres:", 1),
        "AIRFLOW_CONN_MARKETDATA_READER": json.dumps(database_connection(as_reader(dsn))),
        "AIRFLOW_CONN_MARKETDATA_REDIS": redis_url,
        "MARKETDATA_NOW": now.isoformat(),
    }
    fernet = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    keys = Secrets(*(secrets.token_hex(16) for _ in range(4)), fernet=fernet)
    airflow = Airflow(home, home / "logs", processes.free_port(), metadata, keys, services)
    airflow.prepare()
    (home / "passwords.json").write_text(json.dumps(passwords), encoding="utf-8")
    process = airflow.start("api-server", home / "api-server.pid")
    processes.guard(process, signal.SIGTERM)
    try:
        api = AirflowApi(airflow.url, "admin", passwords["admin"])
        processes.wait_until(lambda: _answers(api), process, seconds=120)
        anonymous = Client(airflow.url)
        logged_in = {name: _log_in(anonymous, name, password) for name, password in passwords.items()}
        yield ApiServer(anonymous, logged_in, process, airflow.environment())
    finally:
        processes.stop([process])


def _answers(api: AirflowApi) -> bool:
    try:
        return api.call("GET", "version").ok
    except requests.RequestException:
        return False


def _log_in(anonymous: Client, name: str, password: str) -> Client:
    answer = anonymous.ask("POST", "/auth/token", json={"username": name, "password": password})
    return Client(anonymous.url, {"Authorization": f"Bearer {answer.json()['access_token']}"})
