"""Settings from the environment, and the clock. Nothing here is read at import time.

``MARKETDATA_DSN``  PostgreSQL or TimescaleDB, libpq URI (the Airflow connection ``marketdata_db`` wins in DAGs)
``REDIS_URL``       Redis or Valkey, for the shared quota and the cache (``marketdata_redis`` wins in DAGs); optional
``MARKETDATA_NOW``  an ISO instant that freezes the clock, for replays and tests; unset in production
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from marketdata.errors import ConfigurationError


def database_dsn() -> str:
    """``MARKETDATA_DSN``; raises ConfigurationError when it is unset."""
    dsn = os.environ.get("MARKETDATA_DSN", "")
    if not dsn:
        raise ConfigurationError(
            "MARKETDATA_DSN is not set",
            "the database has no address",
            "export MARKETDATA_DSN=postgresql://user@host:5432/marketdata, or after make demo: . .local/airflow.env",
        )
    return dsn


def redis_url() -> str | None:
    """``REDIS_URL``, or None: then each process paces itself by its own share of the quota."""
    return os.environ.get("REDIS_URL") or None


def now() -> datetime:
    """The present instant, aware, UTC; ``MARKETDATA_NOW`` overrides it."""
    frozen = os.environ.get("MARKETDATA_NOW")
    if not frozen:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(frozen)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ConfigurationError(
            f"MARKETDATA_NOW={frozen!r}",
            "it is no ISO instant with an offset",
            "write it like 2026-11-20T21:30:00+00:00, or unset it",
        )
    return instant.astimezone(UTC)
