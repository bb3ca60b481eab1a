"""
# freshness_watch: whether the data is fresh, and who is told when it is not

Judges, from what is stored, how old the latest prices, the session's hours and the daily bars of each vendor are, in
*trading time*: nights, weekends, holidays and the time after an early close do not count, nor does what the plan
delays. What is too old becomes an alert, one for each vendor and cause, with its likely cause, the next step and its
runbook; so do a rejected key, credits that run out, and a cache that takes no values. Each is told once, told again
only if it gets worse or after a day, and followed by its recovery. It asks no vendor.

**When**: every five minutes from 09:30 to the close of the New York Stock Exchange, New York time, and at 17:45 on
trading days, when the daily history is due; around the clock with `MARKETDATA_CRYPTO_HOURS=always`.

**Parameters**: none. How old is too old is the setting `MARKETDATA_STALE_AFTER`, who is told is `MARKETDATA_NOTIFIERS`,
and what nobody wants to hear is silenced with `marketdata alerts silence`: see `docs/alerting.md`.

    airflow dags trigger freshness_watch --conf '{}'

**Safe to run again**: always, also beside another one: nothing is told twice.

**When it fails**: only without the database, or for a malformed setting; the first of it is told like an alert, see
`docs/runbooks/watch_blind.md`. A receiver that is away changes no run: its messages wait, and each watch tries again.
When Airflow's scheduler itself is down nothing here runs: have something else ask `/marketdata/api/health`.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import dag

from marketdata import settings
from marketdata.alerts import late_after
from marketdata.timetables import SessionTickTimetable
from marketdata.watch_tasks import DEFAULTS, watch_freshness


@dag(
    schedule=SessionTickTimetable(minutes=5, also_at=("17:45",), around_the_clock=settings.crypto_around_the_clock()),
    start_date=pendulum.datetime(2003, 9, 10, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=15),
    deadline=late_after(minutes=10, level="error"),
    doc_md=__doc__,
    tags=["realtime"],
    default_args=DEFAULTS,
)
def freshness_watch() -> None:
    watch_freshness()


freshness_watch()
