"""Brings an old system's table ``asset_data`` into the bars: whole series at a time, daily ones first, then hourly.

A part is known by its content: what was stored is read again when the import is repeated, but not stored again, and a
series that changed there is a new part. Prices are stored raw; what the old system calls adjusted is only compared.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from marketdata.crash import crash_point
from marketdata.domain.import_rows import (
    KnownSplit,
    bar_keys,
    figure_digests,
    find_superseded,
    refused_rows,
    stored_adjusted,
)
from marketdata.domain.import_spec import CsvFormat, ImportSpec, Interval, legacy_spec
from marketdata.errors import MarketDataError
from marketdata.flows.imports.job import ImportJob, ImportRun, Progress, RunName, import_digest, silent
from marketdata.flows.imports.reading import Reading, one_array, read_numbers, read_rows
from marketdata.flows.imports.report import AdjustedCheck, ImportReport
from marketdata.flows.imports.tables import PART_ROWS, whole_table
from marketdata.storage import imports, legacy
from marketdata.storage.imports import PartCall, PlannedPart
from marketdata.storage.legacy import LegacyTable, Series
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

_INTERVALS: tuple[Interval, ...] = ("1d", "1h")
_ADJUSTED = "adjusted_close"
_SAME = 1e-9


def import_legacy(
    warehouse: Warehouse,
    dsn: str,
    given: Mapping[str, object],
    *,
    name: RunName,
    now: datetime,
    dry_run: bool = False,
    again: bool = False,
    part_rows: int = PART_ROWS,
    progress: Progress = silent,
    cache: PriceCache | None = None,
) -> list[ImportReport]:
    """Import ``asset_data`` from the database at ``dsn``; the reports of its daily and its hourly rows.

    ``given`` are the keys of a spec, see :func:`legacy_spec`; charts that an import makes stale leave the ``cache``. A
    dry run judges every row and stores nothing. Raises InvalidRequest, with nothing stored, for a table, a spec or a
    symbol that does not fit; StorageError when either database is away: what was stored stays, and a repetition goes on
    there.
    """
    started = monotonic()
    specs = [legacy_spec(given, interval) for interval in _INTERVALS]
    with legacy.opened(dsn) as table:
        warnings = table.check()
        series = table.series()
        charts = cache or PriceCache(None)
        jobs = [ImportJob(warehouse, spec, table.origin, now, dry_run, progress, charts) for spec in specs]
        for job in jobs:
            _settle(job, series, warnings)
        run = ImportRun(warehouse, name, now)
        try:
            if not dry_run:
                run.open([], assets=len(jobs[0].book.house_symbols))
            for job in jobs:
                _Importer(job, table, run, again=again).store(_cut(job, series, part_rows))
        except (MarketDataError, KeyboardInterrupt):
            run.give_up()
            raise
        run_warnings = run.close()
    reports = [job.report(run, run_warnings) for job in jobs]
    for report in reports:
        log.info(
            "imported source=%s origin=%s interval=%s dry_run=%s run_id=%s rows=%d inserted=%d changed=%d refused=%d"
            " parts=%d parts_done=%d",
            report.source, report.origin, report.interval, dry_run, report.run_id, report.rows,
            report.total("inserted"), report.total("changed"), report.refused, report.parts, report.parts_done,
        )  # fmt: skip
    log.info("imported legacy seconds=%.1f", monotonic() - started)
    return reports


def _settle(job: ImportJob, series: Sequence[Series], warnings: Sequence[str]) -> None:
    """Look up all symbols, refuse unknown ones and add what the spec adds, before a row is read."""
    symbols = [one.symbol for one in series if one.symbol and _rows(job.spec, one)]
    job.book.find(symbols, [""] * len(symbols))
    job.settle_symbols()
    job.book.find(symbols, [""] * len(symbols))
    nameless = sum(_rows(job.spec, one) for one in series if not one.symbol)
    if nameless:
        job.account.add_warnings([f"{nameless} rows have no symbol: they are left out"])
    job.account.add_warnings(warnings)


def _rows(spec: ImportSpec, series: Series) -> int:
    return series.daily if spec.interval == "1d" else series.hourly


def _cut(job: ImportJob, series: Sequence[Series], part_rows: int) -> list[list[Series]]:
    """Parts of whole series, of about ``part_rows`` rows or one asset's; series of the same asset stay together."""
    present = [one for one in series if one.symbol and _rows(job.spec, one)]
    entries = job.book.find([one.symbol for one in present], [""] * len(present))
    job.account.left_out += sum(_rows(job.spec, one) for one, entry in zip(present, entries, strict=True) if not entry)
    ours = sorted(
        ((entry.symbol, one) for one, entry in zip(present, entries, strict=True) if entry),
        key=lambda pair: (pair[0], pair[1].symbol),
    )
    parts: list[list[Series]] = []
    filled, last_asset = part_rows, None
    for asset, one in ours:
        if filled >= part_rows and asset != last_asset:
            parts.append([])
            filled = 0
        parts[-1].append(one)
        filled += _rows(job.spec, one)
        last_asset = asset
    return parts


class _Importer:
    """Takes the parts of one interval, one after the other."""

    def __init__(self, job: ImportJob, table: LegacyTable, run: ImportRun, *, again: bool) -> None:
        self._job = job
        self._table = table
        self._run = run
        self._again = again

    def store(self, parts: Sequence[Sequence[Series]]) -> None:
        job, is_hourly = self._job, self._job.spec.interval == "1h"
        job.parts = len(parts)
        total = sum(_rows(job.spec, one) for part in parts for one in part)
        done = 0
        for number, part in enumerate(parts):
            data = self._table.read([one.symbol for one in part], is_hourly=is_hourly)
            crash_point("after_fetch")
            self._take(number, part, data)
            done += sum(_rows(job.spec, one) for one in part)
            job.progress("judging" if job.dry_run else "storing", done, total)

    def _take(self, number: int, part: Sequence[Series], data: bytes) -> None:
        job = self._job
        digest = import_digest(hashlib.sha256(data).hexdigest(), job.spec, 0)
        if not job.dry_run and not self._again and job.warehouse.transact(imports.done_parts, digest):
            job.parts_done += 1
            entries = job.book.find([one.symbol for one in part], [""] * len(part))
            job.drop_charts(entry.symbol for entry in entries if entry)  # whoever stored it may have died before
            return
        reading = read_rows(whole_table(data, [*job.spec.columns.values(), _ADJUSTED]), job.spec, job.book)
        rows = reading.rows
        reasons = refused_rows(rows, now=job.now)
        good = np.ones(len(rows), dtype=np.bool_)
        good[list(reasons)] = False
        superseded = find_superseded(bar_keys(rows), figure_digests(rows.bars), good)
        warnings = []
        if superseded.differing:
            label = _label(part)
            warnings = [f"{superseded.differing} rows of {label} name a bar twice with other figures: the last counts"]
        job.take(
            reading,
            reasons,
            superseded.mask,
            self._adjusted(reading, good),
            key=(digest, 0),
            call=self._call(number, part),
            warnings=warnings,
        )
        if job.spec.interval == "1d":
            job.account.adjusted.extend(_compared(job, reading, good & ~superseded.mask))

    def _call(self, number: int, part: Sequence[Series]) -> PartCall | None:
        if self._job.dry_run or self._run.run_id is None:
            return None
        firsts, lasts = [one.first for one in part], [one.last for one in part]
        planned = PlannedPart(number, _label(part), min(firsts), max(*lasts, *firsts))
        return self._job.warehouse.transact(imports.plan_parts, self._run.run_id, [planned])[number]

    def _adjusted(self, reading: Reading, good: NDArray[np.bool_]) -> dict[int, KnownSplit]:
        rows = reading.rows
        known = np.unique(rows.asset_ids[rows.asset_ids > 0]).tolist()
        splits = self._job.warehouse.transact(imports.known_splits, known)
        return stored_adjusted(rows.asset_ids[good], rows.bars.session[good], rows.bars.close[good], splits)


def _label(part: Sequence[Series]) -> str:
    return part[0].symbol + (f" + {len(part) - 1}" if len(part) > 1 else "")


def _compared(job: ImportJob, reading: Reading, good: NDArray[np.bool_]) -> Iterator[AdjustedCheck]:
    """For each asset whose adjusted closes differ from its closes, how they compare with ours."""
    rows = reading.rows
    adjusted, _ = read_numbers(one_array(reading.table[_ADJUSTED]), CsvFormat(nulls=("",)))
    differs = good & (np.abs(adjusted - rows.bars.close) > _SAME * rows.bars.close)
    for asset_id in np.unique(rows.asset_ids[differs]).tolist():
        chosen = np.flatnonzero(differs & (rows.asset_ids == asset_id))
        sessions: list[date] = rows.bars.session[chosen].tolist()
        found = job.warehouse.transact(imports.compare_adjusted, asset_id, sessions, adjusted[chosen].tolist())
        yield AdjustedCheck(
            job.book.house_symbols[asset_id], len(chosen), found.compared, found.split_adjusted, found.total_return
        )
