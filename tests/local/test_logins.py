"""The stack's own server: DAGs log in with what they need, and with no more than in production."""

from __future__ import annotations

import json

import psycopg
import pytest

from local import logins
from marketdata.storage.connection import connect
from marketdata.storage.roles import Login, find_login

SECRET = "the superuser's"  # noqa: S105 - of a server of this test run


@pytest.mark.fault("S11")
def test_flows_and_the_read_api_are_given_logins_that_own_nothing(dsn: str) -> None:
    logins.create(dsn, SECRET)
    logins.create(dsn, SECRET)
    given = {name: json.loads(text) for name, text in logins.connections(dsn, SECRET).items()}
    assert set(given) == {"AIRFLOW_CONN_MARKETDATA_DB", "AIRFLOW_CONN_MARKETDATA_READER"}
    assert SECRET not in str(given)

    def address(name: str) -> str:
        of = given[f"AIRFLOW_CONN_MARKETDATA_{name}"]
        fields = {"user": of["login"], "password": of["password"], "host": of["host"], "port": of["port"]}
        return psycopg.conninfo.make_conninfo(dbname=of["schema"], **fields)

    with connect(address("DB")) as connection:
        assert find_login(connection) == Login("marketdata_app_login", False, False, True, False)
    with psycopg.connect(address("READER")) as connection:
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
