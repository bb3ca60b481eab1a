"""The warehouse: everything that flows and pages may ask of the database, each call one transaction.

with Warehouse.open(dsn) as warehouse:
    run_id = warehouse.open_run(dag_id="historical_daily", ...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Concatenate, ParamSpec, Self, TypeVar

from marketdata.domain.bars import Asset, Vendor
from marketdata.domain.coverage import Gap, Span, Spans
from marketdata.domain.planner import PlannedCall
from marketdata.errors import VendorError
from marketdata.storage import assets, bar_writer, failures, gaps, runs
from marketdata.storage.calls import Call, DailyAnswer, Stored
from marketdata.storage.connection import Connection, Database
from marketdata.storage.entitlements import Entitlement, find_entitlements, learn
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

        After a collision or a lost connection it is run again, so it must do nothing but talk to the database.
        """
        return self._database.transact(lambda connection: work(connection, *args, **kwargs))

    def load_assets(self, rows: Iterable[Mapping[str, str | None]]) -> assets.LoadedAssets:
        """Insert or update assets and their lists; see :func:`marketdata.storage.assets.load_assets`."""
        given = list(rows)
        return self._transact(lambda connection: assets.load_assets(connection, given))

    def find_assets(self, symbols: Sequence[str] | None) -> list[Asset]:
        """The assets with these house symbols, or all that are followed; InvalidRequest names unknown ones."""
        return self._transact(lambda connection: assets.find_assets(connection, symbols))

    def missing(self, market: gaps.Market, window: Span, *, asset_ids: Sequence[int] | None, today: date) -> list[Gap]:
        """What is missing in a window; see :func:`marketdata.storage.gaps.missing`."""
        return self._transact(
            lambda connection: gaps.missing(connection, market, window, asset_ids=asset_ids, today=today)
        )

    def open_run(
        self,
        dag_id: str,
        airflow_run_id: str,
        range_name: str,
        symbols: Sequence[str] | None,
        as_of: date,
        *,
        dry_run: bool = False,
    ) -> int:
        """The run_id of an Airflow run, the same for each repetition; ``symbols`` None: all assets."""
        return self._transact(
            lambda connection: runs.open_run(
                connection,
                dag_id=dag_id,
                airflow_run_id=airflow_run_id,
                range_name=range_name,
                symbols=symbols,
                as_of=as_of,
                dry_run=dry_run,
            )
        )

    def find_run(self, dag_id: str, airflow_run_id: str) -> int | None:
        """The run_id of an Airflow run; None if it never opened one."""
        return self._transact(lambda connection: runs.find_run(connection, dag_id, airflow_run_id))

    def save_plan(
        self,
        run_id: int,
        batches: Sequence[Sequence[PlannedCall]],
        *,
        assets: int = 0,
        naive_calls: int = 0,
        warnings: Sequence[str] = (),
    ) -> None:
        """Replace what the run has not made yet; see :func:`marketdata.storage.runs.save_plan`."""
        self._transact(
            lambda connection: runs.save_plan(
                connection, run_id, batches, assets=assets, naive_calls=naive_calls, warnings=warnings
            )
        )

    def batches(self, run_id: int) -> list[tuple[int, str]]:
        """Number and label of each batch with calls to make."""
        return self._transact(lambda connection: runs.batches(connection, run_id))

    def pending_calls(self, run_id: int, batch: int) -> list[Call]:
        """The calls of a batch that are still to be made, in the plan's order."""
        return self._transact(lambda connection: runs.pending_calls(connection, run_id, batch))

    def close_run(self, run_id: int) -> runs.RunReport:
        """Sum up the run and store its verdict; may be repeated."""
        return self._transact(lambda connection: runs.close_run(connection, run_id))

    def store_daily(self, call: Call, answer: DailyAnswer) -> Stored:
        """Store an authoritative answer and close its call; see :func:`marketdata.storage.bar_writer.store_daily`."""
        return bar_writer.store_daily(self._database, call, answer)

    def record_failure(
        self,
        call: Call,
        error: VendorError,
        *,
        asset_ids: Sequence[int] | None,
        sessions: Spans,
        failed_at: datetime,
        retry_at: datetime | None,
    ) -> None:
        """Close ``call`` as failed and keep the cause; ``asset_ids`` None: once for the whole market."""
        self._transact(
            lambda connection: failures.record_failure(
                connection,
                call,
                error,
                asset_ids=asset_ids,
                sessions=sessions,
                failed_at=failed_at,
                retry_at=retry_at,
            )
        )

    def fail_pending(self, run_id: int, vendor: Vendor, error: VendorError) -> None:
        """Close as failed what a run still has to ask of ``vendor``, when one answer speaks for all its calls."""
        self._transact(lambda connection: failures.fail_pending(connection, run_id, vendor, error))

    def missing_symbols(self, market: gaps.Market, session: date, *, today: date) -> dict[str, int]:
        """The followed assets that miss one session; see :func:`marketdata.storage.gaps.missing_symbols`."""
        return self._transact(lambda connection: gaps.missing_symbols(connection, market, session, today=today))

    def rows_of_last_market_day(self, session: date) -> int | None:
        """How many rows the newest market day before ``session`` had; None when there was none."""
        return self._transact(lambda connection: gaps.rows_of_last_market_day(connection, session))

    def entitlements(self, vendor: Vendor, key_digest: str) -> dict[str, Entitlement]:
        """What is known of a key, by capability."""
        return self._transact(lambda connection: find_entitlements(connection, vendor, key_digest))

    def learn(self, vendor: Vendor, key_digest: str, learnt: Entitlement) -> None:
        """Remember what an answer told of a key, unless something newer is known."""
        self._transact(lambda connection: learn(connection, vendor, key_digest, learnt))

    def _transact(self, work: Callable[[Connection], T]) -> T:
        return self._database.transact(work)
