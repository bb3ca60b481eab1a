"""Writes stored daily bars to a file, a bounded number of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from marketdata.domain.bars import VENDOR_OF, Asset, AssetClass
from marketdata.domain.class_windows import ClassWindow
from marketdata.domain.coverage import Span
from marketdata.domain.ranges import EARLIEST, window
from marketdata.domain.sessions import expected_through, today
from marketdata.errors import InvalidRequest
from marketdata.flows.bar_files import WRITERS, Facts, Format
from marketdata.flows.new_file import new_file
from marketdata.storage.assets import find_assets
from marketdata.storage.exports import Series, read_bars
from marketdata.storage.questions import list_missing

if TYPE_CHECKING:
    from marketdata.storage.warehouse import Warehouse

_DAYS_A_BATCH = 100_000
"""So many days, of all assets of a batch together, are in memory at a time: some 15 MB of text."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to write: the assets (none: all that are followed), the days, the series and the form of the file.

    Either a range, or ``first`` and ``last``, both inclusive, of which one may be left out. ``MAX`` is all that is
    stored, imports from before the vendor's first day included.
    """

    symbols: tuple[str, ...]
    format: Format
    range_name: str = "MAX"
    first: date | None = None
    last: date | None = None
    series: Series = field(default_factory=Series)

    def span(self, asset_class: AssetClass, now: datetime) -> Span:
        """The days asked for of an asset class; InvalidRequest where there are none."""
        day = today(asset_class, now)
        if self.first is None and self.last is None:
            return window(self.range_name, day, asset_class=asset_class)
        last = self.last or day
        return Span(self.first or min(EARLIEST[asset_class], last), last)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. Of ``unknown_sessions`` in the range nobody knows yet whether they have a bar."""

    file: str
    format: Format
    rows: int
    bytes: int
    assets: int
    unknown_sessions: int
    adjusted: str
    as_of: datetime | None
    exported_at: datetime


@dataclass(frozen=True, slots=True)
class _Batch:
    asset_ids: list[int]
    span: Span
    last_symbol: str


def export(
    warehouse: Warehouse,
    request: ExportRequest,
    file: Path,
    *,
    force: bool,
    now: datetime,
    advance: Callable[[int, str], None],
) -> Exported:
    """Write the bars of ``request``: stocks and ETFs by symbol and session, then coins. ``advance`` is told of assets.

    The file is there whole or not at all; one that is there is replaced only by ``force``. What changes meanwhile is in
    the file for some assets and not for others, unless the series is one as of an instant. Raises InvalidRequest,
    StorageError; nothing is left behind then.
    """
    series = request.series
    if series.as_of is not None and series.as_of > now:
        raise InvalidRequest(f"instant {series.as_of}", "it is yet to come", "name one that is past")
    spans = {asset_class: request.span(asset_class, now) for asset_class in VENDOR_OF}
    assets = warehouse.transact(find_assets, request.symbols or None)
    unknown = _unknown_sessions(warehouse, assets, spans, now)
    facts = Facts(series, tuple(sorted({asset.vendor for asset in assets})), unknown, now)
    rows = 0
    with new_file(file, force=force) as out:
        with WRITERS[request.format](out, facts) as write:
            for batch in _batches(assets, request, spans):
                guarded = request.format == "csv"
                read = warehouse.transact(read_bars, batch.asset_ids, batch.span, series, guarded=guarded)
                write(read.text)
                rows += read.count
                advance(len(batch.asset_ids), batch.last_symbol)
        size = out.tell()
    return Exported(
        file=str(file), format=request.format, rows=rows, bytes=size, assets=len(assets), unknown_sessions=unknown,
        adjusted=series.adjusted, as_of=series.as_of, exported_at=now,
    )  # fmt: skip


def count_assets(warehouse: Warehouse, request: ExportRequest) -> int:
    """How many assets an export would write; InvalidRequest names unknown symbols."""
    return len(warehouse.transact(find_assets, request.symbols or None))


def _batches(assets: Sequence[Asset], request: ExportRequest, spans: dict[AssetClass, Span]) -> Iterator[_Batch]:
    """As many assets at a time as their days allow; of one class of days each."""
    ordered = sorted(assets, key=lambda asset: (asset.asset_class == "crypto", asset.symbol))
    for is_crypto, group in groupby(ordered, key=lambda asset: asset.asset_class == "crypto"):
        alike = list(group)
        span = spans["crypto" if is_crypto else "stock"]
        size = max(1, _DAYS_A_BATCH // ((span.last - span.first).days + 1))
        takes_all = request.range_name == "MAX" and request.first is None and request.last is None
        asked = Span(date.min, span.last) if takes_all else span
        for start in range(0, len(alike), size):
            few = alike[start : start + size]
            yield _Batch([asset.asset_id for asset in few], asked, few[-1].symbol)


def _unknown_sessions(
    warehouse: Warehouse, assets: Sequence[Asset], spans: dict[AssetClass, Span], now: datetime
) -> int:
    """How many sessions of the assets that were over by now are not covered, each asset's counted."""
    windows = [
        ClassWindow(asset_class, VENDOR_OF[asset_class], span.first, last, today(asset_class, now))
        for asset_class, span in spans.items()
        if span.first <= (last := min(span.last, expected_through(asset_class, now)))
    ]
    if not windows or not assets:
        return 0
    ids = [asset.asset_id for asset in assets]
    missing = warehouse.transact(list_missing, windows, asset_ids=ids)
    return sum(each.sessions * len(each.asset_ids) for each in missing)
