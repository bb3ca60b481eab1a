"""
# realtime_hourly: the hours of the current session, every ten minutes

Brings the hourly bars of all active assets up to date: stock hours start at the open (09:30, 10:30 and so on, the last
one shorter), coin hours on the UTC clock. Stock hours come from the vendor's 30-minute bars where assets are few and
the plan has them; else, as for coins, they are built from the prices that `realtime_latest` stored each minute, without
any call. The hour under way is provisional. Written to `bar_hourly` and to the cache key `hourly_data:{symbol}:1D`,
which the 1D chart is.

**When**: every ten minutes from 09:30 to the close of the New York Stock Exchange, New York time, early closes and
holidays known; around the clock with `MARKETDATA_CRYPTO_HOURS=always`, without the stocks while their exchange is
closed. Ticks that were missed are not made up for: the next one takes the whole session.

**Parameters**: none. A run by hand always asks, also at night, and completes the newest session:

    airflow dags trigger realtime_hourly

**Safe to run again**: always. What has not changed is not written; a vendor's bar is never replaced by a built one. A
backfill is refused: past sessions have their daily bars.

**When it fails**: nothing stored is lost, readers keep the hours there are, and the next tick is the next try. The
task's log, the run's note and `marketdata.ingest_call` say which call failed, why, and what to do. *partial* means that
some tickers failed and the rest is stored. See `docs/runbooks/realtime_hourly_failed.md`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from marketdata import settings
from marketdata.alerts import late_after
from marketdata.realtime_tasks import DEFAULTS, TICKING, update_hours
from marketdata.timetables import SessionTickTimetable


@dag(
    schedule=SessionTickTimetable(minutes=10, around_the_clock=settings.crypto_around_the_clock()),
    dagrun_timeout=timedelta(minutes=9),
    deadline=late_after(minutes=10, level="error"),
    doc_md=__doc__,
    default_args={**DEFAULTS, "execution_timeout": timedelta(minutes=8)},
    **TICKING,
)
def realtime_hourly() -> None:
    update_hours()


realtime_hourly()
