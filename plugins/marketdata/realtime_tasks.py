"""The two realtime tasks and what their DAGs share: one task a tick, in the pool that batch cannot fill.

A tick is not tried again: the next one is its retry.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

    from marketdata.flows.realtime.ticking import Update

RUN_TYPES = ("scheduled", "manual", "operator_triggered")
"""A backfill is refused: no vendor tells what a price was at a tick that has passed."""

DEFAULTS: dict[str, Any] = {"retries": 0, "pool": "realtime", "priority_weight": 1000, "weight_rule": "absolute"}
"""Default arguments of every task."""

TICKING: dict[str, Any] = {
    "start_date": pendulum.datetime(2003, 9, 10, tz="UTC"),
    "catchup": False,
    "max_active_runs": 1,
    "allowed_run_types": RUN_TYPES,
    "tags": ["realtime"],
}
"""What both DAGs are declared with: of ticks that were missed none is made up for, and none runs beside another."""


@task
def update_prices() -> None:
    """Fetch the latest prices of all active assets and store them in database and cache; publish the report."""
    from marketdata.flows.realtime import latest

    _run_tick(latest.update_prices)


@task
def update_hours() -> None:
    """Bring the hours of the current session up to date in database and cache; publish the report."""
    from marketdata.flows.realtime import hours

    _run_tick(hours.update_hours)


def _run_tick(update: Update) -> None:
    """Run a flow for this tick; its report is the task's XCom even when the run failed, which fails the task."""
    from marketdata import metrics, settings
    from marketdata.flows.history import published
    from marketdata.flows.run_figures import run_figures
    from marketdata.flows.services import open_services

    context = get_current_context()
    run = context["dag_run"]
    with open_services("realtime") as services:
        report = update(
            services, dag_id=run.dag_id, airflow_run_id=run.run_id, tick=_tick_of(context), now=settings.now()
        )
        figures = run_figures(services, report.run_id)
        read = services.cache.counts.figures()
    context["ti"].xcom_push("return_value", published(report))
    metrics.emit_run(run.dag_id, published(report), figures)
    metrics.emit_cache(read)
    if report.state == "failed":
        raise AirflowFailException(published(report)["summary"])


def _tick_of(context: Context) -> datetime | None:
    """The instant that the run is for; None for a run that somebody asked for.

    A plain datetime: what is computed with one of Airflow's is no timedelta (pendulum 3.3 cannot divide its intervals).
    """
    end = context.get("data_interval_end")
    if end is None or context["dag_run"].run_type != "scheduled":
        return None
    return datetime.fromtimestamp(end.timestamp(), UTC)
