"""What an answer cost and held, for the record of its call."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TypeVar

from marketdata.hooks.answer import Answer
from marketdata.storage.calls import CallFacts

T = TypeVar("T")


def facts_of(answer: Answer[T], *, warnings: Sequence[str] = ()) -> CallFacts:
    """What an answer cost and held; ``warnings`` come after its own."""
    return CallFacts(
        endpoint=answer.endpoint,
        status=answer.status,
        requests=answer.requests,
        rate_limited=answer.rate_limited,
        received=len(answer.data) if isinstance(answer.data, Sized) else 1,
        received_bytes=answer.received_bytes,
        elapsed_ms=answer.elapsed_ms,
        digest=answer.digest,
        warnings=(*answer.warnings, *warnings),
    )
