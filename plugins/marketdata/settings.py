"""Settings from the environment, and the clock. Nothing here is read at import time.

``MARKETDATA_DSN``  PostgreSQL or TimescaleDB, libpq URI (the Airflow connection ``marketdata_db`` wins in DAGs)
``REDIS_URL``       Redis or Valkey, for the shared quota and the cache (``marketdata_redis`` wins in DAGs); optional
``MARKETDATA_NOW``  an ISO instant that freezes the clock, for replays and tests; unset in production

``MARKETDATA_IMPORT_DIR``       the one directory that ``data_migration`` takes files from; default: ``imports``
``MARKETDATA_IMPORT_MAX_MB``    size on disk of an import file at most; default: 50
``MARKETDATA_IMPORT_MAX_ROWS``  rows of an import file at most; default: 1,000,000
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


def import_directory() -> str | None:
    """``MARKETDATA_IMPORT_DIR``, or None: then it is ``imports`` beside the project's ``include``."""
    return os.environ.get("MARKETDATA_IMPORT_DIR") or None


def import_max_bytes() -> int:
    """``MARKETDATA_IMPORT_MAX_MB`` in bytes."""
    return _positive("MARKETDATA_IMPORT_MAX_MB", 50) * 2**20


def import_max_rows() -> int:
    """``MARKETDATA_IMPORT_MAX_ROWS``."""
    return _positive("MARKETDATA_IMPORT_MAX_ROWS", 1_000_000)


def now() -> datetime:
    """The present instant, aware, UTC; ``MARKETDATA_NOW`` overrides it."""
    return frozen_now() or datetime.now(UTC)


def frozen_now() -> datetime | None:
    """The instant, aware, UTC, at which ``MARKETDATA_NOW`` freezes the clock; None where it runs."""
    frozen = os.environ.get("MARKETDATA_NOW")
    if not frozen:
        return None
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


def _positive(name: str, default: int) -> int:
    given = os.environ.get(name) or str(default)
    if not given.isascii() or not given.isdecimal() or int(given) == 0:
        raise ConfigurationError(
            f"{name}={given!r:.60}", "it is no positive whole number", f"write {default}, or unset it"
        )
    return int(given)
