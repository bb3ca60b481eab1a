"""``GET /api/assets/{symbol}/chart``: the bars of one asset over a range."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from marketdata.storage.cache_keys import Adjusted
from marketdata.web.answers import JsonAnswer, answer_of, wanted_symbol

router = APIRouter()

Range = Literal["1D", "7D", "1M", "3M", "6M", "YTD", "1Y", "3Y", "5Y", "MAX"]


@router.get("/api/assets/{symbol}/chart", responses=answer_of("Chart", "The bars, oldest first."))
async def read_chart(
    request: Request,
    symbol: Annotated[str, Path(max_length=60, description="a house symbol", examples=["AAPL", "X:BTCUSD"])],
    range_name: Annotated[Range, Query(alias="range", description="1D: hours of the newest session")] = "1Y",
    adjusted: Annotated[Adjusted, Query(description="for splits, for nothing, or for dividends too")] = "splits",
) -> JsonAnswer:
    """The bars of an asset over a range that ends today: daily ones, or for 1D the hours of its newest session."""
    wanted = wanted_symbol(symbol)
    return JsonAnswer(await request.app.state.sources.ask(lambda reader: reader.chart(wanted, range_name, adjusted)))
