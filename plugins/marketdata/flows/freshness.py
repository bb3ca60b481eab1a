"""The watch: judges how fresh the data is, brings the alerts up to date, and delivers what there is to tell.

It asks no vendor and writes nothing but alerts. ``freshness_watch`` runs it every five minutes in open hours.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from marketdata import settings
from marketdata.addresses import cache_url, warehouse_dsn
from marketdata.domain.alert_causes import (
    HISTORY_DAG,
    REALTIME_DAGS,
    CreditsUsed,
    Evidence,
    explained,
    other_troubles,
    stopped_runs,
)
from marketdata.domain.alert_texts import title_of
from marketdata.domain.alerting import Change, troubles_of, unjudged
from marketdata.domain.freshness import Judgement, Limits, judge
from marketdata.errors import ConfigurationError
from marketdata.flows.allowance import allowances
from marketdata.storage.alert_evidence import read_evidence
from marketdata.storage.alerts import update_alerts
from marketdata.storage.cache_probe import find_refusal
from marketdata.storage.freshness import read_facts
from marketdata.storage.outbox import Deliver, Sent, deliver_waiting
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

WATCH_DAG = "freshness_watch"
_WATCHED_DAGS = (*REALTIME_DAGS, HISTORY_DAG, "historical_backfill", "reference_sync")


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a watch saw, what it changed of the alerts, and what came of the messages that waited."""

    judgement: Judgement
    changes: tuple[Change, ...]
    sent: Sent

    @property
    def wrong(self) -> list[str]:
        """One line for each alert that is open."""
        return [title_of(replace(change, message=None)) for change in self.changes if change.trouble is not None]


def watch_once(*, deliver: Deliver, now: datetime) -> WatchReport:
    """One watch on the database of the Airflow connection, or of the environment; raises StorageError."""
    with Warehouse.open(warehouse_dsn()) as warehouse:
        return watch(warehouse, deliver=deliver, now=now)


def watch(warehouse: Warehouse, *, deliver: Deliver, now: datetime) -> WatchReport:
    """Judge the data at ``now``, store what changed of the alerts with the messages that tell of it, deliver them.

    Repeated, or run beside another watch, it tells nothing twice. What cannot be delivered waits for the next watch and
    changes nothing here. Raises StorageError, and ConfigurationError for a malformed ``MARKETDATA_STALE_AFTER``.
    """
    limits = Limits.parse(settings.stale_after())
    facts = warehouse.transact(read_facts, now=now, limits=limits)
    judgement = judge(facts, limits, now=now, around_the_clock=settings.crypto_around_the_clock())
    evidence = _evidence(warehouse)
    troubles = [explained(trouble, evidence, now) for trouble in troubles_of(judgement)]
    changed = warehouse.transact(
        update_alerts,
        [*troubles, *stopped_runs(troubles, evidence, now), *other_troubles(evidence, now)],
        held=unjudged(judgement),
        ended={**evidence.ended, WATCH_DAG: now},
        now=now,
        runbooks=settings.runbooks(),
    )
    report = WatchReport(judgement, tuple(changed), deliver_waiting(warehouse, deliver, now=now))
    for line in report.wrong:
        log.warning("%s", line)
    log.info(
        "watched assets=%d wrong=%d delivered=%d undelivered=%d",
        len(facts), len(report.wrong), report.sent.delivered, len(report.sent.failures),
    )  # fmt: skip
    return report


def published(report: WatchReport) -> dict[str, Any]:
    """The watch as XCom and the run's note carry it; JSON types only."""
    told = [change.message for change in report.changes if change.message]
    wrong, sent = report.wrong, report.sent
    return {
        "state": "stale" if wrong else "fresh",
        "summary": f"wrong={len(wrong)} told={len(told)} delivered={sent.delivered} undelivered={len(sent.failures)}",
        "wrong": wrong,
        "told": told,
        "delivered": sent.delivered,
        "warnings": [*wrong, *(f"not delivered: {failure}" for failure in sent.failures)],
        "feeds": {f"{feed.vendor} {feed.subject}": feed.level for feed in report.judgement.feeds},
    }


def _evidence(warehouse: Warehouse) -> Evidence:
    """What is on record, what is left of the month, and how the cache is; a wrong connection hides no stale data."""
    evidence = warehouse.transact(read_evidence, _WATCHED_DAGS)
    try:
        evidence = replace(evidence, cache_refusal=find_refusal(cache_url()))
        found = allowances(warehouse)
    except ConfigurationError as error:
        log.warning("cache and credits are not looked at: %s", error)
        return evidence
    spent = tuple(
        CreditsUsed(each.vendor, each.credits.allowed, each.credits.used) for each in found if each.credits is not None
    )
    return replace(evidence, credits=spent, shared=all(each.is_shared for each in found if each.problem is None))
