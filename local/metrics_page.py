"""``docs/metrics.md``: how metrics are switched on, and every one that the code sends."""

from __future__ import annotations

from marketdata.metrics import METRICS, Metric

HEAD = """# Metrics

Made from `METRICS` in `plugins/marketdata/metrics.py` by `make docs`.

Metrics travel with Airflow's own, through whatever its section `[metrics]` names; nothing is sent until one is
switched on. `marketdata doctor` says where they go from the machine it runs on, and why they go nowhere: a missing
package drops them in silence. Set the same environment for workers, scheduler and API server: runs are counted by
tasks, reads of the cache by the API server as well.

**StatsD** (over UDP; Telegraf, statsd_exporter and others listen on port 8125):

```sh
export AIRFLOW__METRICS__STATSD_ON=True
export AIRFLOW__METRICS__STATSD_HOST=127.0.0.1   # AIRFLOW__METRICS__STATSD_PORT is 8125, _PREFIX is airflow
export AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED=True   # tags as name,dag=realtime_latest,outcome=changed
```

Plain StatsD has no tags. Without the last line their values become parts of the name, in the order of the table:
`airflow.marketdata.records.realtime_latest.changed`. A receiver that is down costs a run nothing.

**OpenTelemetry** (OTLP; the exporter comes with Airflow's extra `otel`, which the lock holds):

```sh
export AIRFLOW__METRICS__OTEL_ON=True
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta   # each task is a process of its own
```

**Datadog**: `AIRFLOW__METRICS__STATSD_DATADOG_ENABLED=True` and the package `datadog`.

Where `AIRFLOW__METRICS__METRICS_ALLOW_LIST` is set, add `marketdata` to it.

A counter is sent when it grows, a gauge keeps its last value. No tag is a symbol: `dag` is a DAG's id, `vendor` is
`polygon` or `coingecko`, the rest are words of this page; a value that is no plain word becomes `other`. Which symbols
failed stands in the run's report and in the database.

| metric | kind | unit | tags | meaning |
|---|---|---|---|---|
"""


def metrics_page() -> str:
    """The whole page."""
    return HEAD + "\n".join(_row(metric) for metric in METRICS) + "\n"


def _row(metric: Metric) -> str:
    tags = ", ".join(f"`{tag}`" for tag in metric.tags)
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {tags} | {metric.meaning} |"
