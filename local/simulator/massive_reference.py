"""Massive's reference data: tickers, their details and their events."""

from __future__ import annotations

from datetime import date, timedelta

from local.simulator.listings import Listing
from local.simulator.massive_days import DayView
from local.simulator.messages import JsonObject, Request, Response, dump, massive_error
from local.simulator.pages import ListRules, answer_page, read_list_query

TICKERS = ListRules(("ticker", "type", "market", "primary_exchange", "cik"), "ticker", "asc", 100, 1000, True)
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
    """The tickers that today's owner of the ticker has had, newest first."""
    ticker = request.segments[3]
    row = view.world.row_on(ticker, view.today)
    if row is None:
        raise massive_error(404, "Ticker not found.", request.request_id)
    listing = view.world.listing(row)
    changes = [(listing.listed_on, ticker)]
    changes += [
        (rename.first_session, rename.old)
        for rename in view.world.universe.renames
        if rename.new == ticker and rename.on == listing.listed_on
    ]
    results: JsonObject = {
        "name": listing.name,
        "composite_figi": figi(listing, "BBG0"),
        "cik": cik(listing),
        "events": [
            {"type": "ticker_change", "date": day.isoformat(), "ticker_change": {"ticker": name}}
            for day, name in changes
        ],
    }
    return Response(200, dump({"results": results, "status": "OK", "request_id": request.request_id}))


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
        "composite_figi": figi(listing, "BBG0"),
        "share_class_figi": figi(listing, "BBG00"),
        "last_updated_utc": f"{day.isoformat()}T00:00:00Z",
    }
    if not active and listing.delisted_on is not None:
        row["delisted_utc"] = f"{(listing.delisted_on + timedelta(days=1)).isoformat()}T00:00:00Z"
    return row


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
