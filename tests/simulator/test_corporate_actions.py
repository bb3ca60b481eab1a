"""Splits and dividends: what is true, and what the vendor lists of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.simulator.conftest import NOW, Wire

SPLITS = "/stocks/v1/splits"
DIVIDENDS = "/stocks/v1/dividends"
SPLIT_DAY = date(2026, 11, 17)


def split(day: date, split_from: float, split_to: float) -> dict[str, Any]:
    return {"execution_date": day, "split_from": split_from, "split_to": split_to}


def listed(wire: Wire, path: str = SPLITS, **query: object) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = wire.massive(path, limit=1000, **query).json()["results"]
    return rows


def closes(wire: Wire, ticker: str, adjusted: str) -> list[float]:
    path = f"/v2/aggs/ticker/{ticker}/range/1/day/2026-11-12/2026-11-20"
    return [row["c"] for row in wire.massive(path, adjusted=adjusted).json()["results"]]


@pytest.mark.parametrize(
    ("split_from", "split_to", "kind"),
    [(1, 3, "forward_split"), (2, 3, "forward_split"), (20, 21, "stock_dividend"), (10, 1, "reverse_split")],
)
def test_a_split_changes_raw_prices_from_its_day_and_adjusted_ones_before(
    wire: Wire, split_from: int, split_to: int, kind: str
) -> None:
    genuine = closes(wire, "KO", "false")
    wire.admin.add_split("KO", SPLIT_DAY, split_from, split_to)
    ratio = split_to / split_from
    raw = [*genuine[:3], *(price / ratio for price in genuine[3:])]
    assert len(genuine) == 7
    assert closes(wire, "KO", "false") == pytest.approx(raw, rel=2e-4)
    assert closes(wire, "KO", "true") == pytest.approx([price / ratio for price in genuine], rel=2e-4)
    (row,) = listed(wire, ticker="KO")
    assert (row["adjustment_type"], row["split_from"], row["split_to"]) == (kind, split_from, split_to)
    assert row["historical_adjustment_factor"] == pytest.approx(1 / ratio, abs=1e-6)


def test_a_split_is_announced_thirty_days_before_and_changes_nothing_until_its_day(wire: Wire) -> None:
    wire.admin.add_split("AAPL", SPLIT_DAY, 1, 2)
    seen = []
    for day in (date(2026, 10, 17), date(2026, 10, 18), date(2026, 11, 16), SPLIT_DAY):
        wire.admin.set_clock(datetime(day.year, day.month, day.day, 17, tzinfo=UTC))
        factors = {row["execution_date"]: row["historical_adjustment_factor"] for row in listed(wire, ticker="AAPL")}
        bar = wire.massive("/v2/aggs/ticker/AAPL/range/1/day/2020-08-28/2020-08-28").json()["results"][0]
        seen.append((factors.get("2026-11-17"), factors["2020-08-31"], bar["c"]))
    price = seen[0][2]
    assert seen[:2] == [(None, 0.25, price), (0.5, 0.25, price)]
    assert seen[2:] == [(0.5, 0.25, price), (0.5, 0.125, pytest.approx(price / 2, abs=0.0002))]


@pytest.mark.parametrize(
    "reported",
    [
        [split(SPLIT_DAY, 1, 2), split(SPLIT_DAY, 1, 2)],
        [split(SPLIT_DAY, 1, 2), split(SPLIT_DAY, 1, 3)],
        [split(date(2026, 11, 18), 1, 2)],
        [],
    ],
    ids=["twice", "contradictory", "wrong day", "hidden"],
)
def test_what_the_vendor_lists_of_a_split_does_not_touch_its_bars(wire: Wire, reported: list[dict[str, Any]]) -> None:
    wire.admin.add_split("KO", SPLIT_DAY, 1, 2)
    truth = closes(wire, "KO", "false"), closes(wire, "KO", "true")
    wire.admin.reset()
    wire.admin.add_split("KO", SPLIT_DAY, 1, 2, reported=reported)
    assert (closes(wire, "KO", "false"), closes(wire, "KO", "true")) == truth
    for path in (SPLITS, "/v3/reference/splits"):
        rows = listed(wire, path, ticker="KO")
        assert [(row["execution_date"], row["split_to"]) for row in rows] == [
            (row["execution_date"].isoformat(), row["split_to"]) for row in reported
        ]
        assert len({row["id"] for row in rows}) == len(rows)
    assert wire.admin.truth_splits("KO") == [split(SPLIT_DAY, 1, 2)]


def test_the_same_split_again_only_changes_what_is_listed_of_it(wire: Wire) -> None:
    genuine = closes(wire, "KO", "false")
    first_id = listed(wire, ticker="WMT")[0]["id"]
    wire.admin.add_split("KO", SPLIT_DAY, 1, 2, reported=[split(SPLIT_DAY, 1, 3)])
    wire.admin.add_split("KO", SPLIT_DAY, 1, 2)
    assert closes(wire, "KO", "false")[3:] == pytest.approx([price / 2 for price in genuine[3:]], abs=0.006)
    assert [row["split_to"] for row in listed(wire, ticker="KO")] == [2]
    wire.admin.add_split("WMT", date(2024, 2, 26), 1, 3, reported=[split(date(2024, 2, 26), 1, 3)] * 2)
    twice = listed(wire, ticker="WMT")
    assert [row["historical_adjustment_factor"] for row in twice] == [pytest.approx(1 / 3, abs=1e-6)] * 2
    assert first_id in {row["id"] for row in twice}
    assert len(wire.admin.truth_splits("WMT")) == 1


def test_a_split_belongs_to_the_company_and_is_listed_under_the_ticker_of_its_day(wire: Wire) -> None:
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 16))
    wire.admin.add_split("CRM", date(2026, 11, 13), 1, 2)
    wire.admin.add_split("SLSF", date(2026, 11, 18), 1, 3)
    wire.admin.list_company("CRM", date(2026, 11, 19), price=30.0)
    assert [row["execution_date"] for row in listed(wire, ticker="CRM")] == ["2026-11-13"]
    assert [row["execution_date"] for row in listed(wire, ticker="SLSF")] == ["2026-11-18"]
    path = "/v2/aggs/ticker/CRM/range/1/day/2026-11-12/2026-11-20"
    raw, even = (wire.massive(path, adjusted=word).json()["results"] for word in ("false", "true"))
    ratios = [one["c"] / other["c"] for one, other in zip(raw, even, strict=True)]
    assert ratios == pytest.approx([6, 3, 1, 1], rel=1e-3)
    wire.admin.set_clock(datetime(2026, 11, 13, 17, tzinfo=UTC))
    assert [row["execution_date"] for row in listed(wire, ticker="CRM")] == ["2026-11-18", "2026-11-13"]
    assert wire.admin.truth_splits("CRM") == [split(date(2026, 11, 13), 1, 2)]


def test_a_namesake_does_not_inherit_splits(wire: Wire) -> None:
    wire.admin.add_split("META", date(2026, 11, 17), 1, 2)
    path = "/v2/aggs/ticker/META/range/1/day/2022-01-27/2022-01-28"
    raw, even = (wire.massive(path, adjusted=word).json()["results"] for word in ("false", "true"))
    assert len(raw) == 2
    assert raw == even


def test_dividends_know_special_ones_and_other_currencies(wire: Wire) -> None:
    (special, earlier) = listed(wire, DIVIDENDS, ticker="COST")
    assert (special["ex_dividend_date"], special["cash_amount"], special["frequency"]) == ("2023-12-27", 15.0, 0)
    assert (special["distribution_type"], special["declaration_date"]) == ("special", "2023-12-14")
    assert earlier["historical_adjustment_factor"] < special["historical_adjustment_factor"] < 1
    assert listed(wire, "/v3/reference/dividends", ticker="COST")[0]["dividend_type"] == "SC"
    (foreign,) = listed(wire, DIVIDENDS, ticker="ARM")
    assert (foreign["currency"], foreign["historical_adjustment_factor"]) == ("GBP", 1.0)


def test_an_added_dividend_is_listed_from_its_declaration_and_counts_from_its_ex_date(wire: Wire) -> None:
    wire.admin.add_dividend("ORCL", SPLIT_DAY, 2.5, declared_on=date(2026, 11, 4), kind="special", frequency=0)
    seen = []
    for day in (3, 4, 16, 17):
        wire.admin.set_clock(datetime(2026, 11, day, 17, tzinfo=UTC))
        seen.append([row["historical_adjustment_factor"] for row in listed(wire, DIVIDENDS, ticker="ORCL")])
    before = wire.massive("/v1/open-close/ORCL/2026-11-16", adjusted="false").json()["close"]
    assert seen == [[], [1.0], [1.0], [pytest.approx(1 - 2.5 / before, abs=1e-6)]]
    (row,) = listed(wire, DIVIDENDS, ticker="ORCL")
    assert (row["pay_date"], row["distribution_type"], row["currency"]) == ("2026-11-23", "special", "USD")


def test_two_dividends_of_one_day_are_two_rows(wire: Wire) -> None:
    day = next(row["ex_dividend_date"] for row in listed(wire, DIVIDENDS, ticker="KO"))
    wire.admin.add_dividend("KO", date.fromisoformat(day), 1.0, kind="supplemental")
    rows = listed(wire, DIVIDENDS, ticker="KO", ex_dividend_date=day)
    assert {row["distribution_type"] for row in rows} == {"recurring", "supplemental"}
    assert len({row["id"] for row in rows}) == 2


def test_a_split_leaves_the_cash_of_earlier_dividends_and_divides_later_ones(wire: Wire) -> None:
    before = {row["ex_dividend_date"]: row for row in listed(wire, DIVIDENDS, ticker="KO")}
    wire.admin.add_split("KO", date(2026, 8, 3), 1, 2)
    after = {row["ex_dividend_date"]: row for row in listed(wire, DIVIDENDS, ticker="KO")}
    assert before.keys() == after.keys()
    for day, row in after.items():
        share = 2 if day >= "2026-08-03" else 1
        assert row["cash_amount"] == pytest.approx(before[day]["cash_amount"] / share, abs=6e-5)
        assert row["split_adjusted_cash_amount"] == pytest.approx(before[day]["cash_amount"] / 2, abs=6e-5)


def test_dividends_from_a_day_on_are_those_of_the_whole_list(wire: Wire) -> None:
    since = "2025-06-01"
    whole = {row["id"]: row for row in listed(wire, DIVIDENDS, ex_dividend_date__lt="2027-01-01", sort="ticker")}
    recent = listed(wire, DIVIDENDS, ex_dividend_date__gte=since)
    assert len(recent) > 100
    for row in recent:
        assert whole.get(row["id"], row) == row
    one = [row for row in listed(wire, DIVIDENDS, ticker="KO") if row["ex_dividend_date"] >= since]
    assert one == listed(wire, DIVIDENDS, ticker="KO", ex_dividend_date__gte=since)
    assert one == [row for row in recent if row["ticker"] == "KO"]


def test_dividends_are_listed_under_the_ticker_of_their_day(wire: Wire) -> None:
    wire.admin.rename("KO", "COKE", date(2026, 11, 2))
    old, new = listed(wire, DIVIDENDS, ticker="KO"), listed(wire, DIVIDENDS, ticker="COKE")
    assert max(row["ex_dividend_date"] for row in old) < "2026-11-02" <= min(row["ex_dividend_date"] for row in new)
    assert wire.admin.now() == NOW
    assert len(wire.admin.truth_dividends("COKE")) == len(old) + len(new)
