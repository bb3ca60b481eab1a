"""``marketdata why`` of what is missing or cannot be accounted for: the whole text, as an operator reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from tests.cli.conftest import Terminal, change, says, text
from tests.flows.conftest import SATURDAY_NOON

MONDAY_EVENING = SATURDAY_NOON + timedelta(days=2, hours=4)


def test_a_bar_that_was_refused(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.correct_bar("AAPL", date(2026, 11, 18), h=1.0)
    terminal.desk.run("1M", ["AAPL"])
    assert says(terminal, "why AAPL 2026-11-18") == text("""
        AAPL on Wednesday 2026-11-18: missing; the vendor's bar was refused and is in quarantine
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          refused   high is below low (open 317.58, high 1.0, low 314.83, close 315.04, volume 49310779.0,
                    vwap 318.3162); call 1 of run 1, Saturday 2026-11-21 13:00 New York
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2026-10-21 to 2026-11-20: 23
                    records, Saturday 2026-11-21 13:00 New York
          next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                    at once: marketdata run historical 7D AAPL
        """)


def test_a_call_that_failed_twice(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.add_fault("html", match="/MSFT/")
    terminal.desk.run("1M", ["MSFT"], run="first")
    terminal.desk.at(SATURDAY_NOON + timedelta(hours=1))
    terminal.desk.run("1M", ["MSFT"], run="second")
    assert says(terminal, "why MSFT 2026-11-18") == text("""
        MSFT on Wednesday 2026-11-18: missing; the last call failed
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          cause     contract_broken 2 times since Saturday 2026-11-21 13:00 New York, last by call 2 of run
                    2 on Saturday 2026-11-21 14:00 New York
                    polygon MSFT 2026-10-21 to 2026-11-20: JSON is malformed: invalid character (byte 0);
                    content type text/html; charset=utf-8, body: <!DOCTYPE html><html><head><title>Access
                    denied | used Cloudflare to restrict access</title></head><body>Error 1015 You are being
                    rate limited</body></html>
          calls     call 2 of run 2 (historical_daily): ticker_range MSFT 2026-10-21 to 2026-11-20: failed,
                    contract_broken
                    call 1 of run 1 (historical_daily): ticker_range MSFT 2026-10-21 to 2026-11-20: failed,
                    contract_broken
          next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                    compare the answer with the vendor's documentation; nothing of it was stored
                    at once: marketdata run historical 7D MSFT
        """)


def test_a_symbol_that_the_plan_refuses_is_tried_again_and_says_what_would_help(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.put_key("demo-polygon-advanced", denied_symbols=["MSFT"])
    terminal.desk.run("1M", ["MSFT"])
    assert says(terminal, "why MSFT 2026-11-18") == text("""
        MSFT on Wednesday 2026-11-18: missing; the last call failed
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          cause     not_entitled once by call 1 of run 1 on Saturday 2026-11-21 13:00 New York
                    polygon MSFT 2026-10-21 to 2026-11-20: the vendor answers 403: You are not entitled to
                    this data. Please upgrade your plan at https://massive.com/pricing
          calls     call 1 of run 1 (historical_daily): ticker_range MSFT 2026-10-21 to 2026-11-20: failed,
                    not_entitled
          next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                    take a plan that has it: https://massive.com/pricing
                    at once: marketdata run historical 7D MSFT
        """)


def test_a_session_that_the_vendor_has_not_published_yet(make_terminal: Callable[..., Terminal]) -> None:
    terminal = make_terminal(polygon="basic")
    terminal.desk.run("7D", run="settled")
    terminal.desk.at(MONDAY_EVENING)
    terminal.desk.run("7D", ["AAPL", "MSFT", "GOOGL"], run="monday")
    assert says(terminal, "why AAPL 2026-11-23") == text("""
        AAPL on Monday 2026-11-23: missing; the vendor has not published it yet
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          cause     not_yet once by call 5 of run 2 on Monday 2026-11-23 17:00 New York, asked for the whole
                    market
                    polygon market day 2026-11-23: the vendor answers 403: Attempted to request today's data
                    before end of day. Please upgrade your plan at https://massive.com/pricing
          calls     call 5 of run 2 (historical_daily): market_day 2026-11-23: failed, not_yet
          next try  historical_daily, Tuesday 2026-11-24 16:30 New York
                    at once: marketdata run historical 7D AAPL
        """)


def test_a_bar_that_coverage_does_not_hold_is_asked_for_again(terminal: Terminal) -> None:
    terminal.desk.run("1M", ["AAPL"])
    change(terminal, "update coverage set verified = verified - '{[2026-11-17,2026-11-17]}'")
    said = terminal.json("why AAPL 2026-11-17")
    assert (said["verdict"], said["next_run"]["dag_id"]) == ("inconsistent", "historical_backfill")
    assert said["headline"].endswith("there is a bar, yet coverage does not hold the day")
    terminal.desk.run("1M", ["AAPL"], run="again")
    assert terminal.json("why AAPL 2026-11-17")["verdict"] == "stored"


def test_a_bar_beside_the_evidence_that_there_is_none_can_be_repaired(terminal: Terminal) -> None:
    terminal.desk.run("1M", ["AAPL"])
    change(terminal, "insert into absence select 1, '1d', '2026-11-17', max(call_id), 'x', now() from ingest_call")
    said = terminal.json("why AAPL 2026-11-17")
    assert (said["verdict"], said["next_run"]) == ("inconsistent", None)
    (remedy,) = (line for _, line in said["lines"] if "asked again" in line)
    change(terminal, remedy.removeprefix("to have it asked again: "))
    terminal.desk.run("1M", ["AAPL"], run="again")
    assert terminal.json("why AAPL 2026-11-17")["verdict"] == "stored"
    assert terminal.run("verify 1M AAPL").exit_code == 0


def test_a_session_that_an_answer_left_open_shows_what_the_call_warned_of(terminal: Terminal) -> None:
    desk = terminal.desk
    desk.run("1M", run="first")
    desk.at(SATURDAY_NOON + timedelta(days=3))
    desk.run("1M", run="monday")
    desk.at(SATURDAY_NOON + timedelta(days=4))
    desk.simulator.admin.add_fault("drop_rows", match="/grouped/", keep=1)
    desk.run("1M", run="tuesday")
    left_open = terminal.json("gaps 7D AAPL MSFT GOOGL")["assets"][0]["symbol"]
    assert says(terminal, f"why {left_open} 2026-11-24") == text("""
        GOOGL on Tuesday 2026-11-24: missing; it was asked for, and the answer proved nothing about it
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          cause     call 7: market day with 1 rows after one with 3: no absence proven
          calls     call 7 of run 3 (historical_daily): market_day 2026-11-24: 1 record, Wednesday
                    2026-11-25 13:00 New York
          next try  historical_daily, Wednesday 2026-11-25 16:30 New York
                    at once: marketdata run historical 7D GOOGL
        """)


def test_history_that_the_plan_does_not_reach(make_terminal: Callable[..., Terminal]) -> None:
    terminal = make_terminal(polygon="basic")
    terminal.desk.run("5Y", ["AAPL"])
    assert says(terminal, "why AAPL 2021-12-01") == text("""
        AAPL on Wednesday 2021-12-01: missing; the vendor's plan does not reach back so far
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          cause     the plan's history starts on 2024-11-21: AAPL asked from 2021-11-22, answered from
                    2024-11-21 (found out on 2026-11-21)
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2021-11-22 to 2026-11-20: 501
                    records, Saturday 2026-11-21 13:00 New York
          next try  from 2026-11-28 on, when the plan is probed anew; only a larger plan reaches it
        """)


def test_an_asset_that_nobody_follows_any_more(terminal: Terminal) -> None:
    change(terminal, "update asset set inactive_since = '2026-11-10' where symbol = 'GOOGL'")
    assert says(terminal, "why GOOGL 2026-11-17") == text("""
        GOOGL on Tuesday 2026-11-17: missing; it was never asked for
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          asset     not followed since 2026-11-10; its history is kept
          calls     none asked for this day
          next try  no scheduled run: the asset is not followed since 2026-11-10
                    at once: marketdata run historical 7D GOOGL
        """)


def test_a_call_that_is_planned_and_not_made(terminal: Terminal) -> None:
    terminal.desk.plan("1M", ["AAPL"])
    assert says(terminal, "why AAPL 2026-11-18") == text("""
        AAPL on Wednesday 2026-11-18: missing; a call for it is planned and not made yet
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2026-10-21 to 2026-11-20: not made
                    yet
          next try  historical_backfill, Sunday 2026-11-22 02:00 New York
                    at once: marketdata run historical 7D AAPL
        """)


def test_a_bar_that_disappeared_is_not_accounted_for(terminal: Terminal) -> None:
    terminal.desk.run("1M", ["AAPL"])
    change(terminal, "delete from bar_daily where session = '2026-11-17'")
    said = says(terminal, "why AAPL 2026-11-17")
    assert said == text("""
        AAPL on Tuesday 2026-11-17: not accounted for; coverage calls it answered, yet there is neither a
        bar nor evidence that there is none
          calendar  a session of the New York Stock Exchange, 09:30 to 16:00
          calls     call 1 of run 1 (historical_daily): ticker_range AAPL 2026-10-21 to 2026-11-20: 23
                    records, Saturday 2026-11-21 13:00 New York
          next try  none by itself: something was changed by hand, or a backup mixed
                    to have it asked again: update marketdata.coverage set verified = verified -
                    '{[2026-11-17,2026-11-17]}' where asset_id = 1
        """)
    (remedy,) = (line for _, line in terminal.json("why AAPL 2026-11-17")["lines"] if "asked again" in line)
    change(terminal, remedy.removeprefix("to have it asked again: "))
    terminal.desk.run("1M", ["AAPL"], run="repaired")
    assert "stored, and final" in says(terminal, "why AAPL 2026-11-17")
