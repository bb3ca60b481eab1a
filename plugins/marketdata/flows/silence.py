"""How far back a vendor really answered: a plan clips history in silence; only a probe tells a clip from absences."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from marketdata.domain.coverage import Span
from marketdata.domain.proof import expected_sessions
from marketdata.errors import ContractBroken, NotEntitled, TransientFailure

if TYPE_CHECKING:
    from marketdata.domain.bars import DailyBars
    from marketdata.hooks.polygon import PolygonHook

log = logging.getLogger(__name__)

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reach:
    """What part of ``asked`` an answer speaks for (None: no day of it), and what it took to find out.

    ``is_clipped``: the vendor's plan cut the rest off. ``warning`` says why it could not be found out.
    """

    proven: Span | None
    is_clipped: bool = False
    requests: int = 0
    warning: str = ""


def answered_part(asked: Span, bars: DailyBars) -> Reach:
    """What an answer speaks for by itself, without a probe: from its first bar on; no bar, no day."""
    first = max(asked.first, bars.session.min().item()) if len(bars) else date.max
    return Reach(Span(first, asked.last) if first <= asked.last else None)


def reach_of(polygon: PolygonHook, ticker: str, asked: Span, bars: DailyBars) -> Reach:
    """Find out whether the sessions of ``asked`` before the first of ``bars`` have no bar or were cut off.

    An answer of ``daily_bars`` that starts on the first expected session speaks for all that was asked. Else one more
    call asks for that session alone, whatever is known of the key, since its window moves: the vendor refuses it with
    "timeframe" when it had clipped it, and answers emptily when there is nothing. A longer probe could end inside the
    window, where a weekend or a share that did not trade then, and would be answered emptily though it was clipped.
    """
    silent = _silent_prefix(asked, bars)
    if silent is None:
        return Reach(asked)
    answered = Span(silent.last + _ONE_DAY, asked.last) if len(bars) else None
    try:
        first: date = expected_sessions("stock", silent)[0].item()
        probe = polygon.daily_bars(ticker, first, first)
    except NotEntitled as error:
        if error.scope != "history":
            raise
        log.info("the plan clips history ticker=%s asked=%s answered=%s", ticker, asked.first, answered)
        return Reach(answered, is_clipped=True, requests=error.requests)
    except (TransientFailure, ContractBroken) as error:
        return Reach(answered, requests=error.requests, warning=f"sessions before the first bar stay open: {error}")
    if len(probe.data):
        warning = "two answers differ on the first session; the sessions before the first bar stay open"
        return Reach(answered, requests=probe.requests, warning=warning)
    return Reach(asked, requests=probe.requests)


def _silent_prefix(asked: Span, bars: DailyBars) -> Span | None:
    """The part of ``asked`` before the first bar, all of it without bars; None when it holds no session."""
    last = bars.session.min().item() - _ONE_DAY if len(bars) else asked.last
    if last < asked.first:
        return None
    silent = Span(asked.first, last)
    return silent if expected_sessions("stock", silent).size else None
