"""What a vendor key may ask for: found out from answers, remembered in the database, never hard-coded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from marketdata.storage.entitlements import PROBE_ANEW_AFTER, Entitlement, find_entitlements, learn

if TYPE_CHECKING:
    from marketdata.hooks.connection import VendorConnection
    from marketdata.storage.warehouse import Warehouse

_LONGEST_NOTE = 300

Capability = Literal[
    "market_day",
    "coin_ohlc",
    "daily_history",
    "tickers",
    "ticker_details",
    "ticker_events",
    "splits",
    "dividends",
    "snapshot",
    "last_trade",
    "minute_bars",
]


@dataclass(slots=True)
class Entitled:
    """What is known of one key. Read once and kept as long as the task: another task's news costs a probe at most."""

    warehouse: Warehouse
    connection: VendorConnection
    _found: dict[str, Entitlement] | None = field(default=None, init=False)

    def allows(self, capability: Capability, on: date) -> bool:
        """Whether it is worth asking on the day ``on``: everything is, until it was refused."""
        found = self._fresh(capability, on)
        return found is None or found.allowed

    def earliest(self, on: date) -> date | None:
        """The first day that the daily history reaches, seen from ``on``: its window moves. None for no known limit."""
        found = self._fresh("daily_history", on)
        if found is None or found.earliest is None:
            return None
        return found.earliest + (on - found.learnt_on)

    def earliest_remembered(self, on: date) -> date | None:
        """The same, however long ago it was found out: good enough to leave out calls, not to prove anything."""
        found = self._known().get("daily_history")
        if found is None or found.earliest is None:
            return None
        return found.earliest + (on - found.learnt_on)

    def learn_no_limit(self, on: date, note: str) -> None:
        """Remember that the daily history reaches back as far as was asked."""
        self._learn(Entitlement("daily_history", True, None, on, note[:_LONGEST_NOTE]))

    def learn_earliest(self, earliest: date, on: date, note: str) -> None:
        """Remember the first day that the daily history reaches."""
        self._learn(Entitlement("daily_history", True, earliest, on, note[:_LONGEST_NOTE]))

    def learn_refusal(self, capability: Capability, on: date, note: str) -> None:
        """Remember that the key may not use ``capability``."""
        self._learn(Entitlement(capability, False, None, on, note[:_LONGEST_NOTE]))

    def _fresh(self, capability: Capability, on: date) -> Entitlement | None:
        found = self._known().get(capability)
        return found if found is not None and on - found.learnt_on < PROBE_ANEW_AFTER else None

    def _known(self) -> dict[str, Entitlement]:
        if self._found is None:
            self._found = self.warehouse.transact(find_entitlements, self.connection.vendor, self.connection.key_digest)
        return self._found

    def _learn(self, learnt: Entitlement) -> None:
        self.warehouse.transact(learn, self.connection.vendor, self.connection.key_digest, learnt)
        self._found = None
