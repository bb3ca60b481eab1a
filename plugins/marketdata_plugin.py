"""Registers what Airflow must know by name. Registration and nothing else."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from marketdata import run_notes
from marketdata.timetables import SessionTickTimetable, SundayTimetable, TradingDayTimetable
from marketdata.web.lazy import MOUNTED_AT, LazyApp


class MarketDataPlugin(AirflowPlugin):
    """Timetables on the New York trading calendar and clock, notes on runs that have ended, and the read API."""

    name = "marketdata"
    timetables = [TradingDayTimetable, SundayTimetable, SessionTickTimetable]  # noqa: RUF012 - the base class declares it so
    listeners = [run_notes]  # noqa: RUF012
    fastapi_apps = [{"app": LazyApp(), "url_prefix": MOUNTED_AT, "name": "Market data"}]  # noqa: RUF012
