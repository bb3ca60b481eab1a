"""A run of ``airflow backfill`` fetches what became due with its own trading day, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from marketdata.domain.sessions import session_close
from marketdata.flows import fetch, history
from marketdata.flows.history import own_session
from marketdata.flows.request import HistoryRequest

if TYPE_CHECKING:
    from tests.flows.conftest import Desk

MONDAY = date(2026, 11, 2)
STARTS = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_type", "interval_start", "conf", "session"),
    [
        ("backfill", STARTS, {}, MONDAY),
        ("backfill", STARTS, {"symbols": ["AAPL"]}, MONDAY),
        ("backfill", STARTS, {"range": "MAX"}, MONDAY),
        ("backfill", STARTS, {"range": "1Y"}, None),
        ("backfill", None, {}, None),
        ("scheduled", STARTS, {}, None),
        ("manual", STARTS, {}, None),
    ],
)
def test_only_a_backfill_without_a_range_of_its_own_is_for_one_session(
    run_type: str, interval_start: datetime | None, conf: dict[str, object], session: date | None
) -> None:
    assert own_session(run_type, interval_start, conf) == session


def test_a_backfilled_session_brings_its_own_bars_and_the_weekend_of_the_coins(desk: Desk) -> None:
    plan = history.plan_run(
        desk.services,
        HistoryRequest("MAX", session=MONDAY),
        dag_id="historical_daily",
        airflow_run_id="backfill__1",
        as_of=session_close(MONDAY),
        now=desk.now,
    )
    for batch in plan.batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    stored = desk.query("select symbol, session from bar_daily join asset using (asset_id) order by symbol, session")
    weekend = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)]
    assert stored == [
        ("AAPL", MONDAY), ("GOOGL", MONDAY), ("MSFT", MONDAY), *(("X:BTCUSD", day) for day in weekend)
    ]  # fmt: skip
    stock_calls = desk.simulator.admin.requests(path_contains="/v2/aggs/")
    assert len(stock_calls) == 1, "three stocks that miss one session are one market day"
