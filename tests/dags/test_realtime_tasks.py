"""What the realtime tasks tell their flows and Airflow; the ticks themselves are for the end-to-end tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk.exceptions import AirflowFailException

from marketdata import metrics, realtime_tasks
from marketdata.flows import history, run_figures, services
from marketdata.flows.realtime import latest
from marketdata.storage.runs import RunReport

TICK = pendulum.datetime(2026, 11, 20, 15, 12)
REPORT: dict[str, Any] = {field.name: 0 for field in fields(RunReport)} | {"failed_symbols": (), "warnings": ()}


def context_of(run_type: str, end: object = TICK) -> Any:  # noqa: ANN401 - a context of Airflow
    published: dict[str, Any] = {}
    run = SimpleNamespace(run_type=run_type, dag_id="realtime_latest", run_id="r")
    instance = SimpleNamespace(xcom_push=published.__setitem__, published=published)
    return {"dag_run": run, "data_interval_end": end, "ti": instance}


def test_the_tick_of_a_scheduled_run_is_its_instant_as_a_plain_datetime() -> None:
    tick = realtime_tasks._tick_of(context_of("scheduled"))
    assert tick == datetime(2026, 11, 20, 15, 12, tzinfo=UTC)
    assert type(tick) is datetime


@pytest.mark.parametrize("end", [TICK, None])
def test_a_run_by_hand_has_no_tick(end: object) -> None:
    assert realtime_tasks._tick_of(context_of("manual", end)) is None


@pytest.mark.parametrize("state", ["success", "partial", "failed"])
def test_the_report_is_published_also_by_a_run_that_failed_and_only_that_one_fails_the_task(
    state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, opened, measured = context_of("manual"), [], []

    @contextlib.contextmanager
    def open_services(priority: str) -> Iterator[Any]:
        opened.append(priority)
        yield SimpleNamespace(cache=SimpleNamespace(counts=SimpleNamespace(figures=dict)))

    report = RunReport(**{**REPORT, "state": state})
    monkeypatch.setattr(services, "open_services", open_services)
    monkeypatch.setattr(realtime_tasks, "get_current_context", lambda: context)
    monkeypatch.setattr(latest, "update_prices", lambda *_, **__: report)
    monkeypatch.setattr(run_figures, "run_figures", lambda *_: "figures")
    monkeypatch.setattr(metrics, "emit_run", lambda dag_id, published, _: measured.append((dag_id, published["state"])))
    monkeypatch.setattr(metrics, "emit_cache", lambda _: None)
    with pytest.raises(AirflowFailException, match="state=failed") if state == "failed" else contextlib.nullcontext():
        realtime_tasks.update_prices.function()
    assert context["ti"].published == {"return_value": history.published(report)}
    assert opened == ["realtime"]
    assert measured == [("realtime_latest", state)]
