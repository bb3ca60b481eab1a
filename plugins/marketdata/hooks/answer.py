"""What a vendor said to one call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from marketdata.domain.bars import Vendor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An authoritative answer: well-formed and entitled. An empty ``data`` proves that the vendor has nothing.

    ``endpoint`` is a path template, never a full URL. ``requests`` counts every HTTP request that it took, pages and
    retries included, ``rate_limited`` those among them that met a 429. ``received_bytes`` as they crossed the wire;
    ``elapsed_ms`` on HTTP alone, without waits for quota or back-off. ``digest`` is the SHA-256 of all decoded bodies.
    ``dated`` is the vendor's own clock when it answered, to the second; of pages the first. None: it does not say.
    ``delayed``: the vendor marked the data as delayed. ``clipped_to``: the first session that the vendor was asked
    about where the plan's history is shorter than the window wanted; this answer proves nothing about earlier ones.
    ``warnings``: in what the answer differs from the form that the vendor's are known to have.
    """

    data: T
    vendor: Vendor
    endpoint: str
    status: int
    requests: int
    rate_limited: int
    received_bytes: int
    elapsed_ms: float
    received_at: datetime
    digest: str
    dated: datetime | None = None
    delayed: bool = False
    clipped_to: date | None = None
    warnings: tuple[str, ...] = ()

    @property
    def seen_until(self) -> datetime:
        """Up to which instant it speaks: an hour or a day is over when it is by our clock and by the vendor's."""
        return self.received_at if self.dated is None else min(self.received_at, self.dated)
