"""How each vendor gives prices of the day under its plan, and how often we may ask: decided once, then remembered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row

from marketdata.domain.bars import Vendor
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

FeedName = Literal["latest", "hourly"]
Way = Literal["snapshot", "last_trade", "minute_bar", "simple_price", "half_hours", "minute_prices", "none"]


@dataclass(frozen=True, slots=True)
class Feed:
    """What is asked of a vendor for a feed, each ``cadence_minutes``; ``delay_seconds`` 0: not delayed.

    ``note`` says why in words for operators. ``last_asked_at`` None: not asked yet. Instants aware, UTC.
    """

    vendor: Vendor
    feed: FeedName
    way: Way
    cadence_minutes: int
    delay_seconds: int
    note: str
    decided_at: datetime
    last_asked_at: datetime | None = None


def find_feeds(connection: Connection) -> dict[tuple[Vendor, FeedName], Feed]:
    """All that was decided, by (vendor, feed); empty before the first tick."""
    with connection.cursor(row_factory=class_row(Feed)) as cursor:
        return {(feed.vendor, feed.feed): feed for feed in cursor.execute(statement("feeds/list"))}


def keep_feed(connection: Connection, feed: Feed) -> None:
    """Remember a decision, unless a later one is known; of two instants of the newest question the later one stays."""
    connection.execute(statement("feeds/keep"), asdict(feed))


def note_asked(connection: Connection, vendor: str, feed: str, at: datetime) -> None:
    """Note that a vendor was asked for a decided feed ``at`` this instant, unless it was asked later; aware, UTC."""
    connection.execute(statement("feeds/note_asked"), {"vendor": vendor, "feed": feed, "at": at})
