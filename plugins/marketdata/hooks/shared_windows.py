"""The windows and the circuit of all processes that use a key, kept in Redis, on its clock."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import redis
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from marketdata.hooks.circuit import Breaker, SharedCircuit
from marketdata.hooks.windows import Rate, Use, remaining, used

_PREFIX = "marketdata:quota"
_SOCKET_SECONDS = 0.25
_OPENING = b"opening"
_OPENING_MS = 2000
_LOOK_AGAIN_SECONDS = 0.05
_CREDITS_KEPT_SECONDS = 40 * 24 * 3600

# Takes a place in every window or in none, in one round trip and on the server's clock, in the lists that ``limits``
# keeps. Keys: epoch, pause, the circuit's failures, down and probe, one list a window. Arguments: the epoch that the
# caller knows, 1 for batch, the failures that open the circuit, the milliseconds between probes, then the places and
# seconds of each window. Gives back the seconds to wait, -1 for none while failures are counted, or nil where the store
# is in another epoch.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return nil
end
local wait = redis.call('PTTL', KEYS[2]) / 1000
local failures = tonumber(redis.call('GET', KEYS[3]) or '0')
local is_open = failures >= tonumber(ARGV[3])
if is_open then
    wait = math.max(wait, redis.call('PTTL', KEYS[5]) / 1000)
    if ARGV[2] == '1' then
        wait = math.max(wait, redis.call('PTTL', KEYS[4]) / 1000)
    end
end
for i = 6, #KEYS do
    local places, seconds = tonumber(ARGV[2 * i - 7]), tonumber(ARGV[2 * i - 6])
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
if is_open then
    redis.call('SET', KEYS[5], 1, 'PX', ARGV[4])
end
for i = 6, #KEYS do
    redis.call('LPUSH', KEYS[i], now)
    redis.call('LTRIM', KEYS[i], 0, ARGV[2 * i - 7] - 1)
    redis.call('EXPIRE', KEYS[i], ARGV[2 * i - 6])
end
return failures > 0 and '-1' or '0'
"""

# Lets nobody send for so many milliseconds, in one step: a shorter pause could run out between a look and a change.
_PUSH_BACK = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end
"""


class SharedWindows:
    """Windows of all processes that use a key, in Redis. Every method may raise redis.RedisError.

    A store that was wiped has forgotten what was sent. Whoever finds it empty starts it with half of each window used
    (nobody can know more on a first start), or all of it when this process has seen it filled before.
    """

    def __init__(
        self,
        url: str,
        name: str,
        rates: Sequence[Rate],
        credits_per_month: int | None,
        realtime_share: float,
        breaker: Breaker | None = None,
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
        self._push_back = self._client.register_script(_PUSH_BACK)
        self._circuit = SharedCircuit(self._client, self._key, breaker or Breaker())
        lists = (self._list_key(rate) for rate in self._rates)
        self._take_keys = [self._key("epoch"), self._key("pause"), *self._circuit.keys, *lists]
        self._epoch: bytes | None = None
        self._is_failing = False

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
        if milliseconds > 0:
            self._push_back([self._key("pause")], [milliseconds])

    def note_answer(self, answered: bool) -> None:
        if not answered:
            self._circuit.failed()
        elif self._is_failing:
            self._circuit.answered()
            self._is_failing = False

    def held(self, batch: bool) -> float:
        return self._circuit.wait(batch)

    def left(self, batch: bool) -> tuple[int, int | None]:
        paused = self._look(batch) > 0
        used = int(self._client.get(self._credits_key()) or 0)
        allowed = self._allowed_credits(batch)
        requests = 0 if paused else remaining(self._limiter, self._name, self._rates, batch)
        return requests, None if allowed is None else max(0, allowed - used)

    def use(self) -> Use:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.exists(self._key("epoch"))
        pipeline.pttl(self._key("pause"))
        pipeline.get(self._credits_key())
        (seconds, microseconds), is_known, pause_ms, spent = pipeline.execute()
        self._storage.set_clock(seconds + microseconds / 1e6)
        requests = used(self._limiter, self._name, self._rates)
        credits_spent = None if self._credits is None else int(spent or 0)
        return Use(requests, credits_spent, max(0.0, int(pause_ms) / 1000), self.held(batch=True), bool(is_known))

    def _take_places(self, batch: bool) -> float | None:
        """Seconds to wait, 0 when a place was taken in every window; None when the store is in another epoch."""
        arguments: list[bytes | int] = [self._epoch or b"", int(batch), *self._circuit.limits]
        for place in (rate.place(batch) for rate in self._rates):
            arguments += [place.amount, place.multiples]
        wait = cast("bytes | None", self._take(self._take_keys, arguments))
        if wait is None:
            return None
        self._is_failing = float(wait) < 0
        return max(0.0, float(wait))

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
