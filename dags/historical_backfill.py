"""
# historical_backfill: all history of all assets, compared with the vendors

Completes the daily bars of all assets over `MAX`, then compares what is stored with the vendors: a bar that a vendor
corrected late is found and stored, and its earlier version kept as a revision. Gaps are filled first. Assets are
compared in the order least recently compared, as many as the quota left allows, and of a month's credits at most half
of what is left: a small plan gets through all assets over some weeks, a large one each Sunday. What has not changed is
compared by digests: no bar is written.

**When**: Sundays 02:00 New York, on the two Sundays of a clock change too (03:00 where 02:00 does not exist).

**Parameters** (in the UI's trigger form, or with `--conf`)

| name | meaning |
|---|---|
| `symbols` | house symbols such as `AAPL`, `BRK.B`, `X:BTCUSD`; empty means all assets |
| `verify_hours` | compare as long as the run's calls take less than so many hours; 0 fills gaps only |
| `dry_run` | plan only: log calls and minutes, fetch nothing |

    airflow dags trigger historical_backfill --conf '{"symbols": ["AAPL", "MSFT"], "verify_hours": 1}'

Past Sundays again (each run completes history as it was due then, and compares what is next in turn):

    airflow backfill create --dag-id historical_backfill --from-date 2026-11-01 --to-date 2026-11-15

**Safe to run again**: always, also beside `historical_daily`. A stored bar is never deleted: one that the vendor sends
no more is kept, and the run's warnings name it.

**When it fails**: `close_run` logs what was verified, differing and corrected, and the failed symbols with cause and
next step; `marketdata.ingest_run` and `marketdata.ingest_call` keep them. *partial* means that some symbols failed:
they are first in turn next time. *failed* means that nothing could be fetched: see
`docs/runbooks/historical_backfill_failed.md`.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import Param, dag, get_current_context, task

from marketdata.alerts import late_after
from marketdata.flows.request import MOST_VERIFY_HOURS, HistoryRequest
from marketdata.history_tasks import DEFAULTS, DRY_RUN, SYMBOLS, conf_of, fetch_and_close, store_plan
from marketdata.timetables import SundayTimetable

VERIFY_HOURS = Param(
    6,
    type="number",
    minimum=0,
    maximum=MOST_VERIFY_HOURS,
    title="Hours for comparing",
    description="Filling gaps comes first; 0 compares nothing.",
)


@dag(
    schedule=SundayTimetable(at="02:00"),
    start_date=pendulum.datetime(2003, 9, 14, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    deadline=late_after(minutes=1440),
    doc_md=__doc__,
    tags=["history"],
    default_args=DEFAULTS,
    params={"symbols": SYMBOLS, "verify_hours": VERIFY_HOURS, "dry_run": DRY_RUN},
)
def historical_backfill() -> None:
    @task
    def plan_calls() -> list[dict[str, Any]]:
        """Store the calls that fill gaps, then those that compare; return the batches to map over."""
        context = get_current_context()
        return store_plan(context, HistoryRequest.for_backfill(conf_of(context)))

    fetch_and_close(plan_calls())


historical_backfill()
