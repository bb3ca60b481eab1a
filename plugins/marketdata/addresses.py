"""Where our database and our cache are: Airflow connections in DAGs, the environment elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from marketdata import settings
from marketdata.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

DATABASE_CONN_ID = "marketdata_db"
READER_CONN_ID = "marketdata_reader"
CACHE_CONN_ID = "marketdata_redis"


def warehouse_dsn() -> str:
    """libpq address from the Airflow connection ``marketdata_db`` (type postgres), else from ``MARKETDATA_DSN``.

    Raises ConfigurationError when there is neither.
    """
    stored = _find(DATABASE_CONN_ID)
    return settings.database_dsn() if stored is None else _address(stored)


def reader_dsn() -> str:
    """libpq address for what only reads: the Airflow connection ``marketdata_reader``, else as the flows'.

    Raises ConfigurationError as :func:`warehouse_dsn` does.
    """
    stored = _find(READER_CONN_ID)
    return warehouse_dsn() if stored is None else _address(stored)


def legacy_dsn(conn_id: str) -> str:
    """libpq address of an old system's database from an Airflow connection of type postgres.

    Raises ConfigurationError where there is no such connection.
    """
    stored = _find(conn_id)
    if stored is None or stored.conn_type != "postgres":
        why = "there is none of that name" if stored is None else f"its type is {stored.conn_type}, not postgres"
        step = "make one of type postgres (Admin, Connections): host, schema, login, password"
        raise ConfigurationError(f"Airflow connection {conn_id!r:.80}", why, step)
    return _address(stored)


def _address(stored: Connection) -> str:
    return make_conninfo(
        host=stored.host or None,
        port=stored.port,
        dbname=stored.schema or None,
        user=stored.login or None,
        password=stored.password or None,
        **{name: value for name, value in stored.extra_dejson.items() if isinstance(value, str)},
    )


def cache_url() -> str | None:
    """Redis URL from the Airflow connection ``marketdata_redis`` (type redis), else ``REDIS_URL``; None for neither."""
    stored = _find(CACHE_CONN_ID)
    if stored is None:
        return settings.redis_url()
    credentials = ""
    if stored.password:
        from urllib.parse import quote

        credentials = f"{quote(stored.login or '', safe='')}:{quote(stored.password, safe='')}@"
    database = stored.extra_dejson.get("db", stored.schema or 0)  # in the URI form it may be the path
    return f"redis://{credentials}{stored.host}:{stored.port or 6379}/{database}"


def _find(conn_id: str) -> Connection | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
