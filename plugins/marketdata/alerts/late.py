"""Late runs: the deadline that a DAG is given, and the alert that is raised when a run misses it.

A deadline exists from the moment at which its run is queued. A run that was never created has none: that data grows old
is what ``freshness_watch`` sees.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

if TYPE_CHECKING:
    from marketdata.domain.alerting import Level, Trouble

log = logging.getLogger(__name__)

_NOT_LATE = {"success", "failed"}


def late_after(*, minutes: float, level: Level = "warn") -> DeadlineAlert:
    """A run of this DAG is late when it has not ended so long after it was queued.

    The reference is never the logical date: it lies in the past for each run of a backfill. The callback runs in the
    executor, so that no triggerer is needed.
    """
    return DeadlineAlert(
        name=f"late after {minutes:g} minutes",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=minutes),
        callback=SyncCallback(run_is_late, kwargs={"minutes": minutes, "level": level}),
    )


def run_is_late(context: dict[str, Any], minutes: float, level: Level) -> None:
    """Open the alert of a late run, one a DAG, and deliver it; without a database it is delivered all the same.

    Airflow calls this in the executor. A run that has ended meanwhile is none: Airflow calls for failed runs too
    (apache/airflow#60927).
    """
    from marketdata import settings
    from marketdata.addresses import warehouse_dsn
    from marketdata.alerts.delivery import deliver, deliver_at_once
    from marketdata.errors import StorageError
    from marketdata.storage.alerts import raise_alert
    from marketdata.storage.outbox import deliver_waiting
    from marketdata.storage.warehouse import Warehouse

    run, now = context["dag_run"], settings.now()
    if run["state"] in _NOT_LATE:
        log.info(
            "no alert: the run has ended dag_id=%s run_id=%s state=%s", run["dag_id"], run["dag_run_id"], run["state"]
        )
        return
    trouble = _trouble(run, minutes, level, now)
    try:
        with Warehouse.open(warehouse_dsn()) as warehouse:
            warehouse.transact(raise_alert, trouble, now=now, runbooks=settings.runbooks())
            deliver_waiting(warehouse, deliver, now=now)
    except StorageError as error:
        log.error("the alert cannot be stored %s", error)  # noqa: TRY400 - its text says all there is to know
        deliver_at_once(trouble, now=now)


def _trouble(run: dict[str, Any], minutes: float, level: Level, now: datetime) -> Trouble:
    """The late run in words; ``run`` as the REST API shapes it."""
    from marketdata.domain.alert_causes import clock
    from marketdata.domain.alerting import Trouble

    queued_at = datetime.fromisoformat(run["queued_at"]) if run.get("queued_at") else now - timedelta(minutes=minutes)
    if run.get("start_date"):
        cause = (
            f"it runs since {clock(datetime.fromisoformat(run['start_date']))}: a task waits, hangs or does too much"
        )
    else:
        cause = "it was queued and never began: no slot is free in its pool, or no worker takes it"
    return Trouble(
        "run_late",
        run["dag_id"],
        level,
        queued_at,
        figures=f"run {run['dag_run_id']} was queued at {clock(queued_at)} and should have ended {minutes:g} min later",
        cause=cause,
        next_step=f"see the log of its running task: /dags/{run['dag_id']}/runs/{run['dag_run_id']}",
    )
