"""The data migration: the schema first, then, if it is asked for, history from a file or from an old system."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from marketdata import settings
from marketdata.addresses import cache_url, legacy_dsn, warehouse_dsn
from marketdata.errors import ConfigurationError
from marketdata.flows.imports.files import read_spec, read_spec_keys
from marketdata.flows.imports.flow import import_file
from marketdata.flows.imports.job import RunName
from marketdata.flows.imports.legacy import import_legacy
from marketdata.flows.imports.report import ImportReport
from marketdata.flows.imports.request import ImportRequest
from marketdata.storage.migrations import migrate, pending_migrations
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.statements import sql_directory
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

_PUBLISHED = 50
_COUNTS = ("inserted", "changed", "unchanged", "held", "conflicting", "duplicates")


def migrate_schema(*, dry_run: bool) -> list[str]:
    """Apply the pending schema migrations of the DAGs' database, or only name them; see :func:`migrate`."""
    dsn = warehouse_dsn()
    names = pending_migrations(dsn) if dry_run else migrate(dsn)
    log.info("migrations %s=%s", "pending" if dry_run else "applied", ",".join(names) or "none")
    return names


def import_history(request: ImportRequest, *, name: RunName, now: datetime) -> list[ImportReport]:
    """Do what a request asks, in the DAGs' database; files are taken from the import directory only.

    Empty for source ``none``. Raises InvalidRequest and StorageError as the imports do, ConfigurationError where there
    is no import directory or no such connection.
    """
    with Warehouse.open(warehouse_dsn()) as warehouse, closing(PriceCache(cache_url())) as cache:
        if request.source == "file":
            base = import_directory()
            spec = read_spec(request.spec, base=base)
            report = import_file(
                warehouse, request.file, spec,
                base=base, name=name, now=now, dry_run=request.dry_run, progress=_logged, cache=cache,
            )  # fmt: skip
            reports = [report]
        elif request.source == "legacy":
            given = read_spec_keys(request.spec, base=import_directory()) if request.spec else {}
            dsn = legacy_dsn(request.connection)
            reports = import_legacy(
                warehouse, dsn, given, name=name, now=now, dry_run=request.dry_run, progress=_logged, cache=cache
            )
        else:
            reports = []
    for report in reports:
        _log(report)
    return reports


def import_directory() -> Path:
    """``MARKETDATA_IMPORT_DIR``, else ``imports`` beside ``include``; ConfigurationError if it is not there."""
    chosen = settings.import_directory()
    directory = Path(chosen) if chosen else sql_directory().parents[1] / "imports"
    if not directory.is_dir():
        raise ConfigurationError(
            f"import directory {directory}", "it is not there", "make it, or set MARKETDATA_IMPORT_DIR to another one"
        )
    return directory


def summary(report: ImportReport) -> str:
    """An import in one line, for logs and XCom."""
    counts = " ".join(f"{name}={report.total(name)}" for name in _COUNTS)
    return (
        f"run_id={report.run_id} state={report.state} source={report.source} interval={report.interval}"
        f" rows={report.rows} {counts} refused={report.refused} left_out={report.left_out}"
        f" parts={report.parts} parts_done={report.parts_done}"
    )


def published(reports: Sequence[ImportReport]) -> list[dict[str, Any]]:
    """The imports as XCom carries them: counts, state, and at most 50 of each list; JSON types only."""
    return [
        {
            "summary": summary(report),
            "state": report.state,
            "refusal": report.refusal,
            "symbols": [_plain(asdict(counts)) for counts in report.symbols[:_PUBLISHED]],
            "reasons": dict(report.reasons),
            "unknown": dict(list(report.unknown.items())[:_PUBLISHED]),
            "conflicts": [_plain(asdict(conflict)) for conflict in report.conflicts],
            "warnings": list(report.warnings[:_PUBLISHED]),
            "adjusted": [asdict(check) for check in report.adjusted[:_PUBLISHED]],
        }
        for report in reports
    ]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if hasattr(value, "isoformat") else value for name, value in values.items()}


def _logged(doing: str, done: int, of: int | None) -> None:
    log.info("%s rows=%d of=%s", doing, done, "unknown" if of is None else of)


def _log(report: ImportReport) -> None:
    for counts in report.symbols[:_PUBLISHED]:
        facts = " ".join(f"{name}={value}" for name, value in asdict(counts).items())
        log.info("%s", facts)
    for reason, rows in report.reasons.items():
        log.warning("refused rows=%d reason=%s", rows, reason)
    for row in report.refused_rows:
        log.warning("refused symbol=%r session=%s reason=%s record=%r", row.symbol, row.session, row.reason, row.record)
    for given, problem in report.unknown.items():
        log.error("unknown symbol=%r %s", given, problem)
    for warning in report.warnings:
        log.warning("%s", warning)
    for check in report.adjusted:
        log.info(
            "adjusted_close symbol=%s differing=%d compared=%d split_adjusted=%d total_return=%d",
            check.symbol, check.differing, check.compared, check.split_adjusted, check.total_return,
        )  # fmt: skip
    log.info("%s", summary(report))
