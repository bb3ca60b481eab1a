"""What our keys may still send and what is known of them: the quota's windows, the month's credits, entitlements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from marketdata import settings
from marketdata.addresses import cache_url
from marketdata.domain.bars import Vendor
from marketdata.domain.sessions import today
from marketdata.errors import ConfigurationError
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import VendorConnection, from_airflow
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Quota, rates_of
from marketdata.storage.entitlements import PROBE_ANEW_AFTER, Entitlement, find_entitlements

if TYPE_CHECKING:
    from marketdata.storage.warehouse import Warehouse

_CONNECTIONS: dict[Vendor, str] = {
    "polygon": PolygonHook.default_conn_name,
    "coingecko": CoinGeckoHook.default_conn_name,
}


@dataclass(frozen=True, slots=True)
class Window:
    """Requests in any ``seconds``: ``allowed`` at most, ``used`` now, ``reserve`` of them left to realtime by batch."""

    seconds: int
    allowed: int
    used: int
    reserve: int

    @property
    def left(self) -> int:
        """What batch may still send now."""
        return max(0, self.allowed - self.reserve - self.used)


@dataclass(frozen=True, slots=True)
class Credits:
    """The month's calls: what the plan has, what was spent, and what batch leaves to realtime."""

    allowed: int
    used: int
    reserve: int

    @property
    def left(self) -> int:
        """What batch may still spend this month."""
        return max(0, self.allowed - self.reserve - self.used)


@dataclass(frozen=True, slots=True)
class Known:
    """One capability of a key, as it was found out on ``learnt_on``; ``earliest`` as seen from today."""

    capability: str
    allowed: bool
    earliest: date | None
    learnt_on: date
    probed_anew_on: date
    note: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """One vendor key, told by its digest only. ``problem``: its connection is wrong, and nothing else is known then.

    ``is_shared`` False: Redis is away, and the windows are this process's share. ``is_known`` False: Redis is new, and
    the first request takes half of each window for used. ``credits`` None: the plan counts none, or Redis is away.
    """

    vendor: Vendor
    problem: ConfigurationError | None = None
    plan: str = ""
    key_digest: str = ""
    windows: tuple[Window, ...] = ()
    credits: Credits | None = None
    pause_seconds: float = 0.0
    down_seconds: float = 0.0
    is_shared: bool = False
    is_known: bool = False
    known: tuple[Known, ...] = ()


def allowances(warehouse: Warehouse) -> list[Allowance]:
    """What each vendor's key may do; asks no vendor. A wrong connection is told and hides no other."""
    redis_url = cache_url()
    return list(_allowances(warehouse, redis_url))


def _allowances(warehouse: Warehouse, redis_url: str | None) -> Iterator[Allowance]:
    for vendor, conn_id in _CONNECTIONS.items():
        try:
            connection = from_airflow(conn_id, vendor)
        except ConfigurationError as error:
            yield Allowance(vendor, problem=error)
        else:
            yield _allowance(warehouse, connection, redis_url)


def _allowance(warehouse: Warehouse, connection: VendorConnection, redis_url: str | None) -> Allowance:
    use, is_shared = Quota.of(connection, redis_url).use()
    rates = rates_of(connection, processes=1 if is_shared else connection.fallback_processes)
    found = warehouse.transact(find_entitlements, connection.vendor, connection.key_digest)
    on = today("crypto" if connection.vendor == "coingecko" else "stock", settings.now())
    month = connection.credits_per_month
    return Allowance(
        connection.vendor,
        plan=connection.plan,
        key_digest=connection.key_digest,
        windows=tuple(
            Window(rate.seconds, rate.amount, used, rate.reserve)
            for rate, used in zip(rates, use.requests, strict=True)
        ),
        credits=None
        if month is None or use.credits is None
        else Credits(month, use.credits, month - int(month * (1 - connection.realtime_share))),
        pause_seconds=use.pause,
        down_seconds=use.down,
        is_shared=is_shared,
        is_known=use.is_known,
        known=tuple(_known(entitlement, on) for entitlement in found.values()),
    )


def _known(found: Entitlement, on: date) -> Known:
    earliest = None if found.earliest is None else found.earliest + (on - found.learnt_on)
    anew = found.learnt_on + PROBE_ANEW_AFTER
    return Known(found.capability, found.allowed, earliest, found.learnt_on, anew, found.note)
