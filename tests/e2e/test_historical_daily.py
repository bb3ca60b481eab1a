"""``historical_daily`` from the trigger to the stored rows, through a real scheduler."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
import requests
from psycopg.conninfo import make_conninfo

from marketdata.domain.ranges import window
from marketdata.domain.sessions import final_through, sessions, today
from tests.e2e.conftest import DAG_ID

if TYPE_CHECKING:
    from tests.e2e.conftest import Ended, Scheduler

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

COIN = "X:BTCUSD"
_BARS = (
    "select symbol, session, open, high, low, close, volume from bar_daily join asset using (asset_id) order by 1, 2"
)


def last_year() -> list[date]:
    """The sessions that range 1Y means now and whose bars change no more: today's grows until its evening is over."""
    now = datetime.now(UTC)
    asked = window("1Y", today("stock", now), asset_class="stock")
    return sessions(asked.first, final_through("stock", now))


def vendor_bars(scheduler: Scheduler, symbol: str, first: date, last: date) -> list[dict[str, Any]]:
    """What the vendor itself says about a symbol."""
    address = f"{scheduler.vendor.base}/massive/v2/aggs/ticker/{symbol}/range/1/day/{first}/{last}"
    key = {"Authorization": "Bearer demo-polygon-starter"}
    answer = requests.get(address, params={"adjusted": "false", "limit": "50000"}, headers=key, timeout=30)
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_the_schedule_brings_the_history_of_all_assets(first_scheduled_run: Ended) -> None:
    assert first_scheduled_run.state == "success"
    report = first_scheduled_run.report
    assert report["state"] == "success"
    assert report["failed_symbols"] == []
    assert report["inserted"] > 40 * 200


@pytest.mark.promise("P1")
def test_a_trigger_stores_exactly_the_bars_asked_for_and_again_stores_nothing(scheduler: Scheduler) -> None:
    symbols = ["AAPL", "GOOGL", "MSFT"]
    ended = scheduler.run(range="1Y", symbols=symbols)
    assert (ended.state, ended.report["state"]) == ("success", "success")

    days = last_year()
    stored = scheduler.rows(_BARS)
    final = [row for row in stored if row[1] <= days[-1]]
    assert [row[:2] for row in final] == [(symbol, day) for symbol in symbols for day in days]
    for symbol in symbols:
        bars = vendor_bars(scheduler, symbol, days[0], days[-1])
        assert [row[2:] for row in final if row[0] == symbol] == [
            (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]) for bar in bars
        ]
    assert ended.report["inserted"] == ended.report["received"] == len(stored)

    again = scheduler.run(range="1Y", symbols=symbols)
    assert again.state == "success"
    assert (again.report["inserted"], again.report["changed"]) == (0, 0)
    assert scheduler.rows(_BARS) == stored


def test_a_task_sends_what_its_run_did_through_airflows_stats(scheduler: Scheduler) -> None:
    scheduler.metrics.forget()
    report = scheduler.run(range="7D", symbols=["AAPL"]).report
    for expected in (
        f"runs.{DAG_ID}.success:1|c",
        f"records.{DAG_ID}.inserted:{report['inserted']}|c",
        f"vendor_calls.{DAG_ID}.polygon.2xx:1|c",
    ):
        text = f"airflow.marketdata.{expected}"
        heard = scheduler.metrics.heard(text)
        assert heard.count(text) == 1
    assert not any("AAPL" in text for text in heard)


@pytest.fixture(scope="module")
def partial(_stack: Scheduler, first_scheduled_run: Ended) -> tuple[Scheduler, Ended]:
    """A run in which just MSFT failed; what it left is there until ``scheduler`` is asked for again."""
    assert first_scheduled_run.state in {"success", "failed"}
    _stack.let_the_schedule_pass()
    _stack.forget()
    _stack.vendor.add_fault("status", status=403, match="/ticker/MSFT/")
    ended = _stack.run(range="7D", symbols=["AAPL", "MSFT", COIN])
    _stack.vendor.reset()
    return _stack, ended


@pytest.mark.promise("P8")
@pytest.mark.fault("S03")
def test_no_key_is_in_any_log_or_in_either_database(partial: tuple[Scheduler, Ended]) -> None:
    scheduler, ended = partial
    assert ended.state == "success"
    keys = (b"demo-polygon-starter", b"demo-coingecko-analyst")
    logs = [path for path in scheduler.home.rglob("*.log") if path.is_file()]
    assert sum(path.stat().st_size for path in logs) > 10_000, "there are logs to look at"
    assert [path for path in logs if any(key in path.read_bytes() for key in keys)] == []
    for database in ("marketdata", "airflow"):
        seen, with_key = rows_with(make_conninfo(scheduler.dsn, dbname=database), keys)
        assert seen > 100
        assert with_key == []


def rows_with(dsn: str, words: tuple[bytes, ...]) -> tuple[int, list[str]]:
    """How many rows a database has, and the tables in which a row's text has one of the words."""
    seen, found = 0, []
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'marketdata')"
        ).fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f"select t::text from {table} as t"):
                seen += 1
                if any(word.decode() in row for word in words):
                    found.append(table)
    return seen, found


def test_a_run_that_has_ended_bears_a_note_with_its_verdict_and_the_way_to_its_report(
    partial: tuple[Scheduler, Ended],
) -> None:
    scheduler, ended = partial
    (note,) = (run["note"] for run in scheduler.api.runs(DAG_ID) if run["dag_run_id"] == ended.run_id)
    assert note.startswith("**partial**")
    assert "failed: MSFT" in note
    assert f"/dags/{DAG_ID}/runs/" in note


def test_log_run_table_xcom_and_asset_event_say_the_same_of_a_run(partial: tuple[Scheduler, Ended]) -> None:
    scheduler, ended = partial
    assert ended.report["state"] == "partial"
    log = scheduler.api.task_log(DAG_ID, ended.run_id, "close_run")
    assert ended.report["summary"] in log
    assert "MSFT" in log
    record = f"select state, inserted, calls_failed from ingest_run where run_id = {ended.report['run_id']}"
    assert scheduler.rows(record) == [("partial", ended.report["inserted"], ended.report["calls_failed"])]
    told = scheduler.api.call("GET", f"assets/events?source_dag_id={DAG_ID}&source_run_id={quote(ended.run_id)}").json()
    assert [event["extra"] for event in told["asset_events"]] == [ended.report]


@pytest.mark.promise("P4")
def test_a_symbol_that_fails_makes_the_run_partial_and_leaves_its_neighbours_whole(
    partial: tuple[Scheduler, Ended],
) -> None:
    scheduler, ended = partial
    assert (ended.state, ended.report["state"]) == ("success", "partial")
    (failed,) = ended.report["failed_symbols"]
    assert failed.startswith("MSFT: ")
    assert {symbol for symbol, *_ in scheduler.rows(_BARS)} == {"AAPL", COIN}
    healed = scheduler.run(range="7D", symbols=["AAPL", "MSFT"])
    assert healed.report["state"] == "success"
    assert {symbol for symbol, *_ in scheduler.rows(_BARS)} == {"AAPL", "MSFT", COIN}


@pytest.mark.promise("P4")
def test_a_run_in_which_every_symbol_failed_is_never_green(scheduler: Scheduler) -> None:
    scheduler.vendor.add_fault("status", status=403, match="/ticker/")
    ended = scheduler.run(range="7D", symbols=["AAPL", "MSFT"])
    assert (ended.state, ended.report["state"]) == ("failed", "failed")
    assert len(ended.report["failed_symbols"]) == 2
    assert scheduler.rows(_BARS) == []


def test_an_unknown_symbol_fails_the_run_and_is_named(scheduler: Scheduler) -> None:
    ended = scheduler.run(range="7D", symbols=["AAPL", "AAPLE"])
    assert ended.state == "failed"
    log = scheduler.api.task_log(DAG_ID, ended.run_id, "plan_calls")
    assert "AAPLE" in log
    assert "Next: " in log
    assert scheduler.rows(_BARS) == []
    assert scheduler.vendor.requests() == []


def test_a_key_that_does_not_exist_fails_the_run_and_is_named(scheduler: Scheduler) -> None:
    ended = scheduler.run(rnage="7D")
    assert ended.state == "failed"
    log = scheduler.api.task_log(DAG_ID, ended.run_id, "plan_calls")
    assert "rnage" in log
    assert scheduler.vendor.requests() == []


@pytest.mark.parametrize(
    "conf",
    [
        {"range": "2Y"},
        {"symbols": ["AAPL\n"]},
        {"symbols": ["../x"]},
        {"symbols": ["'; drop table asset; --"]},
        {"symbols": ["A" * 200]},
        {"symbols": "AAPL"},
        {"dry_run": "yes"},
    ],
)
def test_malformed_parameters_are_refused_before_a_run_exists(scheduler: Scheduler, conf: dict[str, Any]) -> None:
    before = len(scheduler.api.runs(DAG_ID))
    answer = scheduler.api.trigger(DAG_ID, conf)
    assert answer.status_code == requests.codes.bad_request
    assert next(iter(conf)) in answer.text
    assert len(scheduler.api.runs(DAG_ID)) == before


def test_a_dry_run_plans_and_asks_the_vendor_nothing(scheduler: Scheduler) -> None:
    ended = scheduler.run(range="1M", symbols=["AAPL", "MSFT"], dry_run=True)
    assert (ended.state, ended.report["state"]) == ("success", "dry_run")
    assert scheduler.rows(_BARS) == []
    assert scheduler.vendor.requests() == []


def test_the_command_line_triggers_a_run_in_a_shell_that_read_the_stacks_settings(scheduler: Scheduler) -> None:
    conf = '{"range": "7D", "symbols": ["AAPL"]}'
    scheduler.shell(f"airflow dags trigger historical_daily --run-id by_hand --conf '{conf}'")
    ended = scheduler.wait("by_hand")
    assert (ended.state, ended.report["state"]) == ("success", "success")
    assert {symbol for symbol, *_ in scheduler.rows(_BARS)} == {"AAPL"}


def test_a_backfill_of_past_sessions_skips_the_holiday_and_fetches_each_session_once(scheduler: Scheduler) -> None:
    """Labor Day week: Monday 7 September 2026 was a holiday. One market day a session is cheapest, for all stocks.

    Of the coins, which take calls of their own, one is enough.
    """
    stocks = [symbol for (symbol,) in scheduler.rows("select symbol from asset where asset_class <> 'crypto'")]
    conf = json.dumps({"symbols": [*stocks, COIN]})
    bounds = "--from-date 2026-09-04 --to-date 2026-09-09"
    scheduler.shell(f"airflow backfill create --dag-id {DAG_ID} --dag-run-conf '{conf}' {bounds}")
    runs = [run["dag_run_id"] for run in scheduler.api.runs(DAG_ID) if run["run_type"] == "backfill"]
    assert len(runs) == 3
    ended = [scheduler.wait(run_id) for run_id in runs]
    assert [run.state for run in ended] == ["success"] * 3, scheduler.api.first_error(DAG_ID, runs[0])
    assert {run.report["state"] for run in ended} == {"success"}
    days = [date(2026, 9, 4), date(2026, 9, 8), date(2026, 9, 9)]
    stored = [(symbol, session) for symbol, session, *_ in scheduler.rows(_BARS)]
    assert [session for symbol, session in stored if symbol == "AAPL"] == days
    assert {session for symbol, session in stored if symbol != COIN} == set(days)
    assert {symbol for symbol, _ in stored} == {*stocks, COIN} - {"TWTR"}, "which left the exchange in 2022"
    market_days = scheduler.vendor.requests(path_contains="/grouped/")
    assert sorted(call.path[-10:] for call in market_days) == [day.isoformat() for day in days]


@pytest.mark.fault("A02")
def test_two_runs_beside_each_other_store_each_bar_once(scheduler: Scheduler) -> None:
    """A manual run by hand beside another one, both over the same bars."""
    conf = {"range": "1M", "symbols": ["AAPL", "MSFT", "X:BTCUSD"]}
    started = [scheduler.api.trigger(DAG_ID, conf).json()["dag_run_id"] for _ in range(2)]
    reports = [scheduler.wait(run_id).report for run_id in started]
    assert [report["state"] for report in reports] == ["success", "success"]
    stored = scheduler.rows(_BARS)
    assert len(stored) == len({row[:2] for row in stored}) > 60
    assert sum(report["inserted"] for report in reports) == len(stored)
