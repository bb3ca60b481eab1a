"""How long it takes to judge the freshness of 12,000 active assets in the middle of a session."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta

import psycopg

from marketdata.domain.freshness import Limits, judge
from marketdata.domain.sessions import session_open
from marketdata.storage.freshness import read_facts
from tests.bench.scenes import RUNS, Figure, spread, timed
from tests.bench.stage import FRIDAY, Stage

ASSETS, COINS = 12_000, 1_000
AT = datetime(2026, 11, 20, 18, 7, tzinfo=UTC)
MOST_SECONDS = 1.0

_ASSETS = """insert into asset (symbol, asset_class, vendor_symbol, created_at)
    select s.symbol, case when n <= %(coins)s then 'crypto' else 'stock' end, s.symbol,
        %(now)s::timestamptz - interval '90 days'
    from generate_series(1, %(assets)s) as n cross join lateral (select 'Z' || to_char(n, 'FM00000') as symbol) as s"""
_WATCHED = """with made as (insert into watchlist (name) values ('All') returning watchlist_id)
    insert into watchlist_member select watchlist_id, asset_id from made cross join asset"""
_COVERED = """insert into coverage (asset_id, interval, verified, updated_at)
    select asset_id, '1d', datemultirange(daterange('2003-09-10', %(friday)s)), %(now)s from asset"""
_FEEDS = """insert into realtime_feed (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at)
    select v.vendor, f.feed, f.way, 1, 0, '', %(now)s
    from (values ('polygon'), ('coingecko')) as v (vendor)
    cross join (values ('latest', 'snapshot'), ('hourly', 'minute_prices')) as f (feed, way)"""
_LATEST = """insert into latest_price (asset_id, at, fetched_at, seen_at, run_id, price, session, delayed, source)
    select asset_id, s.seen_at, s.seen_at, s.seen_at, 1, 10, %(friday)s, false, 'polygon'
    from asset cross join lateral (
        select %(now)s::timestamptz
            - case asset_id %% 1000 when 0 then interval '20 minutes' else interval '40 seconds' end as seen_at
    ) as s"""
_MINUTES = """insert into price_minute (asset_id, at, fetched_at, run_id, price, delayed, source)
    select asset_id, t.at, t.at, 1, 10, false, 'polygon'
    from generate_series(%(open)s::timestamptz, %(now)s, interval '1 minute') as t (at) cross join asset"""
_HOURS = """insert into bar_hourly (asset_id, starts_at, fetched_at, run_id, close, is_final, source)
    select asset_id, t.at, t.at + interval '50 minutes', 1, 10, true, 'polygon:minutes'
    from generate_series(%(open)s::timestamptz - interval '30 days', %(now)s, interval '1 hour') as t (at)
    cross join asset"""


def freshness(stage: Stage) -> list[Figure]:
    """Store a session so far, with minute prices and a month of hours, then read the facts and judge them."""
    dsn = stage.fresh_database()
    _generate(dsn)
    limits = Limits.parse("")
    with stage.services(dsn) as services:
        read, judged = [], []
        for _ in range(RUNS + 1):
            read.append(timed(lambda: services.warehouse.transact(read_facts, now=AT, limits=limits)))
            facts = services.warehouse.transact(read_facts, now=AT, limits=limits)
            judged.append(timed(lambda facts=facts: judge(facts, limits, now=AT, around_the_clock=False)))
    found = judge(facts, limits, now=AT, around_the_clock=False)
    left_out = sum(len(stale.symbols) for stale in found.stale)
    if left_out != ASSETS // 1000:
        raise RuntimeError(f"{left_out} assets were found to be stale: {found.stale}")
    stage.database.drop_database(dsn.rpartition("/")[2])
    both = [one + other for one, other in zip(read[1:], judged[1:], strict=True)]
    what = f"judging the freshness of {ASSETS:,} active assets in mid-session, warm"
    parts = f"; reading {spread(read[1:])}, judging {1000 * statistics.median(judged[1:]):.1f} ms"
    met = statistics.median(both) < MOST_SECONDS
    return [Figure(what, f"under {MOST_SECONDS:.1f} s", spread(both) + parts, met)]


def _generate(dsn: str) -> None:
    opened = session_open(FRIDAY)
    values = {"assets": ASSETS, "coins": COINS, "now": AT - timedelta(seconds=5), "friday": FRIDAY, "open": opened}
    with psycopg.connect(dsn, options="-c search_path=marketdata -c synchronous_commit=off") as connection:
        for statement in (_ASSETS, _WATCHED, _COVERED, _FEEDS, _LATEST, _MINUTES, _HOURS):
            connection.execute(statement, values)
    with psycopg.connect(dsn, options="-c search_path=marketdata", autocommit=True) as connection:
        connection.execute("vacuum analyze")
