"""Closes and candles of one coin meet in the database: neither takes away what the other gave."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from marketdata.domain.bars import DailyBars
from marketdata.domain.planner import CallKind, PlannedCall
from marketdata.storage import runs
from marketdata.storage.calls import Call, Stored
from tests.storage.ledger import MONDAY, SEEN, WEEK, Ledger, answer, bars

HOUR = timedelta(hours=1)
KEPT = "select session, open, high, low, close, volume_24h from bar_daily order by session"


def coin_call(ledger: Ledger) -> Call:
    call = PlannedCall(CallKind.COIN_CHART, "coingecko", 1, "bitcoin", WEEK[0], WEEK[-1])
    ledger.warehouse.transact(runs.save_plan, ledger.run_id, [[call]])
    return ledger.warehouse.transact(runs.pending_calls, ledger.run_id, 0)[0]


def closes(prices: dict[date, float], volume_24h: float = 7.0) -> DailyBars:
    nothing = np.nan
    return bars(prices, open=nothing, high=nothing, low=nothing, volume=nothing, vwap=nothing, volume_24h=volume_24h)


def candles(prices: dict[date, float], volume_24h: float = np.nan) -> DailyBars:
    flat = bars(prices, volume=np.nan, vwap=np.nan, volume_24h=volume_24h)
    return replace(flat, high=flat.high + 1, low=flat.low - 1)


def store(ledger: Ledger, content: DailyBars, at: datetime = SEEN) -> Stored:
    return ledger.warehouse.store_daily(coin_call(ledger), answer(1, content, seen=at))


def test_a_close_never_replaces_a_candle_and_brings_the_volume_that_it_lacks(ledger: Ledger) -> None:
    store(ledger, candles({MONDAY: 10.0, WEEK[1]: 20.0}))
    content = closes({MONDAY: 10.001, WEEK[1]: 20.001, WEEK[2]: 30.0})
    assert store(ledger, content, SEEN + HOUR) == Stored(1, 2, 0)
    assert ledger.read(KEPT) == [
        (MONDAY, 10.0, 11.0, 9.0, 10.0, 7.0),
        (WEEK[1], 20.0, 21.0, 19.0, 20.0, 7.0),
        (WEEK[2], None, None, None, 30.0, 7.0),
    ]
    assert store(ledger, content, SEEN + 2 * HOUR) == Stored(0, 0, 3), "and nothing is written again"


def test_a_candle_replaces_a_close_and_keeps_its_volume(ledger: Ledger) -> None:
    store(ledger, closes({MONDAY: 10.001}))
    assert store(ledger, candles({MONDAY: 10.0}), SEEN + HOUR) == Stored(0, 1, 0)
    assert ledger.read(KEPT) == [(MONDAY, 10.0, 11.0, 9.0, 10.0, 7.0)]
    assert ledger.read("select session, open, close, volume_24h from bar_revision") == [(MONDAY, None, 10.001, 7.0)]


def test_a_later_candle_and_a_later_close_still_correct_what_they_speak_of(ledger: Ledger) -> None:
    store(ledger, candles({MONDAY: 10.0}, volume_24h=7.0))
    store(ledger, closes({WEEK[1]: 20.0}))
    assert store(ledger, candles({MONDAY: 11.0}, volume_24h=8.0), SEEN + HOUR) == Stored(0, 1, 0)
    assert store(ledger, closes({WEEK[1]: 21.0}, volume_24h=9.0), SEEN + HOUR) == Stored(0, 1, 0)
    assert ledger.read(KEPT) == [(MONDAY, 11.0, 12.0, 10.0, 11.0, 8.0), (WEEK[1], None, None, None, 21.0, 9.0)]


@pytest.mark.promise("P3")
def test_an_older_close_beside_a_newer_candle_changes_nothing(ledger: Ledger) -> None:
    store(ledger, candles({MONDAY: 10.0}, volume_24h=8.0), SEEN + HOUR)
    assert store(ledger, closes({MONDAY: 9.0}), SEEN) == Stored(0, 0, 1)
    assert ledger.read(KEPT) == [(MONDAY, 10.0, 11.0, 9.0, 10.0, 8.0)]


def test_a_stocks_bar_is_stored_as_its_vendor_gives_it(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, candles({MONDAY: 10.0}, volume_24h=7.0)))
    ledger.warehouse.store_daily(ledger.call(), answer(1, closes({MONDAY: 10.5}, volume_24h=np.nan), seen=SEEN + HOUR))
    assert ledger.read(KEPT) == [(MONDAY, None, None, None, 10.5, None)]
