"""Which ticker meant which company, and when. A ticker changes hands; an asset is the company's share, not its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from marketdata.domain.coverage import Span, Spans, intersect, normalise, subtract

_ONE_DAY = timedelta(days=1)
_EVER = Span(date.min, date.max)


@dataclass(frozen=True, slots=True)
class ListedTicker:
    """A row of the vendor's list. ``figi`` is empty where the vendor has none, ``delisted_on`` None while it trades."""

    ticker: str
    name: str
    figi: str
    is_active: bool
    delisted_on: date | None = None


@dataclass(frozen=True, slots=True)
class TickerDetails:
    """One company as the vendor knows it; None and empty for what it does not say."""

    ticker: str
    name: str
    figi: str
    listed_on: date | None
    delisted_on: date | None


@dataclass(frozen=True, slots=True, order=True)
class TickerChange:
    """From ``on`` on, the company's ticker was ``ticker``."""

    on: date
    ticker: str


@dataclass(frozen=True, slots=True)
class TickerPeriod:
    """``symbol`` (as the vendor spells it) meant the asset on the days of ``span``; None: nobody is to be asked."""

    symbol: str | None
    span: Span


Periods = tuple[TickerPeriod, ...]
"""The ticker history of one asset: ascending, not overlapping. A day in none of them belongs to its present ticker."""


def period(symbol: str | None, first: date | None, last: date | None) -> TickerPeriod:
    """A period with inclusive bounds; None for an open one."""
    return TickerPeriod(symbol, Span(first or date.min, last or date.max))


def history_of(changes: Iterable[TickerChange], *, last: date | None = None) -> Periods:
    """The vendor's ticker changes, in any order, as periods; the newest one ends on ``last`` (None: it goes on).

    Of several changes on one day the last one told counts; the same ticker twice in a row is one period.
    """
    by_day = {change.on: change.ticker for change in changes}
    starts: list[tuple[date, str]] = []
    for day in sorted(by_day):
        if not starts or starts[-1][1] != by_day[day]:
            starts.append((day, by_day[day]))
    ends = [start - _ONE_DAY for start, _ in starts[1:]] + [last or date.max]
    return tuple(TickerPeriod(symbol, Span(start, end)) for (start, symbol), end in zip(starts, ends) if start <= end)


def pieces(span: Span, present: str, periods: Periods) -> list[tuple[str, Span]]:
    """``span`` cut where the asset's ticker changed, oldest first: under which symbol to ask for which days.

    Days in no period are asked for under ``present``; days that nobody is to be asked for are left out.
    """
    asked: Spans = (span,)
    found: list[tuple[str, Span]] = []
    for one in periods:
        within = intersect(asked, (one.span,))
        if one.symbol is not None:
            found.extend((one.symbol, part) for part in within)
        asked = subtract(asked, within)
    found.extend((present, part) for part in asked)
    return _joined(sorted(found, key=lambda piece: piece[1]))


def moved_days(before: Periods, after: Periods, present_before: str, present_after: str) -> Spans:
    """The days whose ticker is another one after a change of an asset's ticker history than it was before."""
    changed: list[Span] = []
    others = pieces(_EVER, present_after, after)
    for symbol, span in pieces(_EVER, present_before, before):
        same = normalise(other for name, other in others if name == symbol)
        changed.extend(subtract((span,), same))
    return normalise(changed)


@dataclass(frozen=True, slots=True)
class TickerBook:
    """The ticker histories of all assets, the other way round: whose share a ticker meant on a day.

    ``relabelled`` maps a present ticker to its asset: a vendor may list a company's past under today's name.
    """

    entries: Mapping[str, Sequence[tuple[Span, int]]] = field(default_factory=dict)
    relabelled: Mapping[str, tuple[int, Span]] = field(default_factory=dict)

    def asset_on(self, ticker: str, day: date) -> int | None:
        """The asset_id; None where no asset of ours had the ticker then. A period that ended wins over an open one."""
        owners = [(span.last, asset_id) for span, asset_id in self.entries.get(ticker, ()) if day in span]
        if owners:
            return min(owners)[1]
        asset_id, life = self.relabelled.get(ticker, (None, None))
        return asset_id if life is not None and day in life else None


def _joined(found: list[tuple[str, Span]]) -> list[tuple[str, Span]]:
    joined: list[tuple[str, Span]] = []
    for symbol, span in found:
        if joined and joined[-1][0] == symbol and joined[-1][1].last + _ONE_DAY == span.first:
            joined[-1] = (symbol, Span(joined[-1][1].first, span.last))
        else:
            joined.append((symbol, span))
    return joined
