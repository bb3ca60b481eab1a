"""A chart's read and an operator's question with 12,000 assets x 5 years stored: fifteen million generated bars.

The bars lie on disk as they would: four years from the first load, asset after asset, then a year of market days. One
asset in four has split, half of them pay dividends.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import date

import psycopg

from marketdata.domain.class_windows import class_windows
from marketdata.domain.coverage import ONE_DAY, Span
from marketdata.domain.ranges import EARLIEST
from marketdata.storage.gaps import missing
from marketdata.storage.questions import list_missing
from tests.bench.scenes import RUNS, Figure, spread, timed
from tests.bench.stage import FIVE_YEARS_AGO, FRIDAY, NOW, Stage

ASSETS = 12_000
READS = 500
LOADED_UNTIL = date(2025, 11, 20)
CHART_MS = 15
QUESTION_SECONDS = 2.0

_ASSETS = """insert into asset (symbol, asset_class, vendor_symbol, listed_on)
    select 'Z' || to_char(n, 'FM00000'), 'stock', 'Z' || to_char(n, 'FM00000'), '2008-01-02'
    from generate_series(1, %(assets)s) as n"""
_BARS = """insert into bar_daily (asset_id, fetched_at, run_id, open, high, low, close, volume, vwap, trades, session,
        is_final, source)
    select a.asset_id, %(now)s, 1, b.price, b.price * 1.02, b.price * 0.98, b.price * 1.01, 1e6 + a.asset_id, b.price,
        1000, t.session, true, 'polygon'
    from asset as a cross join trading_session as t
    cross join lateral (select round((50 + 30 * sin(a.asset_id + (t.session - date '2020-01-01')))::numeric, 2)::float8
        as price) as b
    where t.session between %(first)s and %(last)s
    order by {order}"""
_SPLITS = """insert into split (asset_id, executed_on, split_from, split_to, vendor_id, kind, fetched_at)
    select asset_id, date '2022-01-03' + (asset_id %% 1400)::integer, 1, 2 + asset_id %% 3, 'S' || asset_id,
        'forward_split', %(now)s
    from asset where asset_id %% 4 = 0"""
_DIVIDENDS = """insert into dividend (asset_id, vendor_id, ex_date, cash_amount, currency, fetched_at)
    select asset_id, 'D' || asset_id || '-' || quarter, date '2021-12-01' + 91 * quarter::integer, 0.25, 'USD', %(now)s
    from asset cross join generate_series(0, 19) as quarter where asset_id %% 2 = 0"""
_COVERAGE = """insert into coverage (asset_id, interval, verified, updated_at)
    select asset_id, '1d', datemultirange(daterange('2003-09-10', %(last)s, '[]'))
        - case when asset_id %% 100 = 0 then datemultirange(daterange('2024-03-04', '2024-03-07')) else '{}' end, now()
    from asset"""
_CHART = """select session, open, high, low, close, volume from {view}
    where asset_id = %s and session between %s and %s order by session"""


def adjusted_reads(stage: Stage) -> list[Figure]:
    """Generate, then read charts of assets drawn by chance and ask what is missing."""
    dsn = stage.fresh_database()
    bars = _generate(dsn)
    figures = [
        _chart_figure(dsn, "bar_daily_adjusted", f"5 years of one asset, split-adjusted ({bars:,} bars stored)"),
        _chart_figure(dsn, "bar_daily_total_return", "the same as total return"),
    ]
    with stage.services(dsn) as services:
        window = Span(EARLIEST["stock"], FRIDAY)
        ask = lambda: services.warehouse.transact(missing, "us", window, asset_ids=None, today=NOW.date())  # noqa: E731
        figures.append(_question_figure("what do 12,000 assets miss of MAX, as the planner asks", ask))
        windows = class_windows("MAX", NOW)
        ask = lambda: services.warehouse.transact(list_missing, windows, asset_ids=None)  # noqa: E731
        figures.append(_question_figure("the same with the cause of each gap, as marketdata gaps asks", ask))
    stage.database.drop_database(dsn.rpartition("/")[2])
    return figures


def _generate(dsn: str) -> int:
    """The number of bars stored."""
    values = {"assets": ASSETS, "now": NOW, "last": FRIDAY}
    with psycopg.connect(dsn, options="-c search_path=marketdata -c synchronous_commit=off") as connection:
        connection.execute(_ASSETS, values)
        bars = 0
        for first, last, order in ((FIVE_YEARS_AGO, LOADED_UNTIL, "1, 11"), (LOADED_UNTIL + ONE_DAY, FRIDAY, "11, 1")):
            bars += connection.execute(_BARS.format(order=order), {**values, "first": first, "last": last}).rowcount
        for statement in (_SPLITS, _DIVIDENDS, _COVERAGE):
            connection.execute(statement, values)
    with psycopg.connect(dsn, options="-c search_path=marketdata", autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return bars


def _chart_figure(dsn: str, view: str, what: str) -> Figure:
    """Time from the query to Python values, one client, a different asset each time."""
    with psycopg.connect(dsn, options=f"-c search_path=marketdata -c marketdata.now={NOW:%Y-%m-%d}") as connection:
        cursor = connection.cursor(binary=True)
        assets = (1 + 7919 * number % ASSETS for number in range(READS))  # all over the table

        def read() -> None:
            cursor.execute(_CHART.format(view=view), (next(assets), FIVE_YEARS_AGO, FRIDAY))
            if len(cursor.fetchall()) < 1_200:
                raise RuntimeError("the chart is not five years long")

        milliseconds = [1000 * timed(read) for _ in range(READS)]
    slow = statistics.quantiles(milliseconds, n=20)[-1]
    measured = f"{slow:.1f} ms (median {statistics.median(milliseconds):.1f}, n={READS})"
    return Figure(f"{what}, 95th percentile", f"at most {CHART_MS} ms", measured, slow <= CHART_MS)


def _question_figure(what: str, ask: Callable[[], object]) -> Figure:
    seconds = [timed(ask) for _ in range(RUNS)]
    return Figure(what, f"at most {QUESTION_SECONDS:g} s", spread(seconds), max(seconds) <= QUESTION_SECONDS)
