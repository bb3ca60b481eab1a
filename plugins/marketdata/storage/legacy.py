"""The old system's table ``asset_data`` in another PostgreSQL: read, never written to, one series or a few at a time.

Each read is a read-only transaction of its own with a time-out, so that a long import holds nothing there for long.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from marketdata.errors import ConfigurationError, InvalidRequest, MarketDataError
from marketdata.storage.connection import Connection, connect
from marketdata.storage.database_errors import translated
from marketdata.storage.statements import statement

TABLE = "asset_data"

_NUMBERS = ("double precision", "real", "numeric", "bigint", "integer", "smallint")
_TEXTS = ("text", "character varying", "character")
_TYPES: dict[str, tuple[str, ...]] = {
    "symbol": _TEXTS,
    "date": ("date", "timestamp without time zone"),
    "timestamp": ("timestamp with time zone", "timestamp without time zone"),
    "open": _NUMBERS,
    "high": _NUMBERS,
    "low": _NUMBERS,
    "close": _NUMBERS,
    "volume": _NUMBERS,
    "adjusted_close": _NUMBERS,
}
_SETTINGS = {
    "search_path": "public",
    "default_transaction_read_only": "on",
    "statement_timeout": "10min",
    "datestyle": "ISO",
    "extra_float_digits": "1",
}


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one symbol: how many daily and hourly ones, and their first and last date."""

    symbol: str
    daily: int
    hourly: int
    first: date
    last: date


class LegacyTable:
    """An open, checked ``asset_data``; ``origin`` is its host, port and database, and nothing secret."""

    def __init__(self, connection: Connection, dsn: str) -> None:
        given = conninfo_to_dict(dsn)
        self.origin = f"{given.get('host', 'local socket')}:{given.get('port', 5432)}/{given.get('dbname', '')}"
        self._connection = connection
        self._dsn = dsn

    def check(self) -> tuple[str, ...]:
        """Raise InvalidRequest unless the table has its columns in usable types; returns what slows the import down."""
        with self._transaction() as connection:
            rows = connection.execute(statement("legacy/find_columns"), {"table": TABLE}).fetchall()
            indexed = connection.execute(statement("legacy/find_index"), {"table": TABLE}).fetchone()
        found = {str(name): str(kind) for name, kind in rows}
        if not found:
            step = (
                "give the DSN of the old system's database; options=-csearch_path=<schema> finds it in another schema"
            )
            raise self._refused("there is no such table", step)
        lacking = [name for name in _TYPES if name not in found]
        if lacking:
            raise self._refused(f"it has no column {', '.join(lacking)}", f"it needs {', '.join(_TYPES)}")
        wrong = [f"{name} is {found[name]}" for name, kinds in _TYPES.items() if found[name] not in kinds]
        if wrong:
            step = f"make a view of it with the types that are expected, as {wrong[0].split()[0]}: "
            raise self._refused(", ".join(wrong), step + " or ".join(_TYPES[wrong[0].split()[0]]))
        slow = f"{TABLE} has no index that begins with symbol: every part reads all of it"
        return (slow,) if indexed is None else ()

    def series(self) -> list[Series]:
        """All series, by symbol; rows without a symbol are under the empty one."""
        rows = csv.reader(io.StringIO(self._copied("legacy/list_series", {}).decode(), newline=""))
        return [
            Series(symbol, int(daily), int(hourly), _day(first), _day(last))
            for symbol, daily, hourly, first, last in rows
        ]

    def read(self, symbols: Sequence[str], *, is_hourly: bool) -> bytes:
        """The rows of some series as CSV with a header, by symbol and time."""
        return self._copied("legacy/read_series", {"symbols": list(symbols), "is_hourly": is_hourly})

    def _copied(self, name: str, values: dict[str, object]) -> bytes:
        with self._transaction() as connection, connection.cursor().copy(statement(name), values) as copy:
            return b"".join(bytes(block) for block in copy)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._connection.transaction():
                yield self._connection
        except errors.InsufficientPrivilege as error:
            raise self._refused("its user may not read it", f"there: grant select on {TABLE} to that user") from error
        except psycopg.Error as error:
            raise translated(error, self._dsn) from error

    def _refused(self, why: str, next_step: str) -> MarketDataError:
        return InvalidRequest(f"legacy table {TABLE} in {self.origin}", why, next_step)


@contextmanager
def opened(dsn: str) -> Iterator[LegacyTable]:
    """The old system's table for the length of a ``with``; a standby will do.

    Raises ConfigurationError for a malformed DSN, DatabaseUnavailable where no server answers.
    """
    try:
        address = make_conninfo(dsn, target_session_attrs="any", client_encoding="utf8")
    except psycopg.ProgrammingError:
        # without the cause: it shows what it could not parse, and that may hold the password
        step = "write it as postgresql://user@host:5432/database"
        raise ConfigurationError("the legacy database's address", "it is malformed", step) from None
    connection = connect(address, settings=_SETTINGS)
    try:
        connection.read_only = True
        yield LegacyTable(connection, address)
    finally:
        connection.close()


def _day(text: str) -> date:
    """The date of a text; the end of time for what a calendar cannot hold, which the rows' own check refuses."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return date.max
