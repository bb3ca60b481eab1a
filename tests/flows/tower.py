"""The trading floor seen from above: ticks, watches, and what a real receiver was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from marketdata.alerts.delivery import deliver
from marketdata.flows import freshness
from marketdata.flows.freshness import WatchReport
from tests.alerts.receivers import Webhook, webhook
from tests.cli.conftest import as_airflow
from tests.flows.floor import MINUTE, Floor

LATENESS = timedelta(seconds=20)
"""How long after its tick a watch looks."""


@dataclass
class Tower:
    """A floor, its watch, and the receiver of its alerts. ``told``: instant and text of each message, as it came in."""

    floor: Floor
    hook: Webhook
    told: list[tuple[datetime, str]] = field(default_factory=list)

    def tick(self, at: datetime) -> None:
        """A tick whose run is on record as of then: the database's own clock opens it."""
        run_id = self.floor.tick(at).run_id
        self.floor.desk.query(
            "update ingest_run set opened_at = %(at)s where run_id = %(id)s returning 1", at=at, id=run_id
        )

    def watch(self, at: datetime) -> WatchReport:
        """A scheduled watch, a few seconds after its tick."""
        self.floor.desk.at(at + LATENESS)
        known = len(self.hook.got)
        report = freshness.watch(self.floor.services.warehouse, deliver=deliver, now=self.floor.desk.now)
        self.told.extend((at, self._told(got)) for got in self.hook.got[known:])
        return report

    def go(self, first: datetime, last: datetime, *, every: int = 5, ticks: bool = True) -> list[str]:
        """Watches from ``first`` to ``last``, both inclusive, ``every`` so many minutes; what was told meanwhile.

        One tick is enough for each to be heard of: that of the minute before.
        """
        known = len(self.told)
        at = first
        while at <= last:
            if ticks:
                self.tick(at - MINUTE)
            self.watch(at)
            at += every * MINUTE
        return [text for _, text in self.told[known:]]

    @staticmethod
    def _told(got: dict[str, str]) -> str:
        """``opened feed_stale:polygon``."""
        title, key = got["title"], got["message"].rpartition("alert: ")[2]
        for beginning, kind in (("worse: ", "worsened"), ("still: ", "reminder"), ("recovered: ", "recovered")):
            if beginning in title:
                return f"{kind} {key}"
        return f"opened {key}" if "silence of" not in title else title


@contextmanager
def open_tower(floor: Floor, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tower]:
    """A tower over a floor, with a webhook behind ``apprise_default`` and the vendors' connections set."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    floor.desk.query("update asset set created_at = '2026-01-02' returning 1")  # by the story's clock, not by ours
    with webhook() as hook:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", hook.connection())
        for vendor in (floor.services.polygon, floor.services.coingecko):
            monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.conn_id.upper()}", as_airflow(vendor.connection))
        yield Tower(floor, hook)
