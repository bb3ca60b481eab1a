"""Where a vendor is and what our plan there allows: checked before the first byte leaves.

A key goes only to the vendor's own hosts over https. Loopback, for the simulator and for tests, needs
``MARKETDATA_ALLOW_LOOPBACK=1``.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from marketdata.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from marketdata.domain.bars import Vendor  # Airflow reads PLANS at start: it must not bring numpy

ALLOWED_HOSTS: dict[Vendor, frozenset[str]] = {
    "polygon": frozenset({"api.massive.com", "api.polygon.io"}),
    "coingecko": frozenset({"api.coingecko.com", "pro-api.coingecko.com"}),
}
_PRINTABLE = re.compile(r"[!-~]*")


class Plan(NamedTuple):
    """What a plan gives unless the connection says otherwise. ``history_days`` None: no limit known beforehand."""

    base_url: str
    requests_per_minute: int
    credits_per_month: int | None = None
    history_days: int | None = None


_MASSIVE = "https://api.massive.com"
_GECKO = "https://api.coingecko.com/api/v3"
_GECKO_PRO = "https://pro-api.coingecko.com/api/v3"
PLANS: dict[Vendor, dict[str, Plan]] = {
    "polygon": {
        "basic": Plan(_MASSIVE, 5),
        "starter": Plan(_MASSIVE, 3000),  # "unlimited", to be kept under 100 a second
        "developer": Plan(_MASSIVE, 3000),
        "advanced": Plan(_MASSIVE, 3000),
        "business": Plan(_MASSIVE, 3000),
    },
    "coingecko": {
        "keyless": Plan(_GECKO, 5, None, 365),
        "demo": Plan(_GECKO, 25, 10_000, 365),  # 30 in the headers of 2025, 100 in the documents of 2026
        "basic": Plan(_GECKO_PRO, 250, 100_000),
        "analyst": Plan(_GECKO_PRO, 500, 500_000),
        "lite": Plan(_GECKO_PRO, 500, 2_000_000),
        "pro": Plan(_GECKO_PRO, 1000),
        "enterprise": Plan(_GECKO_PRO, 1000),
    },
}


@dataclass(frozen=True, slots=True)
class VendorConnection:
    """One vendor account. Only ``vendor`` is needed; the rest follows from ``plan``.

    ``realtime_share`` is the part of the quota, 0 to 0.9, that batch leaves to realtime. ``fallback_processes`` is the
    number of processes that share the quota while Redis is away. Raises ConfigurationError for a host outside the
    allow-list, an unknown plan, or a key that no HTTP header can carry.
    """

    vendor: Vendor
    base_url: str = ""
    key: str = field(default="", repr=False)
    plan: str = ""
    requests_per_minute: int | None = None
    credits_per_month: int | None = None
    history_days: int | None = None
    realtime_share: float = 0.1
    fallback_processes: int = 8

    def __post_init__(self) -> None:
        plans = PLANS[self.vendor]
        name = self.plan or ("basic" if self.vendor == "polygon" else "demo" if self.key else "keyless")
        if name not in plans:
            raise self._wrong(f"plan {name!r} is unknown", f"set plan to one of {', '.join(plans)}")
        default = plans[name]
        self._fill(plan=name, base_url=(self.base_url or default.base_url).rstrip("/"))
        for limit in ("requests_per_minute", "credits_per_month", "history_days"):
            if getattr(self, limit) is None:
                self._fill(**{limit: getattr(default, limit)})
            elif getattr(self, limit) < 1:
                raise self._wrong(f"{limit} is {getattr(self, limit)}", f"set {limit} to 1 or more, or leave it out")
        if not 0 <= self.realtime_share <= 0.9 or self.fallback_processes < 1:
            raise self._wrong(
                f"realtime_share={self.realtime_share}, fallback_processes={self.fallback_processes}",
                "set realtime_share within 0 to 0.9 and fallback_processes to 1 or more",
            )
        check_base_url(self.vendor, self.base_url)
        self._check_key()

    @property
    def key_digest(self) -> str:
        """12 hex digits that tell keys apart without telling the key."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]

    @property
    def is_keyless(self) -> bool:
        return self.plan == "keyless"

    @property
    def is_paid(self) -> bool:
        return self.plan not in {"keyless", "demo"} and (self.vendor, self.plan) != ("polygon", "basic")

    def auth_headers(self) -> dict[str, str]:
        """The one header that carries the key; empty without a key."""
        if self.is_keyless:
            return {}
        if self.vendor == "polygon":
            return {"Authorization": f"Bearer {self.key}"}
        return {"x-cg-pro-api-key" if self.is_paid else "x-cg-demo-api-key": self.key}

    def _check_key(self) -> None:
        if self.is_keyless:
            return
        if not self.key:
            raise self._wrong("the connection has no key", "put the API key into the connection's password field")
        # requests would refuse it too, but with the key in the exception's text.
        if not _PRINTABLE.fullmatch(self.key):
            raise self._wrong("the key has blanks or unprintable characters", "paste the API key again, without blanks")

    def _fill(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _wrong(self, why: str, next_step: str) -> ConfigurationError:
        return ConfigurationError(f"{self.vendor} connection", why, next_step)


def check_base_url(vendor: Vendor, base_url: str) -> None:
    """Raise ConfigurationError unless a key may be sent there."""
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    clean = parts.username is None and parts.password is None and not parts.query and not parts.fragment
    if clean and _PRINTABLE.fullmatch(base_url) and "\\" not in base_url and ".." not in parts.path:
        if parts.scheme == "https" and host in ALLOWED_HOSTS[vendor] and port in {None, 443}:
            return
        if parts.scheme in {"http", "https"} and is_loopback(host) and _allows_loopback():
            return
    raise ConfigurationError(
        f"{vendor} connection",
        "its host is not on the allow-list, and a key must go nowhere else",
        f"use https://{' or https://'.join(sorted(ALLOWED_HOSTS[vendor]))}; for a simulator on this machine set"
        " MARKETDATA_ALLOW_LOOPBACK=1",
    )


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, by name or by a plainly written address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _allows_loopback() -> bool:
    return os.environ.get("MARKETDATA_ALLOW_LOOPBACK") == "1"


def from_airflow(conn_id: str, vendor: Vendor) -> VendorConnection:
    """The Airflow connection ``conn_id``: host is the base URL, password the key, extra the plan and its limits.

    Raises ConfigurationError where there is none. Outside Airflow's own processes its database is not looked into.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return from_fields(vendor, BaseHook.get_connection(conn_id))
    except AirflowNotFoundException:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        raise ConfigurationError(
            f"Airflow connection {conn_id}",
            "there is none",
            f"add it in Airflow (Admin, Connections); for the command line export {variable}",
        ) from None


def from_fields(vendor: Vendor, stored: Connection) -> VendorConnection:
    """The account that an Airflow connection's fields describe; ConfigurationError names the field that is wrong."""
    if stored.conn_type != vendor:
        raise ConfigurationError(
            f"Airflow connection {stored.conn_id}",
            f"its type is {stored.conn_type!r}",
            f"make it a connection of type {vendor!r}",
        )
    extra: Mapping[str, Any] = stored.extra_dejson
    percent = _number(stored.conn_id, extra, "realtime_percent")
    return VendorConnection(
        vendor,
        base_url=_base_url(stored),
        key=stored.password or "",
        plan=str(extra.get("plan") or ""),
        requests_per_minute=_number(stored.conn_id, extra, "requests_per_minute"),
        credits_per_month=_number(stored.conn_id, extra, "credits_per_month"),
        history_days=_number(stored.conn_id, extra, "history_days"),
        realtime_share=0.1 if percent is None else percent / 100,
        fallback_processes=_number(stored.conn_id, extra, "fallback_processes") or 8,
    )


def _base_url(stored: Connection) -> str:
    host = stored.host or ""
    if not host or "://" in host:
        return host
    port = f":{stored.port}" if stored.port else ""
    return f"{stored.schema or 'https'}://{host}{port}"


def _number(conn_id: str, extra: Mapping[str, Any], name: str) -> int | None:
    value = extra.get(name)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"Airflow connection {conn_id}",
            f"{name} in its extra is no whole number",
            f"set {name} to a number like 5, or leave it out",
        ) from None


def mask_key(connection: VendorConnection) -> None:
    """Have Airflow mask the key in every log, as it is and as a URL would carry it."""
    if not connection.key:
        return
    from airflow.sdk.log import mask_secret

    mask_secret(connection.key)
    mask_secret(quote(connection.key, safe=""))
