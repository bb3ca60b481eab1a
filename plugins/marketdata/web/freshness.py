"""``GET /api/freshness``: how fresh every feed is, and which assets are stale, judged in trading time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from fastapi import APIRouter, Request

from marketdata.domain.stale_limits import Subject
from marketdata.storage.market_reader import MarketReader
from marketdata.web.answers import JsonAnswer, answer_of

router = APIRouter()


class FeedNow(msgspec.Struct, frozen=True):
    """One subject of one vendor: how fresh it is, and how many of its assets are not.

    ``age_minutes``: of trading time since ``newest_at``; of ``daily`` by the clock, since its run was due.
    """

    vendor: str
    subject: Subject
    level: Literal["fresh", "warn", "error", "closed", "none"]
    newest_at: datetime | None
    age_minutes: float | None
    assets: int
    stale_assets: int


class StaleNow(msgspec.Struct, frozen=True):
    """Something that is stale: a vendor's whole feed, or the assets of it that ``symbols`` names."""

    subject: Subject
    vendor: str
    level: Literal["warn", "error"]
    scope: Literal["feed", "assets"]
    symbols: list[str]
    since: datetime
    age_minutes: float | None
    limit_minutes: float


class Freshness(msgspec.Struct, frozen=True):
    """All that was found at ``judged_at``."""

    judged_at: datetime
    feeds: list[FeedNow]
    stale: list[StaleNow]


@router.get("/api/freshness", responses=answer_of("Freshness", "The judgement, at most 10 seconds old."))
async def read_freshness(request: Request) -> JsonAnswer:
    """Each vendor's feeds with their newest instants and ages, and what is stale since when."""
    judgement = await request.app.state.sources.ask(MarketReader.freshness)
    return JsonAnswer(msgspec.convert(judgement, Freshness, from_attributes=True))
