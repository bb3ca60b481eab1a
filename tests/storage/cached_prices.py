"""Prices, hours and charts to put into a cache, and a cache that says what it would have waited."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from marketdata.storage.cache_values import DayValue, encode_days, instant_text
from marketdata.storage.hourly_bars import HourBar
from marketdata.storage.prices import LatestPrice

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
FRIDAY = date(2026, 11, 20)


def latest(
    symbol: str = "AAPL",
    price: float = 271.49,
    at: datetime = NOON,
    *,
    fetched_at: datetime | None = None,
    volume: float | None = 1_234_567.0,
) -> LatestPrice:
    """A price, fetched five seconds after its own time."""
    fetched = fetched_at or at + timedelta(seconds=5)
    return LatestPrice(
        asset_id=1,
        symbol=symbol,
        asset_class="stock",
        at=at,
        price=price,
        previous_close=270.0,
        previous_session=date(2026, 11, 19),
        change=price - 270.0,
        change_percent=(price - 270.0) / 2.7,
        volume=volume,
        volume_24h=None,
        session=FRIDAY,
        source="polygon",
        delayed=False,
        fetched_at=fetched,
        seen_at=fetched,
    )


def hour(symbol: str = "AAPL", starts_at: datetime = NOON, close: float = 271.5, *, is_final: bool = True) -> HourBar:
    """An hour, fetched an hour after it began."""
    return HourBar(
        asset_id=1,
        symbol=symbol,
        starts_at=starts_at,
        open=270.0,
        high=272.25,
        low=None,
        close=close,
        volume=None,
        is_final=is_final,
        source="polygon",
        fetched_at=starts_at + timedelta(hours=1),
    )


def chart(*closes: float) -> bytes:
    """The value of a chart with these closes on consecutive days."""
    days = [FRIDAY + timedelta(days=number) for number in range(len(closes))]
    return encode_days(
        [
            DayValue(day.isoformat(), close, close, close, close, None, instant_text(NOON), "polygon", True)
            for day, close in zip(days, closes, strict=True)
        ]
    )
