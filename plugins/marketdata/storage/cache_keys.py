"""Every key in the cache with its TTL: a contract with front ends, kept in this one place.

A symbol stands in a key as it is, whatever characters it has. Keys stay apart all the same: what precedes it is fixed,
and what follows it is a range and an adjustment out of short lists that share no word. No command ever searches keys
by a pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Literal

from marketdata.domain.ranges import RANGES

Adjusted = Literal["splits", "none", "total-return"]

ADJUSTMENTS: tuple[Adjusted, ...] = ("splits", "none", "total-return")
"""How charts are adjusted; the first one is what front ends want, and is not named in the key."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """One kind of key: its pattern, the Redis type, how many seconds it stays (0: it is not kept), what it holds."""

    pattern: str
    kind: Literal["string", "stream", "hash", "channel"]
    seconds: int
    meaning: str


LATEST = CacheKey("latest_price:{symbol}", "string", 60, "the latest price of an asset, one object")
HOURLY = CacheKey("hourly_data:{symbol}:1D", "string", 120, "hours of the current session, a list, oldest first")
CHART = CacheKey(
    "asset_data:{symbol}:{range}",
    "string",
    300,
    f"daily bars of a range ({', '.join(RANGES[:-1])}) adjusted for splits, a list, oldest first;"
    " `:none` behind it: raw bars, `:total-return`: adjusted for dividends too",
)
CHART_MAX = CacheKey("asset_data:{symbol}:MAX", "string", 3600, "the same over all there is")
STREAM = CacheKey(
    "prices:recent", "stream", 86_400, "what was published last: field `prices` of each entry, a list of latest prices"
)
PUBLISHED = CacheKey("prices:published", "hash", 86_400, "which price of a symbol was published last; not for readers")
GENERATION = CacheKey(
    "asset_generation:{symbol}", "string", 60, "another value after each drop of an asset's charts; not for readers"
)
LOCK = CacheKey("filling:{key}", "string", 2, "one process is making the value of `{key}`; not for readers")
CHANNEL = CacheKey(
    "prices", "channel", 0, "each new price: `id` is that of its entry in the stream, `prices` a list of them"
)

CACHE_KEYS = (LATEST, HOURLY, CHART, CHART_MAX, STREAM, CHANNEL, PUBLISHED, GENERATION, LOCK)

STREAM_ENTRIES = 500
"""About how many entries the stream keeps; one holds up to 1,000 prices."""


def price_key(symbol: str) -> str:
    """The key of an asset's latest price."""
    return f"latest_price:{symbol}"


def hours_key(symbol: str) -> str:
    """The key of an asset's hours of the current session."""
    return f"hourly_data:{symbol}:1D"


def chart_key(symbol: str, range_name: str, adjusted: str = "splits") -> str:
    """The key of an asset's chart; ValueError for a range or an adjustment that does not exist."""
    if range_name not in RANGES or adjusted not in ADJUSTMENTS:
        raise ValueError(f"no chart has range {range_name!r:.40} adjusted {adjusted!r:.40}")
    return f"asset_data:{symbol}:{range_name}" + ("" if adjusted == ADJUSTMENTS[0] else f":{adjusted}")


def charted_symbol(key: str) -> str | None:
    """The symbol in the key of a chart; None for any other key."""
    return found[1] if (found := _CHART_KEY.fullmatch(key)) else None


def generation_key(symbol: str) -> str:
    """The key of what changes whenever an asset's charts are dropped."""
    return f"asset_generation:{symbol}"


def lock_key(key: str) -> str:
    """The key that is there while a process makes the value of ``key``."""
    return f"filling:{key}"


def seconds_of(key: str) -> int:
    """How long the value of a key stays; ValueError for a key of no kind that is known."""
    if chart := _CHART_KEY.fullmatch(key):
        return CHART_MAX.seconds if chart[2] == "MAX" else CHART.seconds
    for kind in (LATEST, HOURLY, GENERATION, LOCK):
        if key.startswith(kind.pattern.partition("{")[0]):
            return kind.seconds
    raise ValueError(f"no kind of key is like {key!r:.80}")


CHART_ENDINGS = tuple(chart_key("", *chosen).removeprefix("asset_data::") for chosen in product(RANGES, ADJUSTMENTS))
"""What follows the symbol in the keys of an asset's charts: every range, every adjustment."""

_CHART_KEY = re.compile(rf"asset_data:(.*):({'|'.join(RANGES)})(?::(?:{'|'.join(ADJUSTMENTS[1:])}))?", re.DOTALL)
