"""What a range means for each asset class: its own day, its own first bar, its own last session that is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from marketdata.domain.bars import VENDOR_OF, AssetClass, Vendor
from marketdata.domain.ranges import window
from marketdata.domain.sessions import expected_through, today


@dataclass(frozen=True, slots=True)
class ClassWindow:
    """The days of a range that can be expected of one asset class, both inclusive; none where ``first`` is later.

    ``today`` is the day that it is for the class.
    """

    asset_class: AssetClass
    vendor: Vendor
    first: date
    last: date
    today: date


def class_windows(range_name: str, now: datetime) -> list[ClassWindow]:
    """The windows of all asset classes as of ``now``; InvalidRequest for a range that does not exist."""
    found = []
    for asset_class, vendor in VENDOR_OF.items():
        day = today(asset_class, now)
        asked = window(range_name, day, asset_class=asset_class)
        last = min(asked.last, expected_through(asset_class, now))
        found.append(ClassWindow(asset_class, vendor, asked.first, last, day))
    return found
