"""The circuit of a vendor key: open, nobody asks a vendor that is down; then single requests find out when it is back.

It counts failures of the vendor or the network (5xx, time-outs, broken connections) with no answer in between, whoever
of the key's users met them. Any answer closes it, a refusal too: the vendor is there. One symbol that always fails is
tried 4 times and does not open it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import redis

# A failure while the circuit is open for batch is of a request that was sent before, or of realtime's probe: it makes
# nobody wait longer. Keys: failures, down, probe. Arguments: straight, then in milliseconds first, longest, memory.
_FAILED = """
if redis.call('EXISTS', KEYS[2]) == 1 then
    return
end
local failures = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local beyond = failures - ARGV[1]
if beyond >= 0 then
    redis.call('SET', KEYS[2], 1, 'PX', math.min(ARGV[2] * 2 ^ math.min(beyond, 20), ARGV[3]))
    redis.call('SET', KEYS[3], 1, 'PX', ARGV[2])
end
"""


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a circuit opens and for how many seconds.

    It opens after ``straight`` failures in a row, for ``first`` seconds; each probe in vain doubles that, up to
    ``longest``. Realtime does not wait for so long: it may probe ``first`` seconds after the last probe. So of P
    processes a vendor that is down for S seconds gets at most straight + P - 1 + S / first requests, one more for the
    part of a second that is left over.
    """

    straight: int = 6
    first: float = 15.0
    longest: float = 300.0

    @property
    def memory(self) -> float:
        """After so many seconds without a failure those before it no longer count."""
        return 2 * self.longest

    def open_for(self, failures: int) -> float:
        """How long so many failures in a row keep it open for batch; 0 for too few."""
        if failures < self.straight:
            return 0.0
        return min(self.first * 2.0 ** min(failures - self.straight, 20), self.longest)


class LocalCircuit:
    """The circuit of this process alone."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._lock = threading.Lock()
        self._failures = 0
        self._forget_at = self._down_until = self._probe_until = 0.0

    def wait(self, batch: bool) -> float:
        """Seconds until the next request may be sent, 0 while it is closed."""
        now = time.time()
        if self._failures < self._breaker.straight or now >= self._forget_at:
            return 0.0
        until = max(self._down_until, self._probe_until) if batch else self._probe_until
        return max(0.0, until - now)

    def permitted(self) -> None:
        """A request is sent: while it is half-open that is the probe, and the only one for a while."""
        if self._failures >= self._breaker.straight:
            self._probe_until = time.time() + self._breaker.first

    def failed(self) -> None:
        """Count a failure; open the circuit, or keep it open, where there are too many."""
        now = time.time()
        with self._lock:
            if now < self._down_until:
                return
            self._failures = self._failures + 1 if now < self._forget_at else 1
            self._forget_at = now + self._breaker.memory
            if pause := self._breaker.open_for(self._failures):
                self._down_until, self._probe_until = now + pause, now + self._breaker.first

    def answered(self) -> None:
        """Close it: the vendor is there."""
        if self._failures:
            with self._lock:
                self._failures, self._down_until, self._probe_until = 0, 0.0, 0.0


class SharedCircuit:
    """The circuit of all processes of a key, in Redis; every method may raise redis.RedisError.

    Permissions are given, and probes counted, by the script that takes places in windows: it needs ``keys`` (failures,
    down, probe) and ``limits`` (how many failures open the circuit; milliseconds between probes).
    """

    def __init__(self, client: redis.Redis, key: Callable[[str], str], breaker: Breaker) -> None:
        self._client = client
        self._breaker = breaker
        self._failed = client.register_script(_FAILED)
        self.keys = [key("failures"), key("down"), key("probe")]
        self.limits = (breaker.straight, _milliseconds(breaker.first))

    def wait(self, batch: bool) -> float:
        """Seconds until the next request may be sent, 0 while it is closed."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(self.keys[0])
        pipeline.pttl(self.keys[1])
        pipeline.pttl(self.keys[2])
        failures, down, probe = pipeline.execute()
        if int(failures or 0) < self._breaker.straight:
            return 0.0
        return max(0.0, cast("float", max(down, probe) if batch else probe) / 1000)

    def failed(self) -> None:
        """Count a failure; open the circuit, or keep it open, where there are too many."""
        breaker = self._breaker
        seconds = (breaker.first, breaker.longest, breaker.memory)
        self._failed(self.keys, [breaker.straight, *map(_milliseconds, seconds)])

    def answered(self) -> None:
        """Close it: the vendor is there."""
        self._client.delete(*self.keys)


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
