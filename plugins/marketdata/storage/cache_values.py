"""The values in the cache: their fields, how they are written, and whether what is read is one of them.

Instants are texts of one width in UTC, so that they sort as texts. Prices are US dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from marketdata.domain.sessions import today

if TYPE_CHECKING:
    from marketdata.domain.bars import AssetClass
    from marketdata.storage.hourly_bars import HourBar
    from marketdata.storage.prices import LatestPrice

Instant = Annotated[str, msgspec.Meta(min_length=27, max_length=27)]


class PriceValue(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The latest price of an asset. ``timestamp`` is the price's own time, ``as_of`` when the vendor gave it to us."""

    symbol: str
    price: float
    change: float | None
    change_percent: float | None
    timestamp: Instant
    previous_close: float | None
    session: str
    volume: float | None
    as_of: Instant = msgspec.field(name="as_of")
    source: str
    delayed: bool


class HourValue(msgspec.Struct, frozen=True, gc=False):
    """An hour of a session; ``timestamp`` is its start. ``final`` False: more of it may come."""

    timestamp: Instant
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    session: str
    as_of: Instant
    source: str
    final: bool
    delayed: bool


class DayValue(msgspec.Struct, frozen=True, gc=False):
    """A daily bar of a chart."""

    date: str
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    as_of: Instant
    source: str
    final: bool


FIELDS = {
    "symbol": "the house symbol",
    "price": "US dollars",
    "change": "`price` less `previousClose`; null where that is not known",
    "changePercent": "the same in percent of `previousClose`",
    "timestamp": "of a price: its own time at the vendor; of an hour: its start",
    "previousClose": "close of the session before, from our own bars, adjusted for splits since",
    "session": "trading day: New York date of stocks and ETFs, UTC date of coins",
    "volume": "of the session so far, of the hour, of the day; null where it is not known",
    "as_of": "when the vendor gave it to us: its age",
    "source": "which vendor; `:minutes` behind it: built from minute prices",
    "delayed": "whether the vendor's plan delays it",
    "open": "US dollars; null where only the close is known",
    "high": "US dollars, or null",
    "low": "US dollars, or null",
    "close": "US dollars",
    "final": "false: more of the hour or the day may come, or the vendor may still correct it",
    "date": "trading day",
}
"""What each field of a value means."""

_encoder = msgspec.json.Encoder()
_price = msgspec.json.Decoder(PriceValue)
_hours = msgspec.json.Decoder(list[HourValue])
_days = msgspec.json.Decoder(list[DayValue])


def instant_text(instant: datetime) -> str:
    """An instant as values hold it: ``2026-11-20T20:59:59.123456Z``, always 27 characters."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def encode_price(price: LatestPrice) -> bytes:
    """The value of an asset's latest price."""
    return _encoder.encode(
        PriceValue(
            price.symbol,
            price.price,
            price.change,
            price.change_percent,
            instant_text(price.at),
            price.previous_close,
            price.session.isoformat(),
            price.volume,
            instant_text(price.fetched_at),
            price.source,
            price.delayed,
        )
    )


def encode_hours(bars: Sequence[HourBar], *, delayed: bool) -> bytes:
    """The value of an asset's hours, which are in order of time."""
    return _encoder.encode([_hour(bar, delayed) for bar in bars])


def encode_days(bars: Sequence[DayValue]) -> bytes:
    """The value of a chart, whose bars are in order of time."""
    return _encoder.encode(bars)


def is_value(key: str, value: bytes) -> bool:
    """Whether ``value`` is what the contract puts under ``key``."""
    try:
        if key.startswith("latest_price:"):
            return key == f"latest_price:{_price.decode(value).symbol}"
        (_hours if key.startswith("hourly_data:") else _days).decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _hour(bar: HourBar, delayed: bool) -> HourValue:
    asset_class: AssetClass = "crypto" if bar.symbol.startswith("X:") else "stock"
    return HourValue(
        instant_text(bar.starts_at),
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        today(asset_class, bar.starts_at).isoformat(),
        instant_text(bar.fetched_at),
        bar.source,
        bar.is_final,
        delayed,
    )
