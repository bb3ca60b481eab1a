"""Reference data of Polygon.io, now Massive: who is listed, who was called what, splits and dividends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Generic, TypeVar

import msgspec

from marketdata.domain.adjustment import Dividend, Split
from marketdata.domain.corporate_actions import KINDS, ReportedDividend, ReportedSplit
from marketdata.domain.tickers import ListedTicker, TickerChange, TickerDetails
from marketdata.errors import InvalidRequest
from marketdata.hooks import polygon_refusals
from marketdata.hooks.answer import Answer
from marketdata.hooks.forms import Form
from marketdata.hooks.http import Exchange
from marketdata.hooks.paths import segment
from marketdata.hooks.vendor_hook import VendorHook

TICKERS = "/v3/reference/tickers"
DETAILS = "/v3/reference/tickers/{ticker}"
EVENTS = "/vX/reference/tickers/{id}/events"
SPLITS = "/stocks/v1/splits"
DIVIDENDS = "/stocks/v1/dividends"

MOST_TICKERS_A_CALL = 100
_TICKERS_A_PAGE, _ACTIONS_A_PAGE = "1000", "5000"
_GOOD = frozenset({"OK", "DELAYED"})

Row = TypeVar("Row")


class _Ticker(msgspec.Struct):
    ticker: Annotated[str, msgspec.Meta(min_length=1)]
    name: str = ""
    composite_figi: str | None = None
    active: bool = True
    delisted_utc: datetime | None = None
    list_date: date | None = None


class _TickerName(msgspec.Struct):
    ticker: Annotated[str, msgspec.Meta(min_length=1)]


class _Event(msgspec.Struct):
    type: str
    date: date
    ticker_change: _TickerName | None = None


class _Events(msgspec.Struct):
    events: list[_Event]


class _Split(msgspec.Struct):
    ticker: str
    execution_date: date
    split_from: float
    split_to: float
    adjustment_type: str | None = None
    id: str | None = None


class _Dividend(msgspec.Struct):
    ticker: str
    ex_dividend_date: date
    cash_amount: float
    currency: str | None = None
    declaration_date: date | None = None
    record_date: date | None = None
    pay_date: date | None = None
    frequency: int | None = None
    distribution_type: str | None = None
    id: str | None = None


class _Page(msgspec.Struct, Generic[Row]):
    """A page of a list. No rows mean an empty list only where ``results`` is there, as a list."""

    status: str
    results: list[Row]
    next_url: str | None = None


class _One(msgspec.Struct, Generic[Row]):
    status: str
    results: Row


_tickers = Form(_Page[_Ticker])
_splits = Form(_Page[_Split])
_dividends = Form(_Page[_Dividend])
_details = Form(_One[_Ticker])
_events = Form(_One[_Events])


class PolygonReference(VendorHook):
    """The part of PolygonHook that asks about companies instead of bars."""

    vendor = "polygon"
    classify = staticmethod(polygon_refusals.classify)

    def tickers(self, *, active: bool) -> Answer[tuple[ListedTicker, ...]]:
        """Every stock and ETF that trades today, or with ``active`` False every one that did before; by ticker.

        GET /v3/reference/tickers, 1,000 a page, all pages. A ticker of the past may stand there several times, for the
        companies that had it; equal rows count once. ``delisted_on`` is the vendor's day in UTC: the last session or
        the day after it.
        """
        which = "active" if active else "inactive"
        params = {"market": "stocks", "active": str(active).lower(), "limit": _TICKERS_A_PAGE, "sort": "ticker"}
        exchange = self.get_conn().exchange(f"{which} tickers", TICKERS)
        rows = _rows(exchange, TICKERS, {**params, "order": "asc"}, _tickers)
        return exchange.answer(tuple(dict.fromkeys(_listed(row) for row in rows)))

    def ticker_details(self, ticker: str, on: date | None = None) -> Answer[TickerDetails]:
        """The company that has ``ticker`` today, or had it on the day ``on``; Gone where there is none.

        GET /v3/reference/tickers/{ticker}.
        """
        exchange = self.get_conn().exchange(f"details of {ticker}", DETAILS)
        params = {"date": on.isoformat()} if on else {}
        one = exchange.get(DETAILS.format(ticker=segment(ticker)), params, _details)
        _refuse_bad_status(exchange, one.status)
        found = one.results
        listed = _listed(found)
        return exchange.answer(
            TickerDetails(found.ticker, found.name, listed.figi, found.list_date, listed.delisted_on)
        )

    def ticker_events(self, identity: str) -> Answer[tuple[TickerChange, ...]]:
        """The tickers that a company has had, oldest first; ``identity`` is its present ticker, or its FIGI.

        GET /vX/reference/tickers/{id}/events with types=ticker_change. Gone where the vendor knows no such company.
        """
        exchange = self.get_conn().exchange(f"ticker events of {identity}", EVENTS)
        one = exchange.get(EVENTS.format(id=segment(identity)), {"types": "ticker_change"}, _events)
        _refuse_bad_status(exchange, one.status)
        changes = [
            TickerChange(event.date, event.ticker_change.ticker)
            for event in one.results.events
            if event.type == "ticker_change" and event.ticker_change is not None
        ]
        return exchange.answer(tuple(sorted(changes)))

    def splits(self, since: date, tickers: Sequence[str] = ()) -> Answer[tuple[ReportedSplit, ...]]:
        """Splits executed on or after ``since``, announced ones included, oldest first: of these tickers, or of all.

        GET /stocks/v1/splits, 5,000 a page, all pages. Equal rows are left in.
        """
        params = {"execution_date.gte": since.isoformat(), "sort": "execution_date.asc", **_only(tickers)}
        exchange = self.get_conn().exchange(f"splits since {since}", SPLITS)
        rows = _rows(exchange, SPLITS, {**params, "limit": _ACTIONS_A_PAGE}, _splits)
        return exchange.answer(tuple(_reported_split(row) for row in rows))

    def dividends(self, since: date, tickers: Sequence[str] = ()) -> Answer[tuple[ReportedDividend, ...]]:
        """Cash dividends with an ex-date on or after ``since``, declared ones included, oldest first.

        GET /stocks/v1/dividends, 5,000 a page, all pages; of these tickers, or of all. Equal rows are left in.
        """
        params = {"ex_dividend_date.gte": since.isoformat(), "sort": "ex_dividend_date.asc", **_only(tickers)}
        exchange = self.get_conn().exchange(f"dividends since {since}", DIVIDENDS)
        rows = _rows(exchange, DIVIDENDS, {**params, "limit": _ACTIONS_A_PAGE}, _dividends)
        return exchange.answer(tuple(_reported_dividend(row) for row in rows))


def _rows(exchange: Exchange, path: str, params: dict[str, str], form: Form[_Page[Row]]) -> list[Row]:
    """The rows of all pages."""
    page = exchange.get(path, params, form)
    _refuse_bad_status(exchange, page.status)
    rows = page.results
    while page.next_url:
        page = exchange.follow(page.next_url, form)
        _refuse_bad_status(exchange, page.status)
        rows += page.results
    return rows


def _refuse_bad_status(exchange: Exchange, status: str) -> None:
    if status not in _GOOD:
        exchange.broken(f"status is {status!r} in an answer with HTTP 200")


def _only(tickers: Sequence[str]) -> dict[str, str]:
    """The filter for some tickers; InvalidRequest for more than one request may name, or for what is none."""
    if len(tickers) > MOST_TICKERS_A_CALL:
        raise InvalidRequest(
            f"{len(tickers)} tickers", f"a call names at most {MOST_TICKERS_A_CALL}", "ask in several calls"
        )
    for ticker in tickers:
        segment(ticker)
        if "," in ticker:
            raise InvalidRequest(f"ticker {ticker!r}", "it holds a comma", "correct the asset's vendor_symbol")
    return {"ticker.any_of": ",".join(tickers)} if tickers else {}


def _listed(row: _Ticker) -> ListedTicker:
    delisted_on = row.delisted_utc.date() if row.delisted_utc else None
    return ListedTicker(row.ticker, row.name, row.composite_figi or "", row.active, delisted_on)


def _reported_split(row: _Split) -> ReportedSplit:
    split = Split(row.execution_date, row.split_from, row.split_to)
    by_ratio = "forward_split" if split.ratio > 1 else "reverse_split"
    kind = row.adjustment_type if row.adjustment_type in KINDS else by_ratio
    return ReportedSplit(row.ticker, split, str(kind), row.id or "")


def _reported_dividend(row: _Dividend) -> ReportedDividend:
    return ReportedDividend(
        ticker=row.ticker,
        dividend=Dividend(row.ex_dividend_date, row.cash_amount, (row.currency or "").upper()),
        vendor_id=row.id or "",
        declared_on=row.declaration_date,
        record_date=row.record_date,
        pay_date=row.pay_date,
        frequency=row.frequency,
        kind=row.distribution_type or "",
    )
