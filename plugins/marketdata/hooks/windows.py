"""Moving windows of requests: in Redis for all processes of a key, in memory for one process.

Each window is one list of instants. Batch and realtime write into the same list and differ in how full they may find
it, so what realtime sends counts against batch, and batch never reaches into the reserve.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, cast

import redis
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

_PREFIX = "marketdata:quota"
_SOCKET_SECONDS = 0.25
_OPENING = b"opening"
_OPENING_MS = 2000
_LOOK_AGAIN_SECONDS = 0.05
_CREDITS_KEPT_SECONDS = 40 * 24 * 3600

# Takes a place in every window or in none, in one round trip and on the server's clock, in the lists that ``limits``
# keeps. Keys: epoch, pause, one list a window. Arguments: the epoch that the caller knows, then the places and seconds
# of each window. Gives back the seconds to wait, or nil where the store is in another epoch.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return nil
end
local wait = redis.call('PTTL', KEYS[2]) / 1000
for i = 3, #KEYS do
    local places, seconds = tonumber(ARGV[2 * i - 4]), tonumber(ARGV[2 * i - 3])
    local oldest = tonumber(redis.call('LINDEX', KEYS[i], places - 1) or '-inf')
    if places < 1 then
        wait = math.max(wait, seconds)
    elseif oldest >= now - seconds then
        wait = math.max(wait, oldest + seconds - now, 0.001)
    end
end
if wait > 0 then
    return tostring(wait)
end
for i = 3, #KEYS do
    redis.call('LPUSH', KEYS[i], now)
    redis.call('LTRIM', KEYS[i], 0, ARGV[2 * i - 4] - 1)
    redis.call('EXPIRE', KEYS[i], ARGV[2 * i - 3])
end
return '0'
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``amount`` requests in any ``seconds``, of which batch leaves ``reserve`` untouched."""

    amount: int
    seconds: int
    reserve: int = 0

    def place(self, batch: bool) -> _Place:
        return _Place(self.amount - self.reserve if batch else self.amount, self.seconds)


class _Place(RateLimitItemPerSecond):
    """A limit whose key does not hold its amount: batch and realtime share one list."""

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        return f"{'/'.join(map(str, identifiers))}/{self.multiples}s"


@dataclass(frozen=True, slots=True)
class Use:
    """What was sent: ``requests`` in each window, the shortest first; ``credits`` this month (None: not counted).

    Nothing may be sent for ``pause`` seconds. ``is_known`` False: the store is new and remembers nothing yet.
    """

    requests: tuple[int, ...]
    credits: int | None
    pause: float
    is_known: bool


class Windows(Protocol):
    """Where permissions to send are counted."""

    def take(self, batch: bool) -> float:
        """0.0 when one request may be sent now, and is counted; else seconds until it is worth asking again."""

    def push_back(self, seconds: float) -> None:
        """Permit nothing for ``seconds``; never shortens a pause."""

    def left(self, batch: bool) -> tuple[int, int | None]:
        """Requests left in the window, credits left in the month (None: not counted)."""

    def use(self) -> Use:
        """What was sent, without taking part."""


class LocalWindows:
    """Windows of this process alone."""

    def __init__(self, name: str, rates: Sequence[Rate]) -> None:
        self._name = name
        self._rates = tuple(rates)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._noted: deque[float] = deque(maxlen=max(rate.amount for rate in rates))

    def take(self, batch: bool) -> float:
        self._count_noted()
        pause = self._paused_until - time.time()
        if pause > 0:
            return pause
        # The shortest window first, since a place taken in vain there is soon free again.
        for place in (rate.place(batch) for rate in self._rates):
            if not self._limiter.hit(place, self._name):
                return max(self._limiter.get_window_stats(place, self._name).reset_time - time.time(), 0.001)
        return 0.0

    def note(self) -> None:
        """Remember a request that was permitted elsewhere."""
        self._noted.append(time.time())

    def push_back(self, seconds: float) -> None:
        with self._lock:
            self._paused_until = max(self._paused_until, time.time() + seconds)

    def left(self, batch: bool) -> tuple[int, int | None]:
        self._count_noted()
        return _remaining(self._limiter, self._name, self._rates, batch), None

    def use(self) -> Use:
        pause = max(0.0, self._paused_until - time.time())
        return Use(_used(self._limiter, self._name, self._rates), None, pause, is_known=True)

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


class SharedWindows:
    """Windows of all processes that use a key, in Redis. Every method may raise redis.RedisError.

    A store that was wiped has forgotten what was sent. Whoever finds it empty starts it with half of each window used
    (nobody can know more on a first start), or all of it when this process has seen it filled before.
    """

    def __init__(
        self, url: str, name: str, rates: Sequence[Rate], credits_per_month: int | None, realtime_share: float
    ) -> None:
        self._name = name
        self._rates = tuple(rates)
        self._credits = credits_per_month
        self._batch_credits = None if credits_per_month is None else int(credits_per_month * (1 - realtime_share))
        self._storage = _ServerClockStorage(
            url,
            key_prefix=_PREFIX,
            socket_timeout=_SOCKET_SECONDS,
            socket_connect_timeout=_SOCKET_SECONDS,
        )
        self._client = cast("redis.Redis", self._storage.storage)
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._take = self._client.register_script(_TAKE)
        self._take_keys = [self._key("epoch"), self._key("pause"), *(self._list_key(rate) for rate in self._rates)]
        self._epoch: bytes | None = None

    def take(self, batch: bool) -> float:
        is_known = self._epoch is not None and self._credits is None
        wait = self._take_places(batch) if is_known else None
        if wait is None:
            wait = self._look(batch) or self._take_places(batch)
        if wait is None:
            return _LOOK_AGAIN_SECONDS
        return wait if wait > 0 else self._spend_credit(batch)

    def push_back(self, seconds: float) -> None:
        milliseconds = math.ceil(seconds * 1000)
        if milliseconds > 0 and not self._client.set(self._key("pause"), 1, px=milliseconds, nx=True):
            self._client.pexpire(self._key("pause"), milliseconds, gt=True)

    def left(self, batch: bool) -> tuple[int, int | None]:
        paused = self._look(batch) > 0
        used = int(self._client.get(self._credits_key()) or 0)
        allowed = self._allowed_credits(batch)
        requests = 0 if paused else _remaining(self._limiter, self._name, self._rates, batch)
        return requests, None if allowed is None else max(0, allowed - used)

    def use(self) -> Use:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.exists(self._key("epoch"))
        pipeline.pttl(self._key("pause"))
        pipeline.get(self._credits_key())
        (seconds, microseconds), is_known, pause_ms, spent = pipeline.execute()
        self._storage.set_clock(seconds + microseconds / 1e6)
        requests = _used(self._limiter, self._name, self._rates)
        credits_spent = None if self._credits is None else int(spent or 0)
        return Use(requests, credits_spent, max(0.0, int(pause_ms) / 1000), bool(is_known))

    def _take_places(self, batch: bool) -> float | None:
        """Seconds to wait, 0 when a place was taken in every window; None when the store is in another epoch."""
        arguments: list[bytes | int] = [self._epoch or b""]
        for place in (rate.place(batch) for rate in self._rates):
            arguments += [place.amount, place.multiples]
        wait = cast("bytes | None", self._take(self._take_keys, arguments))
        return None if wait is None else float(wait)

    def _look(self, batch: bool) -> float:
        """Set the clock by the server's; seconds of pause, 0 when there is none."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(self._key("epoch"))
        pipeline.pttl(self._key("pause"))
        pipeline.get(self._credits_key())
        (seconds, microseconds), epoch, pause_ms, spent = pipeline.execute()
        self._storage.set_clock(seconds + microseconds / 1e6)
        allowed = self._allowed_credits(batch)
        if allowed is not None and int(spent or 0) >= allowed:
            return self._until_next_month()
        return max(self._join(epoch), int(pause_ms) / 1000)

    def _join(self, epoch: bytes | None) -> float:
        """Take part in the store's present life, or start it; seconds to wait while another process starts it."""
        if epoch is None:
            if not self._client.set(self._key("epoch"), _OPENING, nx=True, px=_OPENING_MS):
                return _LOOK_AGAIN_SECONDS
            self._fill(all_of_it=self._epoch is not None)
            self._epoch = secrets.token_bytes(8)
            self._client.set(self._key("epoch"), self._epoch)
        elif epoch == _OPENING:
            return _LOOK_AGAIN_SECONDS
        elif epoch != self._epoch:
            if self._epoch is not None:
                self._fill(all_of_it=True)
            self._epoch = epoch
        return 0.0

    def _fill(self, *, all_of_it: bool) -> None:
        for rate in self._rates:
            place = rate.place(batch=False)
            free = self._limiter.get_window_stats(place, self._name).remaining
            self._limiter.hit(place, self._name, cost=free if all_of_it else min(free, rate.amount // 2))

    def _spend_credit(self, batch: bool) -> float:
        allowed = self._allowed_credits(batch)
        if allowed is None:
            return 0.0
        used = self._client.incr(self._credits_key())
        if used == 1:
            self._client.expire(self._credits_key(), _CREDITS_KEPT_SECONDS)
        if used <= allowed:
            return 0.0
        self._client.decr(self._credits_key())
        return self._until_next_month()

    def _allowed_credits(self, batch: bool) -> int | None:
        return self._batch_credits if batch else self._credits

    def _until_next_month(self) -> float:
        now = datetime.fromtimestamp(self._storage.now(), UTC)
        first = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
        return (first - now).total_seconds()

    def _credits_key(self) -> str:
        return self._key(f"credits:{datetime.fromtimestamp(self._storage.now(), UTC):%Y-%m}")

    def _list_key(self, rate: Rate) -> str:
        return self._storage.prefixed_key(rate.place(batch=False).key_for(self._name))

    def _key(self, what: str) -> str:
        return f"{_PREFIX}:{self._name}:{what}"


class _ServerClockStorage(RedisStorage):
    """The library's storage on the server's clock: with each worker's own, a skew of seconds would break the window.

    The script takes its instant from the server; ``now`` only estimates it, to say how long to wait.
    """

    SCRIPT_ACQUIRE_MOVING_WINDOW = RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.replace(
        b"tonumber(ARGV[1])", b"(function(t) return t[1] + t[2] / 1000000 end)(redis.call('TIME'))"
    )
    _ahead = 0.0

    def set_clock(self, server_time: float) -> None:
        self._ahead = server_time - time.time()

    def now(self) -> float:
        return time.time() + self._ahead

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        now = self.now()
        window = cast("list[bytes] | None", self.lua_moving_window([self.prefixed_key(key)], [now - expiry, limit]))
        return (float(window[0]), int(window[1])) if window else (now, 0)


def _used(limiter: MovingWindowRateLimiter, name: str, rates: Sequence[Rate]) -> tuple[int, ...]:
    """How many places of each window are taken."""
    return tuple(rate.amount - limiter.get_window_stats(rate.place(batch=False), name).remaining for rate in rates)


def _remaining(limiter: MovingWindowRateLimiter, name: str, rates: Sequence[Rate], batch: bool) -> int:
    return max(0, min(limiter.get_window_stats(rate.place(batch), name).remaining for rate in rates))
