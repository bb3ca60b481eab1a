"""New York dates of many instants."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.hooks.new_york import new_york_dates

INSTANTS = st.integers(631152000, 4133894400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))  # 1990 to 2100


@given(st.lists(INSTANTS, min_size=1, max_size=20))
def test_dates_are_those_of_the_time_zone_database(instants: list[datetime]) -> None:
    milliseconds = np.array([int(instant.timestamp()) * 1000 for instant in instants], dtype=np.int64)
    expected = [instant.astimezone(ZoneInfo("America/New_York")).date() for instant in instants]
    assert new_york_dates(milliseconds).tolist() == expected


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (1546405200000, date(2019, 1, 2)),
        (1772773200000, date(2026, 3, 6)),
        (1773028800000, date(2026, 3, 9)),
        (1793332800000, date(2026, 10, 30)),
        (1793595600000, date(2026, 11, 2)),
    ],
)
def test_the_first_instant_of_a_day_belongs_to_it_and_the_one_before_does_not(stamp: int, expected: date) -> None:
    before, first = new_york_dates(np.array([stamp - 1, stamp])).tolist()
    assert first == expected
    assert before == date.fromordinal(expected.toordinal() - 1)


def test_no_instants_give_no_dates() -> None:
    assert new_york_dates(np.array([], dtype=np.int64)).tolist() == []
