"""The cache that front ends read: latest prices, hours and charts in Redis, see ``cache_keys`` for the contract.

It may be away, full or wiped at any time: nothing here raises an error of Redis, a failure is a miss, and what is not
in the cache is in the database.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from marketdata.storage import cache_keys as keys
from marketdata.storage.cache_connection import CacheConnection, CacheCounts
from marketdata.storage.cache_scripts import DROP_CHARTS, PUT_CHART, PUT_PRICES, UNLOCK
from marketdata.storage.cache_values import encode_hours, encode_price, is_value

if TYPE_CHECKING:
    from redis.client import Pipeline

    from marketdata.storage.hourly_bars import HourBar
    from marketdata.storage.prices import LatestPrice

T = TypeVar("T")

# A script holds up all other users of Redis: it gets so many prices at once, or the charts of so many assets.
_PRICES_A_SCRIPT = 1000
_ASSETS_A_SCRIPT = 250
_LOOKS, _LOOK_AGAIN_SECONDS = 25, 0.02


@dataclass(frozen=True, slots=True)
class Filling:
    """The turn to make a missing value. ``value`` is set where another process has made it meanwhile.

    ``generation``: which life of an asset's charts it belongs to; None: the cache did not answer.
    """

    key: str
    value: bytes | None = None
    generation: bytes | None = None


class PriceCache:
    """Prices, hours and charts in Redis; without ``url`` always a miss. Safe for threads.

    Raises ConfigurationError for an address that is no Redis URL, and nothing else.
    """

    def __init__(
        self,
        url: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.counts = CacheCounts()
        self.is_used = url is not None
        self._redis = CacheConnection(url, self.counts, clock=clock)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._owed: dict[str, bool] = {}

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def is_there(self) -> bool:
        """Whether there is a cache and it takes values: one that is full answers, too."""
        return self._redis.send(lambda pipeline: _set(pipeline, keys.lock_key("health"), b"")) == [True]

    def put_prices(self, prices: Sequence[LatestPrice], *, publish: bool = True) -> int:
        """Set the prices that are not older than what is there and publish those that are new; how many were set.

        Older is what has an earlier ``at``, or the same and an earlier ``fetched_at``. A reader that fills the cache
        from the database does not ``publish``: whoever stored a price does.
        """
        newest: dict[str, LatestPrice] = {}
        for price in prices:
            known = newest.setdefault(price.symbol, price)
            if (known.at, known.fetched_at) < (price.at, price.fetched_at):
                newest[price.symbol] = price
        chunks = list(_chunks(list(newest.values()), _PRICES_A_SCRIPT))
        if not chunks:
            return 0

        def fill(pipeline: Pipeline) -> None:
            for chunk in chunks:
                names = [keys.PUBLISHED.pattern, keys.STREAM.pattern, *(keys.price_key(one.symbol) for one in chunk)]
                pipeline.eval(PUT_PRICES, len(names), *names, *_price_arguments(publish), *map(encode_price, chunk))

        answers = self._redis.send(fill) or []
        put = sum(answer for answer in answers if isinstance(answer, int))
        judged = sum(len(chunk) for chunk, answer in zip(chunks, answers) if isinstance(answer, int))
        self.counts.add(put=put, refused=judged - put)
        return put

    def put_hours(
        self, hours: Mapping[str, Sequence[HourBar]], *, delayed: bool = False, only_missing: bool = False
    ) -> None:
        """Set the hours of the current session, by symbol, each in order of time; all in one pipeline.

        ``only_missing``: for a reader, whose rows may be older than what a writer has set meanwhile.
        """
        if hours:
            self._put_all(
                {keys.hours_key(symbol): encode_hours(bars, delayed=delayed) for symbol, bars in hours.items()},
                only_missing=only_missing,
            )

    def get_prices(self, symbols: Sequence[str], *, again: bool = False) -> dict[str, bytes]:
        """The values of those that are there, by symbol. ``again``: a second look, which is not counted."""
        wanted = list(dict.fromkeys(symbols))
        if not wanted:
            return {}
        names = [keys.price_key(symbol) for symbol in wanted]
        values = self._redis.ask(lambda client: cast("list[bytes | None]", client.mget(names)))
        there = {symbol: value for symbol, value in zip(wanted, values or ()) if value is not None}
        garbage = [symbol for symbol, value in there.items() if not is_value(keys.price_key(symbol), value)]
        self._clear([keys.price_key(symbol) for symbol in garbage])
        for symbol in garbage:
            del there[symbol]
        if not again:
            self.counts.add(hits=len(there), misses=len(wanted) - len(there))
        return there

    def get_hours(self, symbol: str) -> bytes | None:
        """The hours of the current session; None where they are not there."""
        return self._get(keys.hours_key(symbol))

    def get_chart(self, symbol: str, range_name: str, adjusted: str = "splits") -> bytes | None:
        """A chart; None where it is not there. ValueError for a range or an adjustment that does not exist."""
        return self._get(keys.chart_key(symbol, range_name, adjusted))

    def put_chart(
        self, symbol: str, range_name: str, adjusted: str, value: bytes, *, filling: Filling | None = None
    ) -> bool:
        """Set a chart; whether it was set.

        ``filling`` is what :meth:`filling` gave before the database was read: when the asset's charts were dropped
        since then, the value may hold bars from before the correction, and is not set.
        """
        key = keys.chart_key(symbol, range_name, adjusted)
        if filling is None:
            return self._put_all({key: value})
        if filling.generation is None:
            return False
        names = (keys.generation_key(symbol), key)
        values = (filling.generation, value, keys.seconds_of(key))
        answers = self._redis.send(lambda pipeline: pipeline.eval(PUT_CHART, len(names), *names, *values))
        is_put = answers == [1]
        self.counts.add(put=is_put, refused=answers == [0])
        return is_put

    def drop_charts(self, symbols: Sequence[str], *, hours: bool = False) -> int:
        """Remove every chart of these assets, and with ``hours`` their hours: what they were made of has changed.

        Charts that are being made at this moment are not set any more. Returns how many charts were there. What the
        cache did not answer to is done with the next call, which may be for no symbols at all.
        """
        wanted = self._take_owed(symbols, hours) if self.is_used else {}
        if not wanted:
            return 0
        with_hours = [symbol for symbol, has_hours in wanted.items() if has_hours]
        arguments: tuple[str | bytes | int, ...] = (
            secrets.token_bytes(8),
            keys.GENERATION.seconds,
            *keys.CHART_ENDINGS,
        )

        def fill(pipeline: Pipeline) -> None:
            for chunk in _chunks(with_hours, _PRICES_A_SCRIPT):
                pipeline.unlink(*map(keys.hours_key, chunk))
            for chunk in _chunks(list(wanted), _ASSETS_A_SCRIPT):
                pipeline.eval(DROP_CHARTS, len(chunk), *map(keys.generation_key, chunk), *arguments)

        answers = self._redis.send(fill)
        if answers is None:
            self._owe(wanted)
            return 0
        scripts = -(-len(wanted) // _ASSETS_A_SCRIPT)
        return sum(answer for answer in answers[-scripts:] if isinstance(answer, int))

    @contextmanager
    def filling(self, key: str) -> Iterator[Filling]:
        """The turn to make the value of ``key``, which one caller of all processes has at a time, for about 2 seconds.

        The others wait up to half a second for the value, and then go themselves, as all do while the cache is away::

            with cache.filling(chart_key(symbol, range_name, adjusted)) as filling:
                if filling.value is None:
                    value = ...  # from the database
                    cache.put_chart(symbol, range_name, adjusted, value, filling=filling)
        """
        lock, token = keys.lock_key(key), secrets.token_bytes(8)
        generation = keys.generation_key(keys.charted_symbol(key) or "")

        def look(pipeline: Pipeline) -> None:
            _set(pipeline, lock, token, only_missing=True)
            pipeline.get(generation)
            pipeline.get(key)

        found, is_mine = Filling(key), False
        for looked in range(_LOOKS):
            if looked:
                self._sleep(_LOOK_AGAIN_SECONDS)
            answers = self._redis.send(look)
            if answers is None:
                break
            is_mine = answers[0] is True
            found = Filling(key, _value(key, answers[2]), _generation(answers[1]))
            if is_mine or found.value is not None:
                break
        try:
            yield found
        finally:
            if is_mine:
                self._redis.send(lambda pipeline: pipeline.eval(UNLOCK, 1, lock, token))

    def _take_owed(self, symbols: Sequence[str], hours: bool) -> dict[str, bool]:
        """The symbols to drop, these and the ones owed, each with whether its hours go too."""
        with self._lock:
            owed, self._owed = self._owed, {}
        return owed | {symbol: hours or owed.get(symbol, False) for symbol in symbols}

    def _owe(self, symbols: Mapping[str, bool]) -> None:
        with self._lock:
            self._owed |= {symbol: hours or self._owed.get(symbol, False) for symbol, hours in symbols.items()}

    def _get(self, key: str) -> bytes | None:
        """A value; one that has lost its TTL gets it anew, or it would be served for ever."""

        def look(pipeline: Pipeline) -> None:
            pipeline.get(key)
            pipeline.ttl(key)

        answer, left = self._redis.send(look) or (None, None)
        value = _value(key, answer)
        if answer is not None and value is None:
            self._clear([key])
        elif left == -1:
            self._redis.send(lambda pipeline: pipeline.expire(key, keys.seconds_of(key)))
        self.counts.add(hits=value is not None, misses=value is None)
        return value

    def _clear(self, names: Sequence[str]) -> None:
        """Remove what is no value of ours, so that the next one who has the value can set it."""
        if names:
            self.counts.add(garbage=len(names))
            self._redis.send(lambda pipeline: pipeline.unlink(*names))

    def _put_all(self, values: Mapping[str, bytes], *, only_missing: bool = False) -> bool:
        """Set values in one pipeline; whether all were set."""

        def fill(pipeline: Pipeline) -> None:
            for key, value in values.items():
                _set(pipeline, key, value, only_missing=only_missing)

        answers = self._redis.send(fill) or []
        put = sum(answer is True for answer in answers)
        self.counts.add(put=put, refused=sum(answer is None for answer in answers))
        return put == len(values)


def _set(pipeline: Pipeline, key: str, value: bytes, *, only_missing: bool = False) -> None:
    """The one way to set a key: it always goes away by itself."""
    pipeline.set(key, value, ex=keys.seconds_of(key), nx=only_missing)


def _price_arguments(publish: bool) -> tuple[str | int, ...]:
    return keys.CHANNEL.pattern, keys.STREAM_ENTRIES, keys.STREAM.seconds, keys.LATEST.seconds, int(publish)


def _value(key: str, answer: object) -> bytes | None:
    """The value that an answer holds, if it is what belongs there."""
    return answer if isinstance(answer, bytes) and is_value(key, answer) else None


def _generation(answer: object) -> bytes | None:
    """The generation in an answer, b"" where there is none yet; None where it is not known."""
    if answer is None:
        return b""
    return answer if isinstance(answer, bytes) else None


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))
