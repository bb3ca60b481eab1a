"""Massive's corporate actions: splits and dividends, on their new and their old paths."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import numpy as np

from local.simulator.actions import Dividend, ReportedSplit
from local.simulator.dividends import declared_dividends, pays
from local.simulator.massive_days import DayView
from local.simulator.messages import JsonObject, Request, Response
from local.simulator.pages import ListRules, answer_page, read_list_query, row_filter
from local.simulator.trading_days import ordinal

SPLIT_FILTERS = ("ticker", "execution_date", "adjustment_type")
SPLITS = ListRules(SPLIT_FILTERS, "execution_date", "desc", 100, 5000)
SPLITS_V3 = ListRules(SPLIT_FILTERS, "execution_date", "desc", 10, 1000)
DIVIDEND_FILTERS = ("ticker", "ex_dividend_date", "record_date", "pay_date", "declaration_date", "frequency")
DIVIDENDS = ListRules(DIVIDEND_FILTERS, "ex_dividend_date", "desc", 100, 5000)
DIVIDENDS_V3 = ListRules(DIVIDEND_FILTERS, "ex_dividend_date", "desc", 10, 1000)

FIRST_EX_DATES = ("ex_dividend_date", "ex_dividend_date.gt", "ex_dividend_date.gte")

ANNOUNCED_BEFORE = timedelta(days=30)


def answer_splits(request: Request, view: DayView) -> Response:
    """``/stocks/v1/splits``."""
    return answer_page(request, list(_splits(view)), SPLITS)


def answer_splits_v3(request: Request, view: DayView) -> Response:
    """``/v3/reference/splits``: the old path, with fewer fields."""
    fields = ("id", "execution_date", "split_from", "split_to", "ticker")
    return answer_page(request, [{name: row[name] for name in fields} for row in _splits(view)], SPLITS_V3)


def _splits(view: DayView) -> Iterator[JsonObject]:
    """What the vendor lists up to the announced ones, newest first.

    A factor counts all later splits of the company in, each once; only from its date on does a split count for the
    earlier ones.
    """
    factors: dict[tuple[str, bool], float] = {}
    seen: Counter[tuple[str, date]] = Counter()
    counted: set[tuple[str, ReportedSplit]] = set()
    for company, split in _listed_splits(view):
        done = (company, split.execution_date <= view.today)
        if (company, split) not in counted:
            factors[done] = factors.get(done, 1.0) / split.ratio
        counted.add((company, split))
        yield {
            "id": _identity("split", company, split.execution_date, seen[company, split.execution_date]),
            "ticker": view.world.ticker_on(company, min(split.execution_date, view.today)),
            "execution_date": split.execution_date.isoformat(),
            "split_from": split.split_from,
            "split_to": split.split_to,
            "adjustment_type": split.kind,
            "historical_adjustment_factor": round(factors[done], 6),
        }
        seen[company, split.execution_date] += 1


def _listed_splits(view: DayView) -> list[tuple[str, ReportedSplit]]:
    """Companies and the rows that the vendor has for their splits."""
    listed = [
        (split.company, row)
        for split in view.world.universe.splits
        for row in split.listed
        if row.execution_date <= view.today + ANNOUNCED_BEFORE
    ]
    return sorted(listed, key=lambda entry: entry[1].execution_date, reverse=True)


def answer_dividends(request: Request, view: DayView) -> Response:
    """``/stocks/v1/dividends``."""
    return answer_page(request, _dividends(request, view), DIVIDENDS)


def answer_dividends_v3(request: Request, view: DayView) -> Response:
    """``/v3/reference/dividends``: the old path, with ``dividend_type`` and fewer fields."""
    left_out = ("distribution_type", "historical_adjustment_factor", "split_adjusted_cash_amount")
    rows = [
        {
            **{name: value for name, value in row.items() if name not in left_out},
            "dividend_type": "CD" if row["distribution_type"] == "recurring" else "SC",
        }
        for row in _dividends(request, view)
    ]
    return answer_page(request, rows, DIVIDENDS_V3)


def _dividends(request: Request, view: DayView) -> list[JsonObject]:
    """The dividends that the query's ticker filters and its first ex-date leave, by company."""
    query, world = read_list_query(request), view.world
    chosen = row_filter(query, ("ticker",))
    companies = [
        company
        for company, rows in world.universe.by_company.items()
        if pays(world, company) and any(chosen({"ticker": world.listing(row).ticker}) for row in rows)
    ]
    declared = declared_dividends(world, companies, view.today, _first_ex_date(query))
    declared = {company: dividends for company, dividends in declared.items() if dividends}
    return list(_dividend_rows(view, declared)) if declared else []


def _first_ex_date(query: Mapping[str, str]) -> date:
    bounds = [query[name] for name in FIRST_EX_DATES if query.get(name)]
    return date.fromisoformat(max(bounds)) if bounds else date.min


def _dividend_rows(view: DayView, declared: Mapping[str, list[Dividend]]) -> Iterator[JsonObject]:
    """A factor counts in the later dividends whose day has come; nobody knows the rate of a foreign currency."""
    days = sorted({dividend.ex_date for dividends in declared.values() for dividend in dividends})
    sessions = np.array([ordinal(day) for day in days])
    rows = np.array([view.world.company_rows(company)[-1] for company in declared])
    splits = view.world.roster.adjustment(rows, sessions, view.today)
    before = view.world.daily(rows, sessions - 1, view.now).close
    for row, (company, dividends) in enumerate(declared.items()):
        at = np.searchsorted(np.array(days), np.array([dividend.ex_date for dividend in dividends]))
        cash = np.array([dividend.cash_amount for dividend in dividends])
        counts = [dividend.ex_date <= view.today and dividend.currency == "USD" for dividend in dividends]
        kept = np.where(counts, 1.0 - np.minimum(cash / before[row, at], 0.5), 1.0)
        history = np.round(np.cumprod(kept[::-1])[::-1], 6).tolist()
        adjusted_cash = np.round(cash * splits[row, at], 6).tolist()
        seen: Counter[date] = Counter()
        for dividend, own_cash, factor in zip(dividends, adjusted_cash, history, strict=True):
            yield _dividend_row(view, company, dividend, seen[dividend.ex_date]) | {
                "split_adjusted_cash_amount": own_cash,
                "historical_adjustment_factor": factor,
            }
            seen[dividend.ex_date] += 1


def _dividend_row(view: DayView, company: str, dividend: Dividend, place: int) -> JsonObject:
    return {
        "id": _identity("dividend", company, dividend.ex_date, place),
        "ticker": view.world.ticker_on(company, min(dividend.ex_date, view.today)),
        "cash_amount": dividend.cash_amount,
        "currency": dividend.currency,
        "declaration_date": dividend.declared_on.isoformat(),
        "ex_dividend_date": dividend.ex_date.isoformat(),
        "record_date": dividend.record_date.isoformat(),
        "pay_date": dividend.pay_date.isoformat(),
        "frequency": dividend.frequency,
        "distribution_type": dividend.kind,
    }


def _identity(kind: str, company: str, day: date, place: int) -> str:
    """The vendor's id: the first row of a company's day, the second one, and so on."""
    name = f"{kind} {company} {day.isoformat()}" + (f" {place}" if place else "")
    return "E" + hashlib.sha256(name.encode()).hexdigest()
