"""The realtime part of ``make demo``: one tick of each realtime DAG, and what readers then get from the read API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from local.airflow_api import AirflowApi
from local.processes import StackError
from local.simulator.admin import SimulatorAdmin
from marketdata.domain.sessions import NEW_YORK, latest_session, session_close, session_open

REPORTING_TASKS = {"realtime_latest": "update_prices", "realtime_hourly": "update_hours"}
SHOWN = ("AAPL", "SPY", "X:BTCUSD")
_RUN_SECONDS = 600.0
_INTO_THE_SESSION = timedelta(hours=3)  # early closes are half an hour later


def run_ticks(api: AirflowApi, vendor: SimulatorAdmin, timed: Callable[[str], AbstractContextManager[None]]) -> None:
    """One run of each realtime DAG, asked for by hand, with the vendors' clock inside the newest session.

    In one that goes on it shows the real time, as it does for the ticks of the schedule.
    """
    now = datetime.now(UTC)
    session = latest_session(now)
    if session_close(session) <= now:
        vendor.set_clock(session_open(session) + _INTO_THE_SESSION, running=True)
    try:
        for dag_id, task_id in REPORTING_TASKS.items():
            with timed(f"{dag_id}, inside {session}"):
                _run_tick(api, dag_id, task_id)
    finally:
        vendor.set_clock(None)


def _run_tick(api: AirflowApi, dag_id: str, task_id: str) -> None:
    answer = api.trigger(dag_id, {})
    if not answer.ok:
        raise StackError(f"{dag_id} was not triggered", answer.text[:500], "look at the Airflow page")
    run_id = answer.json()["dag_run_id"]
    state = api.wait_for_run(dag_id, run_id, seconds=_RUN_SECONDS)
    report = api.xcom(dag_id, run_id, task_id)
    if state != "success" or report is None:
        where = f"look at {api.url}/dags/{dag_id}/runs/{run_id}"
        raise StackError(f"run {run_id} of {dag_id} ended as {state}", api.first_error(dag_id, run_id), where)


def print_prices(api: AirflowApi, console: Console) -> None:
    """What the read API answers about a stock, an ETF and a coin, and the hours of the stock's session."""
    prices = api.read(f"marketdata/api/prices?symbols={','.join(SHOWN)}")["prices"]
    console.print(_price_table(prices, datetime.now(UTC)))
    chart = api.read(f"marketdata/api/assets/{SHOWN[0]}/chart?range=1D")
    console.print(_hour_table(chart["bars"]))


def _price_table(prices: Sequence[Mapping[str, Any]], now: datetime) -> Table:
    table = Table(
        "price", "US dollars", "change", "%", "New York", "age", "source", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for price in prices:
        at = datetime.fromisoformat(price["timestamp"])
        change = ["", ""] if price["change"] is None else [f"{price['change']:+.2f}", f"{price['changePercent']:+.2f}"]
        source = f"{price['source']}{', delayed' if price['delayed'] else ''}"
        table.add_row(price["symbol"], f"{price['price']:,.2f}", *change, _clock(at), _age(now - at), source)
    return table


def _hour_table(bars: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(f"{SHOWN[0]} 1D", "open", "high", "low", "close", "volume", "", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for bar in bars:
        values = ["" if bar[name] is None else f"{bar[name]:.2f}" for name in ("open", "high", "low", "close")]
        volume = "" if bar["volume"] is None else f"{bar['volume']:,.0f}"
        starts = _clock(datetime.fromisoformat(bar["timestamp"]))
        table.add_row(starts, *values, volume, "" if bar["final"] else "provisional")
    return table


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(NEW_YORK):%a %H:%M}"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
