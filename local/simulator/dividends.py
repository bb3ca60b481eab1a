"""Which dividends companies declared: one a quarter from those that pay, and what is paid besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from local.simulator.actions import Dividend
from local.simulator.stocks import StockWorld
from local.simulator.trading_days import ordinal, ordinals, session_at

FIRST_DIVIDEND_YEAR = 2003
LAST_DIVIDEND_YEAR = 2045
DIVIDEND_GROWTH = 1.05
GROWTH_BASE_YEAR = 2025
DECLARED_BEFORE = timedelta(days=14)
PAID_AFTER = timedelta(days=6)


def declared_dividends(
    world: StockWorld, companies: Iterable[str], today: date, since: date = date.min
) -> dict[str, list[Dividend]]:
    """By company, the dividends declared up to ``today`` with an ex-date from ``since`` on, by ex-date."""
    declared: dict[str, list[Dividend]] = defaultdict(list)
    payers: list[int] = []
    for company in companies:
        declared[company] += [
            dividend
            for dividend in world.roster.dividends.get(company, ())
            if dividend.declared_on <= today and dividend.ex_date >= since
        ]
        payers += [row for row in world.company_rows(company) if world.listing(row).dividend]
    for dividend in _quarterly(world, payers, today, since):
        declared[dividend.company].append(dividend)
    return {company: sorted(found, key=lambda dividend: dividend.ex_date) for company, found in declared.items()}


def pays(world: StockWorld, company: str) -> bool:
    """Whether the company ever pays a dividend."""
    return company in world.roster.dividends or world.listing(world.company_rows(company)[0]).dividend > 0


def _quarterly(world: StockWorld, payers: list[int], today: date, since: date) -> Iterator[Dividend]:
    """Regular dividends of listings: they grow every year, and a split divides those after it."""
    days = [day for day in ex_dates() if since <= day and day - DECLARED_BEFORE <= today]
    basis = world.roster.basis(
        np.array(payers, dtype=np.int64), np.array([ordinal(day) for day in days], dtype=np.int64)
    )
    growth = np.array([DIVIDEND_GROWTH ** (day.year - GROWTH_BASE_YEAR) for day in days])
    for row, shares in zip(payers, (basis * growth).tolist(), strict=True):
        listing = world.listing(row)
        for day, share in zip(days, shares, strict=True):
            if listing.active_on(day):
                yield Dividend(
                    ticker=listing.ticker,
                    ex_date=day,
                    cash_amount=round(listing.dividend * share, 4),
                    declared_on=day - DECLARED_BEFORE,
                    record_date=day,
                    pay_date=day + PAID_AFTER,
                    company=listing.company,
                )


@lru_cache(maxsize=1)
def ex_dates() -> tuple[date, ...]:
    """The second Friday of each quarter's middle month, or the session after it."""
    days = []
    for year in range(FIRST_DIVIDEND_YEAR, LAST_DIVIDEND_YEAR):
        for month in (2, 5, 8, 11):
            first = date(year, month, 1)
            friday = first + timedelta(days=(4 - first.weekday()) % 7 + 7)
            days.append(session_at(int(ordinals(friday, friday + timedelta(days=7))[0])))
    return tuple(days)
