"""Figures for a monitoring system, through Airflow's own metrics: StatsD, Datadog or OpenTelemetry, as it is set up.

``METRICS`` lists all that is emitted; ``docs/metrics.md`` is made from it. No metric bears a symbol: thousands of them
would each be a series of its own.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from marketdata.domain.judgement import Judgement
    from marketdata.domain.run_figures import RunFigures

Kind = Literal["counter", "gauge", "timer"]

_WORD = re.compile(r"[a-z0-9_]{1,40}")
_OUTCOMES = ("received", "inserted", "changed", "unchanged", "quarantined")
_CACHE_OUTCOMES = {"hits": "hit", "misses": "miss", "errors": "error", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. ``tags`` names what tells its series apart, in this order; each has a handful of values."""

    name: str
    kind: Kind
    unit: str
    tags: tuple[str, ...]
    meaning: str


RECORDS = Metric(
    "marketdata.records",
    "counter",
    "records",
    ("dag", "outcome"),
    f"Records of a run that has ended, by what became of them: {', '.join(_OUTCOMES)}.",
)
FAILURES = Metric(
    "marketdata.failures",
    "counter",
    "calls",
    ("dag", "vendor", "kind"),
    "Vendor calls of a run that gave no answer to store, by kind of error: not_yet, rate_limited, transient ...",
)
VENDOR_CALLS = Metric(
    "marketdata.vendor_calls",
    "counter",
    "calls",
    ("dag", "vendor", "status"),
    "Vendor calls of a run by the class of their last HTTP status: 2xx to 5xx, or none where no answer arrived.",
)
VENDOR_REQUESTS = Metric(
    "marketdata.vendor_requests",
    "counter",
    "requests",
    ("dag", "vendor"),
    "HTTP requests that these calls took, pages and repeated tries included.",
)
RATE_LIMITED = Metric(
    "marketdata.rate_limited",
    "counter",
    "requests",
    ("dag", "vendor"),
    "Requests among them that the vendor answered with 429.",
)
QUOTA_REQUESTS = Metric(
    "marketdata.quota_requests_left",
    "gauge",
    "requests",
    ("vendor",),
    "What realtime may still send in the present window, when a run that asked the vendor ends.",
)
QUOTA_CREDITS = Metric(
    "marketdata.quota_credits_left",
    "gauge",
    "credits",
    ("vendor",),
    "What realtime may still spend this month, when a run that asked the vendor ends; only for plans that count.",
)
CACHE_READS = Metric(
    "marketdata.cache_reads",
    "counter",
    "values",
    ("outcome",),
    "Values asked of Redis: hit, miss; commands that failed: error; calls spared while Redis was away: skipped.",
)
FRESHNESS_AGE = Metric(
    "marketdata.freshness_age",
    "gauge",
    "seconds",
    ("subject", "vendor"),
    "Age in trading time of the newest answer of a feed (latest, hourly), of its newest price (quiet); daily: by the"
    " clock, since the run was due. Not sent while its market is closed.",
)
STALE_ASSETS = Metric(
    "marketdata.stale_assets",
    "gauge",
    "assets",
    ("subject", "vendor"),
    "Active assets whose data are older than allowed.",
)
RUNS = Metric(
    "marketdata.runs",
    "counter",
    "runs",
    ("dag", "state"),
    "Runs that have ended, by their own verdict: success, partial, failed, dry_run.",
)
RUN_DURATION = Metric(
    "marketdata.run_duration",
    "timer",
    "milliseconds",
    ("dag",),
    "Time from opening a run to its verdict.",
)

METRICS = (
    RUNS,
    RUN_DURATION,
    RECORDS,
    FAILURES,
    VENDOR_CALLS,
    VENDOR_REQUESTS,
    RATE_LIMITED,
    QUOTA_REQUESTS,
    QUOTA_CREDITS,
    CACHE_READS,
    FRESHNESS_AGE,
    STALE_ASSETS,
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where Airflow's settings send metrics from this machine; ``problem`` says why nothing arrives, if so.

    ``is_broken``: they are meant to go somewhere and do not.
    """

    where: str
    problem: str = ""
    next_step: str = ""
    is_broken: bool = False


def emit_run(dag_id: str, published: Mapping[str, Any], figures: RunFigures | None = None) -> None:
    """A run that has ended: ``published`` is what its last task returns, ``figures`` what it did at the vendors."""
    _send(RUNS, 1, dag_id, published["state"])
    if "seconds" in published:
        _send(RUN_DURATION, published["seconds"] * 1000, dag_id)
    for outcome in _OUTCOMES:
        _send(RECORDS, published.get(outcome, 0), dag_id, outcome)
    if figures is None:
        return
    for made in figures.calls:
        _send(VENDOR_CALLS, made.calls, dag_id, made.vendor, made.status)
        _send(VENDOR_REQUESTS, made.requests, dag_id, made.vendor)
        _send(RATE_LIMITED, made.rate_limited, dag_id, made.vendor)
        if made.is_failed:
            _send(FAILURES, made.calls, dag_id, made.vendor, made.outcome)
    for quota in figures.quotas:
        emit_quota(quota.vendor, quota.requests, quota.credits)


def emit_quota(vendor: str, requests: int, credits_left: int | None) -> None:
    """What may still be sent to a vendor; None where credits are not counted."""
    _send(QUOTA_REQUESTS, requests, vendor)
    if credits_left is not None:
        _send(QUOTA_CREDITS, credits_left, vendor)


def emit_freshness(judgement: Judgement) -> None:
    """Age and number of stale assets of each feed of which something is expected."""
    for feed in judgement.feeds:
        if feed.level == "none":
            continue
        if feed.level != "closed":
            _send(FRESHNESS_AGE, feed.age_minutes * 60, feed.subject, feed.vendor)
        _send(STALE_ASSETS, feed.stale_assets, feed.subject, feed.vendor)


class CacheMeter:
    """Emits what a cache counted since it was last asked; safe for threads."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    def emit(self, figures: Mapping[str, int]) -> None:
        """``figures`` are the cache's counts so far, ``PriceCache.counts.figures()``."""
        with self._lock:
            grown = {name: figures.get(name, 0) - self._seen.get(name, 0) for name in _CACHE_OUTCOMES}
            self._seen = dict(figures)
        emit_cache(grown)


def emit_cache(counts: Mapping[str, int]) -> None:
    """``hits``, ``misses``, ``errors`` and ``skipped`` since the last call."""
    for name, outcome in _CACHE_OUTCOMES.items():
        _send(CACHE_READS, counts.get(name, 0), outcome)


def destination() -> Destination:
    """Where metrics go from a process that is set up like this one, or why they go nowhere."""
    from airflow.sdk.configuration import conf

    way = _way()
    if way == "none":
        step = (
            "set AIRFLOW__METRICS__STATSD_ON=True and AIRFLOW__METRICS__STATSD_HOST (or OTEL_ON): see docs/metrics.md"
        )
        return Destination("nowhere", "neither statsd_on nor otel_on is set in Airflow's section metrics", step)
    package = {"statsd": "statsd", "datadog": "datadog", "otel": "opentelemetry.exporter.otlp"}[way]
    if not _is_installed(package):
        step = f"install the package {package.split('.')[0]} beside Airflow: without it metrics are dropped in silence"
        return Destination("nowhere", f"the package {package} is missing", step, is_broken=True)
    allowed = str(conf.get("metrics", "metrics_allow_list", fallback="") or "")
    if allowed and not any(re.search(part.strip().lower(), RECORDS.name) for part in allowed.split(",")):
        step = "add marketdata to AIRFLOW__METRICS__METRICS_ALLOW_LIST"
        return Destination("nowhere", "metrics_allow_list leaves marketdata out", step, is_broken=True)
    if way == "otel":
        return Destination("OpenTelemetry")
    host, port = conf.get("metrics", "statsd_host"), conf.get("metrics", "statsd_port")
    name = "Datadog" if way == "datadog" else "StatsD"
    return Destination(f"{name} at {host}:{port}, " + ("with tags" if _keeps_tags() else "tags in the names"))


def _send(metric: Metric, value: float, *tags: str) -> None:
    """One figure to Airflow's client; a counter of 0 is not sent."""
    if metric.kind == "counter" and not value:
        return
    words = [tag if _WORD.fullmatch(tag) else "other" for tag in tags]
    named = dict(zip(metric.tags, words, strict=True))
    # Plain StatsD knows no tags: without them in its name each series would overwrite the others.
    name, tagged = (metric.name, named) if _keeps_tags() else (".".join((metric.name, *words)), None)
    match metric.kind:
        case "counter":
            _stats().incr(name, count=int(value), tags=tagged)
        case "gauge":
            _stats().gauge(name, value, tags=tagged)
        case "timer":
            _stats().timing(name, timedelta(milliseconds=value), tags=tagged)


def _stats() -> ModuleType:
    """Airflow's client in this process: tasks have one, the servers another, each set up by Airflow itself."""
    if hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS"):
        from airflow.sdk.observability import stats as of_tasks

        return of_tasks
    from airflow.observability import stats

    return stats


@cache
def _way() -> Literal["none", "statsd", "datadog", "otel"]:
    """What Airflow's settings switch on, in the order in which Airflow looks; it reads them once, too."""
    from airflow.sdk.configuration import conf

    if conf.getboolean("metrics", "statsd_datadog_enabled"):
        return "datadog"
    if conf.getboolean("metrics", "statsd_on"):
        return "statsd"
    return "otel" if conf.getboolean("metrics", "otel_on") else "none"


@cache
def _keeps_tags() -> bool:
    from airflow.sdk.configuration import conf

    return _way() != "statsd" or conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of a parent
        return False
