"""Minute bars add up to the daily bar."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from local.simulator.listings import load_universe
from local.simulator.minutes import PRE_MINUTES, minute_bars
from local.simulator.stocks import StockWorld
from local.simulator.trading_days import ordinal


@pytest.mark.parametrize(
    ("day", "regular"), [(date(2026, 11, 20), 390), (date(2026, 11, 27), 210), (date(2025, 3, 10), 390)]
)
def test_regular_minutes_give_the_daily_prices_and_all_minutes_its_volume(day: date, regular: int) -> None:
    world = StockWorld(load_universe(extra_stocks=100))
    everyone = np.arange(len(world.universe.listings))
    daily = world.daily(everyone, np.array([ordinal(day)]))[:, 0]
    minutes = minute_bars(world, everyone, day)
    session = minutes[:, PRE_MINUTES : PRE_MINUTES + regular]
    traded = daily.present
    assert traded.sum() > 100
    assert minutes.present.shape[1] == PRE_MINUTES + regular + 240
    assert np.array_equal(session.open[traded, 0], daily.open[traded])
    assert np.array_equal(session.close[traded, -1], daily.close[traded])
    high = np.where(session.present, session.high, -np.inf).max(axis=1)
    low = np.where(session.present, session.low, np.inf).min(axis=1)
    assert np.array_equal(high[traded], daily.high[traded])
    assert np.array_equal(low[traded], daily.low[traded])
    volume = np.where(minutes.present, minutes.volume, 0.0).sum(axis=1)
    assert volume[traded] == pytest.approx(daily.volume[traded], abs=0.01)
    assert not minutes.present[~traded].any()


def test_minutes_are_sound_and_thin_shares_have_silent_ones() -> None:
    world = StockWorld(load_universe())
    rows = np.array([world.rows("AAPL")[-1], world.rows("JPMpD")[-1]])
    minutes = minute_bars(world, rows, date(2026, 11, 20))
    assert (minutes.high >= np.maximum(minutes.open, minutes.close)).all()
    assert (minutes.low <= np.minimum(minutes.open, minutes.close)).all()
    busy, thin = minutes.present.sum(axis=1)
    assert busy > 800
    assert 0 < thin < busy
