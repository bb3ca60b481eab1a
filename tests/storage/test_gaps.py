"""Missing = expected - covered, for whole markets at once."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.coverage import Gap, Span, normalise
from marketdata.domain.sessions import is_session, sessions
from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.connection import connect
from marketdata.storage.gaps import missing
from tests.storage.ledger import MONDAY, WEEK, Ledger, answer, bars

YEAR = Span(date(2025, 1, 1), date(2025, 12, 31))
ALL = (1, 2, 3)


def _missing(ledger: Ledger, window: Span, today: date = date(2026, 11, 23)) -> list[Gap]:
    return ledger.warehouse.transact(missing, "us", window, asset_ids=None, today=today)


def _describe(ledger: Ledger, asset_id: int, listed_on: date | None, delisted_on: date | None) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute(
            "update asset set listed_on = %s, delisted_on = %s where asset_id = %s", (listed_on, delisted_on, asset_id)
        )


def test_with_nothing_covered_all_assets_share_one_gap_from_first_to_last_session(ledger: Ledger) -> None:
    assert _missing(ledger, YEAR) == [Gap(ALL, (Span(date(2025, 1, 2), date(2025, 12, 31)),))]


def test_an_asset_is_expected_from_listing_to_delisting_both_inclusive(ledger: Ledger) -> None:
    _describe(ledger, 1, date(2025, 3, 3), None)
    _describe(ledger, 2, None, date(2025, 3, 3))
    _describe(ledger, 3, date(2026, 1, 1), None)
    assert _missing(ledger, YEAR) == [
        Gap((1,), (Span(date(2025, 3, 3), date(2025, 12, 31)),)),
        Gap((2,), (Span(date(2025, 1, 2), date(2025, 3, 3)),)),
    ]


def test_weekends_holidays_and_closures_are_never_missing(ledger: Ledger) -> None:
    closed = [date(2025, 1, 9), date(2025, 7, 4), date(2025, 12, 25), date(2025, 12, 27)]
    for day in closed:
        assert _missing(ledger, Span(day, day)) == [], day
    assert _missing(ledger, Span(date(2025, 11, 28), date(2025, 11, 28))) != [], "an early close is a session"


def test_a_covered_middle_leaves_two_stretches_and_their_assets_apart(ledger: Ledger) -> None:
    content = answer(1, bars({WEEK[1]: 1.0, WEEK[2]: 1.0}))
    ledger.warehouse.store_daily(ledger.call(), content)
    assert _missing(ledger, Span(WEEK[0], WEEK[-1])) == [
        Gap((1,), (Span(WEEK[0], WEEK[0]), Span(WEEK[3], WEEK[4]))),
        Gap((2, 3), (Span(WEEK[0], WEEK[4]),)),
    ]


def test_a_bar_of_the_running_day_covers_that_day_until_it_has_passed(ledger: Ledger) -> None:
    friday = WEEK[4]
    early = answer(1, bars({friday: 1.0}), verified=(), provisional=(Span(friday, friday),), is_final=False)
    ledger.warehouse.store_daily(ledger.call(), early)
    window = Span(friday, friday)
    assert _missing(ledger, window, today=friday) == [Gap((2, 3), (window,))]
    assert _missing(ledger, window, today=friday + timedelta(days=1)) == [Gap(ALL, (window,))]


def test_given_assets_only_and_unfollowed_ones_only_when_given(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("update asset set inactive_since = current_date where asset_id = 2")
    window = Span(MONDAY, MONDAY)
    assert _missing(ledger, window) == [Gap((1, 3), (window,))]
    given = ledger.warehouse.transact(missing, "us", window, asset_ids=[2, 3], today=MONDAY)
    assert given == [Gap((2, 3), (window,))]
    assert ledger.warehouse.transact(missing, "us", window, asset_ids=[], today=MONDAY) == []


def test_coins_miss_every_day_of_the_week(ledger: Ledger) -> None:
    ledger.warehouse.transact(
        load_assets, [{"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}]
    )
    (coin,) = ledger.warehouse.transact(find_assets, ["X:BTCUSD"])
    window = Span(date(2026, 11, 14), date(2026, 11, 15))
    gaps = ledger.warehouse.transact(missing, "crypto", window, asset_ids=None, today=MONDAY)
    assert gaps == [Gap((coin.asset_id,), (window,))]


DAYS = st.integers(0, 40).map(lambda offset: MONDAY - timedelta(days=offset))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(covered=st.lists(st.tuples(DAYS, DAYS), max_size=4), listed_on=st.none() | DAYS, bounds=st.tuples(DAYS, DAYS))
def test_missing_sessions_are_the_expected_ones_that_no_answer_covers(
    ledger: Ledger, covered: list[tuple[date, date]], listed_on: date | None, bounds: tuple[date, date]
) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("truncate coverage")
    _describe(ledger, 1, listed_on, None)
    spans = normalise(Span(min(pair), max(pair)) for pair in covered)
    if spans:
        ledger.warehouse.store_daily(ledger.call(), answer(1, bars({}), verified=spans))
    window = Span(min(bounds), max(bounds))
    gaps = ledger.warehouse.transact(missing, "us", window, asset_ids=[1], today=MONDAY)
    found = [day for gap in gaps for span in gap.missing for day in sessions(span.first, span.last)]
    assert found == [
        day
        for day in sessions(window.first, window.last)
        if not any(day in span for span in spans) and (listed_on is None or day >= listed_on)
    ]
    for gap in gaps:
        assert gap.missing == normalise(gap.missing)
        assert all(is_session(span.first) and is_session(span.last) for span in gap.missing)


@pytest.mark.parametrize("assets", [12_000])
def test_twelve_thousand_assets_with_alike_coverage_are_few_gaps(dsn: str, assets: int) -> None:
    from tests.storage.ledger import open_ledger

    with open_ledger(dsn, assets=assets) as ledger:
        ids = list(range(1, assets))
        ledger.warehouse.store_daily(
            ledger.call(None, MONDAY, MONDAY),
            answer(ids, bars({MONDAY: 1.0}).take(np.zeros(len(ids), dtype=np.intp))),
        )
        window = Span(WEEK[0], WEEK[1])
        assert _missing(ledger, window) == [
            Gap(tuple(ids), (Span(WEEK[1], WEEK[1]),)),
            Gap((assets,), (window,)),
        ]
