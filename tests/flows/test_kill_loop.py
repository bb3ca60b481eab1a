"""Rounds in which a fetching worker is killed at a random instant while the vendor fails a fifth of the requests.

``MARKETDATA_KILL_ROUNDS=100`` runs as many rounds as the proof asks for (some two minutes); the suite runs a few.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from marketdata.domain.ranges import RANGES
from marketdata.storage.assets import load_assets
from marketdata.storage.migrations import migrate
from marketdata.storage.warehouse import Warehouse
from tests.flows import worker
from tests.flows.conftest import SATURDAY_NOON, Desk
from tests.flows.kennel import Kennel, Order, open_kennel
from tests.storage.ledger import wait_for_the_dead

ROUNDS = int(os.environ.get("MARKETDATA_KILL_ROUNDS", "12"))
ASSETS = 55 if ROUNDS > 50 else 20  # so that there is something to fetch in each round
SEED = 20261123
LONGEST_LIFE = 0.5
WIDEST = "3Y"
ASKED = RANGES[: RANGES.index(WIDEST) + 1]
UNIVERSE = Path(__file__).resolve().parents[2] / "local" / "universe.csv"

_ROWS = """
    select symbol, session, open, high, low, close, volume, vwap, trades, is_final
    from bar_daily join asset using (asset_id) order by symbol, session
"""
_COVERED_BUT_EMPTY = """
    select a.symbol, t.session
    from coverage as c
    join asset as a using (asset_id)
    join trading_session as t on c.verified @> t.session
    where not exists (select from bar_daily as b where b.asset_id = c.asset_id and b.session = t.session)
        and not exists (select from absence as n where n.asset_id = c.asset_id and n.session = t.session)
"""
_STORED_BUT_NOT_COVERED = """
    select asset_id, session from bar_daily left join coverage using (asset_id)
    where not coalesce(verified + provisional @> session, false)
"""
_RECORDED = "select coalesce(symbol, last::text) from ingest_call where finished_at > %(since)s"


@pytest.fixture
def kennel() -> Iterator[Kennel]:
    with open_kennel(SATURDAY_NOON.isoformat()) as opened:
        yield opened


@pytest.fixture
def clean(empty_dsn: str) -> str:
    """A second database, for a run that nothing disturbs."""
    migrate(empty_dsn)
    return empty_dsn


def stocks() -> list[dict[str, str]]:
    """Without the thinnest share: the market day leaves out its vwap and trades, so its rows tell the call."""
    with UNIVERSE.open(encoding="utf-8", newline="") as lines:
        found = [
            row
            for row in csv.DictReader(lines)
            if row["asset_class"] in {"stock", "etf"} and not row["delisted_on"] and row["symbol"] != "BRK.A"
        ]
    assert len(found) > 40
    return [
        {name: row[name] for name in ("symbol", "asset_class", "vendor_symbol", "listed_on")} for row in found[:ASSETS]
    ]


def answered(desk: Desk) -> set[str]:
    """What the vendor gave a whole answer about since the log was emptied: tickers, sessions of the whole market."""
    log = desk.simulator.admin.requests()
    given = [entry.path.split("/") for entry in log if entry.status == 200 and not entry.fault]
    return {parts[4] if parts[3] == "ticker" else parts[-1] for parts in given}


@pytest.mark.fault("A01")
@pytest.mark.fault("D02")
@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
def test_killed_in_each_round_the_rows_are_in_the_end_those_of_an_undisturbed_run(
    make_desk: Callable[..., Desk], kennel: Kennel, clean: str, redis_url: str
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same rounds each time
    desk = make_desk(assets=stocks())
    admin = desk.simulator.admin
    admin.add_fault("status", status=503, probability=0.1)
    admin.add_fault("truncate", probability=0.11)
    run, killed, wasted = "run 0", 0, 0
    for number in range(ROUNDS):
        if chance.random() < 0.5:
            run = f"run {number}"  # else the same again, as when a task is retried
        verify_hours = "1" if chance.random() < 0.5 else "0"
        admin.forget_requests()
        ((since,),) = desk.query("select clock_timestamp()")
        arguments = [desk.dsn, desk.simulator.polygon_url, redis_url, run, verify_hours, chance.choice(ASKED)]
        fetching = chance.random() < 0.8  # else it may be planning when it is killed
        killed += kennel.kill(Order(arguments, chance.uniform(0.0, LONGEST_LIFE), fetching))
        wait_for_the_dead(desk.dsn)
        assert desk.query(_COVERED_BUT_EMPTY) == [], f"round {number}: coverage is ahead of the data"
        assert desk.query(_STORED_BUT_NOT_COVERED) == [], f"round {number}: an answer is stored in part"
        twice = answered(desk) - {symbol for (symbol,) in desk.query(_RECORDED, since=since)}
        assert len(twice) <= 1, f"round {number}: more than one call's work is to be fetched again: {twice}"
        wasted += len(twice)
    assert killed > ROUNDS / 2, "most rounds end in a kill"
    assert killed < ROUNDS or ROUNDS < 50
    assert desk.query("select count(*) from ingest_call where state = 'done'") > [(ROUNDS // 2,)]

    admin.clear_faults()
    desk.query("update ingest_run set opened_at = now() - interval '25 hours' returning 1")
    desk.query("update ingest_call set finished_at = now() - interval '25 hours' returning 1")
    report = desk.run(WIDEST, run="healed")
    assert (report.state, report.calls_pending) == ("success", 0)
    assert desk.query("select state from ingest_run where state not in ('success', 'partial', 'failed')") == []
    assert desk.query("select count(*) from ingest_run where left_open and state = 'success'") == [(0,)]
    assert desk.query("select count(*) from fetch_failure where resolved_at is null") == [(0,)]

    with Warehouse.open(clean) as warehouse:
        warehouse.transact(load_assets, stocks())
    worker.main(clean, desk.simulator.polygon_url, redis_url, "undisturbed", "0", WIDEST)
    with psycopg.connect(clean, options="-c search_path=marketdata") as connection:
        expected = connection.execute(_ROWS).fetchall()
    assert len(expected) > ASSETS * 600
    assert desk.query(_ROWS) == expected
    print(f"rounds={ROUNDS} killed={killed} wasted_calls={wasted}")  # noqa: T201 - of the long loop's proof
