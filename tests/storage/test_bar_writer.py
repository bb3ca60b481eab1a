"""What storing one answer does to bars, revisions, coverage, evidence and counters."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.domain.coverage import Span
from marketdata.errors import StorageError
from marketdata.storage.calls import QuarantineRow, Stored
from tests.storage.ledger import FACTS, MONDAY, SEEN, WEEK, Ledger, answer, bars, kill_other_sessions

HOUR = timedelta(hours=1)


def test_first_load_stores_every_column_as_given(ledger: Ledger) -> None:
    content = bars({MONDAY: 10.5}, open=10.0, high=11.0, low=9.0, volume=1.5, volume_24h=7.0, vwap=10.2, trades=3)
    call = ledger.call()
    ledger.warehouse.store_daily(call, answer(1, content))
    assert ledger.read(
        "select asset_id, session, open, high, low, close, volume, volume_24h, vwap, trades, source, is_final,"
        " fetched_at, run_id from bar_daily"
    ) == [(1, MONDAY, 10.0, 11.0, 9.0, 10.5, 1.5, 7.0, 10.2, 3, "polygon", True, SEEN, ledger.run_id)]


def test_what_was_not_given_is_null_in_each_row_on_its_own(ledger: Ledger) -> None:
    content = bars(dict.fromkeys(WEEK, 10.0))
    content.volume[1] = np.nan
    content.trades[2] = 5
    for column in (content.open, content.high, content.low):
        column[3] = np.nan
    ledger.warehouse.store_daily(ledger.call(), answer(1, content))
    assert ledger.read("select session, open, volume, trades from bar_daily order by session") == [
        (WEEK[0], 10.0, 100.0, None),
        (WEEK[1], 10.0, None, None),
        (WEEK[2], 10.0, 100.0, 5),
        (WEEK[3], None, 100.0, None),
        (WEEK[4], 10.0, 100.0, None),
    ]


@pytest.mark.promise("P1")
def test_sending_the_same_bars_again_changes_nothing(ledger: Ledger) -> None:
    content = answer(1, bars(dict.fromkeys(WEEK, 10.0)))
    assert ledger.warehouse.store_daily(ledger.call(), content) == Stored(5, 0, 0)
    before = ledger.read("select xmin::text, xmax::text, bar_daily from bar_daily order by session")
    assert ledger.warehouse.store_daily(ledger.call(), content) == Stored(0, 0, 5)
    assert ledger.read("select xmin::text, xmax::text, bar_daily from bar_daily order by session") == before
    assert ledger.read("select count(*) from bar_revision") == [(0,)]


@pytest.mark.promise("P3")
def test_a_changed_bar_keeps_its_earlier_version(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 10.0, WEEK[1]: 20.0})))
    later = SEEN + HOUR
    corrected = answer(1, bars({MONDAY: 10.0, WEEK[1]: 21.0, WEEK[2]: 30.0}), seen=later)
    assert ledger.warehouse.store_daily(ledger.call(), corrected) == Stored(1, 1, 1)
    assert ledger.closes() == {(1, MONDAY): 10.0, (1, WEEK[1]): 21.0, (1, WEEK[2]): 30.0}
    assert ledger.read("select session, close, first_seen_at, replaced_at from bar_revision") == [
        (WEEK[1], 20.0, SEEN, later)
    ]


@pytest.mark.promise("P3")
def test_an_older_answer_never_replaces_a_newer_one(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 11.0}), seen=SEEN + HOUR))
    stale = answer(1, bars({MONDAY: 10.0, WEEK[1]: 20.0}), seen=SEEN)
    assert ledger.warehouse.store_daily(ledger.call(), stale) == Stored(1, 0, 1)
    assert ledger.closes() == {(1, MONDAY): 11.0, (1, WEEK[1]): 20.0}
    assert ledger.read("select count(*) from bar_revision") == [(0,)]


@pytest.mark.promise("P3")
@pytest.mark.fault("D10")
def test_an_orphans_answer_loses_to_an_unchanged_bar_that_was_seen_again_since(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 11.0}), seen=SEEN))
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 11.0}), seen=SEEN + 2 * HOUR))
    orphan = answer(1, bars({MONDAY: 10.0}), seen=SEEN + HOUR)
    assert ledger.warehouse.store_daily(ledger.call(), orphan) == Stored(0, 0, 1)
    assert ledger.closes() == {(1, MONDAY): 11.0}


def test_a_bar_seen_again_after_its_day_becomes_final_without_a_revision(ledger: Ledger) -> None:
    early = answer(1, bars({MONDAY: 10.0}), is_final=False)
    ledger.warehouse.store_daily(ledger.call(), early)
    again = answer(1, bars({MONDAY: 10.0}), seen=SEEN + HOUR)
    assert ledger.warehouse.store_daily(ledger.call(), again) == Stored(0, 0, 1)
    assert ledger.read("select is_final from bar_daily") == [(True,)]
    assert ledger.read("select count(*) from bar_revision") == [(0,)]


def test_the_last_of_two_bars_for_one_session_counts(ledger: Ledger) -> None:
    twice = bars({WEEK[1]: 5.0, MONDAY: 10.0}).take(np.array([1, 0, 1]))
    twice.close[:] = twice.open[:] = twice.high[:] = twice.low[:] = [10.0, 5.0, 12.0]
    assert ledger.warehouse.store_daily(ledger.call(), answer(1, twice)) == Stored(2, 0, 0)
    assert ledger.closes() == {(1, MONDAY): 12.0, (1, WEEK[1]): 5.0}


def test_a_large_answer_crosses_copies_and_loses_no_row(ledger: Ledger) -> None:
    days = {date(2020, 1, 1) + timedelta(days=offset): 1.0 + offset for offset in range(1_255)}
    call = ledger.call(first=min(days), last=max(days))
    assert ledger.warehouse.store_daily(call, answer(1, bars(days))) == Stored(1_255, 0, 0)
    assert ledger.closes() == {(1, day): close for day, close in days.items()}


@pytest.mark.parametrize(
    "price",
    [
        pytest.param(0.00000812, id="SHIB", marks=pytest.mark.fault("U18")),
        pytest.param(700000.01, id="BRK.A", marks=pytest.mark.fault("U18")),
        pytest.param(1.1, id="short"),
    ],
)
def test_a_price_comes_back_to_its_last_digit(ledger: Ledger, price: float) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: price})))
    assert ledger.closes() == {(1, MONDAY): price}
    assert (
        ledger.read("select close::text::numeric from bar_daily")[0][0].normalize() == Decimal(repr(price)).normalize()
    )


@pytest.mark.fault("U17")
def test_a_volume_beyond_any_integer_column_is_kept(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 1.0, WEEK[1]: 1.0}, volume=1e20)))
    assert ledger.read("select distinct volume from bar_daily") == [(1e20,)]


@pytest.mark.fault("U14")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_the_database_refuses_a_close_that_is_no_price(ledger: Ledger, bad: float) -> None:
    content = bars({MONDAY: 10.0, WEEK[1]: bad}, open=np.nan, high=np.nan, low=np.nan, vwap=np.nan)
    with pytest.raises(StorageError, match="bar_daily"):
        ledger.warehouse.store_daily(ledger.call(), answer(1, content))
    assert ledger.closes() == {}
    assert ledger.verified() == ()


@pytest.mark.fault("U14")
@pytest.mark.parametrize(
    "wrong",
    [
        {"high": np.inf},
        {"low": -1.0},
        {"low": 0.0},
        {"open": np.nan},
        {"high": 9.0},
        {"open": 12.0},
        {"volume": -1.0},
        {"volume": np.inf},
        {"volume_24h": np.inf},
        {"vwap": -1.0},
        {"vwap": np.inf},
    ],
    ids=str,
)
def test_the_database_refuses_a_bar_that_cannot_be(ledger: Ledger, wrong: dict[str, float]) -> None:
    with pytest.raises(StorageError, match="check constraint"):
        ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 10.0}, **wrong)))
    assert ledger.closes() == {}


def test_coverage_runs_on_over_weekends(ledger: Ledger) -> None:
    friday, monday = date(2026, 11, 13), MONDAY
    for day in (friday, monday):
        ledger.warehouse.store_daily(ledger.call(), answer(1, bars({day: 10.0})))
    assert ledger.verified() == (Span(friday, monday),)


def test_a_provisional_day_moves_to_verified_and_never_back(ledger: Ledger) -> None:
    today = (Span(WEEK[4], WEEK[4]),)
    early = answer(1, bars({WEEK[4]: 10.0}), verified=(), provisional=today, is_final=False)
    ledger.warehouse.store_daily(ledger.call(), early)
    assert ledger.verified() == ()
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({WEEK[4]: 10.0}), seen=SEEN + HOUR))
    ledger.warehouse.store_daily(ledger.call(), early)
    assert ledger.verified() == today
    assert ledger.read("select provisional::text from coverage") == [("{}",)]


def test_an_absence_keeps_its_evidence_and_a_bar_withdraws_it(ledger: Ledger) -> None:
    span = (Span(WEEK[0], WEEK[4]),)
    call = ledger.call()
    proof = answer(1, bars({}), verified=span, absent=((1, WEEK[2]),))
    ledger.warehouse.store_daily(call, proof)
    evidence = "select asset_id, session, call_id, digest, proven_at from absence"
    assert ledger.read(evidence) == [(1, WEEK[2], call.call_id, FACTS.digest, SEEN)]
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({WEEK[2]: 10.0}), seen=SEEN + HOUR))
    assert ledger.read(evidence) == []
    ledger.warehouse.store_daily(ledger.call(), proof)
    assert ledger.read(evidence) == [], "a stored bar must not be declared absent"


@pytest.mark.promise("P7")
def test_a_refused_record_is_kept_as_it_came(ledger: Ledger) -> None:
    call = ledger.call()
    refused = QuarantineRow("A1", MONDAY, {"close": float("nan"), "volume": 3.0}, "close is missing", asset_id=1)
    ledger.warehouse.store_daily(call, answer(1, bars({}), quarantined=(refused,)))
    assert ledger.read("select call_id, asset_id, symbol, session, record, reason, received_at from quarantine") == [
        (call.call_id, 1, "A1", MONDAY, {"close": "nan", "volume": 3.0}, "close is missing", SEEN)
    ]


def test_the_call_is_closed_with_its_counters(ledger: Ledger) -> None:
    call = ledger.call()
    content = answer(1, bars({MONDAY: 10.0}), absent=((1, WEEK[1]),))
    ledger.warehouse.store_daily(call, content)
    columns = "state, outcome, inserted, changed, unchanged, absent, received_bytes, http_status, answered_at"
    stored = [("done", "empty", 1, 0, 0, 1, 1000, 200, SEEN)]
    assert ledger.read(f"select {columns} from ingest_call") == stored
    ledger.warehouse.store_daily(call, content)
    assert ledger.read(f"select {columns} from ingest_call") == stored, "a repeated close must keep the first counters"


def test_a_market_day_stores_and_covers_all_its_assets(ledger: Ledger) -> None:
    three = bars({MONDAY: 1.0}).take(np.zeros(3, dtype=np.intp))
    call = ledger.call(None, MONDAY, MONDAY)
    content = answer([3, 1, 2], three, verified=(Span(MONDAY, MONDAY),))
    assert ledger.warehouse.store_daily(call, content) == Stored(3, 0, 0)
    assert ledger.closes() == {(n, MONDAY): 1.0 for n in (1, 2, 3)}
    assert all(MONDAY in ledger.verified(n)[0] for n in (1, 2, 3))
    assert ledger.warehouse.store_daily(call, content) == Stored(0, 0, 3)


# As a vendor answers: a bar for each session from the first to the last of an answer.
CLOSES = st.builds(
    lambda start, closes: dict(zip(WEEK[start:], closes, strict=False)),
    st.integers(0, len(WEEK) - 1),
    st.lists(st.sampled_from([10.0, 11.0, 12.0]), min_size=1, max_size=len(WEEK)),
)
VERSIONS = st.lists(st.tuples(st.integers(1, 3), CLOSES), min_size=1, max_size=5)


@pytest.mark.promise("P1")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=VERSIONS, data=st.data())
def test_any_order_overlap_and_repetition_of_answers_gives_the_same_rows(
    ledger: Ledger, versions: list[tuple[int, dict[date, float]]], data: st.DataObject
) -> None:
    """The newest answer that has a bar decides it, whatever the order in which answers arrive and how often."""
    with psycopg.connect(ledger.dsn) as connection:
        connection.execute("truncate marketdata.bar_daily, marketdata.bar_revision, marketdata.coverage")
        connection.execute("truncate marketdata.ingest_call cascade")
    arrivals = data.draw(
        st.lists(st.integers(0, len(versions) - 1), max_size=4).flatmap(
            lambda extra: st.permutations([*range(len(versions)), *extra])
        )
    )
    expected: dict[tuple[int, date], float] = {}
    for asset_id, closes in versions:
        expected |= {(asset_id, day): close for day, close in closes.items()}
    for number in arrivals:
        asset_id, closes = versions[number]
        stored = ledger.warehouse.store_daily(
            ledger.call(asset_id, min(closes), max(closes)), answer(asset_id, bars(closes), seen=SEEN + number * HOUR)
        )
        assert stored.inserted + stored.changed + stored.unchanged == len(closes)
    assert ledger.closes() == expected


@pytest.mark.promise("P2")
@pytest.mark.fault("D03")
def test_a_session_killed_between_answers_is_opened_again(ledger: Ledger) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars({MONDAY: 10.0})))
    call = ledger.call()
    assert kill_other_sessions(ledger.dsn) > 0
    assert ledger.warehouse.store_daily(call, answer(1, bars({WEEK[1]: 11.0}))) == Stored(1, 0, 0)
    assert ledger.closes() == {(1, MONDAY): 10.0, (1, WEEK[1]): 11.0}
