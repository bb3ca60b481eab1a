"""Hooks that talk to a scripted upstream: no waiting, a quota that permits everything and remembers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.http import GuardedSession, Patience
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Priority, Quota
from marketdata.hooks.transport import Timeouts
from marketdata.hooks.vendor_hook import VendorHook
from marketdata.hooks.windows import LocalWindows, Rate
from tests.hooks.upstream import Upstream

KEY = "canary/KEY+4711=="
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
READY = Patience(Timeouts(connect=30, read=30, total=60))

AnyHook = TypeVar("AnyHook", bound=VendorHook)


class OpenQuota(Quota):
    """Permits every request at once; ``taken`` and ``pushed`` say what it was told."""

    def __init__(self) -> None:
        super().__init__("polygon", None, LocalWindows("open", [Rate(1, 1)]))
        self.taken: list[Priority] = []
        self.pushed: list[float] = []

    def acquire(self, priority: Priority, max_wait: float) -> None:
        del max_wait
        self.taken.append(priority)

    def push_back(self, seconds: float) -> None:
        self.pushed.append(seconds)


@dataclass
class Waits:
    """Stands in for ``time.sleep``: returns at once and keeps what was asked for."""

    asked: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)


def polygon(upstream: Upstream, patience: Patience = READY, quota: Quota | None = None, seed: int = 7) -> PolygonHook:
    """A PolygonHook on the upstream, base URL with a path prefix."""
    return polygon_at(f"{upstream.url}/massive", patience, quota, seed)


def polygon_at(url: str, patience: Patience = READY, quota: Quota | None = None, seed: int = 7) -> PolygonHook:
    """A PolygonHook on a base URL."""
    connection = VendorConnection("polygon", url, key=KEY, plan="starter")
    hook = PolygonHook(connection=connection, quota=quota or OpenQuota(), patience=patience)
    return _impatient(hook, seed)


def coingecko(
    upstream: Upstream, plan: str = "demo", patience: Patience = READY, history_days: int | None = None
) -> CoinGeckoHook:
    """A CoinGeckoHook on the upstream, base URL with a path prefix."""
    key = "" if plan == "keyless" else KEY
    base_url = f"{upstream.url}/gecko/api/v3"
    connection = VendorConnection("coingecko", base_url, key=key, plan=plan, history_days=history_days)
    return _impatient(CoinGeckoHook(connection=connection, quota=OpenQuota(), patience=patience), 7)


def waits_of(hook: VendorHook) -> list[float]:
    """The waits between tries that the hook has asked for."""
    sleep = hook.get_conn().sleep
    assert isinstance(sleep, Waits)
    return sleep.asked


def pushed_back(hook: VendorHook) -> list[float]:
    """The pauses that the hook has put on all users of the key."""
    assert isinstance(hook.quota, OpenQuota)
    return hook.quota.pushed


def _impatient(hook: AnyHook, seed: int) -> AnyHook:
    session: GuardedSession = hook.get_conn()
    session.sleep = Waits()
    session.now = lambda: NOW
    session.chance = random.Random(seed)  # noqa: S311 - jitter
    return hook
