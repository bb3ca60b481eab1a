"""An import through the flow: told beforehand, resumable, safe to repeat, and never in a vendor's place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from marketdata.domain.coverage import Span
from marketdata.domain.sessions import sessions
from marketdata.errors import InvalidRequest
from marketdata.flows.imports.report import ImportReport
from marketdata.storage.assets import find_assets
from marketdata.storage.gaps import missing
from marketdata.storage.migrations import migrate
from marketdata.storage.timescale import Level, level
from tests.flows.import_desk import DAYS, HEADER, ImportDesk, line, open_desk, series, spec

ROOT = Path(__file__).resolve().parents[2]
POINTS = ["after_fetch", "after_validate", "mid_copy", "after_copy", "after_merge", "after_commit"]


@pytest.fixture
def desk(dsn: str, tmp_path: Path) -> Iterator[ImportDesk]:
    """Three assets, nothing stored, an empty folder."""
    with open_desk(dsn, tmp_path) as opened:
        yield opened


def outcomes(report: ImportReport) -> dict[str, int]:
    """The counts of a report that are not 0."""
    names = ("inserted", "changed", "unchanged", "held", "conflicting", "duplicates")
    counts = {name: report.total(name) for name in names} | {"refused": report.refused}
    return {name: count for name, count in counts.items() if count}


def test_a_file_becomes_bars_with_their_source_and_a_run_with_its_calls(desk: ImportDesk) -> None:
    report = desk.run(desk.write([*series("AAPL"), *series("X:BTCUSD", DAYS[:3], 20.0)]))
    assert (report.state, report.rows, outcomes(report)) == ("success", 18, {"inserted": 18})
    stored = desk.bars()
    assert len(stored) == 18
    assert stored[0] == ("AAPL", DAYS[0], 10.0, 11.0, 9.0, 10.0, 1000.0, None, None, True, "import:acme")
    assert [(counts.symbol, counts.rows, counts.first, counts.last) for counts in report.symbols] == [
        ("AAPL", 15, DAYS[0], DAYS[-1]),
        ("X:BTCUSD", 3, DAYS[0], DAYS[2]),
    ]
    assert desk.query("select state, range_name, inserted, calls_done, calls_pending from ingest_run") == [
        ("success", "import", 18, 1, 0)
    ]
    assert desk.query("select vendor, kind, purpose, symbol, first, last from ingest_call") == [
        ("import", "import_part", "import", "prices.csv part 1 of 1", DAYS[0], DAYS[-1])
    ]


def test_a_dry_run_tells_what_the_import_then_does_and_writes_nothing(desk: ImportDesk) -> None:
    desk.run(desk.write([line("AAPL", DAYS[0]), line("AAPL", DAYS[1])], "before.csv"))
    desk.store("update bar_daily set source = 'polygon' where session = '2026-11-02'")
    file = desk.write(
        [line("AAPL", DAYS[0], 11.0), line("AAPL", DAYS[1], 12.0), line("AAPL", DAYS[2]), line("AAPL", "2026-11-08"),
         line("MSFT", DAYS[0]), line("MSFT", DAYS[0]), "MSFT,2026-11-03,10", line("MSFT", DAYS[1], volume="lots")],
    )  # fmt: skip
    before = desk.everything()
    told = desk.run(file, dry_run=True, part_rows=3)
    assert desk.everything() == before
    assert (told.state, told.run_id) == ("dry_run", None)
    assert outcomes(told) == {"inserted": 2, "changed": 1, "conflicting": 1, "duplicates": 1, "refused": 3}
    assert {(row.symbol, row.session, row.reason) for row in told.refused_rows} == {
        ("AAPL", date(2026, 11, 8), "no trading day"),
        ("", None, "line with 3 fields instead of 7"),
        ("MSFT", DAYS[1], "volume 'lots' is no number"),
    }
    assert told.reasons == {
        "no trading day": 1, "line with 3 fields instead of 7": 1, "volume … is no number": 1,
    }  # fmt: skip
    (conflict,) = told.conflicts
    assert (conflict.symbol, conflict.session, conflict.close, conflict.stored_close, conflict.stored_source) == (
        "AAPL", DAYS[0], 11.0, 10.0, "polygon",
    )  # fmt: skip
    done = desk.run(file, part_rows=3)
    assert (done.state, outcomes(done), done.symbols) == ("partial", outcomes(told), told.symbols)


@pytest.mark.promise("P1")
def test_the_same_file_again_is_skipped_and_looked_at_again_changes_nothing(desk: ImportDesk) -> None:
    file = desk.write(series("AAPL"))
    desk.run(file, part_rows=4)
    stored = desk.bars()
    repeated = desk.run(file, part_rows=4)
    assert (repeated.parts, repeated.parts_done, repeated.rows, repeated.state) == (4, 4, 0, "success")
    looked_at = desk.run(file, part_rows=4, again=True)
    assert outcomes(looked_at) == {"unchanged": 15}
    assert desk.bars() == stored
    assert desk.query("select count(*) from bar_revision") == [(0,)]


def test_a_changed_file_or_spec_is_a_new_import_that_changes_only_what_differs(desk: ImportDesk) -> None:
    file = desk.write(series("AAPL"))
    desk.run(file)
    desk.write([*series("AAPL")[:-1], line("AAPL", DAYS[-1], 99.0)], file)
    assert outcomes(desk.run(file)) == {"unchanged": 14, "changed": 1}
    assert desk.query("select close from bar_revision") == [(10.14,)]
    assert outcomes(desk.run(file, spec(volume_unit=100))) == {"changed": 15}


WORKER = """
import sys
from pathlib import Path
from tests.flows.import_desk import open_desk
with open_desk(sys.argv[1], Path(sys.argv[2])) as desk:
    desk.run("prices.csv", part_rows=4)
"""


@pytest.mark.promise("P2")
@pytest.mark.fault("D02")
@pytest.mark.parametrize("point", POINTS)
def test_the_next_import_after_a_kill_goes_on_and_ends_with_the_rows_of_a_clean_one(
    desk: ImportDesk, tmp_path: Path, point: str
) -> None:
    desk.write([*series("AAPL"), *series("MSFT")])
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "MARKETDATA_CRASH_AT": point,
    }
    command = [sys.executable, "-c", WORKER, desk.dsn, str(tmp_path)]
    assert subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False).returncode == 137
    first = 1 if point == "after_commit" else 0
    assert desk.query("select count(*) from bar_daily") == [(4 * first,)]
    assert desk.query("select count(*) from import_part") == [(first,)]
    report = desk.run("prices.csv", part_rows=4)
    assert (report.parts, report.parts_done, report.total("inserted")) == (8, first, 30 - 4 * first)
    healed = desk.bars()
    assert len(healed) == 30
    assert desk.run("prices.csv", part_rows=4).parts_done == 8
    assert desk.bars() == healed


def test_a_retry_of_the_same_run_plans_only_what_is_left(desk: ImportDesk) -> None:
    file = desk.write(series("AAPL"))

    def stop(doing: str, done: int, *_: object) -> None:
        if doing == "storing" and done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.run(file, part_rows=4, progress=stop)
    assert desk.query("select state, count(*) from ingest_call group by 1 order by 1") == [("done", 2), ("pending", 2)]
    assert desk.query("select state, calls_pending from ingest_run") == [("partial", 2)]
    desk.runs.pop()
    report = desk.run(file, part_rows=4)
    assert (report.parts_done, outcomes(report)) == (2, {"inserted": 7})
    assert desk.query("select state, inserted, calls_done, calls_pending from ingest_run") == [("success", 15, 4, 0)]


def test_a_bar_named_twice_counts_once_with_the_last_row_wherever_it_stands(desk: ImportDesk) -> None:
    twice = [*series("AAPL"), line("AAPL", DAYS[0], 77.0), line("AAPL", DAYS[1], 10.01)]
    report = desk.run(desk.write(twice), part_rows=4)
    assert outcomes(report) == {"inserted": 15, "duplicates": 2}
    assert desk.bars()[0][5] == 77.0
    assert any("1 rows name a bar that a later row names with other figures" in text for text in report.warnings)
    assert outcomes(desk.run("prices.csv", part_rows=4, again=True)) == {"unchanged": 15, "duplicates": 2}


@pytest.mark.promise("P7")
def test_a_refused_row_is_kept_as_it_came_and_makes_the_run_partial(desk: ImportDesk) -> None:
    bad = "AAPL,2026-11-03,10,9,11,10,5"
    report = desk.run(desk.write([*series("MSFT"), bad]))
    assert (report.state, outcomes(report)) == ("partial", {"inserted": 15, "refused": 1})
    kept = desk.query(
        "select q.symbol, a.symbol, session, record, reason from quarantine q join asset a using (asset_id)"
    )
    assert kept == [
        ("AAPL", "AAPL", DAYS[1],
         {"Ticker": "AAPL", "Date": "2026-11-03", "Open": "10", "High": "9", "Low": "11", "Close": "10", "Volume": "5"},
         "high is below low")
    ]  # fmt: skip


def test_a_spec_that_refuses_most_rows_is_taken_for_the_wrong_one(desk: ImportDesk) -> None:
    file = desk.write([line("AAPL", day.strftime("%d.%m.%Y")) for day in DAYS])
    before = desk.everything()
    with pytest.raises(InvalidRequest, match=r"15 of its 15 rows would be refused, the first because: session"):
        desk.run(file)
    assert desk.everything() == before
    told = desk.run(file, dry_run=True)
    assert (told.state, told.refused) == ("refused", 15)
    assert "would be refused, the first because" in told.refusal
    assert outcomes(desk.run(file, spec(time_format="%d.%m.%Y"))) == {"inserted": 15}


def test_unknown_symbols_are_refused_as_a_list_and_nothing_is_stored(desk: ImportDesk) -> None:
    file = desk.write([*series("AAPL"), line("APPL", DAYS[0]), line("ZZ", DAYS[0])])
    before = desk.everything()
    with pytest.raises(InvalidRequest) as refused:
        desk.run(file)
    assert "'APPL' (no asset of ours; near: AAPL)" in refused.value.what
    assert "'ZZ'" in refused.value.what
    assert "2 symbols of the import are no assets of ours" in refused.value.why
    assert desk.everything() == before
    told = desk.run(file, dry_run=True)
    assert (told.state, set(told.unknown)) == ("refused", {"APPL", "ZZ"})


def test_symbols_are_mapped_left_out_or_added_as_the_spec_says(desk: ImportDesk) -> None:
    rows = [line("APPL", DAYS[0]), line("TEST", DAYS[0]), line("NEW", DAYS[0]), line("NEW", DAYS[1])]
    given = spec(symbols={"APPL": "AAPL"}, skip=["TEST"], add_assets=True, asset_class="etf")
    file = desk.write(rows)
    before = desk.everything()
    told = desk.run(file, given, dry_run=True)
    assert (told.added, told.left_out, outcomes(told)) == (("NEW",), 1, {"inserted": 3})
    assert [counts.symbol for counts in told.symbols if counts.is_new] == ["NEW"]
    assert desk.everything() == before
    assert outcomes(desk.run(file, given)) == {"inserted": 3}
    assert desk.query("select asset_class, vendor_symbol from asset where symbol = 'NEW'") == [("etf", "NEW")]
    assert {bar[0] for bar in desk.bars()} == {"AAPL", "NEW"}


def test_a_new_coin_needs_its_id_and_a_class_may_stand_in_a_column(desk: ImportDesk) -> None:
    header = HEADER + ",Kind"
    file = desk.write([line("X:ETHUSD", "2026-11-14") + ",Crypto", line("VOO", DAYS[0]) + ",etf"], header=header)
    columns = {**spec().columns, "asset_class": "Kind"}
    with pytest.raises(InvalidRequest, match="a new coin needs its id under"):
        desk.run(file, spec(columns=columns, add_assets=True))
    given = spec(columns=columns, add_assets=True, coin_ids={"X:ETHUSD": "ethereum"})
    assert outcomes(desk.run(file, given)) == {"inserted": 2}
    assert desk.query("select symbol, asset_class, vendor_symbol from asset where asset_id > 3 order by 1") == [
        ("VOO", "etf", "VOO"), ("X:ETHUSD", "crypto", "ethereum"),
    ]  # fmt: skip


def test_a_row_of_another_class_than_its_asset_is_refused(desk: ImportDesk) -> None:
    rows = [f"{row},stock" for row in series("AAPL")] + [line("AAPL", DAYS[0]) + ",crypto"]
    file = desk.write(rows, header=HEADER + ",Kind")
    report = desk.run(file, spec(columns={**spec().columns, "asset_class": "Kind"}))
    assert report.reasons == {"asset_class is another one than the asset's": 1}


def test_a_former_ticker_finds_its_asset_and_a_reused_one_only_outside_its_former_life(desk: ImportDesk) -> None:
    desk.store(
        "insert into asset_alias select asset_id, 'OLDCO', daterange('2020-01-01', '2026-11-04') from asset"
        " where symbol = 'AAPL' union all"
        " select asset_id, 'MSFT', daterange('2020-01-01', '2026-11-04') from asset where symbol = 'AAPL'"
    )
    file = desk.write([*series("OLDCO", DAYS[:1]), *series("MSFT")])
    report = desk.run(file)
    assert report.reasons == {
        "symbol meant another asset on that day: map it under [symbols] if it is the same one here": 2
    }
    assert [(counts.symbol, counts.inserted) for counts in report.symbols] == [("AAPL", 1), ("MSFT", 13)]
    mapped = desk.run(file, spec(symbols={"MSFT": "MSFT"}))
    assert mapped.total("inserted") == 2


@pytest.mark.fault("U26")
def test_a_series_that_was_stored_split_adjusted_is_refused_as_one(desk: ImportDesk) -> None:
    desk.store(
        "insert into split (asset_id, executed_on, split_from, split_to, fetched_at)"
        f" select asset_id, '{DAYS[7]}', 1, 4, now() from asset where symbol in ('AAPL', 'MSFT')"
    )
    raw = [*series("MSFT", DAYS[:7], 400.0), *series("MSFT", DAYS[7:], 100.0)]
    file = desk.write([*series("AAPL"), *raw])
    told = desk.run(file, dry_run=True, part_rows=10)
    report = desk.run(file, part_rows=10)
    assert outcomes(report) == outcomes(told) == {"inserted": 15, "refused": 15}
    assert {bar[0] for bar in desk.bars()} == {"MSFT"}
    reason = f"series is stored split-adjusted: no jump at the split of 4 for 1 on {DAYS[7]}; bars are stored raw"
    assert report.reasons == {reason: 15}
    rows = desk.query("select symbol, session, record->>'rows', reason from quarantine order by quarantine_id")
    assert rows == [("AAPL", DAYS[7], "10", reason), ("AAPL", DAYS[7], "5", reason)]


def test_hours_are_imported_in_their_zone(desk: ImportDesk) -> None:
    rows = [f"AAPL,2026-11-19 {hour}:30,10.5" for hour in ("09", "10", "11")]
    given = spec(interval="1h", columns={"symbol": "S", "starts_at": "T", "close": "C"}, zone="America/New_York")
    report = desk.run(desk.write(rows, header="S,T,C"), given)
    assert (report.interval, outcomes(report)) == ("1h", {"inserted": 3})
    assert desk.query("select starts_at::text, close, is_final from bar_hourly order by 1") == [
        (f"2026-11-19 {hour}:30:00+00", 10.5, True) for hour in (14, 15, 16)
    ]
    assert desk.query("select * from coverage") == []
    assert outcomes(desk.run("prices.csv", given, again=True)) == {"unchanged": 3}


def test_unmapped_columns_are_listed(desk: ImportDesk) -> None:
    file = desk.write([row + ",1,2" for row in series("AAPL")], header=HEADER + ",Note,Adj Close")
    assert desk.run(file).unmapped == ("Note", "Adj Close")


def test_a_file_without_rows_is_refused(desk: ImportDesk) -> None:
    with pytest.raises(InvalidRequest, match="it has no rows"):
        desk.run(desk.write([]))


@pytest.mark.fault("S07")
def test_a_refused_file_leaves_no_trace(desk: ImportDesk) -> None:
    before = desk.everything()
    (desk.folder / "nul.csv").write_bytes(b"Ticker\0,Date\n")
    for name in ("../prices.csv", "missing.csv", "nul.csv", "prices.txt"):
        with pytest.raises(InvalidRequest):
            desk.run(name)
    assert desk.everything() == before


@pytest.mark.fault("S07")
def test_rows_past_the_limit_are_refused_before_anything_is_stored(
    desk: ImportDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_IMPORT_MAX_ROWS", "14")
    file = desk.write(series("AAPL"))
    before = desk.everything()
    with pytest.raises(InvalidRequest, match="more than 14 rows"):
        desk.run(file, part_rows=4)
    assert desk.everything() == before


def test_a_file_that_changes_under_way_stops_the_import_with_its_run_closed(desk: ImportDesk) -> None:
    file = desk.write(series("AAPL"))

    def write_to_it(doing: str, *_: object) -> None:
        if doing == "storing":
            desk.write(series("MSFT"), file)

    with pytest.raises(InvalidRequest, match="changed while it was read"):
        desk.run(file, part_rows=4, progress=write_to_it)
    assert desk.query("select state, calls_done, calls_pending from ingest_run") == [("partial", 1, 3)]


def test_progress_is_told_in_rows(desk: ImportDesk) -> None:
    told: list[tuple[str, int, int | None]] = []
    desk.run(desk.write(series("AAPL")), part_rows=6, progress=lambda *what: told.append(what))
    assert told == [
        ("reading", 6, None), ("reading", 12, None), ("reading", 15, None),
        ("storing", 6, 15), ("storing", 12, 15), ("storing", 15, 15),
    ]  # fmt: skip


def test_what_an_import_stored_is_not_asked_for_again(desk: ImportDesk) -> None:
    desk.run(desk.write(series("AAPL")))
    gaps = desk.warehouse.transact(missing, "us", Span(DAYS[0], DAYS[-1]), asset_ids=None, today=desk.now.date())
    (microsoft,) = desk.warehouse.transact(find_assets, ["MSFT"])
    assert [gap.asset_ids for gap in gaps] == [(microsoft.asset_id,)]


@pytest.mark.timescale
@pytest.mark.fault("D11")
def test_an_import_reaches_compressed_history(timescale_dsn: str, tmp_path: Path) -> None:
    migrate(timescale_dsn)
    with psycopg.connect(timescale_dsn) as connection:
        if level(connection) is not Level.TSL:
            pytest.skip("compression is not part of the Apache licence")
    days = sessions(date(2022, 1, 3), date(2023, 12, 29))
    with open_desk(timescale_dsn, tmp_path) as desk:
        file = desk.write([*series("AAPL", days[::2]), *series("MSFT", days)])
        desk.run(file)
        desk.query("select count(public.compress_chunk(chunk, true)) from public.show_chunks('bar_daily') as chunk")
        before = len(desk.bars())
        desk.write([*series("AAPL", days), *series("MSFT", days)[:-1], line("MSFT", days[-1], 99.0)], file)
        told = desk.run(file, dry_run=True)
        assert len(desk.bars()) == before
        done = desk.run(file)
        assert outcomes(done) == outcomes(told)
        assert done.total("inserted") == len(days) // 2
        assert len(desk.bars()) == 2 * len(days)
        assert outcomes(desk.run(file, again=True)) == {"unchanged": 2 * len(days)}
