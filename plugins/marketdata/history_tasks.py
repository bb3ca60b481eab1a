"""What the history DAGs share, tasks and settings: a DAG file says when, with what parameters, and what to plan."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException

from marketdata.errors import DatabaseBusy, DatabaseUnavailable, MarketDataError, RateLimited
from marketdata.flows.request import SYMBOL_PATTERN

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.xcom_arg import XComArg
    from airflow.sdk.types import DagRunProtocol

    from marketdata.flows.request import HistoryRequest

BARS_DAILY = Asset(name="bars_daily", uri="x-marketdata://bars/daily", group="marketdata")

DEFAULTS: dict[str, Any] = {
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(exception=[DatabaseBusy, DatabaseUnavailable, RateLimited], retry_delay=timedelta(seconds=60)),
            RetryRule(exception=MarketDataError, action=RetryAction.FAIL, reason="trying again cannot help"),
        ]
    ),
}
"""Default arguments of every task: what can heal is tried again."""

_BEHIND_REALTIME = 10
"""By how much a batch steps back where processors are short: its process is its own, and ends with it."""

SYMBOLS = Param(
    [],
    type="array",
    items={"type": "string", "pattern": SYMBOL_PATTERN},
    title="Symbols",
    description="House symbols, one a line; empty means all assets.",
)
DRY_RUN = Param(False, type="boolean", title="Dry run", description="Plan only; fetch nothing.")


def conf_of(context: Context) -> dict[str, Any]:
    """The trigger's conf over the params' defaults: keys that are no params come along, and are refused by name."""
    return {**context["params"], **(context["dag_run"].conf or {})}


def store_plan(context: Context, request: HistoryRequest) -> list[dict[str, Any]]:
    """Store the run's calls; return the batches to map over, ids and labels only."""
    from marketdata import settings
    from marketdata.flows.history import plan_run, vantage
    from marketdata.flows.services import open_services

    run, now = context["dag_run"], settings.now()
    as_of = vantage(context.get("data_interval_end"), context.get("logical_date"), now)
    with open_services() as services:
        plan = plan_run(services, request, dag_id=run.dag_id, airflow_run_id=run.run_id, as_of=as_of, now=now)
    return [asdict(batch) for batch in plan.batches]


def fetch_and_close(planned: XComArg) -> None:
    """Wire the rest behind the plan: fetch its batches, close the run whatever came of them, judge it."""
    closed = close_run()
    fetch_batch.expand(batch=planned) >> closed
    judge_run(closed)  # type: ignore[arg-type]


@task(map_index_template="{{ label }}", pool="history")
def fetch_batch(batch: dict[str, Any]) -> dict[str, int]:
    """Make one batch's calls, each stored in a transaction of its own; a failed symbol stops no other."""
    os.nice(_BEHIND_REALTIME)
    from marketdata.flows import fetch
    from marketdata.flows.services import open_services

    get_current_context()["label"] = batch["label"]  # type: ignore[typeddict-unknown-key]
    with open_services() as services:
        return fetch.fetch_batch(services, batch["run_id"], batch["batch"])


def close_record(run: DagRunProtocol) -> dict[str, Any]:
    """Sum up the record of a run, send its metrics, and give what is published of it."""
    from marketdata import metrics
    from marketdata.flows import history
    from marketdata.flows.run_figures import run_figures
    from marketdata.flows.services import open_services

    with open_services() as services:
        report = history.close_run(services, dag_id=run.dag_id, airflow_run_id=run.run_id)
        figures = run_figures(services, report.run_id) if report is not None else None
    published = history.published(report)
    metrics.emit_run(run.dag_id, published, figures)
    return published


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[BARS_DAILY])
def close_run() -> dict[str, Any]:
    """Sum up what was stored, what failed and why; set the run's state and publish it."""
    context = get_current_context()
    published = close_record(context["dag_run"])
    context["outlet_events"][BARS_DAILY].extra = published
    return published


@task
def judge_run(report: dict[str, Any]) -> None:
    """Fail the run when nothing could be fetched: all symbols failed is never green."""
    if report["state"] == "failed":
        raise AirflowFailException(report["summary"])
