"""Daily bars as columns, and the assets they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.columns import Columns

AssetClass = Literal["stock", "etf", "crypto"]
Vendor = Literal["polygon", "coingecko"]

VENDOR_OF: dict[AssetClass, Vendor] = {"stock": "polygon", "etf": "polygon", "crypto": "coingecko"}


@dataclass(frozen=True, slots=True)
class Asset:
    """Something followed. ``vendor_symbol`` is the ticker or the coin id that the vendor wants to hear."""

    asset_id: int
    symbol: str
    asset_class: AssetClass
    vendor_symbol: str
    listed_on: date | None = None
    delisted_on: date | None = None

    @property
    def vendor(self) -> Vendor:
        return VENDOR_OF[self.asset_class]


@dataclass(frozen=True, slots=True, eq=False)
class DailyBars(Columns):
    """Bars of any number of assets, in any order, duplicates allowed.

    ``session``: datetime64[D]. Prices in US dollars, ``volume`` in shares, ``volume_24h`` the rolling 24 h volume in US
    dollars at the close (crypto; never to be summed): float64 with NaN for "not given". ``trades``: int64, -1 for "not
    given".
    """

    session: NDArray[np.datetime64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    volume_24h: NDArray[np.float64]
    vwap: NDArray[np.float64]
    trades: NDArray[np.int64]


def empty_daily_bars() -> DailyBars:
    """No bars, with every column of the right type."""
    number = np.empty(0, dtype=np.float64)
    return DailyBars(
        symbols=np.empty(0, dtype=np.object_),
        session=np.empty(0, dtype="datetime64[D]"),
        open=number,
        high=number,
        low=number,
        close=number,
        volume=number,
        volume_24h=number,
        vwap=number,
        trades=np.empty(0, dtype=np.int64),
    )
