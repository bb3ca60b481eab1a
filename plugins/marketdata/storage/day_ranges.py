"""Sets of days on their way to and from PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from marketdata.domain.coverage import Span, Spans


def multirange(spans: Spans) -> str:
    """A ``Spans`` as the text of a ``datemultirange``."""
    return "{" + ",".join(f"[{span.first},{span.last}]" for span in spans) + "}"


def spans(firsts: Iterable[date], lasts: Iterable[date]) -> Spans:
    """Two columns of ascending inclusive bounds as a ``Spans``."""
    return tuple(Span(first, last) for first, last in zip(firsts, lasts, strict=True))
