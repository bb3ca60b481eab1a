"""The task of ``freshness_watch``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

if TYPE_CHECKING:
    from marketdata.errors import StorageError

DEFAULTS: dict[str, Any] = {
    "retries": 0,
    "priority_weight": 900,
    "weight_rule": "absolute",
    "execution_timeout": timedelta(minutes=4),
}
"""Default arguments: a watch that fails is not tried again, the next one is its retry.

It keeps out of the pool ``realtime``: a receiver that hangs must not take a slot from the prices.
"""

_BLIND_SINCE = "marketdata_watch_blind_since"
"""The Airflow variable that remembers, where our own database cannot, that nobody can judge."""


@task
def watch_freshness() -> dict[str, Any]:
    """Judge how fresh the data is, bring the alerts up to date, deliver what there is to tell."""
    from marketdata import metrics, settings
    from marketdata.alerts.delivery import deliver
    from marketdata.errors import StorageError
    from marketdata.flows import freshness

    now = settings.now()
    try:
        report = freshness.watch_once(deliver=deliver, now=now)
    except StorageError as error:
        _tell_blind(error, now)
        raise
    _tell_seeing(now)
    metrics.emit_freshness(report.judgement)
    return freshness.published(report)


def _tell_blind(error: StorageError, now: datetime) -> None:
    """Tell once that the database is away: no alert can be kept there, and nothing can be judged."""
    from airflow.sdk import Variable

    from marketdata.alerts.delivery import deliver_at_once
    from marketdata.domain.alerting import Trouble

    if Variable.get(_BLIND_SINCE, default=None) is None:
        trouble = Trouble(
            "watch_blind", "database", "error", now, cause=f"{error.what}: {error.why}", next_step=error.next_step
        )
        if not deliver_at_once(trouble, now=now).failures:
            Variable.set(_BLIND_SINCE, now.isoformat())


def _tell_seeing(now: datetime) -> None:
    """Follow it with its recovery."""
    from airflow.sdk import Variable

    from marketdata.alerts.delivery import tell_recovered

    since = Variable.get(_BLIND_SINCE, default=None)
    if (
        since is not None
        and not tell_recovered("watch_blind:database", datetime.fromisoformat(since), now=now).failures
    ):
        Variable.delete(_BLIND_SINCE)
