"""Present prices and intraday bars: what may be stored, what is silent, and what is refused with which reason."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.price_quality import CheckedPrices, PriceReason, check_intraday, check_prices, instant64
from marketdata.domain.prices import IntradayBars, Prices, no_intraday_bars, no_prices

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
OPEN, CLOSE = datetime(2026, 11, 20, 14, 30, tzinfo=UTC), datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
NAT = np.datetime64("NaT", "us")
SECOND = timedelta(seconds=1)

Row = tuple[str, datetime | None, float, float]


def prices(*rows: Row) -> Prices:
    """Rows of symbol, time, price and volume."""
    return Prices(
        symbols=np.array([row[0] for row in rows], dtype=np.object_),
        at=np.array([NAT if row[1] is None else instant64(row[1]) for row in rows], dtype="datetime64[us]"),
        price=np.array([row[2] for row in rows], dtype=np.float64),
        volume=np.array([row[3] for row in rows], dtype=np.float64),
        volume_24h=np.full(len(rows), math.nan),
    )


def bars(*rows: dict[str, object]) -> IntradayBars:
    """Rows that differ from a good half hour."""
    good = {
        "symbols": "A", "starts": OPEN, "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0,
        "volume": 100.0, "vwap": 10.5, "trades": 5,
    }  # fmt: skip
    full = [{**good, **row} for row in rows]
    column = {name: [row[name] for row in full] for name in good}
    numbers = {
        name: np.array(column[name], dtype=np.float64) for name in ("open", "high", "low", "close", "volume", "vwap")
    }
    return IntradayBars(
        symbols=np.array(column["symbols"], dtype=np.object_),
        starts=np.array([instant64(start) for start in column["starts"]], dtype="datetime64[us]"),  # type: ignore[arg-type]
        trades=np.array(column["trades"], dtype=np.int64),
        **numbers,
    )


def reasons(checked: CheckedPrices) -> list[PriceReason]:
    return [refusal.reason for refusal in checked.refused]


def test_a_good_price_is_kept_whatever_its_age() -> None:
    checked = check_prices(prices(("A", NOW, 5.0, 10.0), ("B", NOW - timedelta(days=400), 1e-9, math.nan)), now=NOW)
    assert checked.kept.tolist() == [0, 1]
    assert (checked.silent.tolist(), checked.refused, checked.duplicates) == ([], (), 0)


@pytest.mark.parametrize("at", [None, NOW])
def test_a_row_without_a_price_is_silent_and_no_failure(at: datetime | None) -> None:
    checked = check_prices(prices(("A", at, math.nan, math.nan), ("B", NOW, 5.0, 1.0)), now=NOW)
    assert (checked.kept.tolist(), checked.silent.tolist(), checked.refused) == ([1], [0], ())


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("A", None, 5.0, 1.0), PriceReason.NO_TIME),
        (("A", datetime(1970, 1, 21, tzinfo=UTC), 5.0, 1.0), PriceReason.WRONG_UNIT),
        (("A", NOW + 61 * SECOND, 5.0, 1.0), PriceReason.IN_FUTURE),
        (("A", NOW, 0.0, 1.0), PriceReason.BAD_PRICE),
        (("A", NOW, -5.0, 1.0), PriceReason.BAD_PRICE),
        (("A", NOW, math.inf, 1.0), PriceReason.BAD_PRICE),
        (("A", NOW, 5.0, -1.0), PriceReason.BAD_VOLUME),
        (("A", NOW, 5.0, math.inf), PriceReason.BAD_VOLUME),
    ],
)
def test_a_bad_price_is_refused_with_its_reason(row: Row, reason: PriceReason) -> None:
    checked = check_prices(prices(row, ("B", NOW, 5.0, 1.0)), now=NOW)
    assert checked.kept.tolist() == [1]
    assert [(refusal.index, refusal.reason) for refusal in checked.refused] == [(0, reason)]


def test_the_vendors_clock_may_be_a_minute_ahead_and_no_more() -> None:
    at_most = check_prices(prices(("A", NOW + 60 * SECOND, 5.0, 1.0)), now=NOW)
    assert at_most.kept.tolist() == [0]
    later = check_prices(prices(("A", NOW + 60 * SECOND + timedelta(microseconds=1), 5.0, 1.0)), now=NOW)
    assert reasons(later) == [PriceReason.IN_FUTURE]


def test_of_two_prices_for_one_symbol_the_later_one_is_kept_and_the_other_one_explained() -> None:
    rows = prices(("A", NOW, 5.0, 1.0), ("A", NOW - SECOND, 6.0, 1.0), ("a", NOW, 7.0, 1.0))
    checked = check_prices(rows, now=NOW)
    assert checked.kept.tolist() == [0, 2]
    assert [(refusal.index, refusal.reason) for refusal in checked.refused] == [(1, PriceReason.SUPERSEDED)]


def test_of_two_prices_at_one_time_the_last_one_is_kept() -> None:
    checked = check_prices(prices(("A", NOW, 5.0, 1.0), ("A", NOW, 6.0, 1.0)), now=NOW)
    assert (checked.kept.tolist(), reasons(checked)) == ([1], [PriceReason.SUPERSEDED])


def test_the_same_price_twice_is_a_duplicate() -> None:
    checked = check_prices(prices(("A", NOW, 5.0, math.nan), ("A", NOW, 5.0, math.nan)), now=NOW)
    assert (len(checked.kept), checked.refused, checked.duplicates) == (1, (), 1)


def test_a_bad_copy_does_not_displace_a_good_price() -> None:
    checked = check_prices(prices(("A", NOW, 5.0, 1.0), ("A", NOW + timedelta(hours=1), 6.0, 1.0)), now=NOW)
    assert (checked.kept.tolist(), reasons(checked)) == ([0], [PriceReason.IN_FUTURE])


amounts = st.sampled_from([math.nan, -1.0, 0.0, 0.5, 5.0, math.inf])
times = st.sampled_from([None, NOW, NOW - SECOND, NOW + timedelta(hours=1), datetime(1980, 1, 1, tzinfo=UTC)])


@given(st.lists(st.tuples(st.sampled_from("AB"), times, amounts, amounts), max_size=12))
def test_every_row_is_in_exactly_one_place_and_no_symbol_is_kept_twice(rows: list[Row]) -> None:
    table = prices(*rows)
    checked = check_prices(table, now=NOW)
    told = [*checked.kept.tolist(), *checked.silent.tolist(), *(refusal.index for refusal in checked.refused)]
    assert len(told) == len(set(told)) == len(rows) - checked.duplicates
    assert max(Counter(table.symbols[checked.kept].tolist()).values(), default=0) <= 1
    assert (table.price[checked.kept] > 0).all()
    assert np.isfinite(table.price[checked.kept]).all()
    assert not np.isnat(table.at[checked.kept]).any()


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"starts": OPEN - SECOND}, PriceReason.NOT_ASKED),
        ({"starts": CLOSE}, PriceReason.IN_FUTURE),
        ({"starts": datetime(1970, 1, 21, tzinfo=UTC)}, PriceReason.WRONG_UNIT),
        ({"open": math.nan}, PriceReason.BAD_PRICE),
        ({"close": 0.0}, PriceReason.BAD_PRICE),
        ({"high": math.inf}, PriceReason.BAD_PRICE),
        ({"high": 8.0}, PriceReason.HIGH_BELOW_LOW),
        ({"close": 12.5}, PriceReason.OUTSIDE_HIGH_LOW),
        ({"open": 8.5}, PriceReason.OUTSIDE_HIGH_LOW),
        ({"volume": -1.0}, PriceReason.BAD_VOLUME),
        ({"vwap": -1.0}, PriceReason.BAD_VWAP),
        ({"trades": -2}, PriceReason.BAD_TRADES),
    ],
)
def test_a_bad_intraday_bar_is_refused_with_its_reason(row: dict[str, object], reason: PriceReason) -> None:
    checked = check_intraday(bars(row, {"symbols": "B"}), first=OPEN, last=CLOSE, now=NOW)
    assert checked.kept.tolist() == [1]
    assert [(refusal.index, refusal.reason) for refusal in checked.refused] == [(0, reason)]


def test_the_end_of_the_time_asked_for_is_not_in_it() -> None:
    table = bars({"starts": OPEN}, {"starts": CLOSE - SECOND}, {"starts": CLOSE})
    checked = check_intraday(table, first=OPEN, last=CLOSE, now=CLOSE)
    assert checked.kept.tolist() == [0, 1]
    assert reasons(checked) == [PriceReason.NOT_ASKED]


def test_figures_that_were_not_given_break_no_rule() -> None:
    table = bars({"volume": math.nan, "vwap": math.nan, "trades": -1})
    assert check_intraday(table, first=OPEN, last=CLOSE, now=NOW).kept.tolist() == [0]


def test_of_two_bars_of_one_start_the_last_is_kept_and_the_first_is_explained() -> None:
    table = bars({"close": 10.0}, {"close": 11.0}, {"close": 11.0}, {"starts": OPEN + timedelta(minutes=30)})
    checked = check_intraday(table, first=OPEN, last=CLOSE, now=NOW)
    assert checked.kept.tolist() == [2, 3]
    assert [(refusal.index, refusal.reason) for refusal in checked.refused] == [(0, PriceReason.SUPERSEDED)]
    assert checked.duplicates == 1


def test_nothing_has_no_length_and_passes_every_check() -> None:
    assert (len(no_prices()), len(no_intraday_bars())) == (0, 0)
    assert len(check_prices(no_prices(), now=NOW).kept) == 0
    assert len(check_intraday(no_intraday_bars(), first=OPEN, last=CLOSE, now=NOW).kept) == 0


def test_rows_are_taken_by_mask_and_by_index() -> None:
    table = prices(("A", NOW, 1.0, 1.0), ("B", NOW, 2.0, 1.0), ("C", None, 3.0, 1.0))
    assert table.take(np.array([True, False, True])).symbols.tolist() == ["A", "C"]
    assert table.take(np.array([2, 0])).price.tolist() == [3.0, 1.0]
    assert bars({}, {"symbols": "B"}).take(np.array([1])).symbols.tolist() == ["B"]
