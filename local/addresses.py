"""Where everything of the stack is, and how its processes are told."""

from __future__ import annotations

import json
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict

_CONNECTION_FIELDS = frozenset({"host", "port", "user", "password", "dbname"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is, as ``stack.env`` has it."""

    MARKETDATA_DSN: str
    REDIS_URL: str
    AIRFLOW_URL: str
    SIMULATOR_URL: str
    AIRFLOW_USER: str
    AIRFLOW_PASSWORD: str


def services(addresses: Addresses) -> dict[str, str]:
    """The environment in which DAGs and commands find the simulator, the database and the cache."""
    base = addresses.SIMULATOR_URL
    connections: dict[str, dict[str, object]] = {
        "POLYGON_DEFAULT": _vendor("polygon", f"{base}/massive", "demo-polygon-starter", "starter"),
        "COINGECKO_DEFAULT": _vendor("coingecko", f"{base}/coingecko-pro/api/v3", "demo-coingecko-analyst", "analyst"),
        "MARKETDATA_DB": database_connection(addresses.MARKETDATA_DSN),
    }
    return {
        **{f"AIRFLOW_CONN_{name}": json.dumps(connection) for name, connection in connections.items()},
        "AIRFLOW_CONN_MARKETDATA_REDIS": addresses.REDIS_URL,
        "MARKETDATA_DSN": addresses.MARKETDATA_DSN,
        "REDIS_URL": addresses.REDIS_URL,
        "MARKETDATA_ALLOW_LOOPBACK": "1",
    }


def database_connection(dsn: str) -> dict[str, object]:
    """An Airflow connection of type postgres to a libpq address."""
    database = conninfo_to_dict(dsn)
    return {
        "conn_type": "postgres",
        "host": database.get("host"),
        "port": int(database.get("port") or 5432),
        "login": database.get("user"),
        "password": database.get("password"),
        "schema": database.get("dbname"),
        "extra": {name: value for name, value in database.items() if name not in _CONNECTION_FIELDS},
    }


def _vendor(vendor: str, url: str, key: str, plan: str) -> dict[str, object]:
    return {"conn_type": vendor, "host": url, "password": key, "extra": {"plan": plan}}
