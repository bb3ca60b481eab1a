"""What a vendor key may ask for: found out from answers, remembered in the database, never hard-coded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

from marketdata.storage.entitlements import Entitlement

if TYPE_CHECKING:
    from marketdata.hooks.connection import VendorConnection
    from marketdata.storage.warehouse import Warehouse

# A key may have moved to a larger plan: knowledge older than this is found out anew.
_PROBE_ANEW_AFTER = timedelta(days=7)

Capability = Literal["market_day", "coin_ohlc", "daily_history"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a key: ``earliest`` is the first day that its daily history reaches, None for no known limit."""

    earliest: date | None = None
    refused: frozenset[str] = field(default_factory=frozenset)

    def allows(self, capability: Capability) -> bool:
        """Whether it is worth asking: everything is, until it was refused."""
        return capability not in self.refused


def known(warehouse: Warehouse, connection: VendorConnection, on: date) -> Known:
    """What is known of the connection's key on the day ``on``. A history window moves on with the days."""
    found = {
        name: entry
        for name, entry in warehouse.entitlements(connection.vendor, connection.key_digest).items()
        if on - entry.learnt_on < _PROBE_ANEW_AFTER
    }
    history = found.get("daily_history")
    earliest = None
    if history is not None and history.earliest is not None:
        earliest = history.earliest + (on - history.learnt_on)
    return Known(earliest, frozenset(name for name, entry in found.items() if not entry.allowed))


def learn_history(warehouse: Warehouse, connection: VendorConnection, earliest: date, on: date, note: str) -> None:
    """Remember the first day that the key's daily history reaches."""
    warehouse.learn(
        connection.vendor, connection.key_digest, Entitlement("daily_history", True, earliest, on, note[:300])
    )


def learn_refusal(
    warehouse: Warehouse, connection: VendorConnection, capability: Capability, on: date, note: str
) -> None:
    """Remember that the key may not use ``capability``."""
    warehouse.learn(connection.vendor, connection.key_digest, Entitlement(capability, False, None, on, note[:300]))
