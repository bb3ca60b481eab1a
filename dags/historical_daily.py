"""
# historical_daily: every asset complete, newest sessions first

Brings the daily bars of all assets from the vendors into TimescaleDB: asks the coverage table which sessions are
missing, fetches them in the fewest calls, and says what is still missing and why. Stocks and ETFs come from Polygon
(raw prices, as traded), crypto from CoinGecko (daily closes; OHLC where the plan gives it).

**When**: 16:30 New York on trading days. The vendor may publish later than that: such a session is *not yet*, stays
missing, and the next run takes it.

**Parameters** (in the UI's trigger form, or with `--conf`)

| name | meaning |
|---|---|
| `range` | `7D 1M 3M 6M YTD 1Y 3Y 5Y MAX`, ending at the run's day; the default `MAX` gives a new asset all of it |
| `symbols` | house symbols such as `AAPL`, `BRK.B`, `X:BTCUSD`; empty means all assets |
| `dry_run` | plan only: log calls and minutes, fetch nothing |

    airflow dags trigger historical_daily --conf '{"range": "1Y", "symbols": ["AAPL", "MSFT", "GOOGL"]}'

Past sessions again, holidays skipped; each run fetches what became due with its own session (or the range, if you give
one with `--dag-run-conf`):

    airflow backfill create --dag-id historical_daily --from-date 2026-11-02 --to-date 2026-11-06

**Safe to run again**: always, for any date. What is stored is not fetched again; a killed run is taken up where it was.

**When it fails**: `close_run` logs the failed symbols with cause and next step, and `marketdata.ingest_run` and
`marketdata.ingest_call` keep them. *partial* means that some symbols failed and the rest is stored; the run is green
and the next one tries them again. *failed* means that nothing could be fetched: see
`docs/runbooks/historical_daily_failed.md`.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import (
    Asset,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException

from marketdata.domain.ranges import RANGES
from marketdata.errors import DatabaseBusy, DatabaseUnavailable, MarketDataError, RateLimited
from marketdata.flows.request import SYMBOL_PATTERN, HistoryRequest
from marketdata.timetables import TradingDayTimetable

BARS_DAILY = Asset(name="bars_daily", uri="x-marketdata://bars/daily", group="marketdata")

RETRY_WHAT_CAN_HEAL = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=[DatabaseBusy, DatabaseUnavailable, RateLimited], retry_delay=timedelta(seconds=60)),
        RetryRule(exception=MarketDataError, action=RetryAction.FAIL, reason="trying again cannot help"),
    ]
)


@dag(
    schedule=TradingDayTimetable(at="16:30"),
    start_date=pendulum.datetime(2003, 9, 10, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["history"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30), "retry_policy": RETRY_WHAT_CAN_HEAL},
    params={
        "range": Param("MAX", type="string", enum=list(RANGES), title="Range", description="Ends at the run's day."),
        "symbols": Param(
            [],
            type="array",
            items={"type": "string", "pattern": SYMBOL_PATTERN},
            title="Symbols",
            description="House symbols, one a line; empty means all assets.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Plan only; fetch nothing."),
    },
)
def historical_daily() -> None:
    @task
    def plan_calls() -> list[dict[str, Any]]:
        """Store the fewest calls that fetch what is missing; return the batches to map over, ids and labels only."""
        from marketdata import settings
        from marketdata.flows.history import own_session, plan_run, vantage
        from marketdata.flows.services import open_services

        context = get_current_context()
        run, now = context["dag_run"], settings.now()
        conf: dict[str, Any] = run.conf or {}
        session = own_session(run.run_type, context.get("data_interval_start"), conf)
        request = HistoryRequest.from_conf({**context["params"], **conf}, session=session)
        as_of = vantage(context.get("data_interval_end"), context.get("logical_date"), now)
        with open_services() as services:
            plan = plan_run(services, request, dag_id=run.dag_id, airflow_run_id=run.run_id, as_of=as_of, now=now)
        return [asdict(batch) for batch in plan.batches]

    @task(map_index_template="{{ label }}", pool="history")
    def fetch_batch(batch: dict[str, Any]) -> dict[str, int]:
        """Make one batch's calls, each stored in a transaction of its own; a failed symbol stops no other."""
        from marketdata.flows import fetch
        from marketdata.flows.services import open_services

        get_current_context()["label"] = batch["label"]  # type: ignore[typeddict-unknown-key]
        with open_services() as services:
            return fetch.fetch_batch(services, batch["run_id"], batch["batch"])

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[BARS_DAILY])
    def close_run() -> dict[str, Any]:
        """Sum up what was stored, what failed and why; set the run's state and publish it."""
        from marketdata.flows import history
        from marketdata.flows.services import open_services

        context = get_current_context()
        run = context["dag_run"]
        with open_services() as services:
            report = history.close_run(services, dag_id=run.dag_id, airflow_run_id=run.run_id)
        published = history.published(report)
        context["outlet_events"][BARS_DAILY].extra = published
        return published

    @task
    def judge_run(report: dict[str, Any]) -> None:
        """Fail the run when nothing could be fetched: all symbols failed is never green."""
        if report["state"] == "failed":
            raise AirflowFailException(report["summary"])

    closed = close_run()
    fetch_batch.expand(batch=plan_calls()) >> closed
    judge_run(closed)  # type: ignore[arg-type]


historical_daily()
