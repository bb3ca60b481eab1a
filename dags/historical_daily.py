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

from typing import Any

import pendulum
from airflow.sdk import Param, dag, get_current_context, task

from marketdata.alerts import late_after
from marketdata.domain.ranges import RANGES
from marketdata.flows.request import HistoryRequest
from marketdata.history_tasks import DEFAULTS, DRY_RUN, SYMBOLS, conf_of, fetch_and_close, store_plan
from marketdata.timetables import TradingDayTimetable


@dag(
    schedule=TradingDayTimetable(at="16:30"),
    start_date=pendulum.datetime(2003, 9, 10, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    deadline=late_after(minutes=360),
    doc_md=__doc__,
    tags=["history"],
    default_args=DEFAULTS,
    params={
        "range": Param("MAX", type="string", enum=list(RANGES), title="Range", description="Ends at the run's day."),
        "symbols": SYMBOLS,
        "dry_run": DRY_RUN,
    },
)
def historical_daily() -> None:
    @task
    def plan_calls() -> list[dict[str, Any]]:
        """Store the fewest calls that fetch what is missing; return the batches to map over, ids and labels only."""
        from marketdata.flows.history import own_session

        context = get_current_context()
        run = context["dag_run"]
        session = own_session(run.run_type, context.get("data_interval_start"), run.conf or {})
        return store_plan(context, HistoryRequest.from_conf(conf_of(context), session=session))

    fetch_and_close(plan_calls())


historical_daily()
