"""Massive's endpoints: which path is answered by what, and what the key must allow."""

from __future__ import annotations

import re
from collections.abc import Callable

from local.simulator import massive_actions, massive_bars, massive_market, massive_reference, massive_snapshots
from local.simulator.massive_days import DayView
from local.simulator.messages import Request, Response, massive_error

Answer = Callable[[Request, DayView], Response]

ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("aggs", r"/v2/aggs/ticker/[^/]*/range/[^/]+/[^/]+/[^/]+/[^/]+", massive_bars.answer_range),
    ("aggs", r"/v2/aggs/ticker/[^/]+/prev", massive_bars.answer_previous_close),
    ("grouped", r"/v2/aggs/grouped/locale/us/market/stocks/[^/]+", massive_bars.answer_grouped),
    ("aggs", r"/v1/open-close/[^/]*/[^/]+", massive_bars.answer_open_close),
    ("snapshot", r"/v2/snapshot/locale/us/markets/stocks/tickers", massive_snapshots.answer_all),
    ("snapshot", r"/v2/snapshot/locale/us/markets/stocks/tickers/[^/]+", massive_snapshots.answer_one),
    ("snapshot", r"/v3/snapshot", massive_snapshots.answer_universal),
    ("last_trade", r"/v2/last/trade/[^/]+", massive_snapshots.answer_last_trade),
    ("reference", r"/v3/reference/tickers", massive_reference.answer_tickers),
    ("reference", r"/v3/reference/tickers/[^/]+", massive_reference.answer_details),
    ("reference", r"/vX/reference/tickers/[^/]+/events", massive_reference.answer_events),
    ("reference", r"/stocks/v1/splits", massive_actions.answer_splits),
    ("reference", r"/v3/reference/splits", massive_actions.answer_splits_v3),
    ("reference", r"/stocks/v1/dividends", massive_actions.answer_dividends),
    ("reference", r"/v3/reference/dividends", massive_actions.answer_dividends_v3),
    ("reference", r"/v1/marketstatus/now", massive_market.answer_status_now),
    ("reference", r"/v1/marketstatus/upcoming", massive_market.answer_status_upcoming),
)
_COMPILED = tuple((capability, re.compile(pattern), answer) for capability, pattern, answer in ROUTES)


def answer_massive(request: Request, view: DayView) -> Response:
    """The answer of the first route that fits; 404 in the vendor's shape where none does."""
    for capability, pattern, answer in _COMPILED:
        if pattern.fullmatch(request.path):
            view.refuse_without(capability, request)
            return answer(request, view)
    raise massive_error(404, "Data not found.", request.request_id)
