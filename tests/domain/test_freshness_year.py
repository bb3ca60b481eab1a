"""A simulated year of watches with labelled outages: no false alert, and every outage of open hours is noticed in time.

2026 for prices each minute, with both clock changes and its early closes; for small plans half of 2025, with a closure
that no rule knows. Rules broken on purpose show that the year can fail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from marketdata.domain import freshness
from marketdata.domain.bars import Vendor
from marketdata.domain.freshness import FreshnessFacts, Judgement, Limits, Stale, judge
from marketdata.domain.sessions import new_york_date, next_session, session_close, session_open, sessions
from marketdata.domain.trading_time import TradingTime
from tests.domain.freshness_world import KINDS, STOCKS, SYMBOLS, VENDORS, Kind, Outage, Plan, World, micros

LIMITS = Limits.parse("")
REALTIME = Plan()
SMALL = Plan(delay_minutes=15, coin_cadence=5, half_hours=True, publishes_late=True)
LATE = replace(SMALL, delay_minutes=30)
WITHIN = 10.0
"""Minutes of trading time within which an outage is noticed, from its beginning, where prices come each minute."""

MINUTE = timedelta(minutes=1)
BOTH: tuple[Vendor, ...] = VENDORS
WHO: list[tuple[Vendor, ...]] = [("polygon",), ("coingecko",), BOTH]


def outages(first: date, last: date, seed: int) -> list[Outage]:
    """Outages of every kind at all times of the day, never two at once; and halts, which are none."""
    random = np.random.default_rng(seed)
    kinds: list[Kind] = ["vendor", "vendor", "assets", "hourly", "daily"]
    found: list[Outage] = []
    days = sessions(first, last)
    for place in range(2, len(days) - 3, 2):
        opens, closes = session_open(days[place]), session_close(days[place])
        kind = kinds[int(random.integers(len(kinds)))]
        start = opens + int(random.integers(-60, (closes - opens) // MINUTE + 45)) * MINUTE
        start += timedelta(seconds=int(random.integers(60)))
        end = start + int(random.integers(10, 181)) * MINUTE
        if random.random() < 0.15:  # through the night, or the weekend
            start = closes - int(random.integers(1, 60)) * MINUTE
            end = session_open(days[place + 1]) + int(random.integers(10, 60)) * MINUTE
        vendors = WHO[int(random.integers(3))]
        chosen: tuple[int, ...] = ()
        if kind == "daily":
            start, end = opens + timedelta(hours=6.9), opens + timedelta(hours=9)
        if kind == "assets":
            vendors = WHO[int(random.integers(2))]
            some = np.arange(STOCKS) if vendors == ("polygon",) else np.arange(STOCKS, len(KINDS))
            chosen = tuple(random.choice(some, int(random.integers(1, 4)), replace=False).tolist())
        found.append(Outage(kind, start, end, vendors, chosen))
    for asset, weeks in ((0, 5), (4, 20), (9, 33), (STOCKS, 40)):
        start = session_open(days[0]) + timedelta(weeks=weeks)
        if start < session_open(days[-1]):
            vendor: Vendor = "polygon" if asset < STOCKS else "coingecko"
            end = start + timedelta(days=10) if vendor == "polygon" else session_close(days[-1])
            found.append(Outage("halt", start, end, (vendor,), (asset,)))
    return found


@dataclass
class Score:
    """What came of a year: false alerts; outages missed; the trading minutes that noticing the others took, by kind."""

    watches: int = 0
    false: list[tuple[datetime, Stale]] = field(default_factory=list)
    missed: list[Outage] = field(default_factory=list)
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def explains(outage: Outage, stale: Stale, now: datetime, plan: Plan, time: TradingTime) -> bool:
    """Whether an alert is about an outage, which may have ended less than a tick or two ago."""
    if stale.vendor not in outage.vendors or now < outage.start:
        return False
    since_end = time.minutes_since(outage.end, now)
    if stale.subject == "daily":
        return outage.kind in {"vendor", "daily"} and outage.start <= stale.since < outage.end
    if stale.subject == "quiet":
        named = {SYMBOLS[asset] for asset in outage.assets}
        return outage.kind == "halt" and set(stale.symbols) <= named and since_end <= 10 + plan.delay_minutes
    if stale.subject == "hourly":
        return outage.kind in {"vendor", "hourly"} and since_end <= 25
    if outage.kind == "assets":
        named = {SYMBOLS[asset] for asset in outage.assets}
        return stale.scope == "assets" and set(stale.symbols) <= named and since_end <= 2 * plan.cadence(stale.vendor)
    return outage.kind == "vendor" and stale.scope == "feed" and since_end <= 2 * plan.cadence(stale.vendor)


def play(
    plan: Plan,
    first: date,
    last: date,
    *,
    seed: int,
    judge: Callable[[FreshnessFacts, datetime], Judgement] = lambda facts, now: judge(
        facts, LIMITS, now=now, around_the_clock=False
    ),
    at_night: bool = True,
) -> Score:
    """Play the days, judge at each watch, and compare with the labels."""
    labels = outages(first, last, seed)
    score, told = Score(), defaultdict[int, list[tuple[datetime, Stale]]](list)
    for now, facts in World(plan, labels, LIMITS, seed).watches(first, last, at_night=at_night):
        score.watches += 1
        time = TradingTime.of_exchange(now)
        for stale in judge(facts, now).stale:
            reasons = [place for place, one in enumerate(labels) if explains(one, stale, now, plan, time)]
            for place in reasons:
                told[place].append((now, stale))
            if not reasons:
                score.false.append((now, stale))
    for place, outage in enumerate(labels):
        time = TradingTime.of_exchange(outage.start)
        for vendor, subject, within in expected(outage, plan):
            at = next((now for now, stale in told[place] if (stale.vendor, stale.subject) == (vendor, subject)), None)
            if at is not None:
                score.delays[f"{subject} {vendor}"].append(time.minutes_since(outage.start, at))
            due = noticeable(outage, within)
            if due is not None and (at is None or at > due):
                score.missed.append(outage)
    return score


def expected(outage: Outage, plan: Plan) -> Iterator[tuple[Vendor, str, float]]:
    """What is to be told of an outage, and after how many trading minutes at most."""
    for vendor in outage.vendors:
        if outage.kind in {"vendor", "assets"}:
            yield vendor, "latest", WITHIN + 2 * (plan.cadence(vendor) - 1)
        elif outage.kind == "hourly":
            yield vendor, "hourly", LIMITS.hourly.warn + plan.delay(vendor) / 60e6 + WITHIN
        elif outage.kind == "halt":
            yield vendor, "quiet", LIMITS.quiet.warn + plan.delay(vendor) / 60e6 + WITHIN
        if outage.kind == "daily" or (outage.kind == "vendor" and outage.covers(micros(run_due(outage)))):
            yield vendor, "daily", 0.0


def run_due(outage: Outage) -> datetime:
    """When the daily run of the session of an outage's beginning is due."""
    return session_open(new_york_date(outage.start)) + timedelta(hours=7)


def noticeable(outage: Outage, within: float) -> datetime | None:
    """The latest instant to tell it, so many trading minutes after its beginning; None where it ends before.

    An outage that the night parts may count from the next open, before which there is no time to tell it. A daily run
    that is not done is told at 17:45.
    """
    if not within:
        return run_due(outage) + timedelta(minutes=76)
    time = TradingTime.of_exchange(outage.start)
    closes = session_close(new_york_date(outage.start))
    opens = session_open(next_session(new_york_date(outage.start) + timedelta(days=1)))
    if outage.kind != "halt" and within > WITHIN and time.minutes_since(outage.start, closes) < within:
        due = opens + within * MINUTE
    else:
        due = outage.start
        while time.minutes_since(outage.start, due) < within:
            due += MINUTE / 2
    return due if due <= outage.end else None


@pytest.mark.promise("P9")
@pytest.mark.fault("U29")
@pytest.mark.parametrize(
    ("plan", "last"), [(REALTIME, date(2026, 12, 31)), (SMALL, date(2025, 7, 3))], ids=["every minute", "small plans"]
)
def test_a_year_has_no_false_alert_and_every_outage_of_open_hours_is_noticed_in_time(plan: Plan, last: date) -> None:
    year = last.year
    score = play(plan, date(year, 1, 2), last, seed=year)
    worst = {what: (len(delays), round(max(delays), 1)) for what, delays in score.delays.items()}
    print(f"{year}: {score.watches} watches; noticed, and minutes at worst: {worst}")  # noqa: T201
    assert score.watches > (20_000 if plan == REALTIME else 10_000)
    assert score.false == []
    assert score.missed == []
    assert len(score.delays["latest polygon"]) >= (30 if plan == REALTIME else 15)
    assert max(score.delays["latest polygon"]) <= WITHIN


def _played_with(
    plan: Plan,
    change: Callable[[FreshnessFacts], FreshnessFacts] = lambda facts: facts,
    *,
    limits: Limits = LIMITS,
    at_night: bool = False,
) -> Score:
    """Some weeks around Thanksgiving, judged by what ``change`` makes of the facts."""
    return play(
        plan,
        date(2026, 11, 12),
        date(2026, 12, 2),
        seed=7,
        at_night=at_night,
        judge=lambda facts, now: judge(change(facts), limits, now=now, around_the_clock=False),
    )


class _NoCalendar:
    """Time that goes on at night."""

    @staticmethod
    def of_exchange(_: datetime) -> TradingTime:
        return TradingTime.always()


class _NoEarlyCloses:
    """Every trading day ends at 16:00."""

    @staticmethod
    def of_exchange(now: datetime) -> TradingTime:
        true = TradingTime.of_exchange(now)
        length = 390 * 60_000_000
        return TradingTime(true.opens, true.opens + length, np.arange(len(true.opens)) * length)


def test_the_weeks_that_broken_rules_are_shown_on_are_themselves_without_fault() -> None:
    for plan in (REALTIME, LATE):
        score = _played_with(plan, at_night=True)
        assert (score.false, score.missed) == ([], [])
        assert len(score.delays) > 2


@pytest.mark.parametrize("calendar", [_NoCalendar, _NoEarlyCloses])
def test_the_year_sees_a_calendar_that_is_ignored(calendar: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "TradingTime", calendar)
    assert _played_with(REALTIME, at_night=True).false != []


@pytest.mark.parametrize(
    "feed", [{"delay_seconds": 0}, {"cadence_minutes": 1}], ids=["delay is ignored", "cadence is ignored"]
)
def test_the_year_sees_what_a_plan_makes_late_told_as_an_outage(feed: dict[str, int]) -> None:
    changed = _played_with(LATE, lambda facts: replace(facts, feeds=tuple(replace(one, **feed) for one in facts.feeds)))
    assert changed.false != []


def test_the_year_sees_a_session_that_is_not_published_yet_told_as_missing() -> None:
    assert _played_with(LATE, lambda facts: replace(facts, is_answered=~facts.is_due)).false != []


def test_the_year_sees_limits_that_are_too_wide() -> None:
    assert _played_with(REALTIME, limits=Limits.parse("latest=16/20,hourly=60/90,daily=200/300")).missed != []


def test_the_year_sees_outages_that_nobody_tells() -> None:
    blind = _played_with(REALTIME, lambda facts: replace(facts, feeds=()))
    assert {outage.kind for outage in blind.missed} & {"vendor", "hourly", "assets"}
