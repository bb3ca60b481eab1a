"""How long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BASE_SECONDS = 1.0
CAP_SECONDS = 60.0


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the vendor asks us to wait, or None where it names none that makes sense.

    Reads ``Retry-After`` as seconds or HTTP date, else ``x-ratelimit-reset`` (epoch seconds, or like
    ``2025-07-25 14:54:00 +0000``). Junk and negative numbers count as none; a date gone by is 0. An instant is by the
    vendor's clock: it is compared with the answer's ``Date``, with ``now`` only where there is none. ``headers`` must
    ignore case.
    """
    now = http_date(headers.get("Date", "")) or now
    retry_after = headers.get("Retry-After", "").strip()
    if retry_after:
        return float(retry_after) if _is_count(retry_after) else _until(http_date(retry_after), now)
    return _until(_reset_instant(headers.get("x-ratelimit-reset", "").strip()), now)


def backoff(failures: int, chance: random.Random) -> float:
    """Exponential with full jitter: 0 to 1, 2, 4 ... seconds after 1, 2, 3 ... failures, 60 at most."""
    return chance.uniform(0.0, min(CAP_SECONDS, BASE_SECONDS * 2.0 ** (failures - 1)))


def http_date(text: str) -> datetime | None:
    """The instant, aware, that the text of a header like ``Date`` names; None for junk."""
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _until(instant: datetime | None, now: datetime) -> float | None:
    return None if instant is None else max(0.0, (instant - now).total_seconds())


def _reset_instant(text: str) -> datetime | None:
    if _is_count(text):
        return None
    if text.isascii() and text.isdigit() and len(text) == 10:
        return datetime.fromtimestamp(int(text), UTC)
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
