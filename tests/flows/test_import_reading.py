"""From the text of a file to the rows that are stored: nothing is guessed, nothing is rounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from marketdata.errors import InvalidRequest
from marketdata.flows.imports.files import Limits, opened
from marketdata.flows.imports.reading import Reading, read_rows
from marketdata.flows.imports.symbols import SymbolBook
from marketdata.flows.imports.tables import Block, blocks, file_columns
from marketdata.storage.imports import Bearer
from tests.flows.import_desk import COLUMNS, HEADER, line, spec

LIMITS = Limits(2**20, 2**22, 1000)
DAY = date(2026, 11, 20)
HOURLY = {"interval": "1h", "columns": {"symbol": "S", "starts_at": "T", "close": "C"}}


def anybody(symbols: Sequence[str]) -> list[Bearer]:
    """Every symbol is an asset: crypto where it starts with X:."""
    return [
        Bearer(symbol, number, symbol, "crypto" if symbol.startswith("X:") else "stock", True, None, None)
        for number, symbol in enumerate(symbols, start=1)
    ]


def cut(path: Path, part_rows: int = 1000, **keys: object) -> list[Block]:
    """The parts of a file."""
    chosen = spec(**keys)
    with opened(str(path), base=None, limits=LIMITS) as file:
        return list(blocks(file, chosen, file_columns(file, chosen), part_rows))


def read(path: Path, **keys: object) -> Reading:
    """The rows of a file of one part."""
    chosen = spec(**keys)
    (block,) = cut(path, **keys)
    return read_rows(block.table, chosen, SymbolBook(chosen, anybody))


def csv_file(tmp_path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes("\n".join([header, *rows]).encode(encoding))
    return path


def closes(tmp_path: Path, *texts: str, **csv: object) -> tuple[list[float], dict[int, str]]:
    """What texts become as closes, and the faults of their rows."""
    path = csv_file(tmp_path, *(f"A;2026-11-20;{text}" for text in texts), header="S;D;C")
    columns = {"symbol": "S", "session": "D", "close": "C"}
    reading = read(path, columns=columns, csv={"delimiter": ";", **csv})
    return reading.rows.bars.close.tolist(), dict(reading.rows.faults)


def test_tickers_that_look_like_values_stay_tickers(tmp_path: Path) -> None:
    tickers = ["NA", "NAN", "TRUE", "NULL", "INF", "1E5", "null"]
    reading = read(csv_file(tmp_path, *(line(ticker, DAY) for ticker in tickers)))
    assert reading.rows.bars.symbols.tolist() == tickers
    assert not reading.rows.faults


def test_prices_keep_their_shortest_decimal(tmp_path: Path) -> None:
    texts = ["0.00000812", "700000.01", "1e-7", "123456.789012", ".5", "5.", "+3.25"]
    assert closes(tmp_path, *texts) == ([float(text) for text in texts], {})


def test_a_text_that_is_no_number_is_a_fault_of_its_row_alone(tmp_path: Path) -> None:
    found, faults = closes(tmp_path, "1.5", "abc", "1,5", "0x10", "1_000", "2.5", "--3", "1e", "Infinit")
    assert [value for value in found if value == value] == [1.5, 2.5]
    assert set(faults) == {1, 2, 3, 4, 6, 7, 8}
    assert faults[1] == "close 'abc' is no number"


def test_nothing_given_is_no_number_where_a_bar_needs_one_and_none_where_it_does_not(tmp_path: Path) -> None:
    reading = read(csv_file(tmp_path, "A,2026-11-20,,,,10,NULL", "A,2026-11-20,-,11,9,10,5"))
    assert str(reading.rows.bars.volume.tolist()) == "[nan, 5.0]"
    assert reading.rows.faults == {1: "open '-' is no number"}
    assert not read(csv_file(tmp_path, "A,2026-11-20,-,-,-,10,5"), csv={"nulls": ["-"]}).rows.faults


def test_decimals_and_thousands_are_read_as_declared_and_only_so(tmp_path: Path) -> None:
    found, faults = closes(tmp_path, "1.234,5", "1.234.567", "12,5", "1,234.5", "1.23", decimal=",", thousands=".")
    assert found[:3] == [1234.5, 1234567.0, 12.5]
    assert set(faults) == {3, 4}
    assert closes(tmp_path, "12,5", decimal=",") == ([12.5], {})


def test_volume_is_counted_in_the_unit_of_the_file(tmp_path: Path) -> None:
    reading = read(csv_file(tmp_path, line("A", DAY, volume=2.5)), volume_unit=1000)
    assert reading.rows.bars.volume.tolist() == [2500.0]


def test_the_number_of_trades_is_whole_and_not_negative(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "A,2026-11-20,10,7", "A,2026-11-20,10,7.5", "A,2026-11-20,10,", "A,2026-11-20,10,-1",
                    "A,2026-11-20,10,1e30", header="S,D,C,N")  # fmt: skip
    reading = read(path, columns={"symbol": "S", "session": "D", "close": "C", "trades": "N"})
    assert reading.rows.bars.trades.tolist()[0] == 7
    assert reading.rows.bars.trades.tolist()[2:4] == [-1, -2]
    assert set(reading.rows.faults) == {1, 4}


def test_columns_may_stand_anywhere_and_constants_fill_in(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "x,10.5,2026-11-20", header="Note,Last,Day")
    reading = read(path, columns={"session": "Day", "close": "Last"}, constants={"symbol": "AAPL", "volume": 7})
    assert (reading.rows.bars.symbols.tolist(), reading.rows.bars.volume.tolist()) == (["AAPL"], [7.0])
    assert reading.record(0) == {"Last": "10.5", "Day": "2026-11-20"}


def test_a_file_without_a_header_is_given_one(tmp_path: Path) -> None:
    path = csv_file(tmp_path, header="AAPL,2026-11-20,10.5")
    columns = {"symbol": "S", "session": "D", "close": "C"}
    reading = read(path, columns=columns, csv={"header": ["S", "D", "C"]})
    assert reading.rows.bars.close.tolist() == [10.5]


def test_other_encodings_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    columns = {"symbol": "Symbol", "session": "Datum", "close": "Schluß"}
    path = csv_file(tmp_path, "A,2026-11-20,10.5", header="Symbol,Datum,Schluß", encoding="cp1252")
    assert read(path, columns=columns, csv={"encoding": "cp1252"}).rows.bars.close.tolist() == [10.5]
    path = csv_file(tmp_path, "A,2026-11-20,10.5", header="Symbol,Datum,Schluß", encoding="utf-8-sig")
    assert read(path, columns=columns).rows.bars.close.tolist() == [10.5]


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("2026-11-20", "iso", DAY),
        ("2026-11-20 00:00:00", "iso", DAY),
        ("20.11.2026", "%d.%m.%Y", DAY),
        ("11/20/2026", "%m/%d/%Y", DAY),
        ("1795150800", "epoch", DAY),
        ("1795150800000", "epoch_ms", DAY),
    ],
)
def test_sessions_are_read_in_the_declared_format(tmp_path: Path, text: str, form: str, day: date) -> None:
    reading = read(csv_file(tmp_path, line("A", text)), time_format=form, zone="America/New_York")
    assert not reading.rows.faults
    assert reading.rows.bars.session.tolist() == [day]


@pytest.mark.parametrize(
    ("text", "form", "fault"),
    [
        ("20.11.2026", "iso", "is no date of format iso"),
        ("2026-02-30", "iso", "is no date of format iso"),
        ("30.02.2026", "%d.%m.%Y", "is no date of format"),
        ("2026-11-20 16:00:00", "iso", "has a time of day"),
        ("2026-11-20T00:00:00+00:00", "iso", "the spec needs the zone"),
        ("1e999999999", "epoch", "is no date of format epoch"),
        ("nan", "epoch", "is no date of format epoch"),
        ("", "iso", "session is missing"),
    ],
)
def test_a_session_that_is_none_is_a_fault(tmp_path: Path, text: str, form: str, fault: str) -> None:
    (found,) = read(csv_file(tmp_path, line("A", text)), time_format=form).rows.faults.values()
    assert fault in found


def hours(tmp_path: Path, *texts: str, **keys: object) -> Reading:
    path = csv_file(tmp_path, *(f"AAPL,{text},10" for text in texts), header="S,T,C")
    return read(path, **{**HOURLY, **keys})


def test_hours_are_instants_whose_session_is_new_yorks_for_stocks_and_utcs_for_coins(tmp_path: Path) -> None:
    reading = hours(tmp_path, "2026-11-19 20:00:00", zone="America/New_York")
    assert reading.rows.starts_at is not None
    assert reading.rows.starts_at.tolist() == [datetime(2026, 11, 20, 1)]  # noqa: DTZ001 - numpy's UTC
    assert reading.rows.bars.session.tolist() == [date(2026, 11, 19)]
    coin = hours(tmp_path, "2026-11-20T01:00:00+00:00", symbols={"AAPL": "X:BTCUSD"})
    assert coin.rows.bars.session.tolist() == [date(2026, 11, 20)]


@pytest.mark.fault("A06")
def test_a_clock_time_that_exists_twice_or_never_is_a_fault(tmp_path: Path) -> None:
    reading = hours(
        tmp_path, "2026-11-01 01:30:00", "2026-03-08 02:30:00", "2026-11-02 01:30:00", zone="America/New_York"
    )
    assert [fault.split(" is ")[1] for fault in reading.rows.faults.values()] == [
        "shown twice or never by clocks in America/New_York"
    ] * 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("2026-11-19 14:30:00", "has no offset, and the spec names no zone"),
        ("2026-11-19T14:30:00.5+00:00", "is no whole second"),
        ("0001-01-01T00:00:00+00:00", "is no whole second of a year from 1990"),
        ("9999-12-31T23:59:59-12:00", "is no whole second of a year from 1990"),
        ("soon", "is no time of format iso"),
        ("", "starts_at is missing"),
    ],
)
def test_an_hour_that_is_none_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = hours(tmp_path, text).rows.faults.values()
    assert fault in found


def test_lines_with_too_few_or_too_many_fields_are_set_aside_with_their_text(tmp_path: Path) -> None:
    path = csv_file(tmp_path, line("A", DAY), "A,2026-11-20", line("A", DAY) + ",more", line("A", DAY))
    (block,) = cut(path)
    assert block.table.num_rows == 2
    assert [(bad.line, bad.text[:12]) for bad in block.malformed] == [(3, "A,2026-11-20"), (4, "A,2026-11-20")]
    assert block.malformed[0].reason == "line with 2 fields instead of 7"


def test_parts_are_the_same_however_the_file_is_read(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *(line("A", DAY, close) for close in range(2, 27)))
    parts = cut(path, part_rows=10)
    assert [block.table.num_rows for block in parts] == [10, 10, 5]
    assert [value for block in parts for value in block.table["Close"].to_pylist()] == [str(c) for c in range(2, 27)]


def test_a_column_that_the_file_lacks_is_refused_with_what_is_near(tmp_path: Path) -> None:
    path = csv_file(tmp_path, line("A", DAY))
    with pytest.raises(InvalidRequest, match=r"columns.close, column 'Closs'.*name one of Close"):
        read(path, columns={**COLUMNS, "close": "Closs"})
    double = csv_file(tmp_path, "1,2", header="Close,Close")
    with pytest.raises(InvalidRequest, match="several of that name"):
        read(double, columns={"symbol": "Close", "session": "Close", "close": "Close"})


@pytest.mark.fault("S07")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"\n", "has none of that name", id="no header"),
        pytest.param(HEADER.encode() + b"\nA,\xff\xfe,1,1,1,1,1\n", "invalid UTF8", id="encoding"),
        pytest.param(HEADER.encode() + b"\n" + b"A" * 5_000_000, "more than", id="long"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InvalidRequest, match=why):
        cut(tmp_path / "a.csv")


@pytest.mark.fault("S07")
def test_more_rows_than_allowed_are_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *([line("A", DAY)] * 1001))
    with pytest.raises(InvalidRequest, match="more than 1,000 rows"):
        cut(path)


def parquet_file(tmp_path: Path, **columns: pa.Array) -> Path:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


PARQUET = {"columns": {"symbol": "S", "session": "D", "close": "C"}}


@pytest.mark.parametrize(
    ("days", "form"),
    [
        pytest.param(pa.array([DAY] * 2), "iso", id="date"),
        pytest.param(pa.array([datetime(2026, 11, 20)] * 2, pa.timestamp("ns")), "iso", id="timestamp"),  # noqa: DTZ001
        pytest.param(
            pa.array([datetime(2026, 11, 20, 5, tzinfo=UTC)] * 2, pa.timestamp("ms", "UTC")), "iso", id="zoned"
        ),
        pytest.param(pa.array(["20.11.2026"] * 2), "%d.%m.%Y", id="text"),
        pytest.param(pa.array([1795150800] * 2, pa.int64()), "epoch", id="epoch"),
    ],
)
def test_parquet_sessions_come_in_every_type(tmp_path: Path, days: pa.Array, form: str) -> None:
    path = parquet_file(tmp_path, S=pa.array(["NA", "AAPL"]), D=days, C=pa.array([1.5, 2.5]))
    reading = read(path, **PARQUET, time_format=form, zone="America/New_York")
    assert not reading.rows.faults
    assert reading.rows.bars.session.tolist() == [DAY, DAY]
    assert reading.rows.bars.symbols.tolist() == ["NA", "AAPL"]


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param(pa.array([0.00000812, 700000.01]), id="double"),
        pytest.param(pa.array([Decimal("0.00000812"), Decimal("700000.01000000")], pa.decimal128(20, 8)), id="decimal"),
        pytest.param(pa.array(["0.00000812", "700000.01"]), id="text"),
    ],
)
def test_parquet_prices_keep_their_shortest_decimal(tmp_path: Path, figures: pa.Array) -> None:
    path = parquet_file(tmp_path, S=pa.array(["A", "A"]), D=pa.array([DAY] * 2), C=figures)
    assert read(path, **PARQUET).rows.bars.close.tolist() == [0.00000812, 700000.01]


def test_single_floats_of_parquet_are_what_they_show(tmp_path: Path) -> None:
    path = parquet_file(tmp_path, S=pa.array(["A"]), D=pa.array([DAY]), C=pa.array([0.1], pa.float32()))
    assert read(path, **PARQUET).rows.bars.close.tolist() == [0.1]


@pytest.mark.fault("S07")
@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("S", pa.array([1, 2]), "its type in the file is int64"),
        ("C", pa.array([[1.0], [2.0]]), "its type in the file is list"),
        ("D", pa.array([1.5, 2.5]), "its type in the file is double"),
    ],
)
def test_a_parquet_column_of_another_type_is_refused(tmp_path: Path, column: str, values: pa.Array, why: str) -> None:
    columns = {"S": pa.array(["A", "B"]), "D": pa.array([DAY] * 2), "C": pa.array([1.0, 2.0]), column: values}
    with pytest.raises(InvalidRequest, match=why):
        read(parquet_file(tmp_path, **columns), **PARQUET)


@pytest.mark.fault("S07")
def test_a_parquet_file_is_measured_by_what_it_unpacks_to_and_by_its_rows(tmp_path: Path) -> None:
    days, figures = pa.array([DAY] * 1001), pa.array([1.0] * 1001)
    with pytest.raises(InvalidRequest, match="more than 1,000"):
        read(parquet_file(tmp_path, S=pa.array(["A"] * 1001), D=days, C=figures), **PARQUET)
    wide = pa.array(["A" * 6_000_000])
    path = parquet_file(tmp_path, S=wide, D=days[:1], C=figures[:1])
    assert path.stat().st_size < LIMITS.file_bytes
    with pytest.raises(InvalidRequest, match="unpacked it has"):
        read(path, **PARQUET)
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"x" * 100)
    with pytest.raises(InvalidRequest, match="no whole Parquet file"):
        read(path, **PARQUET)


@pytest.mark.fault("S07")
def test_a_long_text_repeated_in_parquet_takes_its_room_once(tmp_path: Path) -> None:
    long = "A" * 1_000_000
    path = parquet_file(
        tmp_path, S=pa.array([long] * 900), D=pa.array([DAY] * 900), C=pa.array([float(n + 1) for n in range(900)])
    )
    assert path.stat().st_size < LIMITS.file_bytes
    (block,) = cut(path, **PARQUET)
    assert block.table.nbytes < 10_000_000


def test_rows_of_parquet_are_cut_across_its_row_groups(tmp_path: Path) -> None:
    table = pa.table({"S": [f"A{n % 7}" for n in range(25)], "D": [DAY] * 25, "C": [float(n + 1) for n in range(25)]})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    parts = cut(tmp_path / "a.parquet", part_rows=10, **PARQUET)
    assert [block.table.num_rows for block in parts] == [10, 10, 5]
    assert [symbol for block in parts for symbol in block.table["S"].to_pylist()] == table["S"].to_pylist()
