"""CoinGecko's endpoints: which path is answered by what."""

from __future__ import annotations

import re
from collections.abc import Callable

from local.simulator import coingecko_charts, coingecko_prices
from local.simulator.coingecko_charts import CoinView
from local.simulator.messages import Request, Response, coingecko_plain_error

Answer = Callable[[Request, CoinView], Response]

ROUTES: tuple[tuple[str, Answer], ...] = (
    (r"/ping", coingecko_prices.answer_ping),
    (r"/simple/price", coingecko_prices.answer_simple_price),
    (r"/simple/supported_vs_currencies", coingecko_prices.answer_currencies),
    (r"/coins/list", coingecko_prices.answer_list),
    (r"/coins/markets", coingecko_prices.answer_markets),
    (r"/coins/[^/]+/market_chart", coingecko_charts.answer_market_chart),
    (r"/coins/[^/]+/market_chart/range", coingecko_charts.answer_market_chart_range),
    (r"/coins/[^/]+/ohlc", coingecko_charts.answer_ohlc),
    (r"/coins/[^/]+/ohlc/range", coingecko_charts.answer_ohlc_range),
)
_COMPILED = tuple((re.compile(pattern), answer) for pattern, answer in ROUTES)


def answer_coingecko(request: Request, view: CoinView, credits_used: int) -> Response:
    """The answer of the first route that fits; 404 in the vendor's shape where none does."""
    if request.path == "/key":
        return coingecko_prices.answer_key(view, credits_used)
    for pattern, answer in _COMPILED:
        if pattern.fullmatch(request.path):
            return answer(request, view)
    raise coingecko_plain_error(404, "not found")
