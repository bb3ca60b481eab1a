"""One quota per vendor key, shared by all processes through Redis; a share of it per process while Redis is away.

The window is exact and moving (``limits``), on the Redis server's clock. Batch fits into the quota less the reserve;
realtime may use all of it. Windows last one second longer than the vendor's minute, for requests that travel slowly.
Nobody is let through to a vendor that is down: see circuit.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import redis

from marketdata.domain.bars import Vendor
from marketdata.errors import ConfigurationError, RateLimited, VendorDown
from marketdata.hooks.circuit import Breaker
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.shared_windows import SharedWindows
from marketdata.hooks.windows import LocalWindows, Rate, Use, Windows

Priority = Literal["batch", "realtime"]
R = TypeVar("R")

log = logging.getLogger(__name__)

_BREAK_SECONDS = 30.0
_LONGEST_HELD_SECONDS = 120.0
_FEWEST_SECONDS = 0.01
_JITTER_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Left:
    """What may still be sent: ``requests`` in the present window, ``credits`` this month (None: not counted).

    ``shared`` is False while Redis is away: then the figures are this process's share.
    """

    requests: int
    credits: int | None
    shared: bool


def rates_of(connection: VendorConnection, *, processes: int = 1) -> tuple[Rate, ...]:
    """The windows to keep, the shortest first, for one of ``processes`` that share the account."""
    per_minute = connection.requests_per_minute or 1
    share = connection.realtime_share
    amount, seconds = per_minute // processes, 61
    if not amount:
        amount, seconds = 1, 61 * -(-processes // per_minute)
    minute = Rate(amount, seconds, int(amount * share))
    if amount <= 60:
        return (minute,)
    second = -(-amount // 60)
    return (Rate(second, 1, int(second * share)), minute)


class Quota:
    """Hands out the permission to send. Safe for threads; every HTTP request needs one ``acquire``."""

    def __init__(
        self,
        vendor: Vendor,
        shared: Windows | None,
        local: LocalWindows,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._vendor = vendor
        self._shared = shared
        self._local = local
        self._sleep = sleep
        self._clock = clock
        self._chance = chance or random.SystemRandom()
        self._broken_until = float("-inf")

    @classmethod
    def of(cls, connection: VendorConnection, redis_url: str | None, breaker: Breaker | None = None) -> Quota:
        """The quota of an account; without ``redis_url`` each process keeps to its share.

        Raises ConfigurationError when ``redis_url`` is malformed; a server that is away is no error.
        """
        name = f"{connection.vendor}:{connection.key_digest}"
        local = LocalWindows(name, rates_of(connection, processes=connection.fallback_processes), breaker)
        if redis_url is None:
            return cls(connection.vendor, None, local)
        try:
            shared = SharedWindows(
                redis_url, name, rates_of(connection), connection.credits_per_month, connection.realtime_share, breaker
            )
        except ValueError:  # its text may hold the password
            raise ConfigurationError(
                "the address of Redis", "it is no Redis URL", "write it like redis://:password@host:6379/0"
            ) from None
        return cls(connection.vendor, shared, local)

    def acquire(self, priority: Priority, max_wait: float) -> None:
        """Take the permission for one request, waiting at most ``max_wait`` seconds.

        Raises RateLimited with the seconds to wait when the next place is further away than ``max_wait`` or than two
        minutes (a long pause that the vendor asked for, or the month's credits used up): nobody holds a slot for that.
        VendorDown, which is one, where the circuit is open for so long.
        """
        give_up_at = self._clock() + max_wait
        while wait := self._take(priority):
            wait = max(wait, _FEWEST_SECONDS) + self._chance.uniform(0.0, _JITTER_SECONDS)
            if wait > _LONGEST_HELD_SECONDS or self._clock() + wait > give_up_at:
                raise self._exhausted(priority, wait)
            self._sleep(wait)

    def push_back(self, seconds: float) -> None:
        """Nobody who uses this key sends for ``seconds``."""
        self._local.push_back(seconds)
        self._on_shared(lambda windows: windows.push_back(seconds))

    def note_answer(self, answered: bool) -> None:
        """Say whether the vendor answered the last request, be it with a refusal; every one that was sent counts."""
        self._local.note_answer(answered)
        self._on_shared(lambda windows: windows.note_answer(answered))

    def left(self, priority: Priority = "batch") -> Left:
        """What ``priority`` may still send; takes nothing."""
        seen = self._on_shared(lambda windows: windows.left(priority == "batch"))
        shared = seen is not None
        return Left(*(seen or self._local.left(priority == "batch")), shared)

    def use(self) -> tuple[Use, bool]:
        """What was sent with this key, and whether all processes are counted (Redis answers); takes nothing."""
        seen = self._on_shared(lambda windows: windows.use())
        return (seen, True) if seen is not None else (self._local.use(), False)

    def _take(self, priority: Priority) -> float:
        """0 when the permission was given, else seconds until it is worth asking again."""
        batch = priority == "batch"
        wait = self._on_shared(lambda windows: windows.take(batch))
        if wait is None:
            return self._local.take(batch)
        if wait == 0:
            self._local.note()  # so that the share is already used up should Redis go away now
        return wait

    def _on_shared(self, action: Callable[[Windows], R]) -> R | None:
        """What ``action`` says on the shared windows; None while there are none to be had."""
        if self._shared is None or self._clock() < self._broken_until:
            return None
        try:
            return action(self._shared)
        except redis.RedisError as error:
            self._broken_until = self._clock() + _BREAK_SECONDS
            log.warning(
                "Redis is away, start it or correct its address: quota falls back to this process's share"
                " vendor=%s seconds=%d cause=%s",
                self._vendor,
                _BREAK_SECONDS,
                type(error).__name__,
            )
            return None

    def _exhausted(self, priority: Priority, wait: float) -> RateLimited:
        held = self._on_shared(lambda windows: windows.held(priority == "batch"))
        if self._local.held(priority == "batch") if held is None else held:
            return VendorDown(
                f"{self._vendor}",
                f"it failed so often in a row that nothing is sent to it for {wait:.0f} s",
                "nothing to do: single requests find out when it is back; if it lasts, see the vendor's status page",
                vendor=self._vendor,
                endpoint="",
                retry_after=wait,
            )
        return RateLimited(
            f"{self._vendor} quota",
            f"the next place for {priority} is free in {wait:.0f} s",
            "nothing to do: it is asked again later; a larger plan, set in the connection, goes faster",
            vendor=self._vendor,
            endpoint="",
            retry_after=wait,
        )
