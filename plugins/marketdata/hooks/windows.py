"""Moving windows of requests: in memory for one process here, in Redis for all processes of a key in shared_windows.

Each window is one list of instants. Batch and realtime write into the same list and differ in how full they may find
it, so what realtime sends counts against batch, and batch never reaches into the reserve.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from marketdata.hooks.circuit import Breaker, LocalCircuit


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``amount`` requests in any ``seconds``, of which batch leaves ``reserve`` untouched."""

    amount: int
    seconds: int
    reserve: int = 0

    def place(self, batch: bool) -> Place:
        return Place(self.amount - self.reserve if batch else self.amount, self.seconds)


class Place(RateLimitItemPerSecond):
    """A limit whose key does not hold its amount: batch and realtime share one list."""

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        return f"{'/'.join(map(str, identifiers))}/{self.multiples}s"


@dataclass(frozen=True, slots=True)
class Use:
    """What was sent: ``requests`` in each window, the shortest first; ``credits`` this month (None: not counted).

    Nothing may be sent for ``pause`` seconds, nor by batch for ``down`` seconds since the vendor is. ``is_known``
    False: the store is new and remembers nothing yet.
    """

    requests: tuple[int, ...]
    credits: int | None
    pause: float
    down: float
    is_known: bool


class Windows(Protocol):
    """Where permissions to send are counted."""

    def take(self, batch: bool) -> float:
        """0.0 when one request may be sent now, and is counted; else seconds until it is worth asking again."""

    def push_back(self, seconds: float) -> None:
        """Permit nothing for ``seconds``; never shortens a pause."""

    def note_answer(self, answered: bool) -> None:
        """Tell the circuit whether the vendor answered the request that was permitted."""

    def held(self, batch: bool) -> float:
        """Seconds for which the circuit permits nothing; 0 while it is closed."""

    def left(self, batch: bool) -> tuple[int, int | None]:
        """Requests left in the window, credits left in the month (None: not counted)."""

    def use(self) -> Use:
        """What was sent, without taking part."""


class LocalWindows:
    """Windows of this process alone."""

    def __init__(self, name: str, rates: Sequence[Rate], breaker: Breaker | None = None) -> None:
        self._name = name
        self._circuit = LocalCircuit(breaker or Breaker())
        self._rates = tuple(rates)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._noted: deque[float] = deque(maxlen=max(rate.amount for rate in rates))

    def take(self, batch: bool) -> float:
        self._count_noted()
        pause = max(self._paused_until - time.time(), self.held(batch))
        if pause > 0:
            return pause
        # The shortest window first, since a place taken in vain there is soon free again.
        for place in (rate.place(batch) for rate in self._rates):
            if not self._limiter.hit(place, self._name):
                return max(self._limiter.get_window_stats(place, self._name).reset_time - time.time(), 0.001)
        self._circuit.permitted()
        return 0.0

    def note(self) -> None:
        """Remember a request that was permitted elsewhere."""
        self._noted.append(time.time())

    def push_back(self, seconds: float) -> None:
        with self._lock:
            self._paused_until = max(self._paused_until, time.time() + seconds)

    def note_answer(self, answered: bool) -> None:
        if answered:
            self._circuit.answered()
        else:
            self._circuit.failed()

    def held(self, batch: bool) -> float:
        return self._circuit.wait(batch)

    def left(self, batch: bool) -> tuple[int, int | None]:
        self._count_noted()
        return remaining(self._limiter, self._name, self._rates, batch), None

    def use(self) -> Use:
        pause = max(0.0, self._paused_until - time.time())
        return Use(used(self._limiter, self._name, self._rates), None, pause, self.held(batch=True), is_known=True)

    def _count_noted(self) -> None:
        """Count what was noted as if it were sent now, which is never too few."""
        now = time.time()
        with self._lock:
            noted, self._noted = self._noted, deque(maxlen=self._noted.maxlen)
        for rate in self._rates if noted else ():
            place = rate.place(batch=False)
            sent = sum(instant > now - rate.seconds for instant in noted)
            free = self._limiter.get_window_stats(place, self._name).remaining
            if recent := min(sent, free):
                self._limiter.hit(place, self._name, cost=recent)


def used(limiter: MovingWindowRateLimiter, name: str, rates: Sequence[Rate]) -> tuple[int, ...]:
    """How many places of each window are taken."""
    return tuple(rate.amount - limiter.get_window_stats(rate.place(batch=False), name).remaining for rate in rates)


def remaining(limiter: MovingWindowRateLimiter, name: str, rates: Sequence[Rate], batch: bool) -> int:
    """How many places are left in the window that has the fewest."""
    return max(0, min(limiter.get_window_stats(rate.place(batch), name).remaining for rate in rates))
