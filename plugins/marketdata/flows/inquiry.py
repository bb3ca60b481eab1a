"""Asks for reference data: each call is noted, what it cost is kept, and a failure is an answer like any other.

What to ask next depends on the answers before, so nothing is planned; the calls of one run still stand in its record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar

from marketdata.domain.planner import CallKind, PlannedCall, Purpose
from marketdata.errors import KeyRejected, NotEntitled, RateLimited, VendorError
from marketdata.flows.entitled import Capability
from marketdata.flows.facts import facts_of
from marketdata.flows.services import Services
from marketdata.hooks.answer import Answer
from marketdata.hooks.quota import rates_of
from marketdata.storage.calls import Call
from marketdata.storage.connection import Connection
from marketdata.storage.failures import fail_call
from marketdata.storage.reference_calls import Brought, add_warnings, finish_call, open_call

log = logging.getLogger(__name__)

T = TypeVar("T")

# Calls about single companies stop after so long at the plan's pace; what is left waits for the next run.
_MINUTES = 20

_CAPABILITY: dict[CallKind, Capability] = {
    CallKind.TICKERS: "tickers",
    CallKind.TICKER_DETAILS: "ticker_details",
    CallKind.TICKER_EVENTS: "ticker_events",
    CallKind.SPLITS: "splits",
    CallKind.DIVIDENDS: "dividends",
}


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """A call that was answered: what it brought is stored, and the call closed, by ``keep`` of the inquiry."""

    call: Call
    answer: Answer[T]


@dataclass(slots=True)
class Inquiry:
    """The questions of one run. ``today`` is New York's. ``counts`` is what the run reports besides its calls."""

    services: Services
    run_id: int
    now: datetime
    today: date
    counts: dict[str, int] = field(default_factory=dict)
    _left: int | None = field(default=None, init=False)
    _told: set[CallKind] = field(default_factory=set, init=False)

    def ask(
        self,
        kind: CallKind,
        question: Callable[[], Answer[T]],
        *,
        asset_id: int | None = None,
        symbol: str | None = None,
        first: date | None = None,
        last: date | None = None,
        purpose: Purpose = "reference",
    ) -> Asked[T] | VendorError | None:
        """The answer to one call, or the error that stands in its record; None where the plan is known not to give it.

        Raises KeyRejected, after which no other call makes sense, and RateLimited for a pause that is too long to wait.
        """
        planned = PlannedCall(kind, "polygon", asset_id, symbol, first or self.today, last or self.today, purpose)
        if not self.allows(kind):
            self._tell_once(kind)
            return None
        call = self.services.warehouse.transact(open_call, self.run_id, planned)
        try:
            return Asked(call, question())
        except RateLimited:
            raise
        except VendorError as error:
            self._record(call, error)
            if isinstance(error, KeyRejected):
                raise
            return error

    def allows(self, kind: CallKind) -> bool:
        """Whether the plan gives this kind of answer, as far as is known."""
        capability = _CAPABILITY.get(kind)
        return capability is None or self.services.polygon_key.allows(capability, self.today)

    def has_time_for_one(self) -> bool:
        """Whether one more call about a single company fits into the run; it is counted as made."""
        if self._left is None:
            rate = rates_of(self.services.polygon.get_conn().connection)[-1]
            self._left = int(_MINUTES * 60 / rate.seconds * max(1, rate.amount - rate.reserve))
        self._left -= 1
        if self._left == -1:
            self.warn(f"polygon: no more than {_MINUTES} minutes for single companies; the next run goes on")
        return self._left >= 0

    def keep(
        self, asked: Asked[T], store: Callable[[Connection], Brought] | None = None, *, warnings: Sequence[str] = ()
    ) -> Brought:
        """Store what an answer brought and close its call, in one transaction."""
        facts = facts_of(asked.answer, warnings=warnings)

        def keep(connection: Connection) -> Brought:
            brought = store(connection) if store else Brought()
            finish_call(connection, asked.call, facts, asked.answer.received_at, brought)
            return brought

        brought = self.services.warehouse.transact(keep)
        for warning in (*facts.warnings, *brought.warnings):
            log.warning("%s call_id=%d", warning, asked.call.call_id)
        return brought

    def warn(self, *warnings: str) -> None:
        """Add to what the run warns of."""
        for warning in warnings:
            log.warning("%s run_id=%d", warning, self.run_id)
        self.services.warehouse.transact(add_warnings, self.run_id, warnings)

    def count(self, name: str, by: int = 1) -> None:
        """Count something that the run reports."""
        self.counts[name] = self.counts.get(name, 0) + by

    def _record(self, call: Call, error: VendorError) -> None:
        log.error("failed label=%s kind=%s call_id=%d %s", call.label, error.kind, call.call_id, error)
        self.services.warehouse.transact(fail_call, call, error)
        capability = _CAPABILITY.get(call.kind)
        if capability and isinstance(error, NotEntitled) and error.scope == "endpoint":
            self.services.polygon_key.learn_refusal(capability, self.today, str(error))

    def _tell_once(self, kind: CallKind) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self.warn(f"polygon: the plan does not give {kind.value.replace('_', ' ')}; asked again after a week")


def named(symbols: Sequence[str], most: int = 10) -> str:
    """Symbols as a text that stays short."""
    more = f" and {len(symbols) - most} more" if len(symbols) > most else ""
    return ", ".join(symbols[:most]) + more
