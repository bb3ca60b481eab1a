"""What is known of how fresh the data is, as columns, and which session the daily run owes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.causes import DAILY_AT
from marketdata.domain.sessions import NEW_YORK, expected_through, new_york_date, previous_session

if TYPE_CHECKING:
    from marketdata.domain.bars import Vendor
    from marketdata.domain.stale_limits import Limits
    from marketdata.domain.trading_time import Instants


@dataclass(frozen=True, slots=True)
class DailyDue:
    """The newest session that a daily run owes by now.

    The run was due at ``due_at``, aware, and should have stored ``session``; the run before it ``previous``.
    """

    session: date
    previous: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """How a vendor's ``feed`` is asked.

    ``heard_at``: the vendor's newest answer, or the newest run that built hours from prices; None: there was none.
    """

    vendor: Vendor
    feed: Literal["latest", "hourly"]
    way: str
    cadence_minutes: int
    delay_seconds: int
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FreshnessFacts:
    """All assets that are followed, as columns of one length in any order. Instants: datetime64[us] UTC, NaT for none.

    ``is_active``: somebody watches it. ``created_at``: when it was first loaded. ``priced_at``: the own time of its
    latest price. ``heard_at``: when a vendor last named it, even without a price. ``hour_at``, ``hour_fetched_at``:
    start and answer of its newest hour of this session. ``unwritten_at``: own time of its first price of this session
    since that hour's end. ``covered_to``: last day (datetime64[D]) with a daily answer. ``is_due``: it can have a bar
    on its class's session of ``dues``. ``is_answered``: since its run was due, the vendor answered about that session
    and settled nothing: it is not published yet, or nobody traded so far. ``is_unknown``: it is active, and neither a
    price nor a daily bar of it was ever seen.
    """

    asset_ids: NDArray[np.int64]
    symbols: NDArray[np.object_]
    is_coin: NDArray[np.bool_]
    is_active: NDArray[np.bool_]
    created_at: Instants
    priced_at: Instants
    heard_at: Instants
    hour_at: Instants
    hour_fetched_at: Instants
    unwritten_at: Instants
    covered_to: NDArray[np.datetime64]
    is_due: NDArray[np.bool_]
    is_answered: NDArray[np.bool_]
    is_unknown: NDArray[np.bool_]
    feeds: tuple[FeedFacts, ...]
    dues: dict[Vendor, DailyDue]

    def __len__(self) -> int:
        return len(self.asset_ids)


def daily_dues(now: datetime, limits: Limits) -> dict[Vendor, DailyDue]:
    """What each vendor's daily run owes: that of the newest run that was due longer ago than the limit for warning."""
    session = previous_session(new_york_date(now))
    while _due_at(session) + timedelta(minutes=limits.daily.warn) >= now:
        session = previous_session(session - timedelta(days=1))
    due_at, before = _due_at(session), _due_at(previous_session(session - timedelta(days=1)))
    return {
        "polygon": DailyDue(session, expected_through("stock", before), due_at),
        "coingecko": DailyDue(expected_through("crypto", due_at), expected_through("crypto", before), due_at),
    }


def _due_at(session: date) -> datetime:
    return datetime.combine(session, DAILY_AT, NEW_YORK).astimezone(UTC)
