"""``marketdata why``: for each situation the whole text, as an operator reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.cli.conftest import Terminal, change, says, text
from tests.flows.conftest import FRIDAY_EVENING, SATURDAY_NOON


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "AAPL 2026-11-21",
            """
                AAPL on Saturday 2026-11-21: no session, a Saturday; no bar is expected
                  calendar  a Saturday: the New York Stock Exchange is closed
                  calls     none asked for this day
                  next try  none: there is nothing to ask for
                """,
            id="weekend",
        ),
        pytest.param(
            "AAPL 2026-11-26",
            """
                AAPL on Thursday 2026-11-26: no session, Thanksgiving Day; no bar is expected
                  calendar  Thanksgiving Day: the New York Stock Exchange is closed
                  calls     none asked for this day
                  next try  none: there is nothing to ask for
                """,
            id="holiday",
        ),
        pytest.param(
            "AAPL 2025-01-09",
            """
                AAPL on Thursday 2025-01-09: no session, mourning for Jimmy Carter; no bar is expected
                  calendar  mourning for Jimmy Carter: the New York Stock Exchange is closed
                  calls     none asked for this day
                  next try  none: there is nothing to ask for
                """,
            id="unscheduled closure",
        ),
        pytest.param(
            "AAPL 2026-11-23",
            """
                AAPL on Monday 2026-11-23: not over yet; its bar is asked for afterwards
                  calendar  a session of the New York Stock Exchange, 09:30 to 16:00
                  calls     none asked for this day
                  next try  historical_daily, Monday 2026-11-23 16:30 New York
                """,
            id="ahead",
        ),
        pytest.param(
            "GOOGL 2014-04-02",
            """
                GOOGL on Wednesday 2014-04-02: before its listing on 2014-04-03; no bar is expected
                  calendar  a session of the New York Stock Exchange, 09:30 to 16:00
                  asset     listed since 2014-04-03
                  calls     none asked for this day
                  next try  none: there is nothing to ask for
                """,
            id="before listing",
        ),
        pytest.param(
            "AAPL 2003-01-06",
            """
                AAPL on Monday 2003-01-06: before the vendor's history of daily bars; no bar is expected
                  calendar  a session of the New York Stock Exchange, 09:30 to 16:00
                  calls     none asked for this day
                  next try  none: there is nothing to ask for
                """,
            id="before the vendor's history",
        ),
        pytest.param(
            "AAPL 2025-11-28",
            """
                AAPL on Friday 2025-11-28: missing; it was never asked for
                  calendar  a session with an early close of the New York Stock Exchange, 09:30 to 13:00
                  calls     none asked for this day
                  next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                            at once: marketdata run historical 1Y AAPL
                """,
            id="never asked, early close",
        ),
        pytest.param(
            "X:BTCUSD 2026-11-21",
            """
                X:BTCUSD on Saturday 2026-11-21: not over yet; its bar is asked for afterwards
                  calendar  a UTC day; coins trade every day
                  calls     none asked for this day
                  next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                """,
            id="coin, ahead",
        ),
    ],
)
def test_a_day_of_which_nothing_is_stored(terminal: Terminal, line: str, expected: str) -> None:
    assert says(terminal, f"why {line}") == text(expected)


def test_a_stored_bar_with_its_source_and_its_call(terminal: Terminal) -> None:
    terminal.desk.run("1M", ["AAPL"])
    assert says(terminal, "why AAPL 2026-11-19") == text("""
        AAPL on Thursday 2026-11-19: stored, and final
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          bar       open 312.75, high 315.26, low 307.97, close 314.47 US dollars, raw as traded; volume
                    44,699,840; volume-weighted average 310.9419; 703,207 trades
                    from polygon, Saturday 2026-11-21 13:00 New York, stored by run 1 (historical_daily,
                    manual)
                    seen after its day was over
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2026-10-21 to 2026-11-20: 23
                    records, Saturday 2026-11-21 13:00 New York
          next try  none needed; the weekly comparison sees a later change
        """)


def test_a_close_only_bar_of_a_coin(terminal: Terminal) -> None:
    terminal.desk.run("7D", ["X:BTCUSD"])
    assert says(terminal, "why X:BTCUSD 2026-11-15") == text("""
        X:BTCUSD on Sunday 2026-11-15: stored, and final
          calendar  a UTC day; coins trade every day
          bar       close 273,266.6944144991 US dollars; a close only, never to be shown as a candle;
                    26,982,397,608.851234 US dollars traded in the 24 hours before the close
                    from coingecko, Saturday 2026-11-21 13:00 New York, stored by run 1 (historical_daily,
                    manual)
                    seen after its day was over
          calls     call 1 of run 1 (historical_daily): coin_chart bitcoin 2026-11-15 to 2026-11-20: 6
                    records, Saturday 2026-11-21 13:00 New York
          next try  none needed; the weekly comparison sees a later change
        """)


def test_a_bar_seen_on_its_own_day_the_day_after_and_once_it_was_seen_again(terminal: Terminal) -> None:
    desk = terminal.desk
    desk.at(FRIDAY_EVENING)
    desk.run("7D", ["AAPL"], run="friday")
    assert says(terminal, "why AAPL 2026-11-20") == text("""
        AAPL on Friday 2026-11-20: stored, and provisional until it is seen again after the day is over
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          bar       open 317.58, high 321.7, low 315.97, close 318.12 US dollars, raw as traded; volume
                    40,700,435; volume-weighted average 319.0732; 336,259 trades
                    from polygon, Friday 2026-11-20 17:00 New York, stored by run 1 (historical_daily,
                    friday)
                    seen before its day was over, so it may still change
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2026-11-16 to 2026-11-20: 5
                    records, Friday 2026-11-20 17:00 New York
          next try  historical_backfill, Sunday 2026-11-22 02:00 New York
        """)
    desk.at(SATURDAY_NOON)
    assert says(terminal, "why AAPL 2026-11-20") == text("""
        AAPL on Friday 2026-11-20: missing; its bar was seen before the day was over, and not since
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          bar       open 317.58, high 321.7, low 315.97, close 318.12 US dollars, raw as traded; volume
                    40,700,435; volume-weighted average 319.0732; 336,259 trades
                    from polygon, Friday 2026-11-20 17:00 New York, stored by run 1 (historical_daily,
                    friday)
                    seen before its day was over, so it may still change
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2026-11-16 to 2026-11-20: 5
                    records, Friday 2026-11-20 17:00 New York
          next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                    at once: marketdata run historical 7D AAPL
        """)
    desk.simulator.admin.correct_bar("AAPL", date(2026, 11, 20), v=123456.0)
    desk.run("7D", ["AAPL"], run="saturday")
    assert says(terminal, "why AAPL 2026-11-20") == text("""
        AAPL on Friday 2026-11-20: stored, and final
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          bar       open 317.58, high 321.7, low 315.97, close 318.12 US dollars, raw as traded; volume
                    123,456; volume-weighted average 319.0732; 336,259 trades
                    from polygon, Saturday 2026-11-21 13:00 New York, stored by run 2 (historical_daily,
                    saturday)
                    seen after its day was over
          before    open 317.58, high 321.7, low 315.97, close 318.12 US dollars, raw as traded; volume
                    40,700,435; volume-weighted average 319.0732; 336,259 trades; known Friday 2026-11-20
                    17:00 New York to Saturday 2026-11-21 13:00 New York, replaced by run 2
          calls     call 2 of run 2 (historical_daily): ticker_range AAPL 2026-11-20: 1 record, Saturday
                    2026-11-21 13:00 New York
                    call 1 of run 1 (historical_daily): ticker_range AAPL 2026-11-16 to 2026-11-20: 5
                    records, Friday 2026-11-20 17:00 New York
          next try  none needed; the weekly comparison sees a later change
        """)


@pytest.mark.promise("P10")
def test_a_session_that_is_proven_to_have_no_bar(make_terminal: Callable[..., Terminal]) -> None:
    twitter = {"symbol": "TWTR", "asset_class": "stock", "listed_on": "2013-11-07", "delisted_on": "2022-10-27"}
    terminal = make_terminal(assets=[twitter])
    terminal.desk.run("MAX", ["TWTR"])
    ((digest,),) = terminal.desk.query("select digest from ingest_call")
    assert says(terminal, "why TWTR 2022-10-04") == text("""
        TWTR on Tuesday 2022-10-04: proven absent; the vendor has no bar
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          evidence  call 1 of run 1, /v2/aggs/ticker/{ticker}/range/1/day/{from}/{to}: a well-formed,
                    entitled answer of Saturday 2026-11-21 13:00 New York has no bar for the day
                    SHA-256 of the answer: DIGEST
          calls     call 1 of run 1 (historical_daily): ticker_range TWTR 2013-11-07 to 2022-10-27: 2,258
                    records, Saturday 2026-11-21 13:00 New York
          next try  none needed; the weekly comparison sees a later change
        """).replace("DIGEST", digest)
    assert says(terminal, "why TWTR 2022-10-28") == text("""
        TWTR on Friday 2022-10-28: after its last session on 2022-10-27; no bar is expected
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          asset     delisted; its last session was 2022-10-27
          calls     none asked for this day
          next try  none: there is nothing to ask for
        """)


def test_a_former_ticker_leads_to_the_asset_and_to_what_it_was_called(terminal: Terminal) -> None:
    change(terminal, "delete from asset_alias; insert into asset_alias (asset_id, symbol, valid) select asset_id, s, v"
           " from asset cross join (values ('OLD', '[2020-01-01,2026-11-10)'::daterange),"
           " ('AAPL', '[2026-11-10,)')) as n (s, v) where symbol = 'AAPL'")  # fmt: skip
    assert (
        says(terminal, "why OLD 2026-11-09")
        == says(terminal, "why AAPL 2026-11-09")
        == text("""
            AAPL on Monday 2026-11-09: missing; it was never asked for
              calendar  a session of the New York Stock Exchange, 09:30 to 16:00
              asset     its ticker on that day was OLD; today it is AAPL
              calls     none asked for this day
              next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                        at once: marketdata run historical 1M AAPL
            """)
    )
    assert "AAPL on Tuesday 2026-11-10" in says(terminal, "why OLD 2026-11-10")


def test_a_day_that_many_calls_asked_for_shows_the_newest_ones(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.add_fault("html", match="/MSFT/")
    for number in range(7):
        terminal.desk.run("1M", ["MSFT"], run=f"run {number}")
    said = [line for _, line in terminal.json("why MSFT 2026-11-18")["lines"]]
    named = [line.partition(" (")[0] for line in said if line.endswith("failed, contract_broken")]
    assert named == [f"call {number} of run {number}" for number in (7, 6, 5, 4, 3)]
    assert "and older ones" in said


def test_json_has_verdict_cause_lines_and_every_fact(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.add_fault("html", match="/MSFT/")
    terminal.desk.run("1M", ["MSFT"])
    said = terminal.json("why MSFT 2026-11-18")
    assert (said["verdict"], said["cause"]) == ("missing", "failed")
    assert said["next_run"] == {"dag_id": "historical_backfill", "at": "2026-11-22T07:00:00+00:00"}
    assert said["lines"][0][0] == "calendar"
    assert [failure["kind"] for failure in said["facts"]["failures"]] == ["contract_broken"]
    assert [call["state"] for call in said["facts"]["calls"]] == ["failed"]


def test_an_unknown_symbol_and_a_day_that_is_none_are_refused(terminal: Terminal) -> None:
    unknown = terminal.run("why APPL 2026-11-20")
    assert unknown.exit_code == 1
    assert "near: AAPL" in unknown.stderr
    assert terminal.run("why AAPL 20.11.2026").exit_code == 1


def test_asking_why_asks_no_vendor(terminal: Terminal) -> None:
    says(terminal, "why AAPL 2026-11-18")
    assert terminal.desk.simulator.admin.requests() == []
