"""The simulator's clock: real, shifted, or frozen at an instant."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """What time the simulated vendors believe it is. Rate windows do not use it: they count real seconds."""

    def __init__(self) -> None:
        self._base: datetime | None = None
        self._set_at = 0.0
        self._running = True

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        if self._base is None:
            return datetime.now(UTC)
        if not self._running:
            return self._base
        return self._base + timedelta(seconds=time.monotonic() - self._set_at)

    def set(self, instant: datetime, *, running: bool = False) -> None:
        """Stop at ``instant`` (aware), or go on from there when ``running``."""
        if instant.tzinfo is None:
            raise ValueError(f"{instant.isoformat()} has no UTC offset")
        self._base = instant.astimezone(UTC)
        self._set_at = time.monotonic()
        self._running = running

    def follow_real_time(self) -> None:
        """Show the machine's time again."""
        self._base = None
        self._running = True


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970 of an aware instant."""
    return round(instant.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """The aware UTC instant of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def iso_ms(instant: datetime) -> str:
    """``2026-11-20T21:30:00.000Z``, the way both vendors write an instant."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
