"""A few sessions that only read, for pages: short time-outs, and no waiting while the database is known to be away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from marketdata.errors import DatabaseUnavailable
from marketdata.storage.connection import Connection, session_arguments
from marketdata.storage.database_errors import translated

T = TypeVar("T")
P = ParamSpec("P")

log = logging.getLogger(__name__)

READ_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "2s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "10s",
}
MOST_SESSIONS = 4
WAIT_SECONDS = 2.0
AWAY_SECONDS = 2.0


class ReadPool:
    """Sessions on a database that nobody can write with. Safe for threads; connects when first asked.

    A standby will do. After it could not be reached it is not tried again for 2 seconds: whoever asks is told at once.
    """

    def __init__(self, dsn: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._dsn = dsn
        self._clock = clock
        self._away_until = float("-inf")
        arguments = session_arguments(dsn, READ_SETTINGS) | {"autocommit": False, "connect_timeout": 2}
        if arguments["target_session_attrs"] == "read-write":
            arguments["target_session_attrs"] = "any"
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            kwargs=arguments,
            min_size=0,
            max_size=MOST_SESSIONS,
            open=False,
            timeout=WAIT_SECONDS,
            reconnect_timeout=1.0,
            max_idle=60.0,
            check=ConnectionPool.check_connection,
            name="marketdata-reads",
        )

    def close(self) -> None:
        """Give the sessions back."""
        self._pool.close(timeout=1.0)

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` reads in one transaction; errors of the database leave as StorageError."""
        if self._clock() < self._away_until:
            raise self._away("it could not be reached a moment ago")
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                return work(connection, *args, **kwargs)
        except PoolTimeout as error:
            self._away_until = self._clock() + AWAY_SECONDS
            raise self._away(f"no session within {WAIT_SECONDS:g} s") from error
        except psycopg.Error as error:
            raise translated(error, self._dsn) from error

    def _away(self, why: str) -> DatabaseUnavailable:
        return DatabaseUnavailable("the database", why, "see that it runs and takes connections, then try again")
