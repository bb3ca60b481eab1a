"""Bars as files: what is in them, what reading back gives, and that a file is there whole or not at all."""

from __future__ import annotations

import csv
import math
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from marketdata.errors import InvalidRequest
from marketdata.flows.export import Exported, ExportRequest, export
from marketdata.flows.new_file import new_file
from marketdata.storage.assets import load_assets
from marketdata.storage.connection import connect
from marketdata.storage.exports import COLUMNS, Adjusted, Series
from tests.storage.ledger import MONDAY, SEEN, WEEK, Ledger, answer, bars, open_ledger

NOW = SEEN + timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(dsn: str) -> Iterator[Ledger]:
    """Three stocks and an open run."""
    with open_ledger(dsn) as opened:
        yield opened


def store(
    ledger: Ledger, closes: dict[date, float], *, asset_id: int = 1, seen: datetime = SEEN, **more: float
) -> None:
    call = ledger.call(asset_id, min(closes), max(closes))
    ledger.warehouse.store_daily(call, answer(asset_id, bars(closes, **more), seen=seen))


def write(ledger: Ledger, file: Path, request: ExportRequest, *, force: bool = False) -> Exported:
    told: list[int] = []
    done = export(
        ledger.warehouse, request, file, force=force, now=NOW, advance=lambda steps, _label: told.append(steps)
    )
    assert sum(told) == done.assets
    return done


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def csv_request(*symbols: str, **more: Any) -> ExportRequest:  # noqa: ANN401 - fields of ExportRequest
    return ExportRequest(symbols, "csv", **more)


def parquet_request(*symbols: str, **more: Any) -> ExportRequest:  # noqa: ANN401 - fields of ExportRequest
    return ExportRequest(symbols, "parquet", **more)


def test_a_csv_file_has_a_header_the_shortest_digits_and_nothing_where_nothing_was_given(
    ledger: Ledger, tmp_path: Path
) -> None:
    more = {"open": 0.00000812, "high": 700000.01, "low": 0.00000812, "vwap": np.nan, "volume": 1e20, "trades": 3}
    store(ledger, {MONDAY: 0.1}, **more)
    done = write(ledger, tmp_path / "bars.csv", csv_request("A1"))
    assert (tmp_path / "bars.csv").read_text(encoding="utf-8") == (
        "symbol,session,open,high,low,close,volume,volume_24h,vwap,trades,is_final,factor,source,known_since\n"
        "A1,2026-11-16,8.12e-06,700000.01,8.12e-06,0.1,1e+20,,,3,true,1,polygon,2026-11-21 12:00:00+00\n"
    )
    assert (done.rows, done.assets, done.bytes) == (1, 1, (tmp_path / "bars.csv").stat().st_size)


def test_a_parquet_file_has_types_and_says_what_it_holds(ledger: Ledger, tmp_path: Path) -> None:
    store(ledger, dict.fromkeys(WEEK, 10.0))
    done = write(ledger, tmp_path / "bars.parquet", parquet_request("A1", series=Series(as_of=SEEN)))
    table = parquet.read_table(tmp_path / "bars.parquet")
    kinds = {field.name: field.type for field in table.schema}
    assert list(kinds) == list(COLUMNS)
    assert (kinds["session"], kinds["trades"], kinds["is_final"]) == (pa.date32(), pa.int64(), pa.bool_())
    assert (kinds["close"], kinds["known_since"]) == (pa.float64(), pa.timestamp("us", tz="UTC"))
    assert table.to_pylist()[0] == {
        "symbol": "A1", "session": MONDAY, "open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0, "volume": 100.0,
        "volume_24h": None, "vwap": 10.0, "trades": None, "is_final": True, "factor": 1.0, "source": "polygon",
        "known_since": SEEN,
    }  # fmt: skip
    facts = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert {name: facts[f"marketdata.{name}"] for name in ("source", "adjusted", "as_of", "exported_at")} == {
        "source": "polygon",
        "adjusted": "none",
        "as_of": SEEN.isoformat(),
        "exported_at": NOW.isoformat(),
    }
    assert table.schema.field("close").metadata == {b"meaning": b"US dollars, raw as traded"}
    assert facts["marketdata.unknown_sessions"] == str(done.unknown_sessions)


POSITIVE = st.floats(min_value=5e-324, max_value=1.7e308, allow_nan=False, allow_infinity=False)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(closes=st.lists(POSITIVE, min_size=1, max_size=5), volume=st.floats(0, 1e300))
def test_numbers_come_back_from_either_format_bit_for_bit(
    ledger: Ledger, tmp_path: Path, closes: list[float], volume: float
) -> None:
    with psycopg.connect(ledger.dsn) as connection:
        connection.execute("truncate marketdata.bar_daily, marketdata.coverage, marketdata.bar_revision")
        connection.execute("truncate marketdata.ingest_call cascade")
    store(ledger, dict(zip(WEEK, closes, strict=False)), volume=volume)
    write(ledger, tmp_path / "bars.csv", csv_request("A1"), force=True)
    write(ledger, tmp_path / "bars.parquet", parquet_request("A1"), force=True)
    expected = [struct.pack("<dd", close, volume) for close in closes]
    from_csv = [(float(row["close"]), float(row["volume"])) for row in rows_of(tmp_path / "bars.csv")]
    table = parquet.read_table(tmp_path / "bars.parquet", columns=["close", "volume"])
    assert [struct.pack("<dd", *pair) for pair in from_csv] == expected
    assert [struct.pack("<dd", *row.values()) for row in table.to_pylist()] == expected


@pytest.mark.parametrize("symbol", ["NA", "NAN", "TRUE", "NULL", "1"])
def test_a_symbol_that_looks_like_no_text_stays_one(dsn: str, tmp_path: Path, symbol: str) -> None:
    with open_ledger(dsn, assets=1) as ledger:
        with connect(dsn) as connection:
            connection.execute("update asset set symbol = %s", (symbol,))
        store(ledger, {MONDAY: 10.0})
        write(ledger, tmp_path / "bars.parquet", parquet_request(symbol))
        assert parquet.read_table(tmp_path / "bars.parquet")["symbol"].to_pylist() == [symbol]


@pytest.mark.fault("S08")
@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1", "@sum(a1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe_in_csv_and_stays_as_it_is_in_parquet(
    ledger: Ledger, tmp_path: Path, cell: str
) -> None:
    store(ledger, {MONDAY: 10.0})
    with connect(ledger.dsn) as connection:  # no symbol may be so; a file must not rely on it
        connection.execute("alter table asset drop constraint asset_symbol_check")
        connection.execute("update asset set symbol = %s where asset_id = 1", (cell,))
        connection.execute("update bar_daily set source = %s", (cell,))
    write(ledger, tmp_path / "bars.csv", csv_request())
    (row,) = rows_of(tmp_path / "bars.csv")
    assert (row["symbol"], row["source"]) == (f"'{cell}", f"'{cell}")
    assert row["close"] == "10"
    write(ledger, tmp_path / "bars.parquet", parquet_request())
    assert parquet.read_table(tmp_path / "bars.parquet")["source"].to_pylist() == [cell]


def test_the_days_of_a_range_and_of_first_and_last_are_inclusive(ledger: Ledger, tmp_path: Path) -> None:
    store(ledger, dict.fromkeys(WEEK, 10.0))

    def sessions(range_name: str = "MAX", first: date | None = None, last: date | None = None) -> list[str]:
        request = ExportRequest(("A1",), "csv", range_name, first, last)
        write(ledger, tmp_path / "bars.csv", request, force=True)
        return [row["session"] for row in rows_of(tmp_path / "bars.csv")]

    assert sessions(first=WEEK[1], last=WEEK[3]) == [str(day) for day in WEEK[1:4]]
    assert sessions(first=WEEK[3]) == [str(day) for day in WEEK[3:]]
    assert sessions(last=WEEK[0]) == [str(WEEK[0])]
    assert sessions(range_name="7D") == [str(day) for day in WEEK]
    assert sessions(range_name="MAX") == [str(day) for day in WEEK]
    with pytest.raises(InvalidRequest, match="ends before it starts"):
        sessions(first=WEEK[3], last=WEEK[1])
    with pytest.raises(InvalidRequest, match="there is no such range"):
        sessions(range_name="2W")


def test_max_is_all_that_is_stored_imports_from_before_the_vendors_first_day_included(
    ledger: Ledger, tmp_path: Path
) -> None:
    store(ledger, {date(1995, 1, 3): 1.0, MONDAY: 10.0})
    assert write(ledger, tmp_path / "bars.csv", csv_request("A1")).rows == 2


def test_no_symbols_means_all_that_are_followed_stocks_first(ledger: Ledger, tmp_path: Path) -> None:
    ledger.warehouse.transact(
        load_assets,
        [
            {"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"},
            {"symbol": "ZZ", "asset_class": "etf"},
        ],
    )
    for asset_id in (5, 4, 2):
        store(ledger, {MONDAY: 10.0, WEEK[1]: 11.0}, asset_id=asset_id)
    with connect(ledger.dsn) as connection:
        connection.execute("update asset set inactive_since = '2026-11-01' where symbol = 'A2'")
    done = write(ledger, tmp_path / "bars.csv", csv_request())
    assert [row["symbol"] for row in rows_of(tmp_path / "bars.csv")] == ["ZZ", "ZZ", "X:BTCUSD", "X:BTCUSD"]
    assert done.assets == 4
    assert write(ledger, tmp_path / "named.csv", csv_request("A2")).rows == 2, "one that is named comes anyway"


def test_a_series_as_of_an_instant_has_what_was_known_then(ledger: Ledger, tmp_path: Path) -> None:
    store(ledger, {MONDAY: 10.0})
    store(ledger, {MONDAY: 11.0, WEEK[1]: 12.0}, seen=SEEN + HOUR)

    def closes(at: datetime | None) -> list[str]:
        write(ledger, tmp_path / "bars.csv", csv_request("A1", series=Series(as_of=at)), force=True)
        return [row["close"] for row in rows_of(tmp_path / "bars.csv")]

    assert closes(None) == closes(SEEN + HOUR) == ["11", "12"]
    assert closes(SEEN) == ["10"]
    assert closes(SEEN - HOUR) == []
    with pytest.raises(InvalidRequest, match="it is yet to come"):
        closes(NOW + HOUR)


@pytest.fixture
def split_ledger(ledger: Ledger) -> Ledger:
    """A1 with a 4-for-1 split on Wednesday, a dividend on Thursday and odd prices; A2 without either."""
    closes = {day: 100.1 + number for number, day in enumerate(WEEK)}
    store(ledger, closes, volume=1234.5)
    store(ledger, closes, asset_id=2)
    with connect(ledger.dsn) as connection:
        connection.execute(
            "insert into split (asset_id, executed_on, split_from, split_to, fetched_at) values (1, %s, 1, 4, %s)",
            (WEEK[2], SEEN),
        )
        connection.execute(
            "insert into dividend (asset_id, vendor_id, ex_date, cash_amount, currency, fetched_at)"
            " values (1, 'd', %s, 0.7, 'USD', %s)",
            (WEEK[3], SEEN),
        )
    return ledger


@pytest.mark.parametrize(
    ("adjusted", "view"), [("splits", "bar_daily_adjusted"), ("total-return", "bar_daily_total_return")]
)
@pytest.mark.parametrize("as_of", [None, SEEN])
def test_an_adjusted_file_is_what_the_view_says(
    split_ledger: Ledger, tmp_path: Path, adjusted: Adjusted, view: str, as_of: datetime | None
) -> None:
    figures = "open, high, low, close, volume, vwap, factor"
    expected = split_ledger.read(
        f"select symbol, session, {figures} from {view} join asset using (asset_id) order by symbol, session"
    )
    assert {row[-1] for row in expected} > {1.0}, "something is adjusted"
    request = parquet_request("A2", "A1", series=Series(adjusted, as_of))
    write(split_ledger, tmp_path / "bars.parquet", request)
    columns = ["symbol", "session", *figures.split(", ")]
    table = parquet.read_table(tmp_path / "bars.parquet", columns=columns)
    assert [tuple(row.values()) for row in table.to_pylist()] == expected


def test_a_split_after_the_instant_does_not_touch_the_series_as_of_it(split_ledger: Ledger, tmp_path: Path) -> None:
    tuesday = datetime(2026, 11, 18, 4, tzinfo=UTC)  # 23:00 in New York
    with connect(split_ledger.dsn) as connection:
        connection.execute("update bar_daily set fetched_at = %s where session <= %s", (tuesday - HOUR, WEEK[1]))
    request = csv_request("A1", series=Series("splits", tuesday))
    write(split_ledger, tmp_path / "bars.csv", request)
    assert [(row["session"], row["factor"]) for row in rows_of(tmp_path / "bars.csv")] == [
        (str(day), "1") for day in WEEK[:2]
    ]


def test_the_sessions_that_nobody_has_answered_for_are_counted(ledger: Ledger, tmp_path: Path) -> None:
    store(ledger, dict.fromkeys(WEEK[1:3], 10.0))
    week = {"first": WEEK[0], "last": WEEK[4]}
    assert write(ledger, tmp_path / "one.csv", csv_request("A1", **week)).unknown_sessions == 3
    assert write(ledger, tmp_path / "two.csv", csv_request("A1", "A2", **week)).unknown_sessions == 8
    saturday = {"first": date(2026, 11, 21), "last": date(2026, 11, 22)}
    assert write(ledger, tmp_path / "off.csv", csv_request("A1", **saturday)).unknown_sessions == 0


def test_a_file_that_is_there_is_kept_unless_forced(ledger: Ledger, tmp_path: Path) -> None:
    store(ledger, {MONDAY: 10.0})
    file = tmp_path / "bars.csv"
    file.write_text("precious")
    with pytest.raises(InvalidRequest, match="it is there already"):
        write(ledger, file, csv_request("A1"))
    assert file.read_text() == "precious"
    write(ledger, file, csv_request("A1"), force=True)
    assert file.read_text().startswith("symbol,")
    assert [path.name for path in tmp_path.iterdir()] == ["bars.csv"]


@pytest.mark.fault("S07")
def test_a_link_is_replaced_itself_and_what_it_points_to_stays(ledger: Ledger, tmp_path: Path) -> None:
    store(ledger, {MONDAY: 10.0})
    target, link = tmp_path / "target", tmp_path / "bars.csv"
    link.symlink_to(target)
    with pytest.raises(InvalidRequest, match="it is there already"):
        write(ledger, link, csv_request("A1"))
    target.write_text("precious")
    write(ledger, link, csv_request("A1"), force=True)
    assert not link.is_symlink()
    assert target.read_text() == "precious"


@pytest.mark.parametrize("name", ["missing/bars.csv", ".", "-"])
def test_what_is_no_place_for_a_file_is_refused(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequest, match="file "):
        write(ledger, Path(name), csv_request("A1"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_what_ends_in_the_middle_leaves_no_file_and_the_old_one_as_it_was(tmp_path: Path, force: bool) -> None:
    file = tmp_path / "bars.csv"
    if force:
        file.write_text("old")

    def interrupted() -> None:
        with new_file(file, force=force) as out:
            out.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.read_text() for path in tmp_path.iterdir()] == (["old"] if force else [])


def test_a_file_that_somebody_else_makes_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"

    def overtaken() -> None:
        with new_file(file, force=False) as out:
            out.write(b"mine")
            file.write_text("theirs")

    with pytest.raises(InvalidRequest, match="it is there already"):
        overtaken()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]


def test_a_disk_that_takes_no_more_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No space left on device"), new_file(tmp_path / "x", force=False):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


MEASURE = """
import resource, sys
from datetime import datetime
from pathlib import Path
from marketdata.flows.export import ExportRequest, export
from marketdata.storage.warehouse import Warehouse

dsn, file, form = sys.argv[1:]
now = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with Warehouse.open(dsn) as warehouse:
    few = ExportRequest(("A1",), form)
    export(warehouse, few, Path(file + ".small"), force=False, now=now, advance=lambda *_: None)
    before = peak()
    done = export(warehouse, ExportRequest((), form), Path(file), force=False, now=now, advance=lambda *_: None)
print(done.rows, peak() - before)
"""


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_million_bars_are_written_in_bounded_memory(dsn: str, tmp_path: Path, form: str) -> None:
    with open_ledger(dsn, assets=200), connect(dsn) as connection:
        connection.execute(
            "insert into bar_daily select a, '2026-11-21 12:00+00', 1, c, c, c, c, 1e6 / c, null, c, null, day, true,"
            " 'polygon' from generate_series(1, 200) a cross join generate_series(0, 4999) n"
            " cross join lateral (select date '2013-01-01' + n as day, 100 + a + n / 7.0::double precision as c) x"
        )
    file = tmp_path / f"bars.{form}"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, dsn, str(file), form], capture_output=True, text=True, check=True
    )
    rows, grown = (int(word) for word in done.stdout.split())
    assert rows == 1_000_000
    assert grown < 150, "megabytes; the text alone is more than 130, and all of it as Python objects a gigabyte"
    if form == "csv":
        with file.open("rb") as lines:
            assert sum(1 for _ in lines) == 1_000_001
    else:
        close = parquet.read_table(file, columns=["close"])["close"]
        expected = sum(math.fsum(100 + a + n / 7 for n in range(5_000)) for a in range(1, 201))
        assert math.fsum(close.to_pylist()) == pytest.approx(expected, rel=1e-12)


def test_known_bars_and_files_agree_on_provisional_bars(ledger: Ledger, tmp_path: Path) -> None:
    content = answer(1, bars({WEEK[4]: 10.0}), is_final=False)
    ledger.warehouse.store_daily(ledger.call(), replace(content, verified=()))
    write(ledger, tmp_path / "bars.csv", csv_request("A1"))
    assert [row["is_final"] for row in rows_of(tmp_path / "bars.csv")] == ["false"]
