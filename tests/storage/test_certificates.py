"""Certificates: expected = stored + absent + unknown whatever the tables hold, and a digest that anybody can make."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.class_windows import ClassWindow
from marketdata.domain.coverage import Span
from marketdata.domain.sessions import sessions
from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.certificates import Certificate, certify, digest_over
from marketdata.storage.connection import connect
from tests.storage.ledger import MONDAY, WEEK, Ledger, answer, bars

TODAY = date(2026, 11, 21)
FIRST = MONDAY - timedelta(days=7)


def certificates(ledger: Ledger, *asset_ids: int, first: date = WEEK[0], last: date = WEEK[-1]) -> list[Certificate]:
    windows = [
        ClassWindow("stock", "polygon", first, last, TODAY),
        ClassWindow("crypto", "coingecko", first, last, TODAY),
    ]
    return ledger.warehouse.transact(certify, windows, asset_ids=asset_ids)


def change(ledger: Ledger, statement: str, *values: object) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute(statement, values)


def test_a_week_of_bars_is_complete(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    (certificate,) = certificates(ledger, 1)
    assert certificate.is_complete
    assert (certificate.expected, certificate.stored, certificate.absent, certificate.unknown) == (5, 5, 0, 0)


@pytest.mark.promise("P10")
def test_a_proven_absence_counts_beside_the_bars(ledger: Ledger) -> None:
    without = bars({day: 1.0 for day in WEEK if day != WEEK[2]})
    content = answer(1, without, absent=((1, WEEK[2]),), verified=(Span(WEEK[0], WEEK[4]),))
    ledger.warehouse.store_daily(ledger.call(), content)
    (certificate,) = certificates(ledger, 1)
    assert (certificate.stored, certificate.absent, certificate.unknown) == (4, 1, 0)


def test_what_was_never_asked_is_unknown(ledger: Ledger) -> None:
    (certificate,) = certificates(ledger, 1)
    assert (certificate.expected, certificate.missing, certificate.unknown) == (5, 5, 5)
    assert not certificate.is_complete


def test_covered_sessions_with_neither_bar_nor_absence_are_unknown_and_named(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    change(ledger, "delete from bar_daily where session in (%s, %s)", WEEK[1], WEEK[3])
    (certificate,) = certificates(ledger, 1)
    assert certificate.unproven == (WEEK[1], WEEK[3])
    assert (certificate.stored, certificate.unknown) == (3, 2)


def test_a_bar_beside_its_own_absence_is_unknown_and_named(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    change(ledger, "insert into absence select 1, '1d', %s, max(call_id), 'x', now() from ingest_call", WEEK[2])
    (certificate,) = certificates(ledger, 1)
    assert certificate.contradictory == (WEEK[2],)
    assert (certificate.stored, certificate.absent, certificate.unknown) == (4, 0, 1)


def test_a_bar_that_coverage_does_not_hold_is_unknown_and_named(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    change(ledger, "update coverage set verified = verified - datemultirange(daterange(%s, null))", WEEK[4])
    (certificate,) = certificates(ledger, 1)
    assert certificate.uncovered == (WEEK[4],)
    assert (certificate.stored, certificate.unknown) == (4, 1)


def test_an_asset_is_certified_from_its_listing_to_its_last_session(ledger: Ledger) -> None:
    change(ledger, "update asset set listed_on = %s, delisted_on = %s where asset_id = 1", WEEK[1], WEEK[2])
    change(ledger, "update asset set listed_on = %s where asset_id = 2", WEEK[4] + timedelta(days=3))
    listed, later = certificates(ledger, 1, 2)
    assert (listed.first, listed.last, listed.expected) == (WEEK[1], WEEK[2], 2)
    assert (later.first, later.last, later.expected, later.unknown, later.bars) == (None, None, 0, 0, 0)
    assert later.digest == hashlib.sha256(b"").hexdigest()


def test_a_coin_is_expected_on_every_day(ledger: Ledger) -> None:
    ledger.warehouse.transact(
        load_assets, [{"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}]
    )
    (coin,) = ledger.warehouse.transact(find_assets, ["X:BTCUSD"])
    (certificate,) = certificates(ledger, coin.asset_id, last=date(2026, 11, 22))
    assert certificate.expected == 7


def test_a_bar_on_a_day_off_is_in_the_digest_and_in_no_count(ledger: Ledger) -> None:
    saturday = WEEK[4] + timedelta(days=1)
    ledger.warehouse.store_daily(ledger.call(1, saturday, saturday), answer(1, bars({saturday: 1.0})))
    (certificate,) = certificates(ledger, 1, last=saturday)
    assert (certificate.expected, certificate.stored, certificate.bars) == (5, 0, 1)


def copied(ledger: Ledger, first: date = WEEK[0], last: date = WEEK[-1]) -> str:
    """The digest as the documented command makes it."""
    with connect(ledger.dsn) as connection, connection.cursor() as cursor:
        query = (
            "copy (select session, open, high, low, close, volume, volume_24h, vwap, trades from marketdata.bar_daily"
            f" where asset_id = 1 and session between '{first}' and '{last}' order by session) to stdout (format csv)"
        )
        with cursor.copy(query) as copy:
            return hashlib.sha256(b"".join(bytes(block) for block in copy)).hexdigest()


@pytest.mark.parametrize(
    "close", [1.0, 0.00000812, 700000.01, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789012345680.0]
)
def test_the_digest_is_that_of_the_rows_copied_as_csv(ledger: Ledger, close: float) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, close), trades=12)))
    change(
        ledger, "update bar_daily set (open, high, low, trades) = (null, null, null, null) where session = %s", MONDAY
    )
    (certificate,) = certificates(ledger, 1)
    assert certificate.digest == copied(ledger)
    (shorter,) = certificates(ledger, 1, last=WEEK[2])
    assert shorter.digest == copied(ledger, last=WEEK[2]) != certificate.digest


@pytest.mark.parametrize(
    "changed",
    ["open = 1.5, high = 1.5", "high = 2", "low = 0.5", "volume = 101", "volume_24h = 7", "vwap = null", "trades = 1"],
)
def test_any_changed_figure_changes_the_digest(ledger: Ledger, changed: str) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    (before,) = certificates(ledger, 1)
    change(ledger, f"update bar_daily set {changed} where session = '{WEEK[3]}'")
    (after,) = certificates(ledger, 1)
    assert after.digest != before.digest
    assert (after.stored, after.bars) == (before.stored, before.bars)


def test_the_digest_over_all_does_not_depend_on_the_order(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(dict.fromkeys(WEEK, 1.0))))
    found = certificates(ledger, 1, 2, 3)
    assert digest_over(found) == digest_over(found[::-1])
    lines = "".join(f"A{n},{WEEK[0]},{WEEK[4]},{each.bars},{each.digest}\n" for n, each in enumerate(found, start=1))
    assert digest_over(found) == hashlib.sha256(lines.encode()).hexdigest()
    assert digest_over([replace(found[0], bars=4), *found[1:]]) != digest_over(found)


@dataclass(frozen=True)
class Day:
    """What the database holds of one session, however it came to that."""

    coverage: str
    bar: str
    absent: bool


DAYS = st.lists(
    st.builds(
        Day,
        st.sampled_from(["", "verified", "provisional"]),
        st.sampled_from(["", "final", "early"]),
        st.booleans(),
    ),
    min_size=10,
    max_size=10,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=DAYS)
def test_every_session_is_stored_absent_or_unknown_whatever_the_tables_hold(
    ledger: Ledger, days: Sequence[Day]
) -> None:
    axis = sessions(FIRST, WEEK[-1])
    assert len(axis) == len(days)
    write(ledger, dict(zip(axis, days, strict=True)))
    (certificate,) = certificates(ledger, 1, first=FIRST)
    assert certificate.expected == 10
    assert certificate.expected == certificate.stored + certificate.absent + certificate.unknown
    covered = [day for day in days if day.coverage == "verified"]
    assert certificate.stored == sum(bool(day.bar) and not day.absent for day in covered)
    assert certificate.absent == sum(day.absent and not day.bar for day in covered)
    assert len(certificate.unproven) == sum(not day.bar and not day.absent for day in covered)
    assert len(certificate.contradictory) == sum(bool(day.bar) and day.absent for day in days)
    assert certificate.digest == copied(ledger, first=FIRST)


def write(ledger: Ledger, days: dict[date, Day]) -> None:
    """Make the tables hold just that of asset 1."""
    if not ledger.read("select from ingest_call"):
        ledger.call()
    with connect(ledger.dsn) as connection:
        connection.execute("delete from bar_daily; delete from absence; delete from coverage")
        ranges = {
            name: "{" + ",".join(f"[{day},{day}]" for day, held in days.items() if held.coverage == name) + "}"
            for name in ("verified", "provisional")
        }
        connection.execute(
            "insert into coverage (asset_id, interval, verified, provisional, updated_at)"
            " values (1, '1d', %(verified)s, %(provisional)s, now())",
            ranges,
        )
        for day, held in days.items():
            if held.bar:
                connection.execute(
                    "insert into bar_daily (asset_id, fetched_at, run_id, close, session, is_final, source)"
                    " values (1, now(), 1, 1.5, %s, %s, 'polygon')",
                    (day, held.bar == "final"),
                )
            if held.absent:
                connection.execute(
                    "insert into absence select 1, '1d', %s, max(call_id), 'x', now() from ingest_call", (day,)
                )
