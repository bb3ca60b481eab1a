"""Which way a vendor is asked for present prices, and how often: decided from what its plan gives, kept, said once.

The ways to a stock's price, best first: one snapshot of all of them, the last trade of each, the last minute of each,
none. What the plan refuses is learnt by asking, and asked anew after a week.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from marketdata.domain.bars import Asset, Vendor
from marketdata.domain.cadence import Cadence, FeedName, Way, choose_cadence, parts_of, still_fits
from marketdata.flows.entitled import Capability
from marketdata.flows.realtime.ticking import Tick
from marketdata.hooks.coingecko_prices import price_calls
from marketdata.hooks.quota import rates_of
from marketdata.storage.feeds import Feed, keep_feed, note_asked

if TYPE_CHECKING:
    from marketdata.hooks.connection import VendorConnection


class _Limits(TypedDict):
    per_tick: int
    credits_left: int | None
    now: datetime
    around_the_clock: bool


DELAY_SECONDS = 900
"""What a vendor's mark DELAYED means."""

MOST_CALLS_A_TICK = 80
"""So many calls, one after the other, end within a tick."""

CAPABILITY: dict[Way, Capability] = {
    "snapshot": "snapshot",
    "last_trade": "last_trade",
    "minute_bar": "minute_bars",
    "half_hours": "minute_bars",
}

_SPOKEN: dict[Way, str] = {
    "snapshot": "one snapshot of all",
    "last_trade": "the last trade of each",
    "minute_bar": "the last minute of each",
    "simple_price": "many coins a call",
    "half_hours": "half hours of each",
    "minute_prices": "what the minute prices give",
}
_BEST: dict[tuple[Vendor, FeedName], tuple[Way, int, int]] = {
    ("polygon", "latest"): ("snapshot", 1, 0),
    ("coingecko", "latest"): ("simple_price", 1, 0),
    ("polygon", "hourly"): ("half_hours", 10, 0),
    ("coingecko", "hourly"): ("minute_prices", 10, 0),
}
"""Way, minutes and delay that need no words."""

_LADDER: tuple[Way, ...] = ("snapshot", "last_trade", "minute_bar")


def decide_latest(tick: Tick, vendor: Vendor, assets: Sequence[Asset]) -> tuple[Feed, Cadence]:
    """How the latest prices of these assets are asked for now, by what is known of the key; nothing is kept yet.

    What was decided stands while plan, number of calls and month are the same and the month's credits last for it.
    """
    connection = tick.key(vendor).connection
    way = _way(tick, vendor)
    if way == "none":
        return _feed(tick, vendor, "latest", way, Cadence(1), f"plan {connection.plan}"), Cadence(1)
    calls = _calls(way, assets)
    note = f"plan {connection.plan}, calls a round: {calls}" + (", around the clock" if tick.around_the_clock else "")
    limits: _Limits = {
        "per_tick": calls_a_tick(connection),
        "credits_left": _credits_left(tick, vendor),
        "now": tick.now,
        "around_the_clock": tick.around_the_clock,
    }
    kept = tick.feeds.get((vendor, "latest"))
    is_same = kept is not None and (kept.way, kept.note) == (way, note)
    if kept and is_same and still_fits(kept.cadence_minutes, calls, decided_at=kept.decided_at, **limits):
        return kept, Cadence(kept.cadence_minutes, parts_of(calls, limits["per_tick"]))
    cadence = choose_cadence(calls, **limits)
    return _feed(tick, vendor, "latest", way, cadence, note), cadence


def calls_a_tick(connection: VendorConnection) -> int:
    """How many calls one tick may make: what batch leaves to realtime in a minute, and what can be made in time."""
    return max(1, min(rates_of(connection)[-1].reserve, MOST_CALLS_A_TICK))


def keep(tick: Tick, feed: Feed, *, is_asked: bool = True) -> None:
    """Remember how a vendor is asked, and that it was; a decision that is new is said once."""
    warehouse = tick.services.warehouse
    kept = tick.feeds.get((feed.vendor, feed.feed))
    if is_asked:
        feed = replace(feed, last_asked_at=tick.now)
    if kept is not None and _terms(feed) == _terms(kept):
        if is_asked:
            warehouse.transact(note_asked, feed.vendor, feed.feed, tick.now)
    else:
        warehouse.transact(keep_feed, replace(feed, decided_at=tick.now))
        tick.warn(*_said(feed, kept, tick.key(feed.vendor).connection.plan))
    tick.feeds[feed.vendor, feed.feed] = feed


def keep_failed(tick: Tick, feed: Feed) -> None:
    """Remember that a vendor was asked and did not answer; a way that nobody has seen work replaces no other."""
    kept = tick.feeds.get((feed.vendor, feed.feed))
    keep(tick, feed if kept is None or kept.way == feed.way else kept)


def decide(tick: Tick, vendor: Vendor, name: FeedName, way: Way, minutes: int, *, delay: int) -> Feed:
    """A way that needs no reckoning."""
    feed = _feed(tick, vendor, name, way, Cadence(minutes), f"plan {tick.key(vendor).connection.plan}")
    return replace(feed, delay_seconds=delay)


def _way(tick: Tick, vendor: Vendor) -> Way:
    """The best way that the plan is not known to refuse."""
    if vendor == "coingecko":
        return "simple_price"
    key, on = tick.key(vendor), tick.today(vendor)
    return next((way for way in _LADDER if key.allows(CAPABILITY[way], on)), "none")


def _calls(way: Way, assets: Sequence[Asset]) -> int:
    if way == "snapshot":
        return 1
    if way == "simple_price":
        return price_calls([asset.vendor_symbol for asset in assets])
    return len(assets)


def _credits_left(tick: Tick, vendor: Vendor) -> int | None:
    """What realtime may still spend this month; the whole month's where Redis is away, None where none are counted."""
    hook = tick.hook(vendor)
    if hook.connection.credits_per_month is None:
        return None
    left = hook.quota.left("realtime").credits
    return hook.connection.credits_per_month if left is None else left


def _feed(tick: Tick, vendor: Vendor, name: FeedName, way: Way, cadence: Cadence, note: str) -> Feed:
    """A decision of now. The delay is that of the answers so far."""
    kept = tick.feeds.get((vendor, name))
    delay, asked_at = (kept.delay_seconds, kept.last_asked_at) if kept else (0, None)
    return Feed(vendor, name, way, cadence.minutes, delay, note, tick.now, asked_at)


def _terms(feed: Feed) -> tuple[object, ...]:
    """What a decision is about; a new month, too, is one."""
    decided = feed.decided_at.astimezone(UTC)
    return feed.way, feed.cadence_minutes, feed.delay_seconds, feed.note, decided.year, decided.month


def _said(feed: Feed, kept: Feed | None, plan: str) -> list[str]:
    """In words what differs from before or, the first time, from the best there is."""
    before = _figures(kept) if kept else _BEST[feed.vendor, feed.feed]
    way, minutes, delay = _figures(feed)
    about = f"{feed.vendor}: the plan {plan}"
    if way == "none":
        is_news = feed.feed == "latest" and before[0] != "none"
        return [f"{about} has no intraday prices; the close comes with historical_daily"] if is_news else []
    lines = []
    if (way, minutes) != before[:2]:
        pace = "every minute" if minutes == 1 else f"every {minutes} minutes"
        lines.append(f"{about} allows {_SPOKEN[way]}, {pace}")
    if delay != before[2] and feed.feed == "latest":
        lines.append(f"{about} gives prices {f'{delay // 60} minutes late' if delay else 'without delay'}")
    return lines


def _figures(feed: Feed) -> tuple[Way, int, int]:
    return feed.way, feed.cadence_minutes, feed.delay_seconds
