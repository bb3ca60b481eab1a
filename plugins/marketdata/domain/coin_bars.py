"""A coin's daily bars come from two endpoints: a candle has no volume, a close has no candle."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from marketdata.domain.bars import DailyBars


def join_candles(candles: DailyBars, closes: DailyBars, *, settled_through: date) -> DailyBars:
    """One bar a day and coin: its candle with the volume of its close, or, where it has no candle, its close.

    A close is published before its candle. So a close without one counts up to ``settled_through`` only, inclusive;
    taken earlier it would stand for a candle that is about to come. Both are of one coin; the last of several counts.
    """
    volumes = dict(zip(closes.session.tolist(), closes.volume_24h.tolist(), strict=True))
    volume = [volumes.get(day, np.nan) for day in candles.session.tolist()]
    alone = ~np.isin(closes.session, candles.session) & (closes.session <= np.datetime64(settled_through, "D"))
    with_volume = replace(candles, volume_24h=np.array(volume, dtype=np.float64))
    return DailyBars.joined([with_volume, closes.take(alone)])
