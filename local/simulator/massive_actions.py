"""Massive's corporate actions: splits and dividends, on their new and their old paths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from local.simulator.listings import Listing
from local.simulator.massive_days import DayView
from local.simulator.messages import JsonObject, Request, Response
from local.simulator.pages import ListRules, answer_page, read_list_query, wanted
from local.simulator.trading_days import ordinal, ordinals, session_at

SPLIT_FILTERS = ("ticker", "execution_date", "adjustment_type")
SPLITS = ListRules(SPLIT_FILTERS, "execution_date", "desc", 100, 5000)
SPLITS_V3 = ListRules(SPLIT_FILTERS, "execution_date", "desc", 10, 1000)
DIVIDEND_FILTERS = ("ticker", "ex_dividend_date", "record_date", "pay_date", "declaration_date", "frequency")
DIVIDENDS = ListRules(DIVIDEND_FILTERS, "ex_dividend_date", "desc", 100, 5000)
DIVIDENDS_V3 = ListRules(DIVIDEND_FILTERS, "ex_dividend_date", "desc", 10, 1000)

ANNOUNCED_BEFORE = timedelta(days=30)
FIRST_DIVIDEND_YEAR = 2003
DIVIDEND_GROWTH = 1.05
GROWTH_BASE_YEAR = 2025


def answer_splits(request: Request, view: DayView) -> Response:
    """``/stocks/v1/splits``."""
    return answer_page(request, list(_splits(view)), SPLITS)


def answer_splits_v3(request: Request, view: DayView) -> Response:
    """``/v3/reference/splits``: the old path, with fewer fields."""
    fields = ("id", "execution_date", "split_from", "split_to", "ticker")
    return answer_page(request, [{name: row[name] for name in fields} for row in _splits(view)], SPLITS_V3)


def _splits(view: DayView) -> Iterator[JsonObject]:
    """Every split up to those announced; the factor counts all later splits of the ticker in."""
    factors: dict[str, float] = {}
    for split in reversed(view.world.splits):
        if split.execution_date > view.today + ANNOUNCED_BEFORE:
            continue
        factors[split.ticker] = factors.get(split.ticker, 1.0) / split.ratio
        yield {
            "id": _identity("split", split.ticker, split.execution_date),
            "ticker": split.ticker,
            "execution_date": split.execution_date.isoformat(),
            "split_from": split.split_from,
            "split_to": split.split_to,
            "adjustment_type": "forward_split" if split.ratio > 1 else "reverse_split",
            "historical_adjustment_factor": round(factors[split.ticker], 6),
        }


def answer_dividends(request: Request, view: DayView) -> Response:
    """``/stocks/v1/dividends``."""
    return answer_page(request, _dividends(request, view), DIVIDENDS)


def answer_dividends_v3(request: Request, view: DayView) -> Response:
    """``/v3/reference/dividends``: the old path, with ``dividend_type`` and fewer fields."""
    left_out = ("distribution_type", "historical_adjustment_factor", "split_adjusted_cash_amount")
    rows = [
        {**{name: value for name, value in row.items() if name not in left_out}, "dividend_type": "CD"}
        for row in _dividends(request, view)
    ]
    return answer_page(request, rows, DIVIDENDS_V3)


def _dividends(request: Request, view: DayView) -> list[JsonObject]:
    """The dividends of all payers that the query's ticker filters leave."""
    query = read_list_query(request)
    ex_dates = _ex_dates(view.today + ANNOUNCED_BEFORE)
    return [
        row
        for listing in view.world.universe.listings
        if listing.dividend and wanted({"ticker": listing.ticker}, query, ("ticker",))
        for row in _dividends_of(listing, view, ex_dates)
    ]


def _dividends_of(listing: Listing, view: DayView, ex_dates: list[date]) -> list[JsonObject]:
    """One listing's quarterly dividends up to those declared, oldest first."""
    days = [day for day in ex_dates if listing.active_on(day)]
    if not days:
        return []
    rows = np.array([view.world.rows(listing.ticker)[-1]])
    sessions = np.array([ordinal(day) for day in days])
    factor = view.world.adjustment(rows, sessions, view.today)[0]
    before = view.world.daily(rows, sessions - 1).close[0]
    adjusted_cash = [listing.dividend * DIVIDEND_GROWTH ** (day.year - GROWTH_BASE_YEAR) for day in days]
    cash = np.round(np.array(adjusted_cash) / factor, 4)
    to_date = np.array([day <= view.today for day in days])
    kept = np.where(to_date, 1.0 - np.minimum(cash / before, 0.5), 1.0)
    history = np.cumprod(kept[::-1])[::-1]
    return [
        {
            "id": _identity("dividend", listing.ticker, day),
            "ticker": listing.ticker,
            "cash_amount": float(cash[at]),
            "split_adjusted_cash_amount": round(float(cash[at] * factor[at]), 6),
            "currency": "USD",
            "declaration_date": (day - timedelta(days=14)).isoformat(),
            "ex_dividend_date": day.isoformat(),
            "record_date": day.isoformat(),
            "pay_date": (day + timedelta(days=6)).isoformat(),
            "frequency": 4,
            "distribution_type": "recurring",
            "historical_adjustment_factor": round(float(history[at]), 6),
        }
        for at, day in enumerate(days)
        if day - timedelta(days=14) <= view.today
    ]


def _ex_dates(until: date) -> list[date]:
    """The second Friday of each quarter's middle month, or the session after it."""
    days = []
    for year in range(FIRST_DIVIDEND_YEAR, until.year + 1):
        for month in (2, 5, 8, 11):
            first = date(year, month, 1)
            friday = first + timedelta(days=(4 - first.weekday()) % 7 + 7)
            days.append(session_at(int(ordinals(friday, friday + timedelta(days=7))[0])))
    return [day for day in days if day <= until]


def _identity(kind: str, ticker: str, day: date) -> str:
    return "E" + hashlib.sha256(f"{kind} {ticker} {day.isoformat()}".encode()).hexdigest()
