"""Judges what one vendor's realtime feeds bring: latest prices, prices that stand still, and the session's hours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.judgement import FeedFreshness, Level, Stale
from marketdata.domain.trading_time import Instants, TradingTime, as_datetime, instant64

if TYPE_CHECKING:
    from marketdata.domain.bars import Vendor
    from marketdata.domain.freshness_facts import FeedFacts, FreshnessFacts
    from marketdata.domain.stale_limits import Limit, Limits, Subject

Mask = NDArray[np.bool_]
Ages = NDArray[np.float64]

TAIL = timedelta(minutes=5)
"""How long after the close prices and hours are still judged, with the ages that they had at the close."""

_MANY = 10
"""So many assets at least, and half of all, are the feed's own trouble and not theirs."""

_HOURLY_CADENCE = 10
_NOBODY: Mask = np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one subject is. ``unheard``: which of the active assets are over the limit; empty where none was judged."""

    feed: FeedFreshness
    stale: tuple[Stale, ...] = ()
    unheard: Mask = field(default_factory=lambda: _NOBODY)


@dataclass(frozen=True, slots=True)
class Market:
    """One vendor's share of the facts, the hours in which it trades, and the instant of judging.

    ``followed`` and ``active`` are places in the columns. ``is_judged``: the market is open, or closed a moment ago.
    ``minutes_open``: trading minutes since the newest open; without end around the clock.
    """

    vendor: Vendor
    facts: FreshnessFacts
    limits: Limits
    time: TradingTime
    now: datetime
    followed: NDArray[np.intp]
    active: NDArray[np.intp]
    is_judged: bool
    minutes_open: float

    @classmethod
    def of(cls, vendor: Vendor, facts: FreshnessFacts, limits: Limits, time: TradingTime, now: datetime) -> Market:
        """The vendor's assets among all."""
        ours = facts.is_coin == (vendor == "coingecko")
        opened_at = time.opened_at(now)
        return cls(
            vendor,
            facts,
            limits,
            time,
            now,
            followed=np.flatnonzero(ours),
            active=np.flatnonzero(ours & facts.is_active),
            is_judged=time.is_open(now, tail=TAIL),
            minutes_open=np.inf if opened_at is None else time.minutes_since(opened_at, now),
        )

    def feed(self, name: Literal["latest", "hourly"]) -> FeedFacts | None:
        """How the vendor is asked; None where nothing is to be expected of it."""
        found = [each for each in self.facts.feeds if (each.vendor, each.feed) == (self.vendor, name)]
        return found[0] if found and found[0].way != "none" and len(self.active) else None

    def ages(self, instants: Instants) -> Ages:
        """Trading minutes from each instant until now; NaN for NaT."""
        return self.time.minutes(instants, self.now)

    def last_heard(self, feed: FeedFacts, heard: Instants, *, always: bool) -> np.datetime64:
        """When a feed was last heard of, by its assets, and by its answered calls where these say nothing or ``always``
        count; where it never was, the time since which its first asset waits.
        """
        known = heard[~np.isnat(heard)]
        if feed.heard_at is not None and (always or not len(known)):
            known = np.append(known, instant64(feed.heard_at))
        newest: np.datetime64 = known.max() if len(known) else self.facts.created_at[self.active].min()
        return newest

    def feed_freshness(
        self, subject: Subject, level: Level, newest: np.datetime64 | None = None, *, stale: int = 0
    ) -> FeedFreshness:
        """The line of a subject of this market."""
        assets = len(self.followed if subject == "daily" else self.active)
        newest_at = None if newest is None else as_datetime(newest)
        age = 0.0 if newest_at is None else self.time.minutes_since(newest_at, self.now)
        return FeedFreshness(self.vendor, subject, level, newest_at, age, assets, stale)

    def names(self, chosen: Mask) -> tuple[str, ...]:
        """The symbols of some of the active assets, ascending."""
        return tuple(sorted(self.facts.symbols[self.active[chosen]].tolist()))


def judge_latest(market: Market) -> Verdict:
    """Whether the vendor is heard of, and which assets it leaves out while it is.

    An asset that it names without a price, because it has not traded yet today, is heard of. A stock that never had a
    price leaves no trace of that. It counts as quiet, when its time has come, or where it never had a daily bar either
    as left out: the vendor does not know it, or not under this symbol.
    """
    feed = market.feed("latest")
    facts, chosen = market.facts, market.active
    heard, created = facts.heard_at[chosen], facts.created_at[chosen]
    newest = _newest(heard)
    if feed is None:
        return Verdict(market.feed_freshness("latest", "none", newest))
    if not market.is_judged:
        return Verdict(market.feed_freshness("latest", "closed", newest))
    allowance = 2.0 * (feed.cadence_minutes - 1)
    since = np.fmax(heard, created)
    ages = market.ages(since)
    last = market.last_heard(feed, heard, always=False)
    due = None
    if market.vendor == "polygon":
        due = ~np.isnat(heard)
        ages[~due & ~(facts.is_unknown[chosen] & (ages > market.limits.quiet.warn))] = 0
    return _verdict(market, "latest", market.limits.latest, allowance, last, since, ages, due=due)


def judge_quiet(market: Market, latest: Verdict) -> Verdict:
    """Which assets the vendor names while their own price stands still: halted, or a dead coin. Warns only."""
    feed = market.feed("latest")
    if feed is None:
        return Verdict(market.feed_freshness("quiet", "none"))
    facts, chosen = market.facts, market.active
    priced = facts.priced_at[chosen]
    newest = _newest(priced)
    if latest.feed.level == "closed" or latest.unheard.all():
        return Verdict(market.feed_freshness("quiet", "closed", newest))
    since = np.fmax(priced, facts.created_at[chosen])
    ages = market.ages(since)
    limit = market.limits.quiet.warn + 2.0 * (feed.cadence_minutes - 1) + feed.delay_seconds / 60
    still = (ages > limit) & ~latest.unheard
    if not still.any():
        return Verdict(market.feed_freshness("quiet", "fresh", newest))
    return _of_assets(market, "quiet", "warn", limit, newest, since, ages, still)


def judge_hourly(market: Market) -> Verdict:
    """Whether hours are still written, and which assets have prices of an hour that was not begun.

    Where hours come from the vendor, single assets are not judged: an odd lot has a price and makes no bar.
    """
    feed = market.feed("hourly")
    facts, chosen = market.facts, market.active
    fetched = facts.hour_fetched_at[chosen]
    if feed is None:
        return Verdict(market.feed_freshness("hourly", "none", _newest(fetched)))
    last = market.last_heard(feed, fetched, always=True)
    if not market.is_judged:
        return Verdict(market.feed_freshness("hourly", "closed", last))
    allowance = feed.delay_seconds / 60 + 2.0 * max(0, feed.cadence_minutes - _HOURLY_CADENCE)
    unwritten = facts.unwritten_at[chosen]
    ages = market.ages(unwritten)  # NaN, which is above no limit, where all prices are in hours
    due = ~np.isnat(unwritten) | ~np.isnat(facts.hour_at[chosen])
    named = feed.way == "minute_prices"
    return _verdict(market, "hourly", market.limits.hourly, allowance, last, unwritten, ages, due=due, named=named)


def _verdict(
    market: Market,
    subject: Subject,
    limit: Limit,
    allowance: float,
    last: np.datetime64,
    since: Instants,
    ages: Ages,
    *,
    due: Mask | None = None,
    named: bool = True,
) -> Verdict:
    """One rule for feeds: stale as a whole by ``last``, or by most of the assets of which something is ``due``; else by
    those of its assets that are older than the limit, where they are ``named`` at all.
    """
    warn = limit.warn + allowance
    over = ages > warn
    heard_at = as_datetime(last)
    age = np.inf if heard_at is None else market.time.minutes_since(heard_at, market.now)
    if market.minutes_open <= warn:
        waits = age > warn or bool(over.any())
        return Verdict(market.feed_freshness(subject, "closed" if waits else "fresh", last), unheard=over)
    expected = len(over) if due is None else int(due.sum())
    count = int(over.sum() if due is None else (over & due).sum())
    if age > warn:
        return _of_feed(market, subject, limit, allowance, last, age, last, np.ones(len(over), dtype=np.bool_))
    if count and (count == expected or (count >= _MANY and 2 * count >= expected)):
        start = since[over].max()
        return _of_feed(market, subject, limit, allowance, start, float(ages[over].min()), last, over)
    if not named or not over.any():
        return Verdict(market.feed_freshness(subject, "fresh", last), unheard=np.zeros(len(over), dtype=np.bool_))
    level = limit.level(float(ages[over].max()), allowance)
    return _of_assets(market, subject, level, _exceeded(limit, level, allowance), last, since, ages, over)


def _of_feed(
    market: Market,
    subject: Subject,
    limit: Limit,
    allowance: float,
    since: np.datetime64,
    age: float,
    newest: np.datetime64,
    unheard: Mask,
) -> Verdict:
    """The feed is stale as a whole; its assets are counted and not named."""
    level = limit.level(age, allowance)
    since_at = as_datetime(since)
    if level == "fresh" or since_at is None:
        raise ValueError(f"{market.vendor} {subject} is not stale")
    limit_minutes = _exceeded(limit, level, allowance)
    stale = Stale(subject, market.vendor, level, "feed", (), since_at, age, limit_minutes)
    return Verdict(market.feed_freshness(subject, level, newest, stale=int(unheard.sum())), (stale,), unheard)


def _of_assets(
    market: Market,
    subject: Subject,
    level: Literal["fresh", "warn", "error"],
    limit_minutes: float,
    newest: np.datetime64 | None,
    since: Instants,
    ages: Ages,
    chosen: Mask,
) -> Verdict:
    """Some assets are stale, as old as the oldest of them."""
    since_at = as_datetime(since[chosen].min())
    if level == "fresh" or since_at is None:
        raise ValueError(f"no asset of {market.vendor} {subject} is stale")
    age = float(ages[chosen].max())
    stale = Stale(subject, market.vendor, level, "assets", market.names(chosen), since_at, age, limit_minutes)
    return Verdict(market.feed_freshness(subject, level, newest, stale=int(chosen.sum())), (stale,), chosen)


def _exceeded(limit: Limit, level: str, allowance: float) -> float:
    """The limit that a level means, in minutes."""
    return allowance + (limit.error if level == "error" and limit.error is not None else limit.warn)


def _newest(instants: Instants) -> np.datetime64 | None:
    known = instants[~np.isnat(instants)]
    return known.max() if len(known) else None
