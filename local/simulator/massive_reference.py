"""Massive's reference data: tickers, their details and their events."""

from __future__ import annotations

from datetime import date, timedelta

from local.simulator.listings import Listing
from local.simulator.massive_days import DayView
from local.simulator.messages import JsonObject, Request, Response, dump, massive_error
from local.simulator.pages import ListRules, answer_page, read_list_query

TICKERS = ListRules(("ticker", "type", "market", "primary_exchange", "cik"), "ticker", "asc", 100, 1000, True)
TICKER_CHANGE = "ticker_change"
FIGI_LETTERS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"


def answer_tickers(request: Request, view: DayView) -> Response:
    """Who is listed on ``date`` (today), or with ``active=false`` who was before."""
    query = read_list_query(request)
    day = _read_day(query.get("date"), request, view.today)
    active = query.get("active", "true") != "false"
    search = query.get("search", "").lower()
    rows = [
        ticker_row(listing, day)
        for listing in view.world.universe.listings
        if listing.listed_on <= day
        and listing.active_on(day) == active
        and search in f"{listing.ticker} {listing.name}".lower()
    ]
    return answer_page(request, rows, TICKERS)


def answer_details(request: Request, view: DayView) -> Response:
    """Everything about the company that has the ticker on ``date``; 404 when none has."""
    ticker = request.segments[3]
    day = _read_day(request.query.get("date"), request, view.today)
    row = view.world.row_on(ticker, day)
    if row is None:
        raise massive_error(404, "Ticker not found.", request.request_id)
    listing = view.world.listing(row)
    shares = 10_000_000 + listing.key % 15_000_000_000
    results: JsonObject = {
        **ticker_row(listing, day),
        "market_cap": round(listing.price * shares, 2),
        "description": f"{listing.name} as the simulator knows it.",
        "ticker_root": ticker.split(".")[0],
        "homepage_url": "https://example.com",
        "list_date": listing.listed_on.isoformat(),
        "share_class_shares_outstanding": shares,
        "weighted_shares_outstanding": shares,
        "round_lot": 100,
    }
    results.pop("last_updated_utc")
    return Response(200, dump({"request_id": request.request_id, "results": results, "status": "OK"}))


def answer_events(request: Request, view: DayView) -> Response:
    """The tickers that a company has had up to today, newest first: today's owner of a ticker, or the one of a FIGI."""
    company = _company_of(request.segments[3], view)
    if company is None:
        raise massive_error(404, "Ticker not found.", request.request_id)
    kinds = request.query.get("types", TICKER_CHANGE).split(",")
    listings = [view.world.listing(row) for row in view.world.company_rows(company)]
    listings = [listing for listing in listings if listing.listed_on <= view.today]
    events = [
        {"type": TICKER_CHANGE, "date": listing.listed_on.isoformat(), "ticker_change": {"ticker": listing.ticker}}
        for listing in reversed(listings)
    ]
    results: JsonObject = {
        "name": listings[-1].name,
        **{name: value for name, value in _figis(listings[-1]).items() if name == "composite_figi"},
        "cik": cik(listings[-1]),
        "events": events if TICKER_CHANGE in kinds else [],
    }
    return Response(200, dump({"results": results, "status": "OK", "request_id": request.request_id}))


def _company_of(identity: str, view: DayView) -> str | None:
    """Whose ticker it is today, or whose composite FIGI; None when nobody's."""
    row = view.world.row_on(identity, view.today)
    if row is not None:
        return view.world.listing(row).company
    known = (listing for listing in view.world.universe.listings if listing.listed_on <= view.today)
    return next((listing.company for listing in known if _figis(listing).get("composite_figi") == identity), None)


def ticker_row(listing: Listing, day: date) -> JsonObject:
    """One row of the list of tickers."""
    active = listing.active_on(day)
    row: JsonObject = {
        "ticker": listing.ticker,
        "name": listing.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": "ARCX" if listing.kind == "ETF" else "XNAS" if listing.key % 2 else "XNYS",
        "type": listing.kind,
        "active": active,
        "currency_name": "usd",
        "cik": cik(listing),
        **_figis(listing),
        "last_updated_utc": f"{day.isoformat()}T00:00:00Z",
    }
    if not active and listing.delisted_on is not None:
        row["delisted_utc"] = f"{(listing.delisted_on + timedelta(days=1)).isoformat()}T00:00:00Z"
    return row


def _figis(listing: Listing) -> JsonObject:
    """The vendor lacks some; here those of preferred shares."""
    if listing.kind == "PFD":
        return {}
    return {"composite_figi": figi(listing, "BBG0"), "share_class_figi": figi(listing, "BBG00")}


def cik(listing: Listing) -> str:
    return f"{listing.key % 10**7:010d}"


def figi(listing: Listing, prefix: str) -> str:
    """An identifier of the company, the same under all its tickers."""
    number, letters = listing.key, ""
    while len(prefix + letters) < 12:
        number, digit = divmod(number, len(FIGI_LETTERS))
        letters += FIGI_LETTERS[digit]
    return prefix + letters


def _read_day(text: str | None, request: Request, today: date) -> date:
    if not text:
        return today
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise massive_error(400, "Could not parse the 'date' parameter", request.request_id) from error
