"""An old system's table comes in from another database: raw, in whole series, resumable, and never written to."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from marketdata.errors import ConfigurationError, DatabaseBusy, DatabaseUnavailable, InvalidRequest
from marketdata.flows.imports.job import RunName
from marketdata.flows.imports.legacy import import_legacy
from marketdata.flows.imports.report import AdjustedCheck, ImportReport
from tests.flows.import_desk import DAYS, ImportDesk, open_desk

ROOT = Path(__file__).resolve().parents[2]
TABLE = (
    "create table asset_data (symbol text, date date, timestamp timestamptz, open double precision, high numeric,"
    " low double precision, close numeric(20, 8), volume bigint, adjusted_close double precision);"
    "create index on asset_data (symbol, date)"
)


@dataclass
class OldSystem:
    """The other database, and the import of it."""

    desk: ImportDesk
    dsn: str

    def execute(self, sql: str) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(sql)

    def add(self, symbol: str, closes: Mapping[date, float], adjusted: float | None = None) -> None:
        """Daily rows; ``adjusted`` is what each close is multiplied with, None for no adjusted close."""
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "insert into asset_data values (%s, %s, null, %s, %s, %s, %s, 1000, %s)",
                [
                    (
                        symbol,
                        day,
                        close,
                        close * 1.1,
                        close * 0.9,
                        close,
                        None if adjusted is None else close * adjusted,
                    )
                    for day, close in closes.items()
                ],
            )

    def add_hours(self, symbol: str, *hours: str) -> None:
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "insert into asset_data values (%s, %s, %s, 10, 11, 9, 10.5, 100, null)",
                [(symbol, hour[:10], hour) for hour in hours],
            )

    def run(self, given: dict[str, object] | None = None, **options: Any) -> list[ImportReport]:  # noqa: ANN401
        self.desk.runs.append(f"legacy__{len(self.desk.runs)}")
        name = RunName("data_migration", self.desk.runs[-1])
        return import_legacy(self.desk.warehouse, self.dsn, given or {}, name=name, now=self.desk.now, **options)


@pytest.fixture
def old(dsn: str, empty_dsn: str, tmp_path: Path) -> Iterator[OldSystem]:
    """Our database with three assets, and an old one with an empty table."""
    with open_desk(dsn, tmp_path) as desk:
        system = OldSystem(desk, empty_dsn)
        system.execute(TABLE)
        yield system


def flat(close: float = 10.0) -> dict[date, float]:
    return dict.fromkeys(DAYS, close)


def counts(report: ImportReport) -> dict[str, int]:
    names = ("inserted", "changed", "unchanged", "held", "conflicting", "duplicates")
    found = {name: report.total(name) for name in names} | {"refused": report.refused, "left_out": report.left_out}
    return {name: count for name, count in found.items() if count}


def test_rows_without_a_time_become_days_and_rows_with_one_hours(old: OldSystem) -> None:
    old.add("AAPL", flat())
    old.add("BTC-USD", {date(2026, 11, 14): 0.00000812})
    old.add_hours("AAPL", "2026-11-19 14:30+00", "2026-11-19 15:30+00")
    daily, hourly = old.run()
    assert (daily.interval, daily.state, counts(daily)) == ("1d", "success", {"inserted": 16})
    assert (hourly.interval, counts(hourly)) == ("1h", {"inserted": 2})
    stored = old.desk.bars()
    assert stored[0] == ("AAPL", DAYS[0], 10.0, 11.0, 9.0, 10.0, 1000.0, None, None, True, "import:legacy")
    assert (stored[-1][0], stored[-1][5]) == ("X:BTCUSD", 0.00000812)
    assert old.desk.query("select starts_at::text, close, is_final, source from bar_hourly order by 1") == [
        ("2026-11-19 14:30:00+00", 10.5, True, "import:legacy"),
        ("2026-11-19 15:30:00+00", 10.5, True, "import:legacy"),
    ]
    assert old.desk.query("select count(distinct run_id), count(*), min(state) from ingest_call") == [(1, 2, "done")]


def test_times_without_a_zone_are_in_the_one_that_the_spec_names(old: OldSystem) -> None:
    old.execute("alter table asset_data alter timestamp type timestamp without time zone using null")
    old.add_hours("AAPL", "2026-11-19 09:30")
    old.run({"zone": "America/New_York"})
    assert old.desk.query("select starts_at::text from bar_hourly") == [("2026-11-19 14:30:00+00",)]


def test_a_dry_run_tells_what_the_import_then_does_and_writes_nothing(old: OldSystem) -> None:
    old.add("AAPL", {**flat(), date(2026, 11, 8): 10.0})
    old.add_hours("MSFT", "2026-11-19 14:30+00")
    before = old.desk.everything()
    told = old.run(dry_run=True)
    assert old.desk.everything() == before
    assert [counts(report) for report in told] == [{"inserted": 15, "refused": 1}, {"inserted": 1}]
    done = old.run()
    assert [(counts(report), report.symbols) for report in done] == [(counts(one), one.symbols) for one in told]
    assert {report.state for report in done} == {"partial"}


@pytest.mark.promise("P1")
def test_what_has_not_changed_there_is_skipped_and_what_has_is_stored(old: OldSystem) -> None:
    old.add("AAPL", flat())
    old.add("MSFT", flat(20.0))
    assert [(report.parts, report.parts_done) for report in old.run(part_rows=15)] == [(2, 0), (0, 0)]
    stored = old.desk.bars()
    assert [(report.parts, report.parts_done) for report in old.run(part_rows=15)] == [(2, 2), (0, 0)]
    assert counts(old.run(part_rows=15, again=True)[0]) == {"unchanged": 30}
    assert old.desk.bars() == stored
    old.execute(f"update asset_data set close = 20.5 where symbol = 'MSFT' and date = '{DAYS[3]}'")
    changed, _ = old.run(part_rows=15)
    assert (changed.parts_done, counts(changed)) == (1, {"unchanged": 14, "changed": 1})


WORKER = """
import sys
from pathlib import Path
from marketdata.flows.imports.job import RunName
from marketdata.flows.imports.legacy import import_legacy
from tests.flows.import_desk import open_desk
with open_desk(sys.argv[1], Path(".")) as desk:
    name = RunName("data_migration", "killed")
    import_legacy(desk.warehouse, sys.argv[2], {}, name=name, now=desk.now, part_rows=15)
"""


@pytest.mark.promise("P2")
@pytest.mark.parametrize("point", ["after_fetch", "mid_copy", "after_merge", "after_commit"])
def test_the_next_import_after_a_kill_ends_with_the_rows_of_a_clean_one(old: OldSystem, point: str) -> None:
    old.add("AAPL", flat())
    old.add("MSFT", flat(20.0))
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "MARKETDATA_CRASH_AT": point,
    }
    command = [sys.executable, "-c", WORKER, old.desk.dsn, old.dsn]
    assert subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False).returncode == 137
    first = 1 if point == "after_commit" else 0
    assert old.desk.query("select count(*) from bar_daily") == [(15 * first,)]
    daily, _ = old.run(part_rows=15)
    assert (daily.parts_done, daily.total("inserted")) == (first, 30 - 15 * first)
    assert len(old.desk.bars()) == 30


@pytest.mark.promise("P3")
def test_vendors_bars_stay(old: OldSystem) -> None:
    old.add("AAPL", flat())
    old.run()
    old.desk.store(f"update bar_daily set source = 'polygon', close = 10.5 where session = '{DAYS[0]}'")
    old.desk.store("update bar_daily set source = 'polygon' where session = '2026-11-03'")
    again, _ = old.run(again=True)
    assert counts(again) == {"unchanged": 13, "held": 1, "conflicting": 1}
    assert [(bar[5], bar[-1]) for bar in old.desk.bars()[:3]] == [
        (10.5, "polygon"),
        (10.0, "polygon"),
        (10.0, "import:legacy"),
    ]


def test_unknown_symbols_are_listed_before_a_row_is_read(old: OldSystem) -> None:
    old.add("AAPL", flat())
    old.add("DOGE-USD", flat())
    old.add("TEST", flat())
    before = old.desk.everything()
    with pytest.raises(InvalidRequest, match=r"'DOGE-USD' .*'TEST' "):
        old.run()
    assert old.desk.everything() == before
    given = {"skip": ["TEST"], "symbols": {"DOGE-USD": "X:BTCUSD"}}
    assert counts(old.run(given)[0]) == {"inserted": 30, "left_out": 15}


def test_rows_without_a_symbol_are_said_to_be_left_out(old: OldSystem) -> None:
    old.add("AAPL", flat())
    old.execute("insert into asset_data (date, close) values ('2026-11-19', 10)")
    daily, _ = old.run()
    assert counts(daily) == {"inserted": 15}
    assert "1 rows have no symbol: they are left out" in daily.warnings


@pytest.mark.fault("U26")
def test_a_symbol_that_was_stored_split_adjusted_is_refused_with_the_reason(old: OldSystem) -> None:
    old.desk.store(
        "insert into split (asset_id, executed_on, split_from, split_to, fetched_at)"
        f" select asset_id, '{DAYS[7]}', 1, 4, now() from asset where symbol in ('AAPL', 'MSFT')"
    )
    old.add("AAPL", flat(100.0), adjusted=1.0)
    old.add("MSFT", {day: 400.0 if day < DAYS[7] else 100.0 for day in DAYS})
    told, _ = old.run(dry_run=True)
    daily, _ = old.run()
    assert counts(daily) == counts(told) == {"inserted": 15, "refused": 15}
    assert {bar[0] for bar in old.desk.bars()} == {"MSFT"}
    ((symbol, rows, reason),) = old.desk.query("select symbol, record->>'rows', reason from quarantine")
    assert (symbol, rows) == ("AAPL", "15")
    assert reason.startswith("series is stored split-adjusted: no jump at the split of 4 for 1")


def test_adjusted_closes_are_compared_with_our_own_series_as_information(old: OldSystem) -> None:
    old.desk.store(
        "insert into split (asset_id, executed_on, split_from, split_to, fetched_at)"
        f" select asset_id, '{DAYS[7]}', 1, 4, now() from asset where symbol = 'AAPL'"
    )
    old.add("AAPL", dict.fromkeys(DAYS[:7], 400.0), adjusted=0.25)
    old.add("AAPL", dict.fromkeys(DAYS[7:], 100.0), adjusted=1.0)
    old.add("MSFT", flat(), adjusted=0.9)
    told, _ = old.run(dry_run=True)
    assert told.adjusted == (AdjustedCheck("AAPL", 7, 0, 0, 0), AdjustedCheck("MSFT", 15, 0, 0, 0))
    old.run()
    assert {bar[5] for bar in old.desk.bars() if bar[0] == "AAPL"} == {400.0, 100.0}
    told, _ = old.run(dry_run=True)
    assert told.adjusted == (AdjustedCheck("AAPL", 7, 7, 7, 7), AdjustedCheck("MSFT", 15, 15, 0, 0))


def test_two_symbols_of_one_asset_are_one_series(old: OldSystem) -> None:
    old.add("AAPL", flat())
    old.add("AAPL.US", {DAYS[0]: 12.0, DAYS[1]: 10.0})
    daily, _ = old.run({"symbols": {"AAPL.US": "AAPL"}}, part_rows=1)
    assert (daily.parts, counts(daily)) == (1, {"inserted": 15, "duplicates": 2})
    assert old.desk.bars()[0][5] == 12.0
    assert any("name a bar twice with other figures" in text for text in daily.warnings)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        pytest.param("drop table asset_data", "there is no such table", id="table"),
        pytest.param(
            "alter table asset_data drop adjusted_close, drop low", "no column low, adjusted_close", id="columns"
        ),
        pytest.param("alter table asset_data alter close type text", "close is text", id="type"),
        pytest.param("alter table asset_data alter date type text", "date is text", id="date"),
    ],
)
def test_a_table_that_is_another_one_is_refused_with_what_it_lacks(old: OldSystem, sql: str, why: str) -> None:
    old.execute(sql)
    before = old.desk.everything()
    with pytest.raises(InvalidRequest, match=why) as refused:
        old.run()
    assert refused.value.what.startswith("legacy table asset_data in 127.0.0.1:")
    assert old.desk.everything() == before


def test_a_table_without_an_index_is_read_and_said_to_be_slow(old: OldSystem) -> None:
    old.execute("drop index asset_data_symbol_date_idx")
    old.add("AAPL", flat())
    daily, _ = old.run()
    assert any("no index that begins with symbol" in text for text in daily.warnings)


@pytest.mark.promise("P8")
def test_a_server_that_does_not_answer_and_an_address_that_is_none_show_no_password(old: OldSystem) -> None:
    old.dsn = "postgresql://user:hunter2secret@127.0.0.1:1/old"
    with pytest.raises(DatabaseUnavailable) as away:
        old.run()
    old.dsn = "postgresql://user:hunter2secret@host:port/old"
    with pytest.raises((ConfigurationError, DatabaseUnavailable)) as malformed:
        old.run()
    old.dsn = "host='hunter2secret"
    with pytest.raises(ConfigurationError) as broken:
        old.run()
    for error in (away, malformed, broken):
        shown = "".join(traceback.format_exception(error.value))
        assert "hunter2secret" not in shown
    assert broken.value.__cause__ is None


def test_the_old_system_is_read_only_and_not_waited_for_for_ever(old: OldSystem) -> None:
    from marketdata.storage import legacy

    with legacy.opened(old.dsn) as table:
        table.check()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            table._connection.execute("delete from asset_data")
        table._connection.rollback()
        settings = {
            name: table._connection.execute(f"show {name}").fetchone()
            for name in ("default_transaction_read_only", "statement_timeout", "lock_timeout")
        }
    assert settings == {
        "default_transaction_read_only": ("on",), "statement_timeout": ("10min",), "lock_timeout": ("5s",),
    }  # fmt: skip
    old.execute(
        "insert into asset_data (symbol, date, close) select 'AAPL', '2026-11-19', 1 from generate_series(1, 2e5)"
    )
    old.dsn = psycopg.conninfo.make_conninfo(old.dsn, options="-c statement_timeout=1")
    with pytest.raises(DatabaseBusy):
        old.run()
