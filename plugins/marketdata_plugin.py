"""Registers what Airflow must know by name. Registration and nothing else."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from marketdata import run_notes
from marketdata.timetables import SundayTimetable, TradingDayTimetable


class MarketDataPlugin(AirflowPlugin):
    """Timetables on the New York trading calendar and clock, and notes on runs that have ended."""

    name = "marketdata"
    timetables = [TradingDayTimetable, SundayTimetable]  # noqa: RUF012 - the base class declares it so
    listeners = [run_notes]  # noqa: RUF012
