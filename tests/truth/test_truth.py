"""The truth test: two years lived through by the flow end bar for bar as the world really was.

The ordinary run lives through every session and Sunday of the last three months (2026-08-24 to 2026-11-22); before
them it runs on every second Friday and eighth Sunday, so that two weeks of sessions are made up for at a time. With
``MARKETDATA_TRUTH=every-day`` it lives through all days of the two years.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from math import isclose
from typing import Any

import pytest
import redis

from local.postgres import PostgresServer
from local.simulator.engine import Options
from local.simulator.server import running
from local.valkey import ValkeyServer
from marketdata import settings
from marketdata.domain.class_windows import class_windows
from marketdata.flows.services import connected
from marketdata.hooks.connection import VendorConnection
from marketdata.storage.assets import load_assets
from marketdata.storage.certificates import certify
from marketdata.storage.warehouse import Warehouse
from tests.flows.passing_time import wait_no_more
from tests.truth import world
from tests.truth.life import Life, days_of_life
from tests.truth.world import COINS, CORRECTIONS, EXTRA_STOCKS, LAST_DAY, SEED, WINDOW_FIRST, Company, Errands

EVERY_DAY = os.environ.get("MARKETDATA_TRUTH") == "every-day"
KEY = "truth-polygon"
COLUMNS = ("open", "high", "low", "close", "volume", "vwap", "trades")

pytestmark = pytest.mark.timeout(3600 if EVERY_DAY else 900)


@pytest.fixture(scope="module")
def life(postgres_server: PostgresServer, _migrated_template: str, _valkey_server: ValkeyServer) -> Iterator[Life]:
    """The two years, lived through."""
    name = f"truth_{secrets.token_hex(4)}"
    dsn = postgres_server.create_database(name, template=_migrated_template)
    with (
        pytest.MonkeyPatch.context() as patch,
        running(Options(seed=SEED, extra_stocks=EXTRA_STOCKS)) as simulator,
        Warehouse.open(dsn) as warehouse,
    ):
        patch.setenv("MARKETDATA_ALLOW_LOOPBACK", "1")
        patch.setenv("MARKETDATA_NOW", "2024-11-16T12:00:00+00:00")
        simulator.admin.put_key("demo-coingecko-demo", requests_per_minute=None)
        stocks = VendorConnection("polygon", simulator.polygon_url, KEY, "basic", requests_per_minute=1_000_000)
        coins = VendorConnection(
            "coingecko", simulator.coingecko_url, "demo-coingecko-demo", "demo", requests_per_minute=1_000_000
        )
        with connected(warehouse, stocks, coins, _valkey_server.url()) as services:

            def follow(*tickers: str) -> None:
                warehouse.transact(load_assets, [{"symbol": ticker, "asset_class": "stock"} for ticker in tickers])

            follow(*world.first_followed())
            warehouse.transact(
                load_assets,
                [{"symbol": symbol, "asset_class": "crypto", "vendor_symbol": coin} for symbol, coin in COINS.items()],
            )
            world.tell(simulator.admin)
            errands = Errands(simulator.admin, follow, KEY)
            with redis.Redis.from_url(_valkey_server.url()) as cache:
                lived = Life(services, cache, simulator.admin, dsn, errands)
                wait_no_more(services, cache)
                lived.live(days_of_life(every_day=EVERY_DAY))
                yield lived
    postgres_server.drop_database(name)


def truth_of(life: Life, company: Company) -> list[tuple[Any, ...]]:
    """A company's bars in the window, as the world has them."""
    rows = life.admin.truth_daily(company.ticker, WINDOW_FIRST, LAST_DAY, on=company.on)
    return [(row["session"], *(row[name] for name in COLUMNS)) for row in rows]


def stored(life: Life, relation: str = "bar_daily") -> dict[str, list[tuple[Any, ...]]]:
    """Each stock's bars in the window, oldest first, by symbol."""
    rows = life.query(
        f"select symbol, session, {', '.join(COLUMNS)} from {relation} join asset using (asset_id)"
        " where asset_class <> 'crypto' and session >= %(first)s order by symbol, session",
        first=WINDOW_FIRST,
    )
    return {symbol: [row[1:] for row in group] for symbol, group in groupby(rows, key=lambda row: row[0])}


def test_fifty_companies_and_five_coins_are_in_the_world(life: Life) -> None:
    companies = world.companies()
    assert len({company.symbol for company in companies}) == 50
    assert {symbol for (symbol,) in life.query("select symbol from asset")} == {
        *(company.symbol for company in companies), *COINS,
    }  # fmt: skip
    assert len(life.reports) == (611 if EVERY_DAY else 132)


@pytest.mark.promise("P1")
@pytest.mark.promise("P10")
def test_every_stock_ends_bar_for_bar_as_the_world_was(life: Life) -> None:
    have = stored(life)
    for company in world.companies():
        expected = truth_of(life, company)
        assert len(expected) >= 5, company
        assert have.get(company.symbol) == expected, company


def test_nothing_older_than_the_window_differs_from_the_world(life: Life) -> None:
    rows = life.query(
        f"select symbol, session, {', '.join(COLUMNS)} from bar_daily join asset using (asset_id)"
        " where asset_class <> 'crypto' and session < %(first)s",
        first=WINDOW_FIRST,
    )
    assert rows
    by_symbol = {company.symbol: company for company in world.companies()}
    truth = {
        (symbol, row["session"], *(row[name] for name in COLUMNS))
        for symbol in {row[0] for row in rows}
        for row in life.admin.truth_daily(
            by_symbol[symbol].ticker, date(2020, 1, 1), WINDOW_FIRST, on=by_symbol[symbol].on
        )
    }
    assert set(rows) <= truth


def test_every_coin_ends_with_the_closes_of_the_world(life: Life) -> None:
    for symbol, coin_id in COINS.items():
        truth = life.admin.truth_coin(coin_id, WINDOW_FIRST, LAST_DAY)
        have = life.query(
            "select session, close, volume_24h from bar_daily join asset using (asset_id)"
            " where symbol = %(symbol)s and session >= %(first)s order by session",
            symbol=symbol, first=WINDOW_FIRST,
        )  # fmt: skip
        assert len(truth) > 1_000
        assert have == [(row["session"], row["close"], row["volume_24h"]) for row in truth], symbol


@pytest.mark.fault("U26")
def test_the_adjusted_series_is_the_worlds(life: Life) -> None:
    have = stored(life, "bar_daily_adjusted")
    split = 0
    for company in world.companies():
        splits = life.admin.truth_splits(company.ticker, on=company.on)
        split += bool(splits)
        for bar, row in zip(truth_of(life, company), have[company.symbol], strict=True):
            session, *prices, volume, vwap, trades = bar
            factor = split_factor(splits, session)
            expected = [*(price * factor for price in prices), volume / factor, vwap * factor, trades]
            assert row[0] == session
            assert all(isclose(*pair, rel_tol=1e-12) for pair in zip(row[1:], expected, strict=True)), (company, row)
    assert split >= 7


def split_factor(splits: Sequence[Mapping[str, Any]], session: date) -> float:
    factor = 1.0
    for split in splits:
        if session < split["execution_date"]:
            factor *= split["split_from"] / split["split_to"]
    return factor


@pytest.mark.fault("U26")
def test_wrong_reports_of_splits_are_told_and_just_the_true_ones_are_applied(life: Life) -> None:
    applied = life.query(
        "select symbol, executed_on, split_from, split_to from split join asset using (asset_id)"
        " where state = 'applied' order by 1, 2"
    )
    true = [
        (company.symbol, split["execution_date"], split["split_from"], split["split_to"])
        for company in world.companies()
        for split in life.admin.truth_splits(company.ticker, on=company.on)
    ]
    assert applied == sorted(true)
    told = " ".join(str(row) for row in life.query("select warnings from ingest_run union all"
                                                   " select warnings from ingest_call"))  # fmt: skip
    assert "PEP: split 3-for-1 of 2026-10-14 is held: contradictory" in told
    assert "KO: adjusted bars around the split 2-for-1 of 2026-10-02 differ from polygon's" in told


def test_the_total_return_series_is_the_worlds(life: Life) -> None:
    have = stored(life, "bar_daily_total_return")
    paid = 0
    for company in world.companies():
        splits = life.admin.truth_splits(company.ticker, on=company.on)
        dividends = life.admin.truth_dividends(company.ticker, on=company.on)
        bars = truth_of(life, company)
        closes = {bar[0]: bar[4] for bar in bars}
        keeps = [
            (dividend["ex_date"], 1 - dividend["cash_amount"] / closes[max(before)])
            for dividend in dividends
            if (before := [session for session in closes if session < dividend["ex_date"]])
        ]
        paid += bool(keeps)
        for bar, row in zip(bars, have[company.symbol], strict=True):
            factor = split_factor(splits, bar[0])
            for ex_date, kept in keeps:
                factor *= kept if bar[0] < ex_date else 1.0
            assert isclose(row[4], bar[4] * factor, rel_tol=1e-9), (company, row)
    assert paid >= 15


@pytest.mark.fault("U27")
@pytest.mark.promise("P3")
def test_of_final_bars_just_the_corrected_ones_have_an_earlier_version(life: Life) -> None:
    revised = life.query(
        "select symbol, session from bar_revision join asset using (asset_id) where is_final order by 1, 2"
    )
    symbols = {company.ticker: company.symbol for company in reversed(world.companies())}
    assert revised == sorted((symbols[one.ticker], one.session) for one in CORRECTIONS)


def test_the_certificate_has_no_unknown_session(life: Life) -> None:
    windows = class_windows("3Y", settings.now())
    assert {window.first for window in windows} == {WINDOW_FIRST}
    asset_ids = [asset_id for (asset_id,) in life.query("select asset_id from asset")]
    certificates = life.services.warehouse.transact(certify, windows, asset_ids=asset_ids)
    assert len(certificates) == 55
    assert {one.symbol: one.unknown for one in certificates if one.unknown} == {}
    assert {one.symbol for one in certificates if one.expected != one.stored + one.absent} == set()
    by_symbol = {one.symbol: one for one in certificates}
    for company in world.companies():
        assert by_symbol[company.symbol].stored == len(truth_of(life, company)), company
    assert {by_symbol[ticker].absent for ticker, _ in world.HALTS} == {2}
    assert min(by_symbol[ticker].absent for ticker in world.THIN) > 50


def test_each_outage_failed_its_run_and_no_other_day_was_lost(life: Life) -> None:
    states = {day: report.state for (day, _), report in life.reports.items()}
    assert {day for day in world.OUTAGES if states[day] == "success"} == set()
    (last,) = (report for (day, _), report in life.reports.items() if day == LAST_DAY)
    assert (last.state, last.differing) == ("success", 0)
