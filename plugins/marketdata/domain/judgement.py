"""What a look at the data's freshness finds: of each feed how it is, and what of it is stale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from marketdata.domain.bars import Vendor
    from marketdata.domain.stale_limits import Subject

StaleLevel = Literal["warn", "error"]
Level = Literal["fresh", "warn", "error", "closed", "none"]


@dataclass(frozen=True, slots=True)
class Stale:
    """Something that is stale now: a vendor's whole feed, or the assets of it that ``symbols`` names, ascending.

    ``since`` is when it was last heard of (``daily``: when the run was due), ``age_minutes`` are of trading time since
    then (``daily``: by the clock), ``limit_minutes`` is the age from which it counts.
    """

    subject: Subject
    vendor: Vendor
    level: StaleLevel
    scope: Literal["feed", "assets"]
    symbols: tuple[str, ...]
    since: datetime
    age_minutes: float
    limit_minutes: float


@dataclass(frozen=True, slots=True)
class FeedFreshness:
    """One subject of one vendor. ``age_minutes``: in trading time since ``newest_at``; of ``daily`` by the clock, since
    its run was due. 0 where nothing is known.

    ``level``: the worst of what is stale in it. ``closed``: not judged now, since the market is closed or has just
    opened and the first news are not due yet; an alert that is open stays as it is. ``none``: nothing of it is
    expected, because nobody watches its assets, the plan does not give it, or it was never asked for.
    """

    vendor: Vendor
    subject: Subject
    level: Level
    newest_at: datetime | None
    age_minutes: float
    assets: int
    stale_assets: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that was found at ``judged_at``: each subject of each vendor, and what is stale, one a subject and vendor."""

    judged_at: datetime
    feeds: tuple[FeedFreshness, ...]
    stale: tuple[Stale, ...]
