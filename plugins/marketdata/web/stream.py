"""``GET /api/prices/stream``: new prices as server-sent events, from a client's last id on where it has one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Request
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from marketdata.web.answers import PROBLEMS, Symbols, wanted_symbols
from marketdata.web.fan_out import FanOut, Listener
from marketdata.web.published import Entry, id_text, parse_id

log = logging.getLogger(__name__)
router = APIRouter()

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 20.0
LIFE_SECONDS = 900.0
"""A stream ends after a quarter of an hour and the client comes back: its login is checked again."""

_RECONNECT_MS = 2_000
_SLOW = "this client read too slowly and is let go: nothing is lost when it comes back with its last id"
_GAP = "prices after the last id are gone from the stream: read /api/prices"


class EventStream(StreamingResponse):
    """What one client is sent. Gives it up when it takes nothing for too long, and leaves the fan-out at the end."""

    media_type = "text/event-stream"

    def __init__(self, fan_out: FanOut, listener: Listener) -> None:
        super().__init__(events(fan_out, listener), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._leave = partial(fan_out.leave, listener)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes, the stream ends, or both; a client may be gone before the first byte."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def stream_response(self, send: Send) -> None:
        """Send what comes, each piece in time: a client that stays but reads nothing never ends by itself."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            log.info("a listener took nothing for %d s and is given up", SEND_SECONDS)


@router.get(
    "/api/prices/stream",
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **PROBLEMS},
    response_class=EventStream,
    status_code=200,
)
async def stream_prices(
    request: Request,
    symbols: Symbols = None,
    last_event_id: Annotated[str | None, Header(max_length=60)] = None,
    after: Annotated[str | None, Query(max_length=60, description="as Last-Event-ID, which wins")] = None,
) -> EventStream:
    """New prices as they come: events ``prices``, each a JSON list as ``/api/prices`` has it, without ``age_seconds``.

    ``symbols``: only these. ``Last-Event-ID``: what came after it is sent first, as far as it is still held; an event
    ``gap`` says that some of it is not. A comment comes every 15 seconds. The stream ends now and then: come back.
    """
    given = last_event_id or after
    fan_out: FanOut = await request.app.state.sources.fan_out()
    listener = await fan_out.join(frozenset(wanted_symbols(symbols)), parse_id(given) if given else None)
    return EventStream(fan_out, listener)


async def events(fan_out: FanOut, listener: Listener) -> AsyncIterator[bytes]:
    """Everything that one client is sent."""
    ends_at = time.monotonic() + LIFE_SECONDS
    yield f"retry: {_RECONNECT_MS}\n: connected\n\n".encode()
    if listener.after is None:
        yield _mark(id_text(listener.start))
    else:
        async for event in _missed(fan_out, listener):
            yield event
    while not listener.is_closing and time.monotonic() < ends_at:
        if not await listener.wait(min(HEARTBEAT_SECONDS, max(ends_at - time.monotonic(), 0.01))):
            # Everything up to the reader's place was sent or filtered out: the client need not ask for it again.
            yield b": heartbeat\n" + _mark(id_text(fan_out.place))
        while listener.queue and not listener.is_slow:
            yield _shown(listener.queue.popleft(), listener.symbols)
        if listener.is_slow:
            yield _said("dropped", _SLOW)
            return
    yield b": come back\n\n"


async def _missed(fan_out: FanOut, listener: Listener) -> AsyncIterator[bytes]:
    """What the client missed; where Redis goes away meanwhile, the stream ends and the client comes back."""
    try:
        async for entry in fan_out.missed(listener):
            event = _said("gap", _GAP) if entry is None else entry.event_for(listener.symbols)
            if event:
                yield event
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("a replay of prices was broken off cause=%s", type(error).__name__)
        listener.is_closing = True


def _shown(item: Entry | str, symbols: frozenset[str]) -> bytes:
    return f": {item}\n\n".encode() if isinstance(item, str) else item.event_for(symbols)


def _mark(entry_id: str) -> bytes:
    """Moves the client's last id without an event."""
    return f"id: {entry_id}\n\n".encode()


def _said(event: str, why: str) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode({"why": why}))
