"""Which ticker meant which asset, and when."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.coverage import Span, days
from marketdata.domain.tickers import (
    Periods,
    TickerBook,
    TickerChange,
    TickerPeriod,
    history_of,
    moved_days,
    period,
    pieces,
)

RENAMED = date(2022, 6, 9)
FB_TO_META = history_of([TickerChange(RENAMED, "META"), TickerChange(date(2012, 5, 18), "FB")])
DAY = timedelta(days=1)

offsets = st.integers(0, 20)
symbols = st.sampled_from(["A", "B", "C"])


def day(offset: int) -> date:
    return date(2026, 1, 1) + timedelta(days=offset)


histories = st.lists(st.builds(TickerChange, offsets.map(day), symbols), max_size=4).map(history_of)


def symbol_on(when: date, present: str, periods: Periods) -> str | None:
    return next((one.symbol for one in periods if when in one.span), present)


def test_changes_in_any_order_become_periods_without_gaps() -> None:
    assert list(FB_TO_META) == [period("FB", date(2012, 5, 18), date(2022, 6, 8)), period("META", RENAMED, None)]
    assert history_of([]) == ()
    assert history_of([TickerChange(day(1), "A"), TickerChange(day(3), "A")]) == (period("A", day(1), None),)
    assert history_of([TickerChange(day(1), "A")], last=day(9)) == (period("A", day(1), day(9)),)


def test_a_span_over_a_rename_is_asked_for_under_both_tickers() -> None:
    span = Span(date(2022, 6, 1), date(2022, 6, 30))
    assert pieces(span, "META", FB_TO_META) == [
        ("FB", Span(date(2022, 6, 1), date(2022, 6, 8))),
        ("META", Span(RENAMED, date(2022, 6, 30))),
    ]
    assert pieces(span, "AAPL", ()) == [("AAPL", span)]


def test_days_of_another_company_are_asked_for_under_no_name() -> None:
    foreign = (TickerPeriod(None, Span(day(3), day(5))),)
    assert pieces(Span(day(0), day(9)), "A", foreign) == [("A", Span(day(0), day(2))), ("A", Span(day(6), day(9)))]


@given(histories, offsets, offsets)
def test_pieces_hold_each_day_once_under_the_ticker_of_that_day(periods: Periods, one: int, other: int) -> None:
    span = Span(day(min(one, other)), day(max(one, other)))
    found = {when: symbol for symbol, part in pieces(span, "P", periods) for when in days((part,))}
    assert sum((part.last - part.first).days + 1 for _, part in pieces(span, "P", periods)) == len(found)
    assert found == {when: symbol_on(when, "P", periods) for when in days((span,))}


@given(histories, histories, symbols, symbols)
def test_moved_days_are_those_whose_ticker_changed(before: Periods, after: Periods, old: str, new: str) -> None:
    moved = moved_days(before, after, old, new)
    for when in days((Span(day(-1), day(21)),)):
        assert any(when in span for span in moved) == (symbol_on(when, old, before) != symbol_on(when, new, after))


def test_a_rename_known_in_time_moves_only_the_days_from_it_on() -> None:
    before = (period("FB", None, None),)
    after = (period("FB", None, RENAMED - DAY), period("META", RENAMED, None))
    assert moved_days(before, after, "FB", "META") == (Span(RENAMED, date.max),)


def test_a_ticker_means_the_company_that_had_it_on_the_day() -> None:
    book = TickerBook(
        {"TWTR": [(Span(date.min, day(5)), 1), (Span(date.min, date.max), 2)], "FB": [(Span(day(0), day(9)), 3)]},
        {"META": (3, Span(day(0), day(9)))},
    )
    assert [book.asset_on("TWTR", day(offset)) for offset in (5, 6)] == [1, 2]
    assert book.asset_on("FB", day(9)) == 3
    assert book.asset_on("FB", day(10)) is None
    assert book.asset_on("META", day(4)) == 3, "the vendor lists the company's past under its present name"
    assert book.asset_on("META", day(10)) is None
    assert book.asset_on("AAPL", day(0)) is None
