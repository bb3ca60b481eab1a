"""What a run did at its vendors, in figures without any symbol: for metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallsMade:
    """Calls of a run that ended alike.

    ``status``: class of the last HTTP status, ``2xx`` to ``5xx``, or ``none`` where no answer arrived. ``outcome``:
    ``ok``, ``empty``, or the kind of the error. ``requests`` were sent for them, ``rate_limited`` of these met a 429.
    """

    vendor: str
    status: str
    outcome: str
    calls: int
    requests: int
    rate_limited: int

    @property
    def is_failed(self) -> bool:
        return self.outcome not in {"ok", "empty"}


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """What may still be sent with a vendor's key: in the present window, and this month (None: not counted)."""

    vendor: str
    requests: int
    credits: int | None


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Everything but the sums of the run's own record."""

    calls: tuple[CallsMade, ...] = ()
    quotas: tuple[QuotaLeft, ...] = ()
