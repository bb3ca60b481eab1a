"""Where metrics go, and who says so when they go nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from typer.testing import CliRunner

from marketdata import metrics
from marketdata.cli import app

SENDER = """
from airflow.observability import stats
from airflow.observability.metrics.stats_utils import get_stats_factory
from marketdata import metrics

stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
metrics.emit_run("realtime_latest", {"state": "success", "inserted": 3, "seconds": 0.5})
"""


def test_nothing_switched_on_is_said_with_the_next_step(switch: Callable[..., None]) -> None:
    switch(statsd_on=False, otel_on=False)
    found = metrics.destination()
    assert (found.where, found.is_broken) == ("nowhere", False)
    assert "neither statsd_on nor otel_on" in found.problem
    assert "AIRFLOW__METRICS__STATSD_ON=True" in found.next_step


@pytest.mark.parametrize(
    ("option", "package"),
    [("statsd_on", "statsd"), ("otel_on", "opentelemetry"), ("statsd_datadog_enabled", "datadog")],
)
def test_a_missing_package_is_named(
    option: str, package: str, switch: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "find_spec", lambda _name: None)
    switch(**{option: True})
    found = metrics.destination()
    assert found.is_broken
    assert package in found.problem
    assert f"install the package {package}" in found.next_step


def test_an_allow_list_without_us_is_named(switch: Callable[..., None]) -> None:
    switch(statsd_on=True, metrics_allow_list="scheduler,executor")
    assert "METRICS_ALLOW_LIST" in metrics.destination().next_step
    switch(statsd_on=True, metrics_allow_list="scheduler,marketdata")
    assert not metrics.destination().problem


@pytest.mark.parametrize(("tagged", "said"), [(False, "tags in the names"), (True, "with tags")])
def test_statsd_is_named_with_its_address(tagged: bool, said: str, switch: Callable[..., None]) -> None:
    switch(statsd_on=True, statsd_host="stats.example", statsd_port=8125, statsd_influxdb_enabled=tagged)
    assert metrics.destination().where == f"StatsD at stats.example:8125, {said}"


@pytest.mark.parametrize(
    ("options", "health", "found"),
    [
        ({"statsd_on": False}, "warning", "go nowhere: neither"),
        ({"statsd_on": True, "statsd_host": "127.0.0.1"}, "ok", "go to StatsD at 127.0.0.1:8125"),
        ({"otel_on": True}, "ok", "go to OpenTelemetry"),
        ({"statsd_on": True, "metrics_allow_list": "scheduler"}, "failed", "go nowhere: metrics_allow_list"),
    ],
)
def test_the_doctor_says_where_metrics_go(
    options: dict[str, object],
    health: str,
    found: str,
    dsn: str,
    redis_url: str,
    switch: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    monkeypatch.setenv("REDIS_URL", redis_url)
    switch(**options)
    examined = CliRunner().invoke(app, ["doctor", "--json"])
    (finding,) = [each for each in json.loads(examined.stdout)["findings"] if each["check"] == "metrics"]
    assert finding["health"] == health
    assert finding["found"].startswith(found)
    assert bool(finding["next_step"]) == (health != "ok")
    assert examined.exit_code == (1 if health == "failed" else 0)


class _Collector(BaseHTTPRequestHandler):
    """Takes OpenTelemetry's metrics."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    bodies: list[bytes] = []
    handler = type("Collector", (_Collector,), {"bodies": bodies})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


def test_opentelemetry_gets_the_tags_from_a_process_that_ends_at_once(
    collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, bodies = collector
    monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")  # this process, which answers, may be busy
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    subprocess.run([sys.executable, "-c", SENDER], check=True, timeout=120, capture_output=True)
    assert bodies
    points = {
        (metric.name, *sorted((tag.key, tag.value.string_value) for tag in point.attributes))
        for body in bodies
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.sum.data_points
    }
    assert ("airflow.marketdata.records", ("dag", "realtime_latest"), ("outcome", "inserted")) in points
    assert ("airflow.marketdata.runs", ("dag", "realtime_latest"), ("state", "success")) in points
