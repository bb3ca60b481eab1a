"""Sending the same bars again: our writer against dlt's merge into PostgreSQL, both from rows in memory."""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import fields
from typing import Any

import dlt
import psycopg

from marketdata import settings
from marketdata.domain.bars import DailyBars
from marketdata.domain.coverage import Span
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.domain.sessions import sessions
from marketdata.flows.reading import read_single
from marketdata.flows.services import Services
from marketdata.storage import runs
from marketdata.storage.assets import find_assets
from marketdata.storage.calls import Call, DailyAnswer
from tests.bench.scenes import RUNS, Figure, spread, timed
from tests.bench.stage import FIVE_YEARS_AGO, FRIDAY, Stage, follow, tickers

STOCKS = 80  # of 1,255 sessions each: 100,400 bars


def resend(stage: Stage) -> list[Figure]:
    """Store 80 stocks x 5 years, then the very same again."""
    dsn = stage.fresh_database()
    with stage.services(dsn) as services:
        follow(services, tickers(STOCKS))
        answers = _answers(services)
        changed = 0

        def store() -> None:
            nonlocal changed
            stored = [services.warehouse.store_daily(call, answer) for call, answer in answers]
            changed = sum(one.inserted + one.changed for one in stored)

        store()
        seconds = [timed(store) for _ in range(RUNS)]
    rows = [row for _, answer in answers for row in _as_dicts(answer)]
    peer = _dlt_seconds(stage.fresh_database(), rows)
    ratio = statistics.median(peer) / statistics.median(seconds)
    what = f"sending the same {len(rows):,} bars again"
    return [
        Figure(f"{what}: rows changed", "0", str(changed), changed == 0),
        Figure(f"{what}: our writer", "", spread(seconds), met=True),
        Figure(f"{what}: dlt {dlt.__version__}, merge into PostgreSQL", "", spread(peer), met=True),
        Figure(f"{what}: times faster than dlt", "at least 8", f"{ratio:.1f}", ratio >= 8),
    ]


def _answers(services: Services) -> list[tuple[Call, DailyAnswer]]:
    """Every stock's five years as the flow would store them."""
    days = sessions(FIVE_YEARS_AGO, FRIDAY)
    asked = Span(days[0], days[-1])
    assets = services.warehouse.transact(find_assets, None)
    calls = [
        PlannedCall(CallKind.TICKER_RANGE, "polygon", asset.asset_id, asset.vendor_symbol, asked.first, asked.last)
        for asset in assets
    ]
    run_id = services.warehouse.transact(runs.open_run, "bench", "resend", "5Y", None, settings.now().date())
    services.warehouse.transact(runs.save_plan, run_id, [calls])
    return [
        (call, read_single(call, services.polygon.daily_bars(call.label, call.first, call.last), asked,
                           asset_class="stock"))
        for call in services.warehouse.transact(runs.pending_calls, run_id, 0)
    ]  # fmt: skip


def _as_dicts(answer: DailyAnswer) -> list[dict[str, Any]]:
    """The bars as a REST source hands them to dlt."""
    names = [field.name for field in fields(DailyBars) if field.name not in {"symbols", "volume_24h"}]
    columns = [answer.asset_ids.tolist(), *(getattr(answer.bars, name).tolist() for name in names)]
    return [dict(zip(["asset_id", *names], row, strict=True)) for row in zip(*columns, strict=True)]


def _dlt_seconds(dsn: str, rows: list[dict[str, Any]]) -> list[float]:
    os.environ["PROVIDERS__ENABLE_AIRFLOW_SECRETS"] = "false"  # its look-ups in Airflow would cost it time
    with tempfile.TemporaryDirectory(prefix="marketdata-dlt-") as folder:
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, destination=dlt.destinations.postgres(credentials=dsn), dataset_name="peer"
        )

        def merge() -> None:
            pipeline.run(rows, table_name="bars", write_disposition="merge", primary_key=("asset_id", "session"))

        merge()
        seconds = [timed(merge) for _ in range(RUNS)]
    with psycopg.connect(dsn) as connection:
        stored = connection.execute("select count(*) from peer.bars").fetchone()
    if stored != (len(rows),):
        raise RuntimeError(f"dlt stored {stored}, not {len(rows)} rows")
    return seconds
