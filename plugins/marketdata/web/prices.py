"""``GET /api/prices``: the latest prices of some symbols."""

from __future__ import annotations

from fastapi import APIRouter, Request

from marketdata.web.answers import JsonAnswer, Symbols, answer_of, wanted_symbols

router = APIRouter()


@router.get("/api/prices", responses=answer_of("PricesNow", "The prices, in the order of the question."))
async def read_prices(request: Request, symbols: Symbols = None) -> JsonAnswer:
    """The latest prices of these assets, each with its own time and its age; after the close the last ones.

    404 where not one of them is an asset; otherwise those that are none are listed as ``unknown``.
    """
    wanted = wanted_symbols(symbols)
    return JsonAnswer(await request.app.state.sources.ask(lambda reader: reader.prices(wanted)))
