"""The plan of calls, against brute force on small worlds and by its figures on large ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.domain.coverage import Gap, Span, Spans, days, normalise
from marketdata.domain.planner import (
    CallKind,
    CallPlan,
    Limits,
    PlannedCall,
    plan_coin_calls,
    plan_stock_calls,
    to_batches,
)
from marketdata.domain.sessions import sessions
from marketdata.domain.tickers import TickerPeriod, period
from marketdata.errors import InvalidRequest

NEWEST = date(2026, 11, 20)
AXIS = sessions(date(2003, 9, 10), NEWEST)
SMALL_AXIS = sessions(date(2026, 11, 24), date(2026, 12, 2))  # six sessions around Thanksgiving and a weekend
COIN_DAYS = [date(2024, 2, 25) + timedelta(days=offset) for offset in range(12)]
UNLIMITED = Limits()

Missing = dict[int, frozenset[date]]


def symbols_of(count: int) -> dict[int, str]:
    return {asset_id: f"S{asset_id:05d}" for asset_id in range(count)}


def gaps_of(missing: Mapping[int, frozenset[date]]) -> list[Gap]:
    """Grouped by identical missing sessions, as the warehouse gives them."""
    groups: dict[frozenset[date], list[int]] = {}
    for asset_id, missed in missing.items():
        if missed:
            groups.setdefault(missed, []).append(asset_id)
    return [Gap(tuple(ids), spans_of(missed)) for missed, ids in groups.items()]


def spans_of(chosen: Iterable[date]) -> Spans:
    return normalise(Span(day, day) for day in chosen)


def cells(missing: Mapping[int, frozenset[date]]) -> set[tuple[int, date]]:
    return {(asset_id, day) for asset_id, missed in missing.items() for day in missed}


def filled_by(call: PlannedCall, missing: Mapping[int, frozenset[date]]) -> set[tuple[int, date]]:
    """The missing cells that a call brings."""
    assets = missing if call.asset_id is None else [call.asset_id]
    return {(asset_id, day) for asset_id in assets for day in missing[asset_id] if call.first <= day <= call.last}


def fewest_calls(missing: Mapping[int, frozenset[date]]) -> int:
    """By trying every set of market days."""
    wanted = sorted({day for missed in missing.values() for day in missed})
    return min(
        len(taken) + sum(1 for missed in missing.values() if missed - set(taken))
        for size in range(len(wanted) + 1)
        for taken in combinations(wanted, size)
    )


def fewest_by_most_missed(missing: Mapping[int, frozenset[date]]) -> int:
    """The cost formula of the design: k most-missed sessions, newest first, then tickers for whoever is short."""
    wanted = {day for missed in missing.values() for day in missed}
    ranked = sorted(wanted, key=lambda day: (sum(day in missed for missed in missing.values()), day), reverse=True)
    return min(
        taken + sum(1 for missed in missing.values() if missed - set(ranked[:taken]))
        for taken in range(len(ranked) + 1)
    )


def one_gap(assets: int, sessions_missing: int) -> list[Gap]:
    return [Gap(tuple(range(assets)), (Span(AXIS[-sessions_missing], NEWEST),))]


def kinds(plan: CallPlan) -> dict[str, int]:
    return {kind: sum(call.kind == kind for call in plan.calls) for kind in {call.kind for call in plan.calls}}


@st.composite
def any_missing_sessions(draw: st.DrawFn) -> Missing:
    """Up to five groups of assets, each with any missing sessions of its own."""
    groups = draw(
        st.lists(st.tuples(st.frozensets(st.sampled_from(SMALL_AXIS), min_size=1), st.integers(1, 5)), max_size=5)
    )
    missed_by_each = [missed for missed, assets in groups for _ in range(assets)]
    return dict(enumerate(missed_by_each))


any_missing = any_missing_sessions()


@st.composite
def usual_missing(draw: st.DrawFn) -> Missing:
    """What runs leave behind: all miss the newest sessions, a few are new, a few have one old hole."""
    newest = draw(st.integers(0, 3))
    shared = frozenset(SMALL_AXIS[len(SMALL_AXIS) - newest :])
    missing: Missing = {}
    for asset_id in range(draw(st.integers(0, 8))):
        shape = draw(st.sampled_from(["usual", "usual", "usual", "new", "hole"]))
        extra = {
            "usual": frozenset(),
            "new": frozenset(SMALL_AXIS[draw(st.integers(0, 2)) :]),
            "hole": frozenset({SMALL_AXIS[draw(st.integers(0, 2))]}),
        }[shape]
        if shared | extra:
            missing[asset_id] = shared | extra
    return missing


@given(any_missing)
def test_calls_fill_every_missing_cell(missing: Missing) -> None:
    plan = plan_stock_calls(gaps_of(missing), symbols_of(25), UNLIMITED)
    assert set().union(*(filled_by(call, missing) for call in plan.calls)) == cells(missing)


@given(any_missing)
def test_calls_ask_for_nothing_but_what_is_missing(missing: Missing) -> None:
    """A call starts and ends on a missing session, and no other call fills all that it fills."""
    plan = plan_stock_calls(gaps_of(missing), symbols_of(25), UNLIMITED)
    for call in plan.calls:
        filled = filled_by(call, missing)
        assert {call.first, call.last} <= {day for _, day in filled}
        others = set().union(*(filled_by(other, missing) for other in plan.calls if other is not call))
        assert filled - others


@given(any_missing)
@example({0: frozenset(SMALL_AXIS), 1: frozenset(SMALL_AXIS[:1]), 2: frozenset(SMALL_AXIS[:1])})
def test_a_plan_never_has_more_calls_than_either_method_alone(missing: Missing) -> None:
    calls = len(plan_stock_calls(gaps_of(missing), symbols_of(25), UNLIMITED).calls)
    assert calls <= len(missing)
    assert calls <= len({day for missed in missing.values() for day in missed})
    assert calls <= fewest_by_most_missed(missing)
    assert calls >= fewest_calls(missing)


@given(usual_missing())
def test_usual_gaps_get_the_fewest_calls_there_are(missing: Missing) -> None:
    assert len(plan_stock_calls(gaps_of(missing), symbols_of(25), UNLIMITED).calls) == fewest_calls(missing)


@given(any_missing)
def test_without_market_days_each_asset_gets_one_ticker_call_over_what_it_misses(missing: Missing) -> None:
    plan = plan_stock_calls(gaps_of(missing), symbols_of(25), Limits(market_day=False))
    asked = {call.asset_id: (call.kind, call.symbol, call.first, call.last) for call in plan.calls}
    assert len(plan.calls) == len(asked)
    assert asked == {
        asset_id: (CallKind.TICKER_RANGE, f"S{asset_id:05d}", min(missed), max(missed))
        for asset_id, missed in missing.items()
    }


@given(any_missing)
def test_calls_come_newest_session_first(missing: Missing) -> None:
    ends = [call.last for call in plan_stock_calls(gaps_of(missing), symbols_of(25), UNLIMITED).calls]
    assert ends == sorted(ends, reverse=True)


@given(any_missing, st.sampled_from(SMALL_AXIS))
def test_days_that_are_no_sessions_change_nothing(missing: Missing, earliest: date) -> None:
    """A gap may bridge weekends and holidays, or end in one."""
    limits = Limits(earliest=earliest)
    exact = gaps_of(missing)
    bridged = [Gap(gap.asset_ids, normalise(bridge(span) for span in gap.missing)) for gap in exact]
    assert plan_stock_calls(bridged, symbols_of(25), limits) == plan_stock_calls(exact, symbols_of(25), limits)


def bridge(span: Span) -> Span:
    """The span up to the eve of the session that follows it."""
    following = next(day for day in AXIS_AND_AFTER if day > span.last)
    return Span(span.first, following - timedelta(days=1))


AXIS_AND_AFTER = sessions(date(2026, 11, 24), date(2026, 12, 31))


@given(any_missing, st.sampled_from(SMALL_AXIS))
def test_what_lies_before_the_earliest_day_is_clipped_and_all_else_is_planned(missing: Missing, earliest: date) -> None:
    plan = plan_stock_calls(gaps_of(missing), symbols_of(25), Limits(earliest=earliest))
    within = {asset_id: frozenset(day for day in missed if day >= earliest) for asset_id, missed in missing.items()}
    assert plan.calls == plan_stock_calls(gaps_of(within), symbols_of(25), UNLIMITED).calls
    clipped = {
        (asset_id, day)
        for gap in plan.clipped
        for asset_id in gap.asset_ids
        for day in days(gap.missing)
        if day in SMALL_AXIS
    }
    assert clipped == cells(missing) - cells(within)
    assert all(gap.missing[-1].last < earliest for gap in plan.clipped)


@given(any_missing, st.integers(0, 5))
def test_calls_past_the_maximum_are_deferred_oldest_last(missing: Missing, max_calls: int) -> None:
    plan = plan_stock_calls(gaps_of(missing), symbols_of(25), Limits(max_calls=max_calls))
    assert len(plan.calls) <= max_calls
    assert plan.calls + plan.deferred == plan_stock_calls(gaps_of(missing), symbols_of(25), UNLIMITED).calls


@pytest.mark.parametrize(
    ("assets", "sessions_missing", "expected"),
    [
        (12_000, 1, {CallKind.MARKET_DAY: 1}),
        (1_000, 251, {CallKind.MARKET_DAY: 251}),
        (100, 1_255, {CallKind.TICKER_RANGE: 100}),
        (1_000, 1_255, {CallKind.TICKER_RANGE: 1_000}),
        (12_000, len(AXIS), {CallKind.MARKET_DAY: len(AXIS)}),
        (1, 1, {CallKind.TICKER_RANGE: 1}),
    ],
)
def test_one_gap_costs_the_cheaper_of_both_methods(assets: int, sessions_missing: int, expected: object) -> None:
    plan = plan_stock_calls(one_gap(assets, sessions_missing), symbols_of(assets), UNLIMITED)
    assert kinds(plan) == expected


def test_a_thousand_assets_short_of_three_sessions_and_twenty_new_ones_cost_23_calls() -> None:
    old = Gap(tuple(range(1_000)), (Span(AXIS[-3], NEWEST),))
    new = Gap(tuple(range(1_000, 1_020)), (Span(AXIS[-502], NEWEST),))
    plan = plan_stock_calls([old, new], symbols_of(1_020), UNLIMITED)
    assert kinds(plan) == {CallKind.MARKET_DAY: 3, CallKind.TICKER_RANGE: 20}
    ticker_calls = [call for call in plan.calls if call.kind is CallKind.TICKER_RANGE]
    assert {(call.first, call.last) for call in ticker_calls} == {(AXIS[-502], AXIS[-4])}  # the last 3 come for free


def test_assets_with_long_gaps_do_not_hide_a_session_that_others_share() -> None:
    """The most-missed sessions are those of the long gaps; the shared one is cheaper as a market day all the same."""
    long = Gap(tuple(range(10)), (Span(AXIS[-100], NEWEST),))
    shared = Gap(tuple(range(10, 18)), (Span(AXIS[-200], AXIS[-200]),))
    plan = plan_stock_calls([long, shared], symbols_of(18), UNLIMITED)
    assert kinds(plan) == {CallKind.MARKET_DAY: 1, CallKind.TICKER_RANGE: 10}


def test_twelve_thousand_assets_with_listing_days_of_their_own_are_planned_without_expanding_them() -> None:
    listed = [Gap((asset_id,), (Span(AXIS[asset_id * 7 % len(AXIS)], NEWEST),)) for asset_id in range(12_000)]
    plan = plan_stock_calls(listed, symbols_of(12_000), UNLIMITED)
    assert len(plan.calls) <= len(AXIS)


def test_no_gaps_make_an_empty_plan() -> None:
    assert plan_stock_calls([], {}, UNLIMITED) == CallPlan((), (), ())
    assert plan_coin_calls([], {}, UNLIMITED) == CallPlan((), (), ())


def test_a_gap_of_closed_days_only_needs_no_call() -> None:
    weekend = [Gap((1,), (Span(date(2026, 11, 21), date(2026, 11, 22)),))]
    assert plan_stock_calls(weekend, symbols_of(2), UNLIMITED) == CallPlan((), (), ())


def test_a_call_is_labelled_by_its_symbol_or_its_session() -> None:
    ticker, market_day = (
        plan_stock_calls(one_gap(assets, 1), {0: "BRK.B", 1: "AAPL"}, UNLIMITED).calls[0] for assets in (1, 2)
    )
    assert ticker.label == "BRK.B"
    assert market_day.label == "2026-11-20"
    assert (market_day.asset_id, market_day.symbol, market_day.vendor) == (None, None, "polygon")


coin_missing = st.dictionaries(st.integers(0, 3), st.frozensets(st.sampled_from(COIN_DAYS), min_size=1), max_size=4)


@given(coin_missing, st.booleans(), st.one_of(st.none(), st.sampled_from(COIN_DAYS)))
def test_coin_calls_fill_what_is_missing_from_missing_days_to_missing_days(
    missing: Missing, ohlc: bool, earliest: date | None
) -> None:
    plan = plan_coin_calls(gaps_of(missing), symbols_of(4), Limits(ohlc=ohlc, earliest=earliest))
    kept = {
        asset_id: {day for day in missed if not earliest or day >= earliest} for asset_id, missed in missing.items()
    }
    clipped = {(asset, day) for gap in plan.clipped for asset in gap.asset_ids for day in days(gap.missing)}
    filled = [cell for call in plan.calls for cell in filled_by(call, missing)]
    assert len(filled) == len(set(filled))  # calls do not overlap
    assert set(filled) == {(asset_id, day) for asset_id, missed in kept.items() for day in missed}
    assert clipped == cells(missing) - set(filled)
    for call in plan.calls:
        assert {call.first, call.last} <= missing[call.asset_id or 0]
        assert call.symbol == f"S{call.asset_id:05d}"
    ends = [call.last for call in plan.calls]
    assert ends == sorted(ends, reverse=True)


@given(coin_missing)
def test_for_closes_each_coin_is_one_call(missing: Missing) -> None:
    assert len(plan_coin_calls(gaps_of(missing), symbols_of(4), UNLIMITED).calls) == len(missing)


def test_a_range_over_a_rename_takes_one_call_for_each_ticker() -> None:
    on = date(2022, 6, 9)
    periods = {1: (period("FB", date(2012, 5, 18), on - timedelta(days=1)), period("META", on, None))}
    gaps = [Gap((0, 1), (Span(AXIS[0], NEWEST),))]
    plan = plan_stock_calls(gaps, {0: "AAPL", 1: "META"}, UNLIMITED, periods)
    assert {(call.symbol, call.asset_id, call.first, call.last) for call in plan.calls} == {
        ("AAPL", 0, AXIS[0], NEWEST),
        ("META", 1, on, NEWEST),
        ("FB", 1, date(2012, 5, 18), on - timedelta(days=1)),
        ("META", 1, AXIS[0], date(2012, 5, 17)),
    }


def test_days_on_which_a_ticker_was_another_companys_are_asked_for_by_nobody() -> None:
    taken_over = date(2026, 11, 10)
    foreign = {1: (TickerPeriod(None, Span(date.min, taken_over)),)}
    plan = plan_stock_calls([Gap((1,), (Span(AXIS[0], NEWEST),))], {1: "TWTR"}, UNLIMITED, foreign)
    assert [(call.symbol, call.first, call.last) for call in plan.calls] == [("TWTR", date(2026, 11, 11), NEWEST)]
    before = Gap((1,), (Span(AXIS[0], taken_over),))
    assert plan_stock_calls([before], {1: "TWTR"}, UNLIMITED, foreign).calls == ()


@given(any_missing, st.data())
def test_calls_by_ticker_still_fill_all_that_is_missing(missing: Missing, data: st.DataObject) -> None:
    symbols = symbols_of(25)
    borders = st.sampled_from(SMALL_AXIS)
    periods = {
        asset_id: (period("OLD", None, border - timedelta(days=1)), period("NEW", border, None))
        for asset_id in missing
        if (border := data.draw(st.none() | borders)) is not None
    }
    plan = plan_stock_calls(gaps_of(missing), symbols, UNLIMITED, periods)
    assert set().union(*(filled_by(call, missing) for call in plan.calls)) == cells(missing)
    for call in plan.calls:
        if call.asset_id in periods:
            border = periods[call.asset_id][1].span.first
            assert call.symbol == ("NEW" if call.first >= border else "OLD")
            assert (call.first >= border) == (call.last >= border)


@pytest.mark.parametrize(("ohlc", "kind"), [(False, CallKind.COIN_CHART), (True, CallKind.COIN_OHLC)])
def test_coins_are_asked_for_candles_where_the_plan_gives_them(ohlc: bool, kind: CallKind) -> None:
    gap = Gap((0,), (Span(date(2026, 11, 1), date(2026, 11, 20)),))
    (call,) = plan_coin_calls([gap], {0: "bitcoin"}, Limits(ohlc=ohlc)).calls
    assert call == PlannedCall(kind, "coingecko", 0, "bitcoin", date(2026, 11, 1), date(2026, 11, 20))


@given(st.integers(0, 1_000), st.integers(1, 250))
def test_batches_keep_the_order_and_are_of_even_size(count: int, max_batches: int) -> None:
    calls = [
        PlannedCall(CallKind.COIN_CHART, "coingecko", index, f"c{index}", NEWEST, NEWEST) for index in range(count)
    ]
    batches = to_batches(calls, max_batches)
    assert [call for batch in batches for call in batch] == calls
    assert len(batches) == min(count, max_batches)
    if batches:
        sizes = {len(batch) for batch in batches}
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1


def test_a_limit_that_means_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="max_calls -1"):
        Limits(max_calls=-1)


def test_the_calls_of_one_coin_stay_in_one_batch() -> None:
    gap = Gap((7, 8), (Span(date(2019, 1, 1), date(2019, 1, 1)), Span(date(2026, 11, 1), date(2026, 11, 20))))
    calls = plan_coin_calls([gap], {7: "bitcoin", 8: "ethereum"}, Limits(ohlc=True)).calls
    assert len(calls) == 4
    batches = to_batches(calls)
    assert [{call.symbol for call in batch} for batch in batches] == [{"bitcoin"}, {"ethereum"}]
    assert [len(batch) for batch in batches] == [2, 2]
