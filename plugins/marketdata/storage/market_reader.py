"""What front ends read: latest prices and charts, from the cache where they are there, else from the database.

with MarketReader.open(dsn, redis_url) as reader:
    reader.prices(["AAPL", "X:BTCUSD"])
    reader.chart("AAPL", "1Y")
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

import msgspec

from marketdata import settings
from marketdata.domain.freshness import Limits, judge
from marketdata.domain.ranges import RANGES, window
from marketdata.domain.sessions import today
from marketdata.errors import InvalidRequest, StorageError
from marketdata.storage import cache_keys as keys
from marketdata.storage.cache_values import DayValue, HourValue, PriceValue, encode_days, encode_hours, encode_price
from marketdata.storage.charts import (
    are_hours_delayed,
    find_charted,
    find_known,
    read_days,
    read_newest_hours,
    unknown_asset,
)
from marketdata.storage.connection import Connection
from marketdata.storage.freshness import read_facts
from marketdata.storage.hourly_bars import HourBar
from marketdata.storage.price_cache import PriceCache
from marketdata.storage.prices import LatestPrice, read_latest
from marketdata.storage.read_pool import ReadPool
from marketdata.storage.single_flight import SingleFlight

if TYPE_CHECKING:
    from marketdata.domain.judgement import Judgement

T = TypeVar("T")
P = ParamSpec("P")

log = logging.getLogger(__name__)

CHART_RANGES = ("1D", *RANGES)
MOST_SYMBOLS = 500
JUDGED_FOR = timedelta(seconds=10)
"""How long a judgement of the freshness is given again before the database is asked anew."""

_EMPTY = encode_days([])  # not kept: an asset that was just followed gets its bars within minutes
_price = msgspec.json.Decoder(PriceValue)
_days = msgspec.json.Decoder(list[DayValue])
_hours = msgspec.json.Decoder(list[HourValue])


class PriceNow(PriceValue, frozen=True, rename="camel", gc=False):
    """A latest price and how old it is: seconds since its own time."""

    age_seconds: float = msgspec.field(name="age_seconds")


class PricesNow(msgspec.Struct, frozen=True):
    """The answer to a question for prices, in the order of the question.

    ``unknown``: no such asset. ``without_price``: no price was ever seen, mostly since nobody watches it. ``unread``:
    not in the cache, and the database did not answer.
    """

    prices: list[PriceNow]
    unknown: list[str]
    without_price: list[str]
    unread: list[str]


class Chart(msgspec.Struct, frozen=True):
    """A chart: ``bars``, oldest first, as the cache holds them; what is said of it as a whole is said of the last bar.

    ``age_seconds`` since the vendor gave it to us. Without bars those are null.
    """

    symbol: str
    range: str
    adjusted: str
    session: str | None
    as_of: str | None
    age_seconds: float | None
    source: str | None
    delayed: bool
    bars: msgspec.Raw


class MarketReader:
    """Reads for any number of threads. ``loads`` counts the times that the database was asked."""

    def __init__(self, pool: ReadPool, cache: PriceCache, *, clock: Callable[[], datetime] = settings.now) -> None:
        self.cache = cache
        self._pool = pool
        self._clock = clock
        self._price_flight: SingleFlight[str, PriceValue | bool] = SingleFlight()
        self._chart_flight: SingleFlight[tuple[str, str, str], bytes] = SingleFlight()
        self._judgement_flight: SingleFlight[str, Judgement] = SingleFlight()
        self._judgement: Judgement | None = None
        self._counter = count(1)
        self.loads = 0

    @classmethod
    @contextmanager
    def open(cls, dsn: str, redis_url: str | None) -> Iterator[Self]:
        """A reader for the length of a ``with``; nothing is connected before the first question."""
        pool, cache = ReadPool(dsn), PriceCache(redis_url)
        try:
            yield cls(pool, cache)
        finally:
            pool.close()
            cache.close()

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What another storage function reads, in one transaction that cannot write."""
        return self._pool.read(work, *args, **kwargs)

    def prices(self, symbols: Sequence[str]) -> PricesNow:
        """The latest prices of these house symbols, with their own times: after the close the last one.

        At most 500 symbols. UnknownAsset where not one of them is an asset. While the database is away what the cache
        holds is served; StorageError where that is nothing.
        """
        wanted = list(dict.fromkeys(symbols))
        if not 0 < len(wanted) <= MOST_SYMBOLS:
            raise InvalidRequest("symbols", f"{len(wanted)} were given", f"give 1 to {MOST_SYMBOLS}")
        found: dict[str, PriceValue | bool] = {**_decoded(self.cache.get_prices(wanted))}
        missing = [symbol for symbol in wanted if symbol not in found]
        unread: list[str] = []
        if missing:
            try:
                found.update(self._price_flight.get(missing, self._load_prices))
            except StorageError:
                if not found:
                    raise
                unread = missing
        if all(found.get(symbol) is False for symbol in wanted):
            raise unknown_asset(wanted)
        return PricesNow(
            [self._aged(price) for symbol in wanted if isinstance(price := found.get(symbol), PriceValue)],
            [symbol for symbol in wanted if found.get(symbol) is False],
            [symbol for symbol in wanted if found.get(symbol) is True],
            unread,
        )

    def chart(self, symbol: str, range_name: str, adjusted: str = "splits") -> Chart:
        """A chart over a range (``1D``: the hours of the newest session), adjusted as ``cache_keys.ADJUSTMENTS`` says.

        InvalidRequest for a range or an adjustment that does not exist, UnknownAsset, StorageError.
        """
        if range_name not in CHART_RANGES:
            raise InvalidRequest(f"range {range_name!r:.40}", "there is no such range", f"{', '.join(CHART_RANGES)}")
        if adjusted not in keys.ADJUSTMENTS:
            raise InvalidRequest(f"adjusted {adjusted!r:.40}", "there is none", f"{', '.join(keys.ADJUSTMENTS)}")
        value = self._cached_chart(symbol, range_name, adjusted)
        if value is None:
            key = (symbol, range_name, adjusted)
            value = self._chart_flight.get([key], lambda _: {key: self._make_chart(*key)})[key]
        return self._described(symbol, range_name, adjusted, value)

    def freshness(self) -> Judgement:
        """How fresh all data is, at most 10 seconds ago; StorageError, ConfigurationError for bad limits."""
        return self._judged() or self._judgement_flight.get([""], lambda _: {"": self._judged() or self._judge()})[""]

    def _judged(self) -> Judgement | None:
        """The last judgement, if it is young enough."""
        known = self._judgement
        is_young = known is not None and timedelta() <= self._clock() - known.judged_at < JUDGED_FOR
        return known if is_young else None

    def _judge(self) -> Judgement:
        now, limits = self._clock(), Limits.parse(settings.stale_after())
        facts = self._load(read_facts, now=now, limits=limits)
        self._judgement = judge(facts, limits, now=now, around_the_clock=settings.crypto_around_the_clock())
        return self._judgement

    def _load_prices(self, symbols: Sequence[str]) -> Mapping[str, PriceValue | bool]:
        """By symbol its price; True for an asset that has none, False for what is no asset."""
        # Another reader may have loaded them between this one's first look and its turn.
        prices = _decoded(self.cache.get_prices(symbols, again=True))
        missing = [symbol for symbol in symbols if symbol not in prices]
        if not missing:
            return prices
        latest, known = self._load(_read_prices, missing)
        self.cache.put_prices(latest, publish=False)
        prices |= {price.symbol: _price.decode(encode_price(price)) for price in latest}
        return {symbol: prices.get(symbol) or symbol in known for symbol in symbols}

    def _cached_chart(self, symbol: str, range_name: str, adjusted: str) -> bytes | None:
        if range_name != "1D":
            return self.cache.get_chart(symbol, range_name, adjusted)
        return self.cache.get_hours(symbol) if adjusted == keys.ADJUSTMENTS[0] else None

    def _make_chart(self, symbol: str, range_name: str, adjusted: str) -> bytes:
        """A chart from the database, or from a process that was making it already; the cache has it then."""
        if range_name == "1D":
            return self._make_hours(symbol, adjusted)
        with self.cache.filling(keys.chart_key(symbol, range_name, adjusted)) as filling:
            if filling.value is not None:
                return filling.value
            value = encode_days(self._load(_read_chart, symbol, range_name, adjusted, self._clock()))
            if value != _EMPTY:
                self.cache.put_chart(symbol, range_name, adjusted, value, filling=filling)
            return value

    def _make_hours(self, symbol: str, adjusted: str) -> bytes:
        if adjusted != keys.ADJUSTMENTS[0]:
            bars, delayed = self._load(_read_hours, symbol, adjusted)
            return encode_hours(bars, delayed=delayed)
        with self.cache.filling(keys.hours_key(symbol)) as filling:
            if filling.value is not None:
                return filling.value
            bars, delayed = self._load(_read_hours, symbol, adjusted)
            if bars:
                self.cache.put_hours({symbol: bars}, delayed=delayed, only_missing=True)
            return encode_hours(bars, delayed=delayed)

    def _load(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.loads = next(self._counter)
        return self._pool.read(work, *args, **kwargs)

    def _aged(self, price: PriceValue) -> PriceNow:
        return PriceNow(**msgspec.structs.asdict(price), age_seconds=self._age(price.timestamp))

    def _described(self, symbol: str, range_name: str, adjusted: str, value: bytes) -> Chart:
        bars: Sequence[DayValue] | Sequence[HourValue]
        bars = _hours.decode(value) if range_name == "1D" else _days.decode(value)
        if not bars:
            return Chart(symbol, range_name, adjusted, None, None, None, None, False, msgspec.Raw(value))
        last = bars[-1]
        session, delayed = (last.session, last.delayed) if isinstance(last, HourValue) else (last.date, False)
        age = self._age(last.as_of)
        return Chart(symbol, range_name, adjusted, session, last.as_of, age, last.source, delayed, msgspec.Raw(value))

    def _age(self, instant: str) -> float:
        """Seconds; 0 where the vendor's clock is ahead of ours."""
        return max(0.0, round((self._clock() - datetime.fromisoformat(instant)).total_seconds(), 3))


def _decoded(values: Mapping[str, bytes]) -> dict[str, PriceValue]:
    return {symbol: _price.decode(value) for symbol, value in values.items()}


def _read_prices(connection: Connection, symbols: Sequence[str]) -> tuple[list[LatestPrice], set[str]]:
    """The prices of those that have one, and which symbols are assets."""
    latest = read_latest(connection, symbols)
    known = {price.symbol for price in latest}
    if len(known) < len(symbols):
        known = find_known(connection, symbols)
    return latest, known


def _read_chart(connection: Connection, symbol: str, range_name: str, adjusted: str, now: datetime) -> list[DayValue]:
    asset_id, asset_class = find_charted(connection, symbol)
    days = window(range_name, today(asset_class, now), asset_class=asset_class)
    return read_days(connection, asset_id, days, adjusted)


def _read_hours(connection: Connection, symbol: str, adjusted: str) -> tuple[list[HourBar], bool]:
    asset_id, asset_class = find_charted(connection, symbol)
    bars = read_newest_hours(connection, asset_id, symbol, asset_class, adjusted)
    return bars, are_hours_delayed(connection, asset_class)
