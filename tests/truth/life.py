"""Two years of evenings and Sundays: the clock moves, errands are done, the flow runs as its DAGs wire it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import psycopg
import redis

from local.simulator.admin import SimulatorAdmin
from marketdata.domain.sessions import NEW_YORK, is_session
from marketdata.flows import fetch, history, reference
from marketdata.flows.request import HistoryRequest
from marketdata.flows.services import Services
from marketdata.storage.runs import RunReport
from tests.flows.passing_time import let_pass
from tests.truth.world import FIRST_DAY, LAST_DAY, Errands

EVENING, SUNDAY_NIGHT = time(16, 30), time(2)
DAY_BY_DAY_FROM = date(2026, 8, 24)
ONE_DAY = timedelta(days=1)


@dataclass(slots=True)
class Life:
    """The flow on one database and one simulator. ``reports`` has each run by the day it ran on.

    Nobody waits for real time: what the quota keeps for a while ends with the story's time.
    """

    services: Services
    cache: redis.Redis
    admin: SimulatorAdmin
    dsn: str
    errands: Errands
    reports: dict[tuple[date, str], RunReport] = field(default_factory=dict)

    def live(self, days: Sequence[date]) -> None:
        """One run a day: on Sundays the backfill with verification, else the daily one."""
        for day in days:
            at = SUNDAY_NIGHT if day.weekday() == 6 else EVENING
            self.move_to(datetime.combine(day, at, NEW_YORK))
            self.errands.of(day)
            reference.sync_reference(
                self.services, dag_id="reference_sync", airflow_run_id=f"{day}", now=datetime.combine(day, at, NEW_YORK)
            )
            if day.weekday() == 6:
                self.run(day, "historical_backfill", HistoryRequest("MAX", verify_hours=24.0))
            else:
                self.run(day, "historical_daily", HistoryRequest("MAX"))

    def move_to(self, instant: datetime) -> None:
        """Both clocks: ours and the vendors'."""
        let_pass(self.cache, ONE_DAY.total_seconds())
        os.environ["MARKETDATA_NOW"] = instant.isoformat()
        self.admin.set_clock(instant)

    def run(self, day: date, dag_id: str, request: HistoryRequest) -> None:
        """Plan, fetch every batch, close."""
        now = datetime.fromisoformat(os.environ["MARKETDATA_NOW"])
        plan = history.plan_run(self.services, request, dag_id=dag_id, airflow_run_id=f"{day}", as_of=now, now=now)
        for batch in plan.batches:
            fetch.fetch_batch(self.services, batch.run_id, batch.batch)
        report = history.close_run(self.services, dag_id=dag_id, airflow_run_id=f"{day}")
        assert report is not None
        self.reports[day, dag_id] = report

    def query(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, options="-c search_path=marketdata") as connection:
            connection.execute("select set_config('marketdata.now', %s, false)", (os.environ["MARKETDATA_NOW"],))
            return connection.execute(sql, values).fetchall()


def days_of_life(*, every_day: bool) -> list[date]:
    """The days on which something runs: all sessions and Sundays, or before the last three months every second Friday
    and every eighth Sunday, besides the first day.
    """
    return [day for day in _all_days() if every_day or day >= DAY_BY_DAY_FROM or _is_kept(day)]


def _all_days() -> Iterator[date]:
    day = FIRST_DAY
    while day <= LAST_DAY:
        if day == FIRST_DAY or day.weekday() == 6 or is_session(day):
            yield day
        day += ONE_DAY


def _is_kept(day: date) -> bool:
    week = (day - FIRST_DAY).days // 7
    return day == FIRST_DAY or (day.weekday() == 4 and week % 2 == 0) or (day.weekday() == 6 and week % 8 == 7)
