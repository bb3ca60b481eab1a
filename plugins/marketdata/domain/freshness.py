"""Judges how fresh the data is, in trading time (promise P9).

No alert at night, on weekends, on holidays or after an early close, and none for what the plan makes late:

* Age counts in minutes in which the market was open, from what the vendor was last heard of, never from our own clock.
* Nothing is stale before its limit has passed since the open.
* Prices and hours are judged until five minutes after the close, with the ages that they had then. What goes wrong so
  late that its limit lies behind the close is not told on that day. What is stale at the close is not judged again
  until it is heard of, and then it recovers, or until its limit has passed after the next open, and then it goes on.
* A slow cadence is given its own time: twice its distance to a minute, so that one lost tick is no outage.
"""

from __future__ import annotations

from datetime import datetime

from marketdata.domain.bars import VENDOR_OF
from marketdata.domain.daily_freshness import judge_daily
from marketdata.domain.feed_freshness import Market, judge_hourly, judge_latest, judge_quiet
from marketdata.domain.freshness_facts import DailyDue, FeedFacts, FreshnessFacts, daily_dues
from marketdata.domain.judgement import FeedFreshness, Judgement, Stale
from marketdata.domain.stale_limits import Limit, Limits
from marketdata.domain.trading_time import TradingTime

__all__ = [
    "DailyDue",
    "FeedFacts",
    "FeedFreshness",
    "FreshnessFacts",
    "Judgement",
    "Limit",
    "Limits",
    "Stale",
    "daily_dues",
    "judge",
]


def judge(facts: FreshnessFacts, limits: Limits, *, now: datetime, around_the_clock: bool) -> Judgement:
    """What is stale at ``now``, which is aware; ``around_the_clock``: coins are asked for day and night."""
    exchange = TradingTime.of_exchange(now)
    feeds: list[FeedFreshness] = []
    stale: list[Stale] = []
    for vendor in dict.fromkeys(VENDOR_OF.values()):
        is_coin = vendor == "coingecko"
        time = TradingTime.always() if is_coin and around_the_clock else exchange
        market = Market.of(vendor, facts, limits, time, now)
        latest = judge_latest(market)
        for found in (latest, judge_hourly(market), judge_daily(market), judge_quiet(market, latest)):
            feeds.append(found.feed)
            stale.extend(found.stale)
    return Judgement(now, tuple(feeds), tuple(stale))
