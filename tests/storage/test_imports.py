"""A part of an import is stored in one transaction, beside what vendors gave and never in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from marketdata.domain.coverage import Span
from marketdata.domain.import_rows import ImportRows
from marketdata.storage import imports
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.imports import BarConflict, ImportPart, PartCall, PlannedPart
from marketdata.storage.statements import statement
from tests.storage.ledger import SEEN, WEEK, Ledger, answer, bars

LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)
TUESDAY, FRIDAY = WEEK[1], WEEK[4]


def rows(closes: Mapping[date, float], asset_id: int = 1, hours: Sequence[str] = (), **given: float) -> ImportRows:
    """Rows of one asset: a session each, or an hour each."""
    content = bars(closes, **given)
    starts_at = np.array(hours, dtype="datetime64[s]") if hours else None
    count = len(content)
    return ImportRows(content, np.full(count, asset_id), np.zeros(count, dtype=np.bool_), starts_at, {})


def part(content: ImportRows, digest: str = "d1", number: int = 0, name: str = "acme") -> ImportPart:
    return ImportPart(digest, number, f"import:{name}", content, LATER, received=len(content), names={1: "A1"})


def call(ledger: Ledger, number: int = 0) -> PartCall:
    planned = PlannedPart(number, f"a.csv part {number + 1}", WEEK[0], WEEK[-1])
    return ledger.warehouse.transact(imports.plan_parts, ledger.run_id, [planned])[number]


def store(ledger: Ledger, content: ImportPart) -> dict[str, int]:
    """Store a part and return how many bars had which outcome."""
    judged = ledger.warehouse.transact(imports.store_part, call(ledger), content)
    return {outcome: judged.total(outcome) for outcome in imports.OUTCOMES if judged.total(outcome)}


def from_vendor(ledger: Ledger, closes: Mapping[date, float], **given: float) -> None:
    ledger.warehouse.store_daily(ledger.call(), answer(1, bars(closes, **given)))


def test_new_bars_are_stored_final_with_their_source_and_run(ledger: Ledger) -> None:
    assert store(ledger, part(rows({TUESDAY: 10.0, FRIDAY: 11.5}))) == {"inserted": 2}
    assert ledger.read("select session, close, is_final, source, run_id, fetched_at from bar_daily order by 1") == [
        (TUESDAY, 10.0, True, "import:acme", ledger.run_id, LATER),
        (FRIDAY, 11.5, True, "import:acme", ledger.run_id, LATER),
    ]


@pytest.mark.promise("P1")
def test_storing_the_same_rows_again_writes_nothing(ledger: Ledger) -> None:
    store(ledger, part(rows({TUESDAY: 10.0, FRIDAY: 11.5})))
    before = ledger.read("select xmin::text, * from bar_daily order by session")
    coverage = ledger.read("select xmin::text, * from coverage")
    assert store(ledger, part(rows({TUESDAY: 10.0, FRIDAY: 11.5}), "d2")) == {"unchanged": 2}
    assert ledger.read("select xmin::text, * from bar_daily order by session") == before
    assert ledger.read("select xmin::text, * from coverage") == coverage
    assert ledger.read("select * from bar_revision") == []


@pytest.mark.promise("P3")
def test_a_bar_that_an_import_before_brought_otherwise_is_replaced_and_kept_as_a_revision(ledger: Ledger) -> None:
    store(ledger, part(rows({TUESDAY: 10.0, FRIDAY: 11.5})))
    newer = replace(part(rows({TUESDAY: 10.0, FRIDAY: 12.0}), "d2", name="better"), at=LATER + timedelta(hours=1))
    assert store(ledger, newer) == {"unchanged": 1, "changed": 1}
    assert ledger.read("select close, source from bar_daily order by session") == [
        (10.0, "import:acme"),
        (12.0, "import:better"),
    ]
    assert ledger.read("select session, close, source, first_seen_at, replaced_at from bar_revision") == [
        (FRIDAY, 11.5, "import:acme", LATER, LATER + timedelta(hours=1))
    ]


@pytest.mark.promise("P3")
def test_a_vendors_bar_stays_whatever_an_import_says(ledger: Ledger) -> None:
    from_vendor(ledger, {TUESDAY: 10.0, FRIDAY: 11.5}, trades=7)
    stored = ledger.read("select * from bar_daily order by session")
    judged = ledger.warehouse.transact(
        imports.store_part, call(ledger), part(rows({TUESDAY: 10.0, FRIDAY: 12.0, WEEK[0]: 9.0}))
    )
    assert judged.outcomes == {1: {"held": 1, "conflicting": 1, "inserted": 1}}
    assert judged.conflicts == (BarConflict(1, FRIDAY, None, 12.0, 11.5, "polygon"),)
    assert ledger.read("select * from bar_daily where source = 'polygon' order by session") == stored
    assert ledger.read("select * from bar_revision") == []
    assert ledger.read("select held, conflicting from import_part") == [(1, 1)]
    ((warnings,),) = ledger.read("select warnings from ingest_call where vendor = 'import'")
    assert warnings == [f"conflict: A1 {FRIDAY} closes at 12.0 here, at 11.5 as polygon gave it; that bar stays"]


@pytest.mark.promise("P3")
@pytest.mark.parametrize("before", [None, 9.0], ids=["new", "imported before"])
def test_an_hour_that_a_vendor_stores_after_the_judgement_stays(ledger: Ledger, before: float | None) -> None:
    hour = ["2026-11-17T14:30"]
    if before is not None:
        store(ledger, part(rows({TUESDAY: before}, hours=hour)))
    vendors = f"""insert into bar_hourly (asset_id, starts_at, fetched_at, run_id, close, is_final, source)
        values (1, '{hour[0]}+00', now(), {ledger.run_id}, 11.5, true, 'polygon')"""

    def store_late(connection: Connection) -> None:
        judged = imports.judge_rows(connection, rows({TUESDAY: 10.0}, hours=hour))
        assert judged.total("inserted" if before is None else "changed") == 1
        connection.execute("delete from bar_hourly")
        connection.execute(vendors)
        values = {"at": LATER, "run_id": ledger.run_id, "source": "import:acme"}
        connection.execute(statement("imports/store_hourly"), values)

    ledger.warehouse.transact(store_late)
    assert ledger.read("select close, source from bar_hourly") == [(11.5, "polygon")]
    assert ledger.read("select * from bar_revision") == []


def test_figures_that_only_one_side_gives_are_no_conflict(ledger: Ledger) -> None:
    from_vendor(ledger, {TUESDAY: 10.0}, trades=7, vwap=10.1)
    content = rows({TUESDAY: 10.0})
    sparse = replace(content.bars, vwap=np.array([np.nan]), volume=np.array([np.nan]))
    assert store(ledger, part(replace(content, bars=sparse))) == {"held": 1}
    assert store(ledger, part(rows({TUESDAY: 10.0}, vwap=10.2), "d2")) == {"conflicting": 1}


@pytest.mark.parametrize("figure", ["open", "high", "low", "close", "volume", "vwap", "trades"])
def test_one_figure_that_differs_is_a_conflict(ledger: Ledger, figure: str) -> None:
    same = {"open": 10.0, "high": 11.0, "low": 9.0, "volume": 100.0, "vwap": 10.0, "trades": 7}
    from_vendor(ledger, {TUESDAY: 10.0}, **same)
    close = 10.5 if figure == "close" else 10.0
    other = {**same, **({} if figure == "close" else {figure: same[figure] + 0.5 if figure != "trades" else 8})}
    assert store(ledger, part(rows({TUESDAY: 10.0}, **same))) == {"held": 1}
    assert store(ledger, part(rows({TUESDAY: close}, **other), "d2")) == {"conflicting": 1}


def test_a_vendors_provisional_bar_stays_provisional(ledger: Ledger) -> None:
    early = answer(1, bars({FRIDAY: 11.0}), verified=(), provisional=(Span(FRIDAY, FRIDAY),), is_final=False)
    ledger.warehouse.store_daily(ledger.call(), early)
    assert store(ledger, part(rows({FRIDAY: 11.0}))) == {"held": 1}
    assert store(ledger, part(rows({FRIDAY: 12.0}), "d2")) == {"conflicting": 1}
    assert ledger.read("select isempty(verified), isempty(provisional) from coverage") == [(True, False)]


@pytest.mark.promise("P10")
def test_a_session_that_a_vendor_proved_empty_stays_empty(ledger: Ledger) -> None:
    proof = answer(1, bars({TUESDAY: 10.0}), verified=(Span(WEEK[0], FRIDAY),), absent=((1, FRIDAY),))
    ledger.warehouse.store_daily(ledger.call(), proof)
    judged = ledger.warehouse.transact(imports.store_part, call(ledger), part(rows({FRIDAY: 12.0, WEEK[0]: 9.0})))
    assert judged.outcomes == {1: {"conflicting": 1, "inserted": 1}}
    assert judged.conflicts[0].stored_close is None
    assert ledger.read("select session from absence") == [(FRIDAY,)]
    assert FRIDAY not in {session for _, session in ledger.closes()}


@pytest.mark.promise("P10")
def test_an_import_verifies_the_sessions_of_its_bars_and_proves_no_absence(ledger: Ledger) -> None:
    store(ledger, part(rows({WEEK[0]: 10.0, FRIDAY: 11.5})))
    weekend = WEEK[0] - timedelta(days=2)
    assert ledger.verified() == (Span(weekend, WEEK[0]), Span(FRIDAY, FRIDAY))
    assert ledger.read("select * from absence") == []


def test_sessions_that_an_import_brings_are_no_longer_failing_or_provisional(ledger: Ledger) -> None:
    from_vendor(ledger, {TUESDAY: 10.0})
    early = answer(1, bars({FRIDAY: 11.0}), verified=(), provisional=(Span(FRIDAY, FRIDAY),), is_final=False)
    ledger.warehouse.store_daily(ledger.call(first=FRIDAY), early)
    with_failure = (
        "insert into fetch_failure (vendor, interval, asset_id, sessions, kind, message, next_step, first_failed_at,"
        f" last_failed_at, run_id, call_id) select 'polygon', '1d', 2, '{{[{TUESDAY},{TUESDAY}]}}', 'transient', 'm',"
        " 'n', now(), now(), run_id, call_id from ingest_call limit 1"
    )
    ledger.warehouse.transact(lambda connection: connection.execute(with_failure))
    store(ledger, part(rows({TUESDAY: 10.0}, asset_id=2)))
    assert ledger.read("select resolved_at from fetch_failure") == [(LATER,)]
    assert ledger.read("select isempty(provisional) from coverage order by asset_id") == [(False,), (True,)]


def test_digests_of_the_years_that_are_written_are_forgotten(ledger: Ledger) -> None:
    keep = (
        "insert into bar_digest (asset_id, interval, year, bars, digest, computed_at)"
        " select a, '1d', y, 0, 'x', now() from unnest(array[1, 2]) a, unnest(array[2025, 2026]) y"
    )
    ledger.warehouse.transact(lambda connection: connection.execute(keep))
    store(ledger, part(rows({TUESDAY: 10.0})))
    left = ledger.read("select asset_id, year from bar_digest order by 1, 2")
    assert left == [(1, 2025), (2, 2025), (2, 2026)]


def test_a_part_is_noted_with_its_bars_and_its_call_is_closed(ledger: Ledger) -> None:
    refusal = QuarantineRow("A9", None, {"Close": "abc"}, "close 'abc' is no number")
    content = replace(part(rows({TUESDAY: 10.0})), received=3, refused=1, duplicates=1, quarantined=(refusal,))
    store(ledger, content)
    assert ledger.warehouse.transact(imports.done_parts, "d1") == {0}
    assert ledger.warehouse.transact(imports.done_parts, "other") == set()
    assert ledger.read(
        "select state, purpose, kind, vendor, digest, endpoint, received, inserted, quarantined, duplicates"
        " from ingest_call where vendor = 'import'"
    ) == [("done", "import", "import_part", "import", "d1", "import:acme", 3, 1, 1, 1)]
    assert ledger.read("select symbol, session, record, reason from quarantine") == [
        ("A9", None, {"Close": "abc"}, "close 'abc' is no number")
    ]


def test_judging_says_what_storing_does_and_writes_nothing(ledger: Ledger) -> None:
    from_vendor(ledger, {TUESDAY: 10.0})
    store(ledger, part(rows({FRIDAY: 11.5})))
    before = ledger.read("select xmin::text, * from bar_daily order by session")
    content = rows({WEEK[0]: 9.0, TUESDAY: 10.5, FRIDAY: 12.0})
    judged = ledger.warehouse.transact(imports.judge_rows, content)
    assert judged.outcomes == {1: {"inserted": 1, "conflicting": 1, "changed": 1}}
    assert ledger.read("select xmin::text, * from bar_daily order by session") == before
    assert store(ledger, part(content, "d2")) == {"inserted": 1, "conflicting": 1, "changed": 1}


def test_hours_are_stored_beside_the_days_and_cover_no_day(ledger: Ledger) -> None:
    hours = ["2026-11-17T14:30", "2026-11-17T15:30"]
    content = rows(dict.fromkeys([TUESDAY, WEEK[2]], 10.0), hours=hours)
    assert store(ledger, part(content)) == {"inserted": 2}
    assert ledger.read("select asset_id, starts_at, close, is_final, source from bar_hourly order by 2") == [
        (1, datetime.fromisoformat(f"{hour}+00:00"), 10.0, True, "import:acme") for hour in hours
    ]
    assert ledger.read("select * from coverage") == []
    assert store(ledger, part(content, "d2")) == {"unchanged": 2}
    changed = rows({TUESDAY: 10.0, WEEK[2]: 11.0}, hours=hours)
    assert store(ledger, part(changed, "d3")) == {"unchanged": 1, "changed": 1}
    assert ledger.read("select interval, starts_at, close from bar_revision") == [
        ("1h", datetime.fromisoformat(f"{hours[1]}+00:00"), 10.0)
    ]


@pytest.mark.promise("P3")
@pytest.mark.parametrize("answered", [SEEN, LATER + timedelta(hours=1)], ids=["before the import", "after it"])
def test_a_vendors_answer_takes_the_place_of_an_imported_bar(ledger: Ledger, answered: datetime) -> None:
    store(ledger, part(rows({TUESDAY: 10.0, FRIDAY: 11.5})))
    vendor = ledger.warehouse.store_daily(ledger.call(), answer(1, bars({TUESDAY: 10.0, FRIDAY: 12.0}), seen=answered))
    assert (vendor.inserted, vendor.changed, vendor.unchanged) == (0, 1, 1)
    assert ledger.read("select close, source from bar_daily order by session") == [(10.0, "polygon"), (12.0, "polygon")]
    assert ledger.read("select close, source from bar_revision") == [(11.5, "import:acme")]


def test_symbols_are_found_by_who_bears_them_and_who_bore_them(ledger: Ledger) -> None:
    renamed = (
        "insert into asset_alias values (2, 'A1', daterange('2020-01-01', '2021-01-01')),"
        " (3, 'OLD', daterange(null, null))"
    )
    ledger.warehouse.transact(lambda connection: connection.execute(renamed))
    found = ledger.warehouse.transact(imports.find_bearers, ["A1", "OLD", "NONE"])
    assert {(one.given, one.symbol) for one in found if one.is_present} == {("A1", "A1")}
    assert {(one.given, one.asset_id, one.first) for one in found if not one.is_present} >= {
        ("A1", 2, date(2020, 1, 1)),
        ("OLD", 3, None),
    }
