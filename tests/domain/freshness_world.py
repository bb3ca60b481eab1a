"""A year of ticks as they really come: late by seconds, now and then lost, delayed, of thin stocks; and outages.

Each trading day is played tick by tick for two vendors; what the database would hold is then known at any instant. The
outages are the labels: what is told outside them is false, what is not told inside them is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import Vendor
from marketdata.domain.freshness import FeedFacts, FreshnessFacts, Limits, daily_dues
from marketdata.domain.sessions import expected_through, is_session, session_close, session_open, sessions
from marketdata.domain.trading_time import TradingTime

VENDORS: tuple[Vendor, ...] = ("polygon", "coingecko")
KINDS = ["liquid"] * 12 + ["late"] * 3 + ["hourly"] * 3 + ["noon"] * 3 + ["coin"] * 6
STOCKS, ASSETS = KINDS.count("liquid") + 9, len(KINDS)
SYMBOLS = np.array([f"{kind.upper()}{number}" for number, kind in enumerate(KINDS)], dtype=np.object_)

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = np.iinfo(np.int64).min

Micros = NDArray[np.int64]
Kind = Literal["vendor", "hourly", "assets", "daily", "halt"]


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    """The aware instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=int(at))


@dataclass(frozen=True)
class Outage:
    """From ``start`` up to ``end`` the ``vendors`` bring nothing.

    ``vendor``: nothing at all, so that a daily run at that time fails too. ``hourly``: no hours. ``daily``: the daily
    run is not done. ``assets``: these are left out. A ``halt`` is none: these trade no more, and are quiet one day.
    """

    kind: Kind
    start: datetime
    end: datetime
    vendors: tuple[Vendor, ...]
    assets: tuple[int, ...] = ()

    def covers(self, at: Micros | int) -> NDArray[np.bool_]:
        moments = np.asarray(at)
        return np.asarray((moments >= micros(self.start)) & (moments < micros(self.end)))


@dataclass(frozen=True)
class Plan:
    """What the vendors' plans allow: the stocks' delay, the coins' cadence, and whether daily bars come a day late."""

    delay_minutes: int = 0
    coin_cadence: int = 1
    half_hours: bool = False
    publishes_late: bool = False

    def cadence(self, vendor: Vendor) -> int:
        return self.coin_cadence if vendor == "coingecko" else 1

    def delay(self, vendor: Vendor) -> int:
        return 0 if vendor == "coingecko" else self.delay_minutes * MINUTE

    def builds_hours(self, vendor: Vendor) -> bool:
        return vendor == "coingecko" or not self.half_hours


@dataclass
class World:
    """The database of a system that runs from ``first`` on; ``watches`` plays it and yields what a watch reads."""

    plan: Plan
    outages: list[Outage]
    limits: Limits
    seed: int = 1
    heard: Micros = field(init=False)
    priced: Micros = field(init=False)
    covered: dict[Vendor, date] = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.heard, self.priced = np.full(ASSETS, NEVER), np.full(ASSETS, NEVER)
        self.printed = np.full(ASSETS, NEVER)
        self.hours_heard: dict[Vendor, int] = {}
        self.answered_on: dict[Vendor, date] = {}

    def watches(self, first: date, last: date, *, at_night: bool = True) -> Iterator[tuple[datetime, FreshnessFacts]]:
        """Every watch from ``first`` to ``last``: each five minutes of open hours, at 17:45, and where somebody looks
        at night or on a day off each four hours.
        """
        before, eve = sessions(first - timedelta(days=10), first - timedelta(days=1))[-2:]
        for column in (self.heard, self.priced, self.printed):
            column[:] = micros(session_close(eve))
        self.covered = {"polygon": before, "coingecko": expected_through("crypto", self._due(before))}
        self._run_daily(eve)
        day = first
        while day <= last:
            if is_session(day):
                yield from self._session(day)
                self._run_daily(day)
            for offset in self._other_looks(day, at_night=at_night):
                yield self._facts_at(offset)
            day += timedelta(days=1)

    def _other_looks(self, day: date, *, at_night: bool) -> list[int]:
        """17:45 New York of a session, then each four hours up to the next day's morning."""
        midnight = micros(datetime(day.year, day.month, day.day, tzinfo=UTC))
        open_at = micros(session_open(day)) if is_session(day) else midnight + 14 * HOUR
        looks = [open_at + 8 * HOUR + 15 * MINUTE] if is_session(day) else []
        if at_night:
            looks += [open_at + hours * HOUR + 30 * MINUTE for hours in range(10 if looks else 0, 22, 4)]
        return looks

    def _session(self, day: date) -> Iterator[tuple[datetime, FreshnessFacts]]:
        """Play one trading day; yields its watches of open hours, and on an early close those of its afternoon."""
        opens, closes = micros(session_open(day)), micros(session_close(day))
        seen = [self._play(vendor, opens, closes) for vendor in VENDORS]
        afternoon = np.arange(closes + 30 * MINUTE, opens + 8 * HOUR, 30 * MINUTE)
        looks = np.append(np.arange(opens, closes + 1, 5 * MINUTE), afternoon)
        jitter = self.random.integers(0, 20 * SECOND, len(looks))
        for look in looks + jitter:
            for played in seen:
                played.show(int(look))
            yield self._facts_at(int(look))
        for played in seen:
            played.show(closes + HOUR)

    def _facts_at(self, at: int) -> tuple[datetime, FreshnessFacts]:
        now = instant(at)
        dues = daily_dues(now, self.limits)
        is_coin = np.arange(ASSETS) >= STOCKS
        covered = np.where(is_coin, np.datetime64(self.covered["coingecko"]), np.datetime64(self.covered["polygon"]))
        answered = np.full(ASSETS, False)
        if self.answered_on.get("polygon") == dues["polygon"].session:
            answered |= ~is_coin
        today = self._today(now)
        blank = np.full(ASSETS, NEVER)
        hour_at = self.hour_at if today else blank
        unwritten = self.unwritten if today else blank
        facts = FreshnessFacts(
            asset_ids=np.arange(ASSETS),
            symbols=SYMBOLS,
            is_coin=is_coin,
            is_active=np.full(ASSETS, True),
            created_at=np.full(ASSETS, micros(datetime(2020, 1, 1, tzinfo=UTC))).view("datetime64[us]"),
            priced_at=self.priced.copy().view("datetime64[us]"),
            heard_at=self.heard.copy().view("datetime64[us]"),
            hour_at=hour_at.copy().view("datetime64[us]"),
            hour_fetched_at=blank.view("datetime64[us]"),
            unwritten_at=unwritten.copy().view("datetime64[us]"),
            covered_to=covered.astype("datetime64[D]"),
            is_due=np.full(ASSETS, True),
            is_answered=answered,
            is_unknown=np.full(ASSETS, False),
            feeds=tuple(self._feeds()),
            dues=dues,
        )
        return now, facts

    def _today(self, now: datetime) -> bool:
        opened_at = TradingTime.of_exchange(now).opened_at(now)
        return opened_at is not None and micros(opened_at) == self.opened

    def _feeds(self) -> Iterator[FeedFacts]:
        for vendor in VENDORS:
            delay = self.plan.delay(vendor) // SECOND
            yield FeedFacts(vendor, "latest", "snapshot", self.plan.cadence(vendor), delay)
            heard = self.hours_heard.get(vendor)
            way = "minute_prices" if self.plan.builds_hours(vendor) else "half_hours"
            yield FeedFacts(vendor, "hourly", way, 10, delay, None if heard is None else instant(heard))

    def _run_daily(self, day: date) -> None:
        """The daily run of a session, unless something keeps it from being done."""
        due = self._due(day)
        for vendor in VENDORS:
            if any(
                outage.kind in {"vendor", "daily"} and vendor in outage.vendors and outage.covers(micros(due))
                for outage in self.outages
            ):
                continue
            newest = expected_through("stock" if vendor == "polygon" else "crypto", due)
            if vendor == "polygon" and self.plan.publishes_late:
                self.answered_on[vendor] = newest
                newest = sessions(day - timedelta(days=10), day - timedelta(days=1))[-1]
            self.covered[vendor] = newest

    def _due(self, day: date) -> datetime:
        return session_open(day) + timedelta(hours=7)  # 16:30: no clock changes on a trading day

    def _play(self, vendor: Vendor, opens: int, closes: int) -> Played:
        """All ticks of a vendor on one day: when each was done, and what it brought."""
        self.opened = opens
        self.hour_at, self.unwritten = np.full(ASSETS, NEVER), np.full(ASSETS, NEVER)
        assets = np.arange(STOCKS) if vendor == "polygon" else np.arange(STOCKS, ASSETS)
        ticks, done, worked = self._ticks(vendor, opens, closes, self.plan.cadence(vendor), ("vendor",))
        named = np.repeat(worked[:, None], len(assets), axis=1)
        newest = np.empty((len(ticks), len(assets)), dtype=np.int64)
        prints = [self._prints(int(asset), opens, closes) for asset in assets]
        for place, asset in enumerate(assets.tolist()):
            known = np.append(self.printed[asset], prints[place])
            newest[:, place] = known[np.searchsorted(prints[place], ticks - self.plan.delay(vendor), side="right")]
            self.printed[asset] = known[-1]
            for outage in self.outages:
                if outage.kind == "assets" and asset in outage.assets:
                    named[:, place] &= ~outage.covers(ticks)
        stopped_by = ("hourly",) if self.plan.builds_hours(vendor) else ("vendor", "hourly")
        _, hours_done, hours_worked = self._ticks(vendor, opens, closes, 10, stopped_by)
        return Played(
            self,
            vendor,
            opens=opens,
            closes=closes,
            done=done,
            named=named,
            newest=newest,
            hours_done=hours_done[hours_worked],
        )

    def _ticks(
        self, vendor: Vendor, opens: int, closes: int, minutes: int, stopped_by: tuple[str, ...]
    ) -> tuple[Micros, Micros, NDArray[np.bool_]]:
        """Instants of the ticks, when each was done, and which of them worked. A lost tick is followed by one that is
        not.
        """
        ticks = np.arange(opens, closes + 1, minutes * MINUTE)
        lost = self.random.random(len(ticks)) < 0.01
        lost[1:] &= ~lost[:-1]
        worked = ~lost
        for outage in self.outages:
            if outage.kind in stopped_by and vendor in outage.vendors:
                worked &= ~outage.covers(ticks)
        return ticks, ticks + self.random.integers(SECOND, 40 * SECOND, len(ticks)), worked

    def _prints(self, asset: int, opens: int, closes: int) -> Micros:
        """The instants at which an asset trades on one day, ascending."""
        random, length = self.random, closes - opens
        match KINDS[asset]:
            case "liquid":
                prints = opens + random.integers(0, length, 1200)
            case "late":
                prints = opens + 20 * MINUTE + random.integers(0, length - 20 * MINUTE, 120)
            case "hourly":
                prints = np.arange(opens + HOUR // 2, closes, HOUR) + random.integers(-10, 10, 1) * MINUTE
            case "noon":
                prints = np.array([opens + 150 * MINUTE + random.integers(-25, 25) * MINUTE])
            case _:
                prints = opens - DAY // 2 + random.integers(0, DAY // 2 + length, 2400)
        prints = np.sort(prints)
        for outage in self.outages:
            if outage.kind == "halt" and asset in outage.assets:
                prints = prints[~outage.covers(prints)]
        return prints


class Played:
    """One vendor's day, tick by tick: when each was ``done``, whom it ``named``, and the own times of its prices."""

    def __init__(
        self,
        world: World,
        vendor: Vendor,
        *,
        opens: int,
        closes: int,
        done: Micros,
        named: NDArray[np.bool_],
        newest: Micros,
        hours_done: Micros,
    ) -> None:
        self.world, self.vendor, self.opens, self.closes = world, vendor, opens, closes
        self.assets = slice(0, STOCKS) if vendor == "polygon" else slice(STOCKS, ASSETS)
        self.done, self.hours_done = done, hours_done
        self.heard = _so_far(np.where(named, done[:, None], NEVER), world.heard[self.assets])
        self.priced = _so_far(np.where(named, newest, NEVER), world.priced[self.assets])
        built = world.plan.builds_hours(vendor)
        self.in_hours = self.priced if built else _so_far(newest, world.priced[self.assets])
        self.anchor = opens if vendor == "polygon" else opens - opens % HOUR

    def show(self, at: int) -> None:
        """Bring the world's columns to what is stored at an instant of the day."""
        world, ticks = self.world, int(self.done.searchsorted(at, side="right"))
        world.heard[self.assets], world.priced[self.assets] = self.heard[ticks], self.priced[ticks]
        hour_at = np.full(self.heard.shape[1], NEVER)
        written = int(self.hours_done.searchsorted(at, side="right"))
        if written:
            last = int(self.hours_done[written - 1])
            world.hours_heard[self.vendor] = last
            known = self.in_hours[int(self.done.searchsorted(last, side="right"))]
            hour_at = np.where(known >= self.opens, self.anchor + (known - self.anchor) // HOUR * HOUR, NEVER)
        after = np.where(hour_at == NEVER, self.opens, hour_at + HOUR)
        late = self.priced[: ticks + 1] > after
        first = self.priced[late.argmax(axis=0), np.arange(len(after))]
        world.hour_at[self.assets] = hour_at
        world.unwritten[self.assets] = np.where(late.any(axis=0) & (first <= self.closes), first, NEVER)


def _so_far(by_tick: Micros, before: Micros) -> Micros:
    """The newest by asset after each number of ticks, from none on."""
    return np.maximum.accumulate(np.concatenate([before[None, :], by_tick]), axis=0)
