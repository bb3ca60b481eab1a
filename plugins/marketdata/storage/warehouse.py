"""The warehouse: a database session that flows and pages hand storage functions to, each run in one transaction.

with Warehouse.open(dsn) as warehouse:
    assets = warehouse.transact(find_assets, ["AAPL"])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Self, TypeVar

from marketdata.storage import bar_writer
from marketdata.storage.calls import Call, DailyAnswer, Stored
from marketdata.storage.connection import Connection, Database
from marketdata.storage.migrations import check_schema

T = TypeVar("T")
P = ParamSpec("P")


class Warehouse:
    """One database session with a checked schema. Not for two threads at once: each opens its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def open(cls, dsn: str) -> Iterator[Self]:
        """A warehouse for the length of a ``with``.

        Raises DatabaseUnavailable (after 3 tries), DatabaseReadOnly, or SchemaMismatch with the command to run.
        """
        database = Database(dsn)
        try:
            database.transact(check_schema)
            yield cls(database)
        finally:
            database.close()

    def transact(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a storage function in one transaction of its own and return its result: ``transact(find_assets, None)``.

        After a collision or a lost connection it is run again with the same arguments, so it must do nothing but talk
        to the database, and none of them may be an iterator that it uses up.
        """
        return self._database.transact(lambda connection: work(connection, *args, **kwargs))

    def transact_one(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`transact`, for a storage function of one statement, which needs no transaction around it."""
        return self._database.transact_one(lambda connection: work(connection, *args, **kwargs))

    def store_daily(self, call: Call, answer: DailyAnswer, *, ahead: bool = False) -> Stored:
        """Store an authoritative answer and close its call; see :func:`marketdata.storage.bar_writer.store_daily`.

        ``ahead``: return while the server commits. :meth:`settle`, or any other use of this warehouse, hears of it.
        """
        stored = bar_writer.store_daily(self._database, call, answer)
        if not ahead:
            self.settle()
        return stored

    def settle(self) -> None:
        """Wait until what was stored ahead is committed; raises StorageError where it cannot be."""
        self._database.settle()
