"""What happens to companies shows by the vendors' clock: renames, delistings, newcomers, late corrections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from local.simulator.admin import SimulatorAdmin, SimulatorError
from tests.simulator.conftest import NOW, Wire

TICKERS = "/v3/reference/tickers"


def at(day: int, hour: int = 17) -> datetime:
    """An instant of November 2026; at 17:00 UTC New York has the same date, and trades on weekdays."""
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def bars(wire: Wire, ticker: str, first: str = "2026-11-02", last: str = "2026-11-30") -> dict[str, dict[str, Any]]:
    """Raw daily bars by New York date."""
    answer = wire.massive(f"/v2/aggs/ticker/{ticker}/range/1/day/{first}/{last}", adjusted="false").json()
    return {datetime.fromtimestamp(row["t"] / 1000, UTC).date().isoformat(): row for row in answer.get("results", [])}


def listed(wire: Wire, *tickers: str, active: bool = True, day: str = "") -> dict[str, dict[str, Any]]:
    query = {"ticker.any_of": ",".join(tickers), "active": str(active).lower(), "date": day}
    return {row["ticker"]: row for row in wire.massive(TICKERS, **query).json()["results"]}


def grouped(wire: Wire, day: str) -> dict[str, dict[str, Any]]:
    rows = wire.massive(f"/v2/aggs/grouped/locale/us/market/stocks/{day}", adjusted="false").json()["results"]
    return {row["T"]: row for row in rows}


def events(wire: Wire, identity: str) -> list[tuple[str, str]]:
    answer = wire.massive(f"/vX/reference/tickers/{identity}/events", types="ticker_change")
    if answer.status_code == 404:
        return []
    found = answer.json()["results"]["events"]
    return [(event["date"], event["ticker_change"]["ticker"]) for event in found]


def test_a_rename_shows_on_its_day_and_leaves_the_past_under_the_old_ticker(wire: Wire) -> None:
    genuine = bars(wire, "CRM")
    figi = listed(wire, "CRM")["CRM"]["composite_figi"]
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 12))
    wire.admin.set_clock(at(11))
    assert listed(wire, "CRM", "SLSF").keys() == {"CRM"}
    assert listed(wire, "CRM", "SLSF", active=False) == {}
    assert events(wire, "CRM") == [("2004-06-23", "CRM")]
    assert events(wire, "SLSF") == []
    assert bars(wire, "SLSF") == {}
    wire.admin.set_clock(NOW)
    assert listed(wire, "CRM", "SLSF").keys() == {"SLSF"}
    gone = listed(wire, "CRM", "SLSF", active=False)["CRM"]
    assert (gone["composite_figi"], gone["delisted_utc"]) == (figi, "2026-11-12T00:00:00Z")
    assert events(wire, "SLSF") == events(wire, figi) == [("2026-11-12", "SLSF"), ("2004-06-23", "CRM")]
    assert events(wire, "CRM") == []
    old, new = bars(wire, "CRM"), bars(wire, "SLSF")
    assert (max(old), min(new)) == ("2026-11-11", "2026-11-12")
    assert {day: row["c"] for day, row in (old | new).items()} == {day: row["c"] for day, row in genuine.items()}


def test_the_market_of_a_day_and_the_details_have_the_ticker_of_that_day(wire: Wire) -> None:
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 12))
    before, after = grouped(wire, "2026-11-11"), grouped(wire, "2026-11-12")
    assert ("CRM" in before, "SLSF" in before, "CRM" in after, "SLSF" in after) == (True, False, False, True)
    assert len(before) == len(after)
    then = wire.massive(f"{TICKERS}/CRM", date="2026-11-11").json()["results"]
    now = wire.massive(f"{TICKERS}/SLSF").json()["results"]
    assert then["name"] == now["name"]
    assert then["composite_figi"] == now["composite_figi"]
    assert now["list_date"] == "2026-11-12"
    assert wire.massive(f"{TICKERS}/CRM").status_code == wire.massive(f"{TICKERS}/SLSF", date="2026-11-11").status_code
    assert wire.massive(f"{TICKERS}/CRM").status_code == 404
    snapshot = wire.massive("/v2/snapshot/locale/us/markets/stocks/tickers", tickers="CRM,SLSF").json()
    assert [row["ticker"] for row in snapshot["tickers"]] == ["SLSF"]


def test_a_company_can_be_renamed_twice_and_even_back(wire: Wire) -> None:
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 5))
    wire.admin.rename("SLSF", "CRM", date(2026, 11, 12))
    assert [ticker for _, ticker in events(wire, "CRM")] == ["CRM", "SLSF", "CRM"]
    assert list(bars(wire, "CRM")) == [*bars(wire, "CRM", last="2026-11-04"), *bars(wire, "CRM", first="2026-11-12")]
    assert list(bars(wire, "SLSF")) == ["2026-11-05", "2026-11-06", "2026-11-09", "2026-11-10", "2026-11-11"]
    assert listed(wire, "CRM", "SLSF").keys() == {"CRM"}


def test_a_halted_share_has_no_bar_on_that_session_and_all_others(wire: Wire) -> None:
    before = bars(wire, "COIN")
    wire.admin.halt("COIN", date(2026, 11, 12))
    assert bars(wire, "COIN") == {day: row for day, row in before.items() if day != "2026-11-12"}
    assert "2026-11-12" in before
    assert "COIN" not in grouped(wire, "2026-11-12")
    assert [row["session"] for row in wire.admin.truth_daily("COIN", date(2026, 11, 11), date(2026, 11, 13))] == [
        date(2026, 11, 11), date(2026, 11, 13),
    ]  # fmt: skip


def test_a_delisted_company_trades_to_its_last_session_and_keeps_its_history(wire: Wire) -> None:
    wire.admin.delist("COIN", date(2026, 11, 12))
    wire.admin.set_clock(at(12))
    assert listed(wire, "COIN").keys() == {"COIN"}
    wire.admin.set_clock(at(13))
    assert listed(wire, "COIN") == {}
    gone = listed(wire, "COIN", active=False)["COIN"]
    assert (gone["active"], gone["delisted_utc"]) == (False, "2026-11-13T00:00:00Z")
    assert listed(wire, "COIN", day="2026-11-12").keys() == {"COIN"}
    wire.admin.set_clock(NOW)
    assert max(bars(wire, "COIN")) == "2026-11-12"
    assert "COIN" in grouped(wire, "2026-11-12")
    assert "COIN" not in grouped(wire, "2026-11-13")
    assert wire.massive(f"{TICKERS}/COIN").status_code == 404
    assert wire.massive(f"{TICKERS}/COIN", date="2026-11-12").status_code == 200
    assert events(wire, "COIN") == []
    assert events(wire, gone["composite_figi"]) == [("2021-04-14", "COIN")]


def test_a_ticker_that_was_freed_can_be_anothers_and_its_bars_are_both_companies(wire: Wire) -> None:
    first = listed(wire, "COIN")["COIN"]
    wire.admin.delist("COIN", date(2026, 11, 6))
    wire.admin.list_company("COIN", date(2026, 11, 16), price=20.0, name="Coin Star Inc.")
    wire.admin.set_clock(at(13))
    assert listed(wire, "COIN") == {}
    assert max(bars(wire, "COIN")) == "2026-11-06"
    wire.admin.set_clock(NOW)
    second = listed(wire, "COIN")["COIN"]
    assert (second["name"], second["active"]) == ("Coin Star Inc.", True)
    assert second["composite_figi"] != first["composite_figi"]
    assert second["cik"] != first["cik"]
    assert listed(wire, "COIN", active=False)["COIN"]["composite_figi"] == first["composite_figi"]
    assert events(wire, "COIN") == [("2026-11-16", "COIN")]
    assert events(wire, first["composite_figi"]) == [("2021-04-14", "COIN")]
    served = bars(wire, "COIN")
    days = ["02", "03", "04", "05", "06", "16", "17", "18", "19", "20"]
    assert list(served) == [f"2026-11-{day}" for day in days]
    assert served["2026-11-16"]["c"] == 20
    assert served["2026-11-06"]["c"] != pytest.approx(20, rel=0.2)
    assert grouped(wire, "2026-11-16")["COIN"]["c"] == 20
    assert wire.massive(f"{TICKERS}/COIN", date="2026-11-06").json()["results"]["name"] == first["name"]


def test_a_ticker_that_a_rename_freed_can_be_anothers(wire: Wire) -> None:
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 5))
    wire.admin.list_company("CRM", date(2026, 11, 12), price=8.5)
    assert wire.massive("/v2/aggs/ticker/CRM/prev", adjusted="false").json()["results"][0]["c"] < 12
    names = {ticker: row["name"] for ticker, row in listed(wire, "CRM", "SLSF").items()}
    assert names == {"CRM": "CRM Newcomer Inc.", "SLSF": "Salesforce Inc."}
    assert events(wire, "SLSF") == [("2026-11-05", "SLSF"), ("2004-06-23", "CRM")]
    assert events(wire, "CRM") == [("2026-11-12", "CRM")]


def test_a_preferred_share_has_no_figi_and_all_others_have(wire: Wire) -> None:
    rows = wire.massive(TICKERS, limit=1000).json()["results"]
    assert len(rows) > 90
    assert [row["ticker"] for row in rows if "composite_figi" not in row] == ["JPMpD"]
    assert events(wire, "JPMpD") == [("2018-09-24", "JPMpD")]


def test_a_late_correction_is_seen_from_its_publication_on(wire: Wire) -> None:
    genuine = bars(wire, "KO")["2026-11-03"]
    wire.admin.correct_bar("KO", date(2026, 11, 3), published_at=at(9, 13), c=70.25)
    wire.admin.correct_bar("KO", date(2026, 11, 3), published_at=at(11, 13), c=70.5, v=1000.0)
    seen = []
    for instant in (at(4), at(9, 12), at(9, 13), at(11)):
        wire.admin.set_clock(instant)
        row = bars(wire, "KO", last="2026-11-03")["2026-11-03"]
        assert row["c"] == grouped(wire, "2026-11-03")["KO"]["c"]
        seen.append((row["c"], row["v"]))
    assert seen == [(genuine["c"], genuine["v"])] * 2 + [(70.25, genuine["v"]), (70.5, 1000)]
    assert bars(wire, "KO")["2026-11-03"]["o"] == genuine["o"]


def test_a_correction_follows_the_company_through_a_rename(wire: Wire) -> None:
    wire.admin.correct_bar("CRM", date(2026, 11, 16), c=1.5)
    wire.admin.rename("CRM", "SLSF", date(2026, 11, 12))
    wire.admin.correct_bar("SLSF", date(2026, 11, 17), c=2.5)
    assert [row["c"] for row in bars(wire, "SLSF", first="2026-11-16", last="2026-11-17").values()] == [1.5, 2.5]


def test_a_coins_late_correction_is_seen_from_its_publication_on(wire: Wire) -> None:
    midnight = datetime(2026, 11, 3, tzinfo=UTC)
    wire.admin.correct_coin_price("bitcoin", midnight, 12345.5, published_at=at(9))
    prices = []
    for instant in (at(8), at(9)):
        wire.admin.set_clock(instant)
        body = wire.coingecko("/coins/bitcoin/market_chart", vs_currency="usd", days=30, interval="daily").json()
        prices.append(dict(map(tuple, body["prices"]))[round(midnight.timestamp() * 1000)])
    assert prices[0] != prices[1] == 12345.5


@pytest.mark.parametrize(
    ("tell", "why"),
    [
        (lambda admin: admin.rename("NOPE", "YES", date(2026, 11, 5)), "nobody has the ticker NOPE on 2026-11-05"),
        (lambda admin: admin.rename("CRM", "KO", date(2026, 11, 5)), "KO belongs to The Coca-Cola Company"),
        (lambda admin: admin.list_company("KO", date(2026, 11, 5)), "KO belongs to The Coca-Cola Company"),
        (lambda admin: admin.list_company("TWTR", date(2022, 10, 27)), "TWTR belongs to Twitter"),
        (lambda admin: admin.delist("TWTR", date(2026, 11, 5)), "nobody has the ticker TWTR"),
        (lambda admin: admin.delist("FB", date(2020, 1, 2)), "delist it under that one"),
        (lambda admin: admin.rename("META", "FACE", date(2022, 6, 9)), "no day before it under this ticker"),
        (lambda admin: admin.add_split("TWTR", date(2026, 11, 5), 1, 2), "nobody has the ticker TWTR"),
        (lambda admin: admin.add_split("KO", date(2026, 11, 5), 0, 2), "a split of 0 into 2"),
        (lambda admin: admin.add_dividend("TWTR", date(2026, 11, 5), 1.0), "nobody has the ticker TWTR"),
        (lambda admin: admin.add_dividend("KO", date(2026, 11, 5), 1.0, colour="red"), "colour"),
        (lambda admin: admin.correct_bar("KO", date(2026, 11, 5), published_at=datetime(2026, 11, 6), c=1), "no UTC"),  # noqa: DTZ001
    ],
)
def test_what_cannot_happen_is_refused(wire: Wire, tell: Callable[[SimulatorAdmin], None], why: str) -> None:
    with pytest.raises(SimulatorError, match=why):
        tell(wire.admin)


def test_nothing_of_a_story_outlives_a_reset(wire: Wire) -> None:
    paths = ["/v3/reference/tickers?limit=1000", "/stocks/v1/splits?limit=1000", "/stocks/v1/dividends?ticker=KO"]
    paths += ["/v2/aggs/grouped/locale/us/market/stocks/2026-11-19", "/vX/reference/tickers/META/events"]
    genuine = [wire.massive(path).text for path in paths]
    wire.admin.rename("META", "FACE", date(2026, 11, 5))
    wire.admin.delist("COIN", date(2026, 11, 12))
    wire.admin.list_company("COIN", date(2026, 11, 16))
    wire.admin.add_split("KO", date(2026, 11, 16), 1, 2)
    wire.admin.add_split("AAPL", date(2020, 8, 31), 1, 4, reported=[])
    wire.admin.add_dividend("KO", date(2026, 11, 16), 1.0)
    wire.admin.correct_bar("MSFT", date(2026, 11, 19), c=1.0)
    told = [wire.massive(path).text for path in paths]
    assert all(one != other for one, other in zip(genuine, told, strict=True))
    wire.admin.reset()
    assert [wire.massive(path).text for path in paths] == genuine
