"""What is sent, as a real StatsD receiver gets it from Airflow's real client."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from local.metrics_page import metrics_page
from marketdata import metrics
from marketdata.domain.judgement import FeedFreshness, Judgement, Stale
from marketdata.domain.run_figures import CallsMade, QuotaLeft, RunFigures
from tests.metrics.conftest import Receiver

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
CANARY = "CANARYSYMBOL"
PUBLISHED: dict[str, Any] = {
    "state": "partial", "summary": f"1 failed: {CANARY}", "seconds": 1.5, "received": 120, "inserted": 100,
    "changed": 15, "unchanged": 4, "quarantined": 1, "failed_symbols": [f"{CANARY}: gone: no such ticker"],
    "warnings": [f"refused: {CANARY}"],
}  # fmt: skip
FIGURES = RunFigures(
    calls=(
        CallsMade("polygon", "2xx", "ok", 7, 9, 0),
        CallsMade("polygon", "4xx", "gone", 1, 1, 0),
        CallsMade("coingecko", "none", "transient", 2, 8, 3),
    ),
    quotas=(QuotaLeft("polygon", 88, None), QuotaLeft("coingecko", 21, 7_400)),
)
FRESH = FeedFreshness("polygon", "latest", "error", NOW, 12.5, 50, 3)
JUDGEMENT = Judgement(
    NOW, (FRESH,), (Stale("latest", "polygon", "error", "assets", (CANARY,), NOW, 12.5, 9.0),)
)  # fmt: skip


@pytest.mark.usefixtures("process")
def test_a_run_sends_its_records_calls_failures_quota_time_and_verdict(statsd: Receiver) -> None:
    metrics.emit_run("realtime_latest", PUBLISHED, FIGURES)
    assert statsd.received() == [
        f"airflow.marketdata.{text}"
        for text in (
            "runs.realtime_latest.partial:1|c",
            "run_duration.realtime_latest:1500.000000|ms",
            "records.realtime_latest.received:120|c",
            "records.realtime_latest.inserted:100|c",
            "records.realtime_latest.changed:15|c",
            "records.realtime_latest.unchanged:4|c",
            "records.realtime_latest.quarantined:1|c",
            "vendor_calls.realtime_latest.polygon.2xx:7|c",
            "vendor_requests.realtime_latest.polygon:9|c",
            "vendor_calls.realtime_latest.polygon.4xx:1|c",
            "vendor_requests.realtime_latest.polygon:1|c",
            "failures.realtime_latest.polygon.gone:1|c",
            "vendor_calls.realtime_latest.coingecko.none:2|c",
            "vendor_requests.realtime_latest.coingecko:8|c",
            "rate_limited.realtime_latest.coingecko:3|c",
            "failures.realtime_latest.coingecko.transient:2|c",
            "quota_requests_left.polygon:88|g",
            "quota_requests_left.coingecko:21|g",
            "quota_credits_left.coingecko:7400|g",
        )
    ]


@pytest.mark.usefixtures("process")
def test_where_statsd_has_tags_the_name_stays_and_the_tags_travel(
    receiver: Receiver, switch: Callable[..., None]
) -> None:
    switch(statsd_on=True, statsd_host="127.0.0.1", statsd_port=receiver.port, statsd_influxdb_enabled=True)
    metrics.emit_run("realtime_latest", {"state": "success", "inserted": 3})
    assert receiver.received() == [
        "airflow.marketdata.runs,dag=realtime_latest,state=success:1|c",
        "airflow.marketdata.records,dag=realtime_latest,outcome=inserted:3|c",
    ]


def test_a_run_that_never_opened_its_record_still_counts(statsd: Receiver) -> None:
    metrics.emit_run("historical_daily", {"state": "failed", "summary": "no run was opened"})
    assert statsd.received() == ["airflow.marketdata.runs.historical_daily.failed:1|c"]


def test_freshness_is_sent_while_it_is_judged(statsd: Receiver) -> None:
    closed = replace(FRESH, vendor="coingecko", level="closed", stale_assets=0)
    unasked = replace(FRESH, subject="hourly", level="none")
    metrics.emit_freshness(Judgement(NOW, (FRESH, closed, unasked), ()))
    assert statsd.received() == [
        "airflow.marketdata.freshness_age.latest.polygon:750.0|g",
        "airflow.marketdata.stale_assets.latest.polygon:3|g",
        "airflow.marketdata.stale_assets.latest.coingecko:0|g",
    ]


def test_a_cache_sends_what_it_counted_since_the_last_time(statsd: Receiver) -> None:
    meter = metrics.CacheMeter()
    meter.emit({"hits": 5, "misses": 1, "errors": 0, "put": 9})
    meter.emit({"hits": 7, "misses": 1, "errors": 2, "put": 9, "skipped": 4})
    meter.emit({"hits": 7, "misses": 1, "errors": 2, "put": 9, "skipped": 4})
    assert statsd.received() == [
        f"airflow.marketdata.cache_reads.{text}|c" for text in ("hit:5", "miss:1", "hit:2", "error:2", "skipped:4")
    ]


def test_every_metric_of_the_registry_is_sent_and_no_other(statsd: Receiver) -> None:
    send_everything()
    sent = {re.sub(r"^airflow\.(marketdata\.\w+).*", r"\1", text) for text in statsd.received()}
    assert sent == {metric.name for metric in metrics.METRICS}


@pytest.mark.parametrize("tags", [False, True])
def test_no_symbol_leaves_in_a_name_or_a_tag(receiver: Receiver, switch: Callable[..., None], tags: bool) -> None:
    switch(statsd_on=True, statsd_host="127.0.0.1", statsd_port=receiver.port, statsd_influxdb_enabled=tags)
    send_everything()
    received = receiver.received()
    assert len(received) > len(metrics.METRICS)
    assert CANARY not in "".join(received)


def test_a_value_that_is_no_plain_word_becomes_other(statsd: Receiver) -> None:
    metrics.emit_quota("X:BTCUSD", 3, None)
    metrics.emit_quota("polygon.evil:1|c\nairflow.x", 3, None)
    assert statsd.received() == ["airflow.marketdata.quota_requests_left.other:3|g"] * 2


def test_a_receiver_that_is_away_costs_nothing(receiver: Receiver, switch: Callable[..., None]) -> None:
    port = receiver.port
    receiver.listening.close()
    switch(statsd_on=True, statsd_host="127.0.0.1", statsd_port=port)
    for _ in range(3):
        send_everything()


def test_the_page_names_every_metric_with_its_tags() -> None:
    rows = [line for line in metrics_page().splitlines() if line.startswith("| `marketdata.")]
    assert len(rows) == len(metrics.METRICS) == len({metric.name for metric in metrics.METRICS})
    for metric, row in zip(metrics.METRICS, rows, strict=True):
        assert row.startswith(f"| `{metric.name}` | {metric.kind} | {metric.unit} | ")
        assert all(f"`{tag}`" in row for tag in metric.tags)
        assert "symbol" not in metric.tags


def send_everything() -> None:
    metrics.emit_run("realtime_latest", PUBLISHED, FIGURES)
    metrics.emit_freshness(JUDGEMENT)
    metrics.emit_cache({"hits": 2, "misses": 1, "errors": 1, "skipped": 1})
