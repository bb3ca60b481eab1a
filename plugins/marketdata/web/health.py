"""``GET /api/health``: whether prices come, for a monitor outside: a dead scheduler cannot say that it is dead."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import anyio.to_thread
import msgspec
from fastapi import APIRouter, Request

from marketdata import settings
from marketdata.errors import MarketDataError
from marketdata.storage.migrations import check_schema
from marketdata.web.answers import JsonAnswer, answer_of

if TYPE_CHECKING:
    from marketdata.domain.judgement import FeedFreshness, Judgement
    from marketdata.storage.market_reader import MarketReader

router = APIRouter()

Status = Literal["healthy", "degraded", "unhealthy"]
_WORST_FIRST: tuple[Status, ...] = ("unhealthy", "degraded", "healthy")


class Part(msgspec.Struct, frozen=True):
    """One thing looked at; ``next`` is empty where it is as it should be."""

    name: str
    status: Status
    found: str
    next: str = ""


class Health(msgspec.Struct, frozen=True):
    """``status`` is that of the worst part: unhealthy (HTTP 503), degraded (slower, thinner; 200) or healthy."""

    status: Status
    checked_at: datetime
    listeners: int
    parts: list[Part]


_answer = answer_of("Health", "Healthy or degraded.")


@router.get("/api/health", responses={**_answer, 503: {**_answer[200], "description": "Unhealthy."}})
async def read_health(request: Request) -> JsonAnswer:
    """The database, the cache, Airflow's scheduler, and the newest prices in trading time."""
    sources = request.app.state.sources
    parts = [await anyio.to_thread.run_sync(scheduler_part)]
    try:
        parts += await sources.ask(_data_parts)
    except MarketDataError as error:
        parts.append(Part("database", "unhealthy", error.why, error.next_step))
    status = next(status for status in _WORST_FIRST if any(part.status == status for part in parts))
    health = Health(status, settings.now(), sources.listeners, parts)
    return JsonAnswer(health, status_code=503 if status == "unhealthy" else 200)


def scheduler_part() -> Part:
    """Whether Airflow's scheduler lives, from its heartbeat in Airflow's own database."""
    from airflow.api.common.airflow_health import get_airflow_health

    health = get_airflow_health()
    beat = str(health["scheduler"]["latest_scheduler_heartbeat"])
    if health["scheduler"]["status"] == "healthy":
        return Part("scheduler", "healthy", f"heartbeat {beat}")
    why = f"newest heartbeat {beat}" if health["metadatabase"]["status"] == "healthy" else "its database is away"
    return Part("scheduler", "unhealthy", why, "start it: airflow scheduler; nothing is ingested meanwhile")


def _data_parts(reader: MarketReader) -> list[Part]:
    parts = [_schema_part(reader)]
    if reader.cache.is_there():
        parts.append(Part("cache", "healthy", "takes values"))
    else:
        next_step = "start Redis, give it room, or correct its address; prices come from the database meanwhile"
        parts.append(Part("cache", "degraded", "there is none, or it is away or full", next_step))
    return parts + _feed_parts(reader.freshness())


def _schema_part(reader: MarketReader) -> Part:
    reader.read(check_schema)
    return Part("database", "healthy", "answers, and its schema is as this code expects")


def _feed_parts(judgement: Judgement) -> list[Part]:
    return [_feed_part(feed) for feed in judgement.feeds if feed.subject == "latest"]


def _feed_part(feed: FeedFreshness) -> Part:
    name = f"prices of {feed.vendor}"
    age = "none yet" if feed.newest_at is None else f"newest {feed.newest_at:%Y-%m-%dT%H:%M:%SZ}"
    found = f"{feed.level}, {age}"
    if feed.level not in {"warn", "error"}:
        return Part(name, "healthy", found)
    status: Status = "degraded" if feed.level == "warn" else "unhealthy"
    return Part(name, status, found, "see /api/freshness and the runs of realtime_latest")
