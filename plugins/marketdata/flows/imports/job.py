"""An import under way: where its rows go, what became of them, and the run that its parts are calls of."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from marketdata.crash import crash_point
from marketdata.domain.import_rows import KnownSplit
from marketdata.domain.import_spec import ImportSpec
from marketdata.domain.sessions import new_york_date
from marketdata.errors import MarketDataError, StorageError
from marketdata.flows.imports.parts import Sorted, sort_rows
from marketdata.flows.imports.reading import Reading
from marketdata.flows.imports.report import Account, ImportReport
from marketdata.flows.imports.symbols import SymbolBook, refuse_unknown
from marketdata.flows.imports.tables import Malformed
from marketdata.storage import imports, runs
from marketdata.storage.assets import load_assets
from marketdata.storage.imports import ImportPart, PartCall, PlannedPart
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many rows of it are done, and of how many (None: not known)."""

_RANGE_NAME = "import"


def silent(doing: str, done: int, of: int | None) -> None:
    """Shows no progress."""


@dataclass(frozen=True, slots=True)
class RunName:
    """Which run of which DAG or command an import belongs to; the same name again is the same run again."""

    dag_id: str
    run_id: str


@dataclass
class ImportRun:
    """The run of a migration: its parts are calls of it, planned before the first is stored."""

    warehouse: Warehouse
    name: RunName
    now: datetime
    run_id: int | None = None
    state: str = "dry_run"

    def open(self, parts: Sequence[PlannedPart], *, assets: int) -> dict[int, PartCall]:
        """Open the run, or open it again, and note its parts; the call of each by its number."""
        as_of = new_york_date(self.now)
        self.run_id = self.warehouse.transact(
            runs.open_run, self.name.dag_id, self.name.run_id, _RANGE_NAME, None, as_of
        )
        self.warehouse.transact(runs.save_plan, self.run_id, [], assets=assets)
        return self.warehouse.transact(imports.plan_parts, self.run_id, parts)

    def close(self) -> tuple[str, ...]:
        """Close the run and return its warnings; ``state`` is its verdict then."""
        if self.run_id is None:
            return ()
        report = self.warehouse.transact(runs.close_run, self.run_id)
        self.state = report.state
        return report.warnings

    def give_up(self) -> None:
        """Close the run after an error or Ctrl-C, if the database still takes it; what was not stored stays undone."""
        with suppress(StorageError):
            self.close()


@dataclass
class ImportJob:
    """What all parts of one import share. A dry run judges them and stores nothing."""

    warehouse: Warehouse
    spec: ImportSpec
    origin: str
    now: datetime
    dry_run: bool
    progress: Progress = silent
    cache: PriceCache = field(default_factory=lambda: PriceCache(None))
    account: Account = field(default_factory=Account)
    parts: int = 0
    parts_done: int = 0
    refusal: str = ""
    unmapped: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    book: SymbolBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = SymbolBook(self.spec, lambda symbols: self.warehouse.transact(imports.find_bearers, symbols))

    def refuse(self, check: Callable[[], None]) -> None:
        """Let a check refuse the whole import; a dry run keeps the words of the first one and goes on looking."""
        try:
            check()
        except MarketDataError as error:
            if not self.dry_run:
                raise
            self.refusal = self.refusal or str(error)

    def settle_symbols(self) -> None:
        """Refuse symbols that are no assets of ours, and add those that the spec adds."""
        problems = self.book.problems
        existing = self.warehouse.transact(imports.house_symbols) if problems else []
        self.refuse(lambda: refuse_unknown(problems, existing))
        added = self.book.added
        self.added = tuple(str(row["symbol"]) for row in added)
        if added and not self.dry_run:
            self.warehouse.transact(load_assets, added)
            self.book.forget_added()

    def take(
        self,
        reading: Reading,
        reasons: Mapping[int, str],
        superseded: NDArray[np.bool_],
        adjusted: Mapping[int, KnownSplit],
        *,
        key: tuple[str, int],
        call: PartCall | None,
        malformed: Sequence[Malformed] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        """Store a part as ``call``, or without one judge what storing it would do; count what became of its rows.

        ``key`` is the part's identity: digest and number.
        """
        started = monotonic()
        found = sort_rows(reading, reasons, superseded, adjusted, malformed)
        names = self.book.house_symbols
        self.account.left_out += reading.skipped
        self.account.rows += len(malformed)
        self.account.add_rows(reading.rows, names, found.refused, found.superseded)
        self.account.add_refusals(found.refusals)
        for refusal, rows in found.series:
            self.account.add_refusals([refusal], rows)
        self.account.add_warnings(warnings)
        crash_point("after_validate")
        if call is None:
            judged = self.warehouse.transact(imports.judge_rows, found.kept)
        else:
            part = self._part(found, key, len(reading.rows) + len(malformed), warnings, names, monotonic() - started)
            judged = self.warehouse.transact(imports.store_part, call, part)
            crash_point("after_commit")
            self.drop_charts(
                names[asset_id]
                for asset_id, counts in judged.outcomes.items()
                if counts.get("inserted") or counts.get("changed")
            )
        self.account.add_outcomes(judged, names)

    def drop_charts(self, symbols: Iterable[str]) -> None:
        """Take the charts of these assets, to whose bars something was added or replaced, out of the cache."""
        self.cache.drop_charts(list(symbols), hours=self.spec.interval == "1h")

    def _part(
        self,
        found: Sorted,
        key: tuple[str, int],
        received: int,
        warnings: Sequence[str],
        names: Mapping[int, str],
        seconds: float,
    ) -> ImportPart:
        digest, number = key
        return ImportPart(
            digest=digest,
            part=number,
            source=self.spec.source,
            rows=found.kept,
            at=self.now,
            received=received,
            refused=found.refused_count,
            duplicates=int(found.superseded.sum()),
            quarantined=found.quarantined,
            warnings=tuple(warnings),
            names=names,
            seconds=seconds,
        )

    def report(self, run: ImportRun, warnings: Sequence[str] = ()) -> ImportReport:
        """The account of the import, with the verdict of its run."""
        account = self.account
        account.add_warnings(warnings)
        return ImportReport(
            source=self.spec.source,
            origin=self.origin,
            interval=self.spec.interval,
            state="refused" if self.refusal else run.state,
            run_id=run.run_id,
            rows=account.rows,
            left_out=account.left_out,
            refused=account.refused,
            parts=self.parts,
            parts_done=self.parts_done,
            symbols=account.symbols,
            reasons=account.reasons,
            refused_rows=tuple(account.refused_rows),
            conflicts=tuple(account.conflicts),
            warnings=tuple(account.warnings),
            unknown=self.book.problems,
            added=self.added,
            unmapped=self.unmapped,
            refusal=self.refusal,
            adjusted=tuple(account.adjusted),
        )


def import_digest(content: str, spec: ImportSpec, part_rows: int) -> str:
    """What tells one import from another: its content (a digest), how it is read, and how it is cut."""
    told = json.dumps([content, spec.facts(), part_rows], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
