"""Massive's snapshots (v2 all, listed, single; v3 universal) and the last trade."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from local.simulator.massive_days import DayView
from local.simulator.massive_market import trading_phase
from local.simulator.messages import JsonObject, Request, Response, dump, massive_error, plain
from local.simulator.pages import next_url, read_list_query
from local.simulator.snapshot_board import Board, draw_board, snapshot_session
from local.simulator.stocks import Bars

NANO = 1_000_000
LAST_IN_MINUTE_MS = 59_000
V3_LIMIT, V3_MAX = 10, 250
NO_BAR: JsonObject = {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0, "vw": 0}


@dataclass(frozen=True, slots=True)
class Quote:
    """One listing of a board. All zero before the first trade of the day."""

    ticker: str
    name: str
    price: float
    size: int
    at_ns: int
    day: JsonObject
    minute: JsonObject
    previous: JsonObject

    @property
    def change(self) -> float:
        return round(self.price - self.previous_close, 4) if self.price else 0.0

    @property
    def previous_close(self) -> float:
        return float(str(self.previous["c"]))


def quotes_of(view: DayView, tickers: Collection[str] | None) -> list[Quote]:
    """The listed tickers' quotes in the order of the universe, or all; unknown ones are left out."""
    day = snapshot_session(view)
    rows = [
        row
        for row, listing in enumerate(view.world.universe.listings)
        if (tickers is None or listing.ticker in tickers)
        and listing.ticker not in view.left_out
        and listing.active_on(day)
    ]
    board = draw_board(view, np.array(rows, dtype=np.int64))
    return [_quote(view, board, at) for at in range(len(rows))]


def _quote(view: DayView, board: Board, at: int) -> Quote:
    listing = view.world.listing(int(board.rows[at]))
    start = int(board.last_start[at])
    minute: JsonObject = {"av": 0, "t": 0, "n": 0, **NO_BAR}
    if start:
        volume = plain(round(float(board.volume[at]), 4))
        minute = {"av": volume, "t": start, "n": int(board.last.trades[at]), **_bar(board.last, at)}
        minute |= {"dv": decimal(board.last.volume[at]), "dav": decimal(board.volume[at])}
    size = 1 + int(board.last.volume[at]) % 400 if start else 0
    return Quote(
        ticker=listing.ticker,
        name=listing.name,
        price=float(board.last.close[at]) if start else 0.0,
        size=size,
        at_ns=(start + LAST_IN_MINUTE_MS) * NANO + listing.key % 997 if start else 0,
        day={**_bar(board.day, at), "dv": decimal(board.day.volume[at])} if board.day.present[at] else {**NO_BAR},
        minute=minute,
        previous=_bar(board.previous, at) if board.previous.present[at] else {**NO_BAR},
    )


def _bar(bars: Bars, at: int) -> JsonObject:
    columns = {"o": bars.open, "h": bars.high, "l": bars.low, "c": bars.close, "v": bars.volume, "vw": bars.vwap}
    return {name: plain(float(column[at])) for name, column in columns.items()}


def decimal(volume: float) -> str:
    """The newer form of a volume: exact, as text."""
    return repr(round(float(volume), 4))


def answer_all(request: Request, view: DayView) -> Response:
    """``…/tickers``: the whole market, or ``tickers=A,B``."""
    listed = request.query.get("tickers")
    quotes = quotes_of(view, frozenset(listed.split(",")) if listed else None)
    phase = trading_phase(view)
    rows = [_v2(quote, view, phase) for quote in quotes]
    status = "OK" if view.plan.delay_minutes == 0 else "DELAYED"
    return Response(200, dump({"status": status, "count": len(rows), "tickers": rows}))


def answer_one(request: Request, view: DayView) -> Response:
    """``…/tickers/{ticker}``; 404 for an unknown one."""
    ticker = request.segments[-1]
    view.refuse_denied(ticker, request)
    quotes = quotes_of(view, {ticker})
    if not quotes:
        raise massive_error(404, "Ticker not found.", request.request_id)
    status = "OK" if view.plan.delay_minutes == 0 else "DELAYED"
    return Response(
        200,
        dump({"status": status, "request_id": request.request_id, "ticker": _v2(quotes[0], view, trading_phase(view))}),
    )


def _v2(quote: Quote, view: DayView, phase: str) -> JsonObject:
    percent = round(quote.change / quote.previous_close * 100, 4) if quote.previous_close else 0
    row: JsonObject = {
        "ticker": quote.ticker,
        "todaysChange": plain(quote.change),
        "todaysChangePerc": plain(percent),
        "updated": quote.at_ns,
        "day": quote.day,
        "min": quote.minute,
        "prevDay": quote.previous,
    }
    if "last_trade_field" in view.plan.capabilities and quote.at_ns:
        row["lastTrade"] = {
            "p": plain(quote.price),
            "s": quote.size,
            "ds": decimal(quote.size),
            "t": quote.at_ns,
            "x": 4,
            "c": _conditions(quote, phase),
            "i": str(quote.at_ns % 10**6),
        }
    if "last_quote" in view.plan.capabilities and quote.at_ns:
        spread = 0.01 if quote.price >= 1 else 0.0001
        bid, ask = round(quote.price - spread, 4), round(quote.price + spread, 4)
        row["lastQuote"] = {"p": plain(bid), "s": 3, "P": plain(ask), "S": 2, "t": quote.at_ns + 5 * NANO}
    return row


def _conditions(quote: Quote, phase: str) -> list[int]:
    """12 is an extended-hours print, 37 an odd lot, 14 and 41 say nothing bad."""
    odd = [37] if quote.size < 100 else []
    return ([12] if phase != "open" else [14, 41]) + odd


def answer_universal(request: Request, view: DayView) -> Response:
    """``/v3/snapshot``: up to 250 tickers, 10 a page unless asked; an unknown ticker is a row with an error."""
    query = read_list_query(request)
    limit = int(query.get("limit", V3_LIMIT))
    listed = [ticker for ticker in query.get("ticker.any_of", "").split(",") if ticker]
    if limit > V3_MAX or len(listed) > V3_MAX:
        raise massive_error(400, f"At most {V3_MAX} tickers and a limit of {V3_MAX}", request.request_id)
    wanted = sorted(set(listed)) or sorted(_listed_tickers(view))
    start = int(query.get("offset", "0"))
    page = wanted[start : start + limit]
    quotes = {quote.ticker: quote for quote in quotes_of(view, set(page))}
    phase = trading_phase(view)
    rows = [_v3(quotes[ticker], view, phase) if ticker in quotes else _v3_unknown(ticker) for ticker in page]
    payload: JsonObject = {"status": "OK", "request_id": request.request_id, "results": rows}
    if start + limit < len(wanted):
        payload["next_url"] = next_url(request, {**query, "offset": str(start + limit)})
    return Response(200, dump(payload))


def _listed_tickers(view: DayView) -> list[str]:
    day = snapshot_session(view)
    return [listing.ticker for listing in view.world.universe.listings if listing.active_on(day)]


def _v3_unknown(ticker: str) -> JsonObject:
    return {"ticker": ticker, "error": "NOT_FOUND", "message": "Ticker not found."}


def _v3(quote: Quote, view: DayView, phase: str) -> JsonObject:
    timeframe = "REAL-TIME" if view.plan.delay_minutes == 0 else "DELAYED"
    row: JsonObject = {
        "ticker": quote.ticker,
        "type": "stocks",
        "name": quote.name,
        "market_status": phase,
        "session": _v3_session(quote, phase),
    }
    if quote.at_ns:
        minute = quote.minute
        row["last_minute"] = {
            "open": minute["o"], "high": minute["h"], "low": minute["l"], "close": minute["c"],
            "volume": minute["v"], "vwap": minute["vw"], "transactions": minute["n"], "last_updated": quote.at_ns,
        }  # fmt: skip
    if "last_trade_field" in view.plan.capabilities and quote.at_ns:
        row["last_trade"] = {
            "id": str(quote.at_ns % 10**6),
            "price": plain(quote.price),
            "size": quote.size,
            "exchange": 4,
            "conditions": _conditions(quote, phase),
            "sip_timestamp": quote.at_ns,
            "participant_timestamp": quote.at_ns - NANO,
            "timeframe": timeframe,
        }
    if "last_quote" in view.plan.capabilities and quote.at_ns:
        row["last_quote"] = {
            "ask": plain(round(quote.price + 0.01, 4)), "ask_size": 2, "ask_exchange": 11,
            "bid": plain(round(quote.price - 0.01, 4)), "bid_size": 3, "bid_exchange": 12,
            "last_updated": quote.at_ns + 5 * NANO, "timeframe": timeframe,
        }  # fmt: skip
    return row


def _v3_session(quote: Quote, phase: str) -> JsonObject:
    """Prices of the day; the change is split between regular and extended trading."""
    day, previous = quote.day, quote.previous_close
    closed_at = float(str(day["c"]))
    session: JsonObject = {
        "price": plain(quote.price or previous),
        "change": plain(quote.change),
        "change_percent": plain(round(quote.change / previous * 100, 4)) if previous else 0,
        "open": day["o"],
        "high": day["h"],
        "low": day["l"],
        "close": day["c"],
        "volume": day["v"],
        "previous_close": plain(previous),
    }
    if phase == "early_trading":
        session["early_trading_change"] = plain(quote.change)
    elif closed_at:
        session["regular_trading_change"] = plain(round(closed_at - previous, 4))
        if phase != "open":
            session["late_trading_change"] = plain(round(quote.price - closed_at, 4))
    return session


def answer_last_trade(request: Request, view: DayView) -> Response:
    """``/v2/last/trade/{ticker}``: maybe an odd lot or an extended-hours print; 404 for an unknown ticker."""
    ticker = request.segments[-1]
    view.refuse_denied(ticker, request)
    quotes = quotes_of(view, {ticker})
    if not quotes or not quotes[0].at_ns:
        raise massive_error(404, "Data not found.", request.request_id)
    quote = quotes[0]
    results: JsonObject = {
        "T": ticker,
        "c": _conditions(quote, trading_phase(view)),
        "f": quote.at_ns - 20_000,
        "i": str(quote.at_ns % 10**6),
        "p": plain(quote.price),
        "q": quote.at_ns // NANO % 10**7,
        "r": 202,
        "s": quote.size,
        "ds": decimal(quote.size),
        "t": quote.at_ns,
        "x": 4,
        "y": quote.at_ns - NANO,
        "z": 3,
    }
    return Response(200, dump({"results": results, "status": "OK", "request_id": request.request_id}))
