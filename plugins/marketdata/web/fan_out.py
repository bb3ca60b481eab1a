"""One reader of the stream of prices for each process, and the listeners that it serves.

The reader alone waits on Redis; what it reads goes into the queue of each listener. A listener joins at the reader's
place in the stream, so what it missed is exactly what lies between its last id and that place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from marketdata.errors import StreamUnavailable
from marketdata.storage.cache_keys import STREAM
from marketdata.web.published import NOTHING, Entry, Id, entry_of, id_text, parse_id

log = logging.getLogger(__name__)

MOST_LISTENERS = 200
QUEUED = 64
_BLOCK_MS = 1_000
_SOCKET_SECONDS = 3.0
_COMMAND_SECONDS = 1.0
_PAGE = 50
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0

T = TypeVar("T")

_Entries = list[tuple[bytes, dict[bytes, bytes]]]


@dataclass(eq=False, slots=True)
class Listener:
    """One client. ``queue`` holds what it has not been sent; ``is_slow``: it held too much and is given up."""

    symbols: frozenset[str]
    after: Id | None
    start: Id
    queue: deque[Entry | str] = field(default_factory=deque)
    is_slow: bool = False
    is_closing: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """There is something for it to look at."""
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        """Whether there is anything to look at, now or before so many seconds are over."""
        if not self._has_news():
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        return self._has_news()

    def _has_news(self) -> bool:
        return bool(self.queue) or self.is_slow or self.is_closing


class FanOut:
    """The listeners of this process. Belongs to one event loop; nothing runs while nobody listens."""

    def __init__(self, url: str | None, *, most_listeners: int = MOST_LISTENERS, queued: int = QUEUED) -> None:
        self._url = url
        self._most = most_listeners
        self._queued = queued
        self._listeners: set[Listener] = set()
        self._client: redis.asyncio.Redis | None = None
        self._reader: asyncio.Task[None] | None = None
        self._found = asyncio.Event()
        self._is_away = False
        self._is_closing = False
        self.place: Id = NOTHING

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    async def join(self, symbols: frozenset[str], after: Id | None) -> Listener:
        """A new listener from here on; ``after`` is the last id that the client has seen.

        Raises StreamUnavailable while Redis does not answer, and where there are too many listeners.
        """
        if len(self._listeners) >= self._most:
            raise StreamUnavailable(
                "the stream of prices", f"it has {self._most} listeners", "try again later, or read /api/prices"
            )
        listener = Listener(symbols, after, NOTHING)
        self._listeners.add(listener)  # from here on: those who come while the reader starts are counted too
        try:
            await self._start()
        except BaseException:
            self.leave(listener)
            raise
        listener.start = self.place
        listener.queue.clear()
        listener.is_closing |= self._is_closing
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener; with the last one the reader and its connection to Redis go too."""
        self._listeners.discard(listener)
        listener.queue.clear()
        if not self._listeners and self._reader is not None:
            self._reader.cancel()
            self._reader = self._client = None

    def close_all(self) -> None:
        """Tell every listener that this process ends, those who come until it takes no more connections too."""
        self._is_closing = True
        for listener in self._listeners:
            listener.is_closing = True
            listener.wake()

    async def missed(self, listener: Listener) -> AsyncIterator[Entry | None]:
        """What the stream holds between a listener's last id and its start; None where something is gone from it.

        Raises RedisError, OSError or TimeoutError when Redis goes away meanwhile.
        """
        seen = listener.after or NOTHING
        if seen > listener.start:
            yield None  # an id of a stream that is no more
        while self._client is not None and seen < listener.start:
            async with asyncio.timeout(_COMMAND_SECONDS):
                async with self._client.pipeline(transaction=True) as pipeline:
                    pipeline.xrange(STREAM.pattern, f"({id_text(seen)}", id_text(listener.start), count=_PAGE)
                    pipeline.xinfo_stream(STREAM.pattern)
                    page, about = await pipeline.execute(raise_on_error=False)
            if isinstance(page, RedisError):
                raise page
            if _is_trimmed(about, seen):
                yield None
            for raw_id, fields in page:
                yield (entry := entry_of(raw_id, fields))
                seen = entry.entry_id
            if len(page) < _PAGE:
                return

    async def _start(self) -> None:
        """Have the reader running and its place known."""
        if self._url is None:
            raise StreamUnavailable(
                "the stream of prices", "no Redis is configured", "set REDIS_URL, or read /api/prices meanwhile"
            )
        if self._reader is None:
            self._found.clear()
            self._is_away = False
            self._client = _client(self._url)
            self._reader = asyncio.create_task(self._read(self._client), name="prices:recent")
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                await self._found.wait()
        except TimeoutError:
            self._is_away = True
        if self._is_away:
            raise StreamUnavailable(
                "the stream of prices", "Redis does not answer", "try again in some seconds; read /api/prices meanwhile"
            )

    async def _read(self, client: redis.asyncio.Redis) -> None:
        """Hand out what comes until cancelled."""
        try:
            await self._follow(client)
        finally:
            await client.aclose()

    async def _follow(self, client: redis.asyncio.Redis) -> None:
        """Read on for ever; while Redis is away the place is kept, and what it holds is read when it is back."""
        wait = _FIRST_WAIT
        while True:
            try:
                if not self._found.is_set():
                    self.place = await _unless_cancelled(_newest(client))
                    self._found.set()
                entries = await _unless_cancelled(_next_entries(client, self.place))
                if not entries and await _unless_cancelled(_newest(client)) < self.place != NOTHING:
                    self.place = NOTHING  # the stream began anew, with lower ids: a wiped Redis whose clock went back
            except (RedisError, OSError) as error:
                self._note_away(error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            wait = _FIRST_WAIT
            self._note_back()
            for entry in entries:
                self.place = entry.entry_id
                self._hand_out(entry)

    def _hand_out(self, entry: Entry | str) -> None:
        for listener in self._listeners:
            if isinstance(entry, Entry) and listener.symbols and listener.symbols.isdisjoint(entry.prices):
                continue
            if len(listener.queue) >= self._queued:
                listener.is_slow = True
                listener.queue.clear()
            elif not listener.is_slow:
                listener.queue.append(entry)
            listener.wake()

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            log.warning("the stream of prices is away cause=%s listeners=%d", type(error).__name__, self.listeners)
            self._hand_out("the cache is away: prices follow when it is back")

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("the stream of prices is back listeners=%d", self.listeners)
            self._hand_out("the cache is back")


def _client(url: str) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        url, socket_connect_timeout=_COMMAND_SECONDS, socket_timeout=_SOCKET_SECONDS, retry=Retry(NoBackoff(), 0)
    )


async def _unless_cancelled(answer: Awaitable[T]) -> T:
    """What a reader waits for, unless it was cancelled: redis-py may swallow that, and two readers would send twice.

    It sends under ``asyncio.wait_for``, which before Python 3.12 drops a cancellation that comes as the sending ends.
    """
    try:
        return await answer
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


async def _newest(client: redis.asyncio.Redis) -> Id:
    """The id of the newest entry; NOTHING for an empty stream."""
    newest = cast("_Entries", await client.xrevrange(STREAM.pattern, count=1))
    return parse_id(newest[0][0].decode("ascii")) if newest else NOTHING


async def _next_entries(client: redis.asyncio.Redis, place: Id) -> list[Entry]:
    """What follows ``place``, waiting up to a second for it."""
    answer = await client.xread({STREAM.pattern: id_text(place)}, count=_PAGE, block=_BLOCK_MS)
    streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer or ()]
    return [entry_of(raw_id, fields) for entries in cast("list[_Entries]", streams) for raw_id, fields in entries]


def _is_trimmed(about: object, seen: Id) -> bool:
    """Whether entries after ``seen`` may be gone: what the stream holds begins later, because it has let some go or,
    wiped, began anew.
    """
    if not isinstance(about, dict):
        return seen != NOTHING  # there is no stream any more
    first = about.get("first-entry")
    begins_later = first is None or seen < parse_id(first[0].decode("ascii"))
    return begins_later and (seen != NOTHING or about["entries-added"] > about["length"])
