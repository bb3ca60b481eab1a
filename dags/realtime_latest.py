"""
# realtime_latest: the latest price of every active asset, each minute

Asks the vendors for the prices of all active assets (those on a watchlist or in the market overview) and stores them
with the vendor's own times: minute history, the `latest_price` row, and the cache key `latest_price:{symbol}` with one
message to its subscribers. Stocks take one call whatever their number where the plan has snapshots, else one a ticker;
coins take one call for 250. An older price never replaces a newer one. Change and percent are against the close of the
session before, from our own bars.

**When**: each minute from 09:30 to the close of the New York Stock Exchange, New York time, early closes and holidays
known; around the clock with `MARKETDATA_CRYPTO_HOURS=always`, without the stocks while their exchange is closed. Ticks
that were missed are not made up for. A plan that cannot pay for each minute gets the cadence that it can: the ticks
between ask nothing, and a warning said so once.

**Parameters**: none. A run by hand always asks, also at night, and gets the prices there were at the close:

    airflow dags trigger realtime_latest

**Safe to run again**: always. The same price at the same time is the same row. A backfill is refused: no vendor tells
what a price was at a tick that has passed.

**When it fails**: nothing stored is lost, readers keep the last price with its time, and the next tick is the next try.
The task's log, the run's note and `marketdata.ingest_call` say which call failed, why, and what to do. *partial* means
that one vendor, or some tickers, failed and the rest is stored. See `docs/runbooks/realtime_latest_failed.md`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from marketdata import settings
from marketdata.alerts import late_after
from marketdata.realtime_tasks import DEFAULTS, TICKING, update_prices
from marketdata.timetables import SessionTickTimetable


@dag(
    schedule=SessionTickTimetable(minutes=1, around_the_clock=settings.crypto_around_the_clock()),
    dagrun_timeout=timedelta(seconds=90),
    deadline=late_after(minutes=5, level="error"),
    doc_md=__doc__,
    default_args={**DEFAULTS, "execution_timeout": timedelta(seconds=50)},
    **TICKING,
)
def realtime_latest() -> None:
    update_prices()


realtime_latest()
