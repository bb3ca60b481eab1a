"""
# reference_sync: who our assets are today, and what their companies did to their shares

Holds all stocks and ETFs against Polygon's reference data, before the daily history runs: listings, delistings and
renames, so that bars are asked for under the right tickers; splits and dividends, so that adjusted series are right at
once. FB becomes META and stays one asset; a ticker that goes to another company starts anew, and the asset that lost it
is called `TICKER-YYYYMMDD` after its last session. Bars are stored raw and never downloaded for a split: one call a new
split then compares our adjusted bars with the vendor's own. A split that the vendor tells twice, in contradiction, or
for a day on which prices did not move by it is *held* with its reason, not applied, and judged again at each run.

**When**: 16:00 New York on trading days. Splits and dividends are read since the last run, with 30 days of overlap and
the announced ones ahead; those of a new asset from the beginning.

**Parameters** (in the UI's trigger form, or with `--conf`)

| name | meaning |
|---|---|
| `symbols` | house symbols such as `AAPL`, `BRK.B`, read from the beginning; empty means all assets, since last time |

    airflow dags trigger reference_sync --conf '{"symbols": ["AAPL", "MSFT"]}'

**Safe to run again**: always. It asks about today, whatever the date of the run; what is known is not stored again.

**When it fails**: `close_run` logs what failed with cause and next step, and as warnings whatever an operator should
know: renames, delistings, symbols that the vendor never heard of, splits held, adjusted bars that differ. *partial*
means that a call failed and the rest is stored. *failed* means that nothing could be read: see
`docs/runbooks/reference_sync_failed.md`.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import TriggerRule, dag, get_current_context, task

from marketdata.alerts import late_after
from marketdata.history_tasks import DEFAULTS, SYMBOLS, close_record, conf_of, judge_run
from marketdata.timetables import TradingDayTimetable


@dag(
    schedule=TradingDayTimetable(at="16:00"),
    start_date=pendulum.datetime(2003, 9, 10, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    deadline=late_after(minutes=120),
    doc_md=__doc__,
    tags=["reference"],
    default_args=DEFAULTS,
    params={"symbols": SYMBOLS},
)
def reference_sync() -> None:
    @task(pool="history")
    def sync_reference() -> dict[str, int]:
        """Read and store what is new of listings, splits and dividends; return what was found, in counts."""
        from marketdata import settings
        from marketdata.flows import reference
        from marketdata.flows.request import reference_symbols
        from marketdata.flows.services import open_services

        context = get_current_context()
        run, symbols = context["dag_run"], reference_symbols(conf_of(context))
        with open_services() as services:
            return reference.sync_reference(
                services, symbols=symbols, dag_id=run.dag_id, airflow_run_id=run.run_id, now=settings.now()
            )

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def close_run() -> dict[str, Any]:
        """Sum up what was stored, what failed and why; set the run's state."""
        return close_record(get_current_context()["dag_run"])

    closed = close_run()
    sync_reference() >> closed
    judge_run(closed)  # type: ignore[arg-type]


reference_sync()
