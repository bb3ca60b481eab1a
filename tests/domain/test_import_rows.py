"""The rules for the rows of an import, on top of those for a vendor's bars."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.bars import DailyBars
from marketdata.domain.import_rows import (
    HOUR_NOT_OVER,
    NOT_OVER,
    OFF_GRID,
    ImportRows,
    KnownSplit,
    bar_keys,
    covered_from,
    figure_digests,
    find_superseded,
    near_splits,
    refused_rows,
    stored_adjusted,
)
from marketdata.domain.quality import Reason

NOW = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # Friday 15:30 New York
FRIDAY, THURSDAY = date(2026, 11, 20), date(2026, 11, 19)


def rows(
    days: list[date], closes: list[float] | None = None, *, crypto: bool = False, starts_at: list[str] | None = None
) -> ImportRows:
    close = np.array(closes or [10.0] * len(days))
    bars = DailyBars(
        symbols=np.full(len(days), "A", dtype=np.object_),
        session=np.array(days, dtype="datetime64[D]"),
        open=close, high=close, low=close, close=close,
        volume=np.full(len(days), np.nan), volume_24h=np.full(len(days), np.nan), vwap=np.full(len(days), np.nan),
        trades=np.full(len(days), -1),
    )  # fmt: skip
    hours = None if starts_at is None else np.array(starts_at, dtype="datetime64[s]")
    return ImportRows(bars, np.full(len(days), 7), np.full(len(days), crypto), hours, {})


def test_a_session_that_is_not_over_is_refused_and_so_is_the_future() -> None:
    found = refused_rows(rows([THURSDAY, FRIDAY, date(2026, 11, 23)]), now=NOW)
    assert found == {1: NOT_OVER, 2: str(Reason.IN_FUTURE)}


def test_days_without_trading_are_refused_for_stocks_and_fine_for_coins() -> None:
    thanksgiving, saturday = date(2025, 11, 27), date(2026, 11, 14)
    assert set(refused_rows(rows([thanksgiving, saturday]), now=NOW).values()) == {str(Reason.NO_SESSION)}
    assert refused_rows(rows([thanksgiving, saturday], crypto=True), now=NOW) == {}


def test_hours_of_one_session_are_bars_of_their_own() -> None:
    hours = rows([THURSDAY] * 3, starts_at=["2026-11-19T14:30", "2026-11-19T15:30", "2026-11-19T14:30"])
    assert refused_rows(hours, now=NOW) == {}
    assert len(set(bar_keys(hours).tolist())) == 2


def test_an_hour_must_start_on_a_whole_minute_and_be_over() -> None:
    hours = rows([FRIDAY] * 3, starts_at=["2026-11-20T18:30", "2026-11-20T18:30:30", "2026-11-20T19:31"])
    assert refused_rows(hours, now=NOW) == {1: OFF_GRID, 2: HOUR_NOT_OVER}


def test_a_row_that_cannot_be_read_keeps_its_own_reason() -> None:
    broken = rows([THURSDAY, THURSDAY], [10.0, -1.0])
    found = refused_rows(
        ImportRows(broken.bars, broken.asset_ids, broken.is_crypto, None, {0: "close 'x' is no number"}), now=NOW
    )
    assert found == {0: "close 'x' is no number", 1: str(Reason.BAD_CLOSE)}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=40))
def test_of_equal_keys_only_the_last_good_row_stays(drawn: list[tuple[int, int, bool]]) -> None:
    keys = np.array([key for key, _, _ in drawn], dtype=np.int64)
    digests = np.array([digest for _, digest, _ in drawn], dtype=np.uint64)
    good = np.array([fine for _, _, fine in drawn], dtype=np.bool_)
    found = find_superseded(keys, digests, good)
    last = {key: (row, digest) for row, (key, digest, fine) in enumerate(drawn) if fine}
    losers = [row for row, (key, _, fine) in enumerate(drawn) if fine and last[key][0] != row]
    assert np.flatnonzero(found.mask).tolist() == losers
    assert found.equal == sum(drawn[row][1] == last[drawn[row][0]][1] for row in losers)
    assert found.equal + found.differing == len(losers)


def test_figures_that_both_do_not_give_agree() -> None:
    same = figure_digests(rows([THURSDAY, FRIDAY], [10.0, 10.0]).bars)
    assert same[0] == same[1]
    other = figure_digests(rows([THURSDAY, FRIDAY], [10.0, 10.000000000000002]).bars)
    assert other[0] != other[1]


def test_a_bar_covers_the_days_without_trading_before_it() -> None:
    monday, after_thanksgiving = date(2026, 11, 16), date(2025, 11, 28)
    days = np.array([monday, after_thanksgiving, THURSDAY], dtype="datetime64[D]")
    stocks = covered_from(days, np.zeros(3, dtype=np.bool_))
    assert stocks.tolist() == [date(2026, 11, 14), date(2025, 11, 27), THURSDAY]
    assert covered_from(days, np.ones(3, dtype=np.bool_)).tolist() == days.tolist()


@pytest.mark.parametrize(
    ("before", "after", "ratio", "adjusted"),
    [
        pytest.param(400.0, 101.0, 4.0, False, id="raw, 4 for 1"),
        pytest.param(100.0, 101.0, 4.0, True, id="adjusted, 4 for 1"),
        pytest.param(1.0, 10.2, 0.1, False, id="raw, 1 for 10"),
        pytest.param(10.0, 10.2, 0.1, True, id="adjusted, 1 for 10"),
        pytest.param(100.0, 130.0, 2.0, True, id="adjusted on a wild day"),
        pytest.param(100.0, 101.0, 1.05, False, id="too small to tell"),
    ],
)
def test_a_series_without_a_jump_where_it_split_was_stored_adjusted(
    before: float, after: float, ratio: float, adjusted: bool
) -> None:
    split = KnownSplit(7, FRIDAY, ratio)
    series = rows([FRIDAY, THURSDAY], [after, before])
    found = stored_adjusted(series.asset_ids, series.bars.session, series.bars.close, [split])
    assert found == ({7: split} if adjusted else {})


def test_a_split_outside_the_series_says_nothing() -> None:
    series = rows([THURSDAY, FRIDAY])
    for executed_on in (THURSDAY, date(2026, 11, 23), date(2026, 1, 5)):
        split = KnownSplit(7, executed_on, 4.0)
        assert stored_adjusted(series.asset_ids, series.bars.session, series.bars.close, [split]) == {}
    other = KnownSplit(8, FRIDAY, 4.0)
    assert stored_adjusted(series.asset_ids, series.bars.session, series.bars.close, [other]) == {}


def test_only_rows_near_a_split_of_their_asset_are_looked_at() -> None:
    series = rows([date(2026, 10, 1), THURSDAY, FRIDAY])
    assert near_splits(series, [KnownSplit(7, FRIDAY, 4.0)]).tolist() == [1, 2]
    assert near_splits(series, [KnownSplit(8, FRIDAY, 4.0)]).tolist() == []
