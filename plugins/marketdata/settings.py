"""Settings from the environment, and the clock. Nothing here is read at import time.

``MARKETDATA_DSN``  PostgreSQL or TimescaleDB, libpq URI (the Airflow connection ``marketdata_db`` wins in DAGs)
``REDIS_URL``       Redis or Valkey, for the shared quota and the cache (``marketdata_redis`` wins in DAGs); optional
``MARKETDATA_NOW``  an ISO instant that freezes the clock, for replays and tests; unset in production
``MARKETDATA_CRYPTO_HOURS``  ``session`` (the default: coins tick while the stock exchange is open) or ``always``
``MARKETDATA_STALE_AFTER``   minutes, warn/error; the default: ``latest=4/9,hourly=25/45,daily=60/180,quiet=780``

``MARKETDATA_NOTIFIERS``  who is told of alerts, a JSON list (docs/alerting.md); else Airflow's ``apprise_default``
``MARKETDATA_RUNBOOKS``   where the runbooks are, a folder or the beginning of a URL; default: ``docs/runbooks``

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


def crypto_around_the_clock() -> bool:
    """Whether ``MARKETDATA_CRYPTO_HOURS`` is ``always``; read when a DAG file is parsed."""
    given = os.environ.get("MARKETDATA_CRYPTO_HOURS") or "session"
    if given not in {"session", "always"}:
        raise ConfigurationError(
            f"MARKETDATA_CRYPTO_HOURS={given!r:.60}", "there are session and always", "write one of them, or unset it"
        )
    return given == "always"


def stale_after() -> str:
    """``MARKETDATA_STALE_AFTER`` as it is given, empty where it is not: ``Limits.parse`` reads it."""
    return os.environ.get("MARKETDATA_STALE_AFTER") or ""


def notifiers() -> str | None:
    """``MARKETDATA_NOTIFIERS`` as it is given, or None: ``alerts.delivery`` reads it."""
    return os.environ.get("MARKETDATA_NOTIFIERS") or None


def runbooks() -> str:
    """``MARKETDATA_RUNBOOKS``: what the name of a runbook is put behind in an alert."""
    return os.environ.get("MARKETDATA_RUNBOOKS") or "docs/runbooks"


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
