"""What happens to companies: the universe after a rename, a delisting, a halt, a listing, a split or a dividend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from local.simulator.actions import Dividend, Split
from local.simulator.listings import Listing, Universe

ONE_DAY = timedelta(days=1)


def renamed(universe: Universe, old: str, new: str, on: date) -> Universe:
    """From ``on`` the company that has the ticker ``old`` is called ``new``. Its history stays under ``old``."""
    row = owner(universe, old, on)
    present = universe.listings[row]
    if present.listed_on == on:
        raise LookupError(f"{old} is listed on {on} itself: there is no day before it under this ticker")
    _check_free(universe, new, on, until=present.delisted_on)
    former = replace(present, delisted_on=on - ONE_DAY)
    return _with_listings(universe, {row: former}, [replace(present, ticker=new, listed_on=on)])


def delisted(universe: Universe, ticker: str, last_session: date) -> Universe:
    """The company that has the ticker is traded for the last time on ``last_session``; then the ticker is free."""
    row = owner(universe, ticker, last_session)
    company = universe.listings[row].company
    if any(universe.listings[other].listed_on > last_session for other in universe.by_company[company]):
        raise LookupError(f"{ticker} gets another ticker after {last_session}: delist it under that one")
    return _with_listings(universe, {row: replace(universe.listings[row], delisted_on=last_session)}, [])


def halted(universe: Universe, ticker: str, session: date) -> Universe:
    """The company that has the ticker is not traded on ``session``."""
    row = owner(universe, ticker, session)
    listing = universe.listings[row]
    return _with_listings(universe, {row: replace(listing, halts=listing.halts | {session})}, [])


def with_company(universe: Universe, listing: Listing) -> Universe:
    """The company of ``listing`` is traded, too."""
    _check_free(universe, listing.ticker, listing.listed_on, until=listing.delisted_on)
    return _with_listings(universe, {}, [listing])


def with_split(universe: Universe, split: Split) -> Universe:
    """The split happens to the company that has its ticker on its date.

    A split that there is already is not made twice: only what the vendor lists of it is replaced.
    """
    company = universe.listings[owner(universe, split.ticker, split.execution_date)].company
    split = replace(split, company=company, added=True)
    splits = list(universe.splits)
    for at, other in enumerate(splits):
        if _same(split, other):
            splits[at] = replace(other, reported=split.reported)
            return Universe.of(universe.listings, universe.coins, splits, universe.dividends)
    return Universe.of(universe.listings, universe.coins, [*splits, split], universe.dividends)


def with_dividend(universe: Universe, dividend: Dividend) -> Universe:
    """The company that has the dividend's ticker on its ex-date pays it."""
    company = universe.listings[owner(universe, dividend.ticker, dividend.ex_date)].company
    dividends = [*universe.dividends, replace(dividend, company=company)]
    return Universe.of(universe.listings, universe.coins, universe.splits, dividends)


def owner(universe: Universe, ticker: str, day: date) -> int:
    """The row of the company that has the ticker on ``day``; LookupError when none has."""
    row = universe.row_on(ticker, day)
    if row is None:
        raise LookupError(f"nobody has the ticker {ticker} on {day}")
    return row


def _same(one: Split, other: Split) -> bool:
    names = ("company", "execution_date", "split_from", "split_to")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _check_free(universe: Universe, ticker: str, first: date, *, until: date | None) -> None:
    for row in universe.by_ticker.get(ticker, ()):
        other = universe.listings[row]
        if other.delisted_on is not None and other.delisted_on < first:
            continue
        if until is None or other.listed_on <= until:
            raise LookupError(f"{ticker} belongs to {other.name} after {first}: rename or delist that one before")


def _with_listings(universe: Universe, changed: dict[int, Listing], more: Sequence[Listing]) -> Universe:
    """Rows keep their place: whatever is known by row stays true."""
    listings = [changed.get(row, listing) for row, listing in enumerate(universe.listings)]
    return Universe.of([*listings, *more], universe.coins, universe.splits, universe.dividends)
