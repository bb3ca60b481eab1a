"""Judges whether the daily run brought the session that it owes."""

from __future__ import annotations

import numpy as np

from marketdata.domain.feed_freshness import Market, Verdict
from marketdata.domain.judgement import FeedFreshness, Stale
from marketdata.domain.trading_time import as_datetime, instant64


def judge_daily(market: Market) -> Verdict:
    """Whether most assets miss the session that the daily run owes; else which of them miss two in a row (warns only).

    A vendor that answered without settling the session, because it publishes later or nobody traded yet, has until the
    next run. Assets that were loaded after the run was due are not counted. Ages are by the clock.
    """
    facts, due = market.facts, market.facts.dues[market.vendor]
    chosen = market.followed[
        facts.is_due[market.followed] & (facts.created_at[market.followed] <= instant64(due.due_at))
    ]
    covered = facts.covered_to[chosen]
    known = covered[~np.isnat(covered)]
    newest_at = as_datetime(known.max()) if len(known) else None
    age = (market.now - due.due_at).total_seconds() / 60
    session, previous = np.datetime64(due.session, "D"), np.datetime64(due.previous, "D")
    missing = ~(covered >= np.where(facts.is_answered[chosen], previous, session))
    long_missing = ~(covered >= previous)
    level = market.limits.daily.level(age)
    count = int(missing.sum())
    if not len(chosen):
        return Verdict(FeedFreshness(market.vendor, "daily", "none", newest_at, 0.0, 0, 0))
    if count and 2 * count >= len(chosen) and level != "fresh":
        limits = market.limits.daily
        limit = limits.error if level == "error" and limits.error is not None else limits.warn
        stale = Stale("daily", market.vendor, level, "feed", (), due.due_at, age, float(limit))
        feed = FeedFreshness(market.vendor, "daily", level, newest_at, age, len(chosen), count)
        return Verdict(feed, (stale,))
    if long_missing.any() and level != "fresh":
        symbols = tuple(sorted(facts.symbols[chosen[long_missing]].tolist()))
        warn = float(market.limits.daily.warn)
        stale = Stale("daily", market.vendor, "warn", "assets", symbols, due.due_at, age, warn)
        return Verdict(
            FeedFreshness(market.vendor, "daily", "warn", newest_at, age, len(chosen), len(symbols)), (stale,)
        )
    return Verdict(FeedFreshness(market.vendor, "daily", "fresh", newest_at, age, len(chosen), 0))
