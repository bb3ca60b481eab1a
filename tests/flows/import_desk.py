"""A small desk for imports: a database with a few assets, a folder of files, and the import flow on both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from marketdata.domain.import_spec import ImportSpec, parse_spec
from marketdata.domain.sessions import sessions
from marketdata.flows.imports.flow import import_file
from marketdata.flows.imports.job import Progress, RunName, silent
from marketdata.flows.imports.report import ImportReport
from marketdata.flows.imports.tables import PART_ROWS
from marketdata.storage.assets import load_assets
from marketdata.storage.warehouse import Warehouse

NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
DAYS = sessions(date(2026, 11, 2), date(2026, 11, 20))
ASSETS = [
    {"symbol": "AAPL", "asset_class": "stock"},
    {"symbol": "MSFT", "asset_class": "stock"},
    {"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"},
]
HEADER = "Ticker,Date,Open,High,Low,Close,Volume"
COLUMNS = {
    "symbol": "Ticker",
    "session": "Date",
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
}


def spec(**keys: object) -> ImportSpec:
    """The spec of the files that ``line`` writes."""
    return parse_spec({"name": "acme", "columns": COLUMNS, **keys})


def line(symbol: str, day: object, close: float = 10.0, volume: object = 1000) -> str:
    """One row of a file; the prices lie around ``close``."""
    return f"{symbol},{day},{close},{close + 1},{close - 1},{close},{volume}"


def series(symbol: str, days: Sequence[date] = DAYS, close: float = 10.0) -> list[str]:
    """One row a session; each closes a cent higher."""
    return [line(symbol, day, round(close + offset / 100, 2)) for offset, day in enumerate(days)]


@dataclass
class ImportDesk:
    """A warehouse, the folder that files lie in, and a clock that stands still."""

    dsn: str
    warehouse: Warehouse
    folder: Path
    now: datetime = NOW
    runs: list[str] = field(default_factory=list)

    def write(self, rows: Sequence[str], name: str = "prices.csv", header: str = HEADER) -> str:
        """Write a file and return its name."""
        (self.folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return name

    def run(
        self,
        file: str,
        given: ImportSpec | None = None,
        *,
        dry_run: bool = False,
        again: bool = False,
        part_rows: int = PART_ROWS,
        progress: Progress = silent,
    ) -> ImportReport:
        """Import a file of the folder, each time as a run of its own."""
        self.runs.append(f"manual__{len(self.runs)}")
        return import_file(
            self.warehouse,
            file,
            given or spec(),
            base=self.folder,
            name=RunName("data_migration", self.runs[-1]),
            now=self.now,
            dry_run=dry_run,
            again=again,
            part_rows=part_rows,
            progress=progress,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, options="-c search_path=marketdata -c timezone=UTC") as connection:
            return connection.execute(sql).fetchall()

    def bars(self) -> list[tuple[Any, ...]]:
        """Every daily bar, without what differs from run to run."""
        return self.query(
            "select symbol, session, open, high, low, close, volume, vwap, trades, is_final, source"
            " from bar_daily join asset using (asset_id) order by symbol, session"
        )

    def store(self, sql: str) -> None:
        """Put something into the database behind the flow's back."""
        with psycopg.connect(self.dsn, options="-c search_path=marketdata") as connection:
            connection.execute(sql)

    def everything(self) -> dict[str, object]:
        """A count of every table, and all bars: to see that nothing was written."""
        tables = self.query("select tablename from pg_tables where schemaname = 'marketdata' order by 1")
        counts: dict[str, object] = {name: self.query(f"select count(*) from {name}") for (name,) in tables}
        assert len(counts) > 15
        return {**counts, "bars": self.bars()}


@contextmanager
def open_desk(dsn: str, folder: Path) -> Iterator[ImportDesk]:
    """A desk with three assets and nothing stored."""
    with Warehouse.open(dsn) as warehouse:
        warehouse.transact(load_assets, ASSETS)
        yield ImportDesk(dsn, warehouse, folder)
