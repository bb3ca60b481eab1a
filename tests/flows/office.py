"""The desk's other half for reference tests: a sync, and what it left in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import unquote

from marketdata.domain.sessions import NEW_YORK
from marketdata.flows import history, reference
from marketdata.storage.runs import RunReport
from tests.flows.conftest import Desk

DAG = "reference_sync"


def new_york(day: date, hour: int, minute: int = 0) -> datetime:
    """An instant by the clock in New York."""
    return datetime.combine(day, time(hour, minute), NEW_YORK)


@dataclass
class Office:
    """A desk that keeps reference data, too."""

    desk: Desk

    @property
    def admin(self) -> Any:  # noqa: ANN401 - the simulator's client
        return self.desk.simulator.admin

    def sync(self, symbols: Sequence[str] = (), run: str | None = None) -> RunReport:
        """One run of ``reference_sync`` at the desk's present instant."""
        name = run or f"sync {self.desk.now.isoformat()}"
        reference.sync_reference(
            self.desk.services, symbols=symbols, dag_id=DAG, airflow_run_id=name, now=self.desk.now
        )
        report = history.close_run(self.desk.services, dag_id=DAG, airflow_run_id=name)
        assert report is not None
        return report

    def at(self, day: date, hour: int = 16, minute: int = 0) -> None:
        """Move both clocks to a time of day in New York."""
        self.desk.at(new_york(day, hour, minute))

    def day(self, day: date, range_name: str = "1M") -> tuple[RunReport, RunReport]:
        """A trading day as it is scheduled: the sync at 16:00, the daily history at 16:30."""
        self.at(day)
        synced = self.sync()
        self.at(day, 16, 30)
        return synced, self.desk.run(range_name, run=f"daily {day}")

    def asked(self, part: str = "") -> list[str]:
        """The targets that the stock vendor was asked for, from the log's start."""
        targets = (unquote(f"{entry.path}?{entry.query}") for entry in self.admin.requests(vendor="massive"))
        return [target for target in targets if part in target]

    def bars_asked(self) -> list[str]:
        """The same of bars alone."""
        return self.asked("/v2/aggs/")

    def splits(self, symbol: str) -> list[tuple[Any, ...]]:
        return self.desk.query(
            "select executed_on, split_to / split_from, state, proof from split join asset using (asset_id)"
            " where symbol = %(symbol)s order by executed_on, split_to",
            symbol=symbol,
        )

    def held(self, symbol: str) -> list[tuple[Any, ...]]:
        return self.desk.query(
            "select executed_on, split_to / split_from, reason from split join asset using (asset_id)"
            " where symbol = %(symbol)s and state = 'held' order by executed_on, split_to",
            symbol=symbol,
        )

    def closes(self, symbol: str, view: str = "bar_daily") -> dict[date, float]:
        """All closes of an asset in a table or view."""
        return self.column(symbol, "close", view)

    def column(self, symbol: str, name: str, view: str) -> dict[date, float]:
        """One figure of all bars of an asset; views look from the desk's day, as every session of the flow does."""
        query = f"select session, {name} from {view} join asset using (asset_id) where symbol = %s order by 1"
        rows = self.desk.services.warehouse.transact(lambda connection: connection.execute(query, [symbol]).fetchall())
        return {row[0]: row[1] for row in rows}  # type: ignore[misc]

    def truth(self, symbol: str, first: date, last: date) -> dict[date, float]:
        return {row["session"]: row["close"] for row in self.admin.truth_daily(symbol, first, last)}


def weekdays(first: date, count: int) -> list[date]:
    """``count`` days from Monday to Friday."""
    days = (first + timedelta(days=offset) for offset in range(count * 2))
    return [day for day in days if day.weekday() < 5][:count]
