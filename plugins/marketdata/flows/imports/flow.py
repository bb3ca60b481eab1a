"""The import flow: brings a declared file into the bars, part by part, or says what that would do.

A file is read twice: once to see all of it (whose rows, which are refused, which bar it names twice, where a series is
adjusted), once to store it. Each part is one transaction, so that an import that was killed goes on where it was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from marketdata.crash import crash_point
from marketdata.domain.import_rows import (
    ImportRows,
    KnownSplit,
    Superseded,
    bar_keys,
    figure_digests,
    find_superseded,
    near_splits,
    refused_rows,
    stored_adjusted,
)
from marketdata.domain.import_spec import ImportSpec
from marketdata.domain.sessions import new_york_date
from marketdata.errors import InvalidRequest, MarketDataError
from marketdata.flows.imports.files import ImportFile, Limits, opened
from marketdata.flows.imports.job import ImportJob, ImportRun, Progress, RunName, import_digest, silent
from marketdata.flows.imports.reading import read_rows
from marketdata.flows.imports.report import ImportReport
from marketdata.flows.imports.tables import PART_ROWS, blocks, file_columns
from marketdata.storage import imports
from marketdata.storage.imports import PlannedPart
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

# A spec that refuses more rows than this part of a file is taken for the wrong spec.
_MOST_REFUSED = 0.5


def import_file(
    warehouse: Warehouse,
    path: str,
    spec: ImportSpec,
    *,
    base: Path | None,
    name: RunName,
    now: datetime,
    dry_run: bool = False,
    again: bool = False,
    part_rows: int = PART_ROWS,
    progress: Progress = silent,
    cache: PriceCache | None = None,
) -> ImportReport:
    """Import a file, see :func:`opened` for ``path`` and ``base``; parts stored before are skipped unless ``again``.

    Charts that an import makes stale leave the ``cache``. A dry run judges every row and stores nothing. Raises
    InvalidRequest, with nothing stored, for a file or a spec that does not fit; StorageError when the database is away:
    what was stored stays, and a repetition goes on there.
    """
    started = monotonic()
    with opened(path, base=base, limits=Limits.from_settings()) as file:
        job = ImportJob(warehouse, spec, file.name, now, dry_run, progress, cache or PriceCache(None))
        columns = file_columns(file, spec)
        job.unmapped = tuple(column for column in columns if column not in spec.columns.values())
        survey = _survey(job, file, columns, part_rows)
        job.settle_symbols()
        job.refuse(lambda: _refuse_misfit(file, survey))
        run = ImportRun(warehouse, name, now)
        try:
            _store(job, file, columns, survey, run, again=again, part_rows=part_rows)
        except (MarketDataError, KeyboardInterrupt):
            run.give_up()
            raise
        report = job.report(run, run.close())
    log.info(
        "imported source=%s origin=%s dry_run=%s run_id=%s rows=%d inserted=%d changed=%d refused=%d parts=%d"
        " parts_done=%d seconds=%.1f",
        report.source, report.origin, dry_run, report.run_id, report.rows, report.total("inserted"),
        report.total("changed"), report.refused, report.parts, report.parts_done, monotonic() - started,
    )  # fmt: skip
    return report


@dataclass
class _Survey:
    """What a file holds as a whole; ``superseded`` has a mask for each part, ``spans`` its first and last session."""

    rows: int = 0
    refused: int = 0
    reason: str = ""
    spans: list[tuple[date, date] | None] = field(default_factory=list)
    superseded: list[NDArray[np.bool_]] = field(default_factory=list)
    adjusted: dict[int, KnownSplit] = field(default_factory=dict)
    differing: int = 0


def _survey(job: ImportJob, file: ImportFile, columns: tuple[str, ...], part_rows: int) -> _Survey:
    survey = _Survey()
    watch = _SplitWatch(job.warehouse)
    keys, digests, good = [], [], []
    for block in blocks(file, job.spec, columns, part_rows):
        rows = read_rows(block.table, job.spec, job.book).rows
        reasons = refused_rows(rows, now=job.now)
        fine = np.ones(len(rows), dtype=np.bool_)
        fine[list(reasons)] = False
        keys.append(bar_keys(rows))
        digests.append(figure_digests(rows.bars))
        good.append(fine)
        watch.see(rows, fine)
        days = rows.bars.session[fine]
        survey.spans.append((days.min().item(), days.max().item()) if len(days) else None)
        survey.rows += len(rows) + len(block.malformed)
        survey.refused += len(reasons) + len(block.malformed)
        survey.reason = survey.reason or next(iter(reasons.values()), "")
        job.progress("reading", survey.rows, None)
    if not survey.spans:
        raise InvalidRequest(f"file {file.name!r:.200}", "it has no rows", "name a file with history")
    found: Superseded = find_superseded(np.concatenate(keys), np.concatenate(digests), np.concatenate(good))
    survey.superseded = np.split(found.mask, np.cumsum([len(part) for part in keys])[:-1])
    survey.differing = found.differing
    survey.adjusted = watch.adjusted()
    return survey


class _SplitWatch:
    """Gathers the closes near the splits of the assets that come by."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._splits: dict[int, list[KnownSplit]] = {}
        self._seen: list[tuple[NDArray[np.int64], NDArray[np.datetime64], NDArray[np.float64]]] = []

    def see(self, rows: ImportRows, good: NDArray[np.bool_]) -> None:
        present = np.unique(rows.asset_ids[rows.asset_ids > 0]).tolist()
        new = [asset_id for asset_id in present if asset_id not in self._splits]
        if new:
            self._splits.update({asset_id: [] for asset_id in new})
            for split in self._warehouse.transact(imports.known_splits, new):
                self._splits[split.asset_id].append(split)
        near = near_splits(rows, [split for asset_id in present for split in self._splits[asset_id]])
        near = near[good[near]]
        self._seen.append((rows.asset_ids[near], rows.bars.session[near], rows.bars.close[near]))

    def adjusted(self) -> dict[int, KnownSplit]:
        asset_ids, sessions, closes = (np.concatenate(column) for column in zip(*self._seen, strict=True))
        splits = [split for splits in self._splits.values() for split in splits]
        return stored_adjusted(asset_ids, sessions, closes, splits)


def _refuse_misfit(file: ImportFile, survey: _Survey) -> None:
    if survey.refused > _MOST_REFUSED * survey.rows:
        raise InvalidRequest(
            f"file {file.name!r:.200}",
            f"{survey.refused:,} of its {survey.rows:,} rows would be refused, the first because: {survey.reason}",
            "correct the spec: nothing was stored",
        )


def _store(
    job: ImportJob,
    file: ImportFile,
    columns: tuple[str, ...],
    survey: _Survey,
    run: ImportRun,
    *,
    again: bool,
    part_rows: int,
) -> None:
    digest = import_digest(file.digest, job.spec, part_rows)
    job.parts = len(survey.spans)
    done = set() if again or job.dry_run else job.warehouse.transact(imports.done_parts, digest)
    job.parts_done = len(done)
    if done:
        job.drop_charts(job.book.house_symbols.values())  # whoever stored them may have died before
    calls = {}
    if not job.dry_run:
        planned = _planned(job, survey, done)
        calls = run.open(planned, assets=len(job.book.house_symbols))
    if survey.differing:
        text = f"{survey.differing} rows name a bar that a later row names with other figures: the last one counts"
        job.account.add_warnings([text])
    stored = 0
    for block in blocks(file, job.spec, columns, part_rows):
        stored += block.table.num_rows + len(block.malformed)
        if block.part not in done:
            reading = read_rows(block.table, job.spec, job.book)
            crash_point("after_fetch")
            file.refuse_if_changed()
            job.take(
                reading,
                refused_rows(reading.rows, now=job.now),
                survey.superseded[block.part],
                survey.adjusted,
                key=(digest, block.part),
                call=calls.get(block.part),
                malformed=block.malformed,
            )
        job.progress("judging" if job.dry_run else "storing", stored, survey.rows)


def _planned(job: ImportJob, survey: _Survey, done: set[int]) -> list[PlannedPart]:
    today = new_york_date(job.now)
    parts = []
    for number, span in enumerate(survey.spans):
        if number not in done:
            first, last = span or (today, today)
            parts.append(PlannedPart(number, f"{job.origin} part {number + 1} of {len(survey.spans)}", first, last))
    return parts
