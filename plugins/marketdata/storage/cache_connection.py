"""The way to Redis for the cache: short time-outs, a circuit breaker, and no error that a caller would have to know.

The library's own defaults would spend seconds of tries on each command while a server hangs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TypeVar

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from marketdata.errors import ConfigurationError

T = TypeVar("T")

log = logging.getLogger(__name__)

SOCKET_SECONDS = 0.25
BREAK_SECONDS = 30.0


@dataclass(slots=True)
class CacheCounts:
    """What came of the calls so far, in this process.

    ``misses`` counts values that were not there, ``garbage`` among them: something else was there. ``errors`` counts
    commands that failed, ``skipped`` calls that were not made while the breaker was open; both are misses to a reader.
    ``put`` counts values set, ``refused`` those that were older than what was there.
    """

    hits: int = 0
    misses: int = 0
    errors: int = 0
    skipped: int = 0
    garbage: int = 0
    put: int = 0
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, **by: int) -> None:
        """Count; safe for threads."""
        with self._lock:
            for name, count in by.items():
                setattr(self, name, getattr(self, name) + count)

    def figures(self) -> dict[str, int]:
        """All counts by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "_lock"}


class CacheConnection:
    """Talks to one Redis, or to none. Safe for threads.

    After a server was away or did not answer in time nothing is sent for 30 seconds; then one caller tries, and only
    its success lets the others through.
    """

    def __init__(self, url: str | None, counts: CacheCounts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._broken_until: float | None = None
        self._complained_at = float("-inf")
        self._client = None if url is None else redis_client(url, SOCKET_SECONDS, Retry(NoBackoff(), 0))

    def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            self._client.close()

    def ask(self, what: Callable[[redis.Redis], T]) -> T | None:
        """What ``what`` gives on the client, or None where there is no answer to be had."""
        if self._client is None or not self._may_try():
            self._counts.add(skipped=self._client is not None)
            return None
        try:
            answer = what(self._client)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            self._break(error)
            return None
        except redis.RedisError as error:
            self._recover()
            self.note_refusal(error)
            return None
        self._recover()
        return answer

    def send(self, fill: Callable[[redis.client.Pipeline], object]) -> list[object] | None:
        """The answers to the commands that ``fill`` puts into one pipeline; an error stands at its command's place."""

        def run(client: redis.Redis) -> list[object]:
            with client.pipeline(transaction=False) as pipeline:
                fill(pipeline)
                return list(pipeline.execute(raise_on_error=False))

        answers = self.ask(run)
        for error in answers or ():
            if isinstance(error, redis.RedisError):
                self.note_refusal(error)
        return answers

    def note_refusal(self, error: redis.RedisError) -> None:
        """Count what a server that answers has refused, and say so at most once in half a minute."""
        self._counts.add(errors=1)
        now = self._clock()
        if now - self._complained_at >= BREAK_SECONDS:
            self._complained_at = now
            log.warning("the cache refuses a command cause=%s %.200s", type(error).__name__, error)

    def _may_try(self) -> bool:
        if self._broken_until is None:
            return True
        with self._lock:
            now = self._clock()
            if self._broken_until is None:
                return True
            if now < self._broken_until:
                return False
            self._broken_until = now + BREAK_SECONDS  # this caller tries, all others wait for what it finds
            return True

    def _break(self, error: redis.RedisError) -> None:
        self._counts.add(errors=1)
        with self._lock:
            self._broken_until = self._clock() + BREAK_SECONDS
        log.warning("the cache is away seconds=%d cause=%s", BREAK_SECONDS, type(error).__name__)

    def _recover(self) -> None:
        if self._broken_until is not None:
            with self._lock:
                self._broken_until = None
            log.info("the cache is back")


def redis_client(url: str, seconds: float, retry: Retry) -> redis.Redis:
    """A client that waits so long for each answer; connects when first used. ConfigurationError for no Redis URL."""
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=retry,
            decode_responses=False,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),  # lets a server stretch the time-outs
        )
    except ValueError:  # its text may hold the password
        raise ConfigurationError(
            "the address of Redis", "it is no Redis URL", "write it like redis://:password@host:6379/0"
        ) from None
