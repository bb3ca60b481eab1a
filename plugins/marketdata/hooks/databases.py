"""Where our database and our cache are: Airflow connections in DAGs, the environment elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from marketdata import settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

DATABASE_CONN_ID = "marketdata_db"
CACHE_CONN_ID = "marketdata_redis"


def warehouse_dsn() -> str:
    """libpq address from the Airflow connection ``marketdata_db`` (type postgres), else from ``MARKETDATA_DSN``.

    Raises ConfigurationError when there is neither.
    """
    stored = _find(DATABASE_CONN_ID)
    if stored is None:
        return settings.database_dsn()
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
    database = stored.extra_dejson.get("db", 0)
    return f"redis://{credentials}{stored.host}:{stored.port or 6379}/{database}"


def _find(conn_id: str) -> Connection | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
