"""Present prices and bars within the day as columns: what one look at the market gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.columns import Columns

Instants = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class Prices(Columns):
    """Present prices of any number of assets, in the vendor's order.

    ``at``: the vendor's own time of the price, datetime64[us] in UTC. ``price`` in US dollars. ``volume``: shares
    traded so far in the session. ``volume_24h``: rolling 24 h volume in US dollars (crypto; never to be summed). NaN
    for "not given". A price of NaN, its time then mostly NaT, stands for an asset that the vendor names and has no
    price of now; one that it does not name has no row.
    """

    at: Instants
    price: NDArray[np.float64]
    volume: NDArray[np.float64]
    volume_24h: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IntradayBars(Columns):
    """Bars shorter than a day, in any order.

    ``starts``: start of the bar, datetime64[us] in UTC. Prices in US dollars, ``volume`` in shares: float64 with NaN
    for "not given". ``trades``: int64, -1 for "not given".
    """

    starts: Instants
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    vwap: NDArray[np.float64]
    trades: NDArray[np.int64]


def no_prices() -> Prices:
    """No prices, with every column of the right type."""
    number = np.empty(0, dtype=np.float64)
    return Prices(np.empty(0, dtype=np.object_), np.empty(0, dtype="datetime64[us]"), number, number, number)


def no_intraday_bars() -> IntradayBars:
    """No bars, with every column of the right type."""
    number = np.empty(0, dtype=np.float64)
    return IntradayBars(
        symbols=np.empty(0, dtype=np.object_),
        starts=np.empty(0, dtype="datetime64[us]"),
        open=number,
        high=number,
        low=number,
        close=number,
        volume=number,
        vwap=number,
        trades=np.empty(0, dtype=np.int64),
    )
