"""Aggregates of Polygon.io, now Massive: bars of any length have one envelope."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from marketdata.hooks.forms import Form
from marketdata.hooks.http import Exchange

MOST_BASE_BARS = "50000"
"""The largest page, in days or minutes, whatever the length of the bars asked for."""

_GOOD = frozenset({"OK", "DELAYED"})
_Milliseconds = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Bar(msgspec.Struct, gc=False):
    """One aggregate. Prices are required but may be null; ``v`` ``vw`` ``n`` may be missing as well."""

    t: _Milliseconds
    o: float | None
    h: float | None
    l: float | None  # noqa: E741 - the vendor's name
    c: float | None
    v: float | None = None
    vw: float | None = None
    n: Annotated[float, msgspec.Meta(le=2**53)] | None = None
    T: str = ""


class _KnownBar(Bar, gc=False, forbid_unknown_fields=True):
    """The same, where nothing may be new."""


AnyBar = TypeVar("AnyBar", bound=Bar)


class Aggregates(msgspec.Struct, Generic[AnyBar]):
    """A page of bars."""

    status: str
    results: list[AnyBar] | None = None
    results_count: int | None = msgspec.field(default=None, name="resultsCount")
    next_url: str | None = None

    @property
    def is_delayed(self) -> bool:
        return self.status == "DELAYED"


aggregates = Form(Aggregates[Bar], known=Aggregates[_KnownBar], seldom=frozenset({"otc"}), judged=True)


def bars_of(exchange: Exchange, page: Aggregates[Bar]) -> list[Bar]:
    """The bars of one page; only ``resultsCount: 0`` proves that there are none."""
    if page.status not in _GOOD:
        exchange.broken(f"status is {page.status!r} in an answer with HTTP 200")
    bars = page.results or []
    if not bars and page.results_count != 0:
        exchange.broken("there are no results, and no resultsCount of 0 that proves it")
    if page.results_count is not None and page.results_count > len(bars):
        exchange.broken(f"resultsCount is {page.results_count}, but {len(bars)} results came")
    return bars
