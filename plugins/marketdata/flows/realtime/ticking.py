"""One tick of a realtime DAG: its run, its hours, the calls that it makes at the vendors and what they cost.

Nothing is planned beforehand. Each vendor call is noted before it is made, a failure is kept like any other answer, and
whatever one vendor does, the other is asked all the same (promise P4).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from marketdata import settings
from marketdata.domain.bars import Asset, Vendor
from marketdata.domain.cadence import FeedName, is_trading
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.domain.sessions import new_york_date, today
from marketdata.errors import NotEntitled, NotYet, VendorError
from marketdata.flows.entitled import Entitled
from marketdata.flows.inquiry import named
from marketdata.flows.services import Services
from marketdata.hooks.answer import Answer
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.polygon import PolygonHook
from marketdata.storage import runs
from marketdata.storage.calls import Call
from marketdata.storage.failures import fail_call, supersede_call
from marketdata.storage.feeds import Feed, find_feeds
from marketdata.storage.prices import find_active
from marketdata.storage.reference_calls import add_warnings, open_call
from marketdata.storage.runs import RunReport

log = logging.getLogger(__name__)

T = TypeVar("T")

VENDORS: tuple[Vendor, ...] = ("polygon", "coingecko")

_SILENT_FOR = timedelta(minutes=30)
"""A tick that has not closed its record by then never will: Airflow ends it after 9 minutes at most."""

_LATE_AFTER = 2
"""So many intervals after its instant a tick is late: it is about the market as it is now."""

_REFUSED = (NotEntitled, NotYet)
"""What a plan without prices of today says: it does not give them, or not before the day's end."""


class Update(Protocol):
    """A realtime flow, as its task calls it."""

    def __call__(
        self, services: Services, *, dag_id: str, airflow_run_id: str, tick: datetime | None, now: datetime
    ) -> RunReport: ...


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """A call that was answered; storing what it brought closes it."""

    call: Call
    answer: Answer[T]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A call that was not answered, for the reason that stands in its record."""

    call: Call
    error: VendorError

    @property
    def is_refusal(self) -> bool:
        """Whether the plan does not give it."""
        return isinstance(self.error, _REFUSED)


@dataclass(slots=True)
class Tick:
    """``at`` is the instant of the schedule, None for a run by hand. ``assets``: the active ones of each vendor."""

    services: Services
    run_id: int
    at: datetime | None
    now: datetime
    every: timedelta
    around_the_clock: bool
    assets: dict[Vendor, list[Asset]]
    feeds: dict[tuple[Vendor, FeedName], Feed]
    _said: set[str] = field(default_factory=set, init=False)

    @property
    def is_late(self) -> bool:
        return self.at is not None and self.now - self.at > _LATE_AFTER * self.every

    @property
    def moment(self) -> datetime:
        """The instant that the tick is about: its own, and if it comes late or by hand, the present minute."""
        if self.at is not None and not self.is_late:
            return self.at
        return self.now.replace(second=0, microsecond=0)

    def is_followed(self, vendor: Vendor) -> bool:
        """Whether the vendor's assets, if there are any, are to be asked for: by hand always, else in market hours."""
        if not self.assets[vendor]:
            return False
        feed = self.feeds.get((vendor, "latest"))
        delay = timedelta(seconds=feed.delay_seconds if feed else 0)
        return self.at is None or is_trading(vendor, self.moment, around_the_clock=self.around_the_clock, delay=delay)

    def hook(self, vendor: Vendor) -> PolygonHook | CoinGeckoHook:
        return self.services.polygon if vendor == "polygon" else self.services.coingecko

    def key(self, vendor: Vendor) -> Entitled:
        return self.services.polygon_key if vendor == "polygon" else self.services.coingecko_key

    def today(self, vendor: Vendor) -> date:
        return today("stock" if vendor == "polygon" else "crypto", self.now)

    def note(self, kind: CallKind, vendor: Vendor, *, asset: Asset | None = None, session: date | None = None) -> Call:
        """Note a call that is about to be made; ``asset`` None: for all of them."""
        day = session or self.today(vendor)
        asset_id, symbol = (asset.asset_id, asset.vendor_symbol) if asset else (None, None)
        planned = PlannedCall(kind, vendor, asset_id, symbol, day, day, "realtime")
        return self.services.warehouse.transact(open_call, self.run_id, planned)

    def ask(self, call: Call, question: Callable[[], Answer[T]]) -> Asked[T] | Unanswered:
        """The answer to a noted call, or the error that is in its record then."""
        try:
            return Asked(call, question())
        except VendorError as error:
            return self.fail(call, error)

    def fail(self, call: Call, error: VendorError) -> Unanswered:
        """Close a call as failed."""
        log.error("failed label=%s kind=%s call_id=%d %s", call.label, error.kind, call.call_id, error)
        self.services.warehouse.transact(fail_call, call, error)
        return Unanswered(call, error)

    def supersede(self, *unanswered: Unanswered) -> None:
        """What was refused is no failure of the run: it is asked for another way, or not at all."""
        for refused in unanswered:
            self.services.warehouse.transact(supersede_call, refused.call)

    def warn(self, *warnings: str) -> None:
        """Add to what the run warns of, each once."""
        new = [warning for warning in dict.fromkeys(warnings) if warning not in self._said]
        self._said.update(new)
        for warning in new:
            log.warning("%s run_id=%d", warning, self.run_id)
        if new:
            self.services.warehouse.transact(add_warnings, self.run_id, new)

    def cached(self, put: Callable[[], object]) -> None:
        """Put something into the cache, after the commit; where it is away the run says so, and nothing is lost."""
        counts = self.services.cache.counts
        before = counts.errors + counts.skipped
        put()
        if counts.errors + counts.skipped > before:
            self.warn("Redis is away or refuses to write: everything is stored, and readers fall back to the database")


def begin(
    services: Services, *, dag_id: str, airflow_run_id: str, tick: datetime | None, now: datetime, every: timedelta
) -> Tick:
    """Open the run of a tick and read what is active and how each vendor is asked."""
    warehouse = services.warehouse
    run_id = warehouse.transact(
        runs.open_run, dag_id, airflow_run_id, "1D", None, new_york_date(now), silent_for=_SILENT_FOR
    )
    active = warehouse.transact(find_active)
    warehouse.transact(runs.save_plan, run_id, [], assets=len(active))
    assets: dict[Vendor, list[Asset]] = {vendor: [] for vendor in VENDORS}
    for asset in active:
        assets[asset.vendor].append(asset)
    found = Tick(
        services, run_id, tick, now, every, settings.crypto_around_the_clock(), assets, warehouse.transact(find_feeds)
    )
    if not active and tick is None:
        found.warn("no asset is active: put some on a watchlist or into the market overview")
    if active and tick is not None and found.is_late and not any(found.is_followed(vendor) for vendor in VENDORS):
        late = (now - tick).total_seconds() / 60
        found.warn(f"the tick of {tick:%Y-%m-%d %H:%M} UTC starts {late:.0f} minutes late, and no market is open")
    return found


def symbols_of(assets: Sequence[Asset]) -> str:
    """The assets' house symbols as a text that stays short."""
    return named(sorted(asset.symbol for asset in assets))
