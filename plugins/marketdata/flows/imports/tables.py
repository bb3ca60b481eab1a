"""Cuts an import file into parts: tables of its mapped columns, always the same ones for the same file and spec.

CSV columns are text, whatever they look like, so that a ticker such as NA, NAN or TRUE stays one; Parquet columns keep
their types. Memory holds one part and one block of the file, however long the file is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from marketdata.domain.import_spec import FIGURES, ImportSpec
from marketdata.errors import InvalidRequest
from marketdata.flows.imports.files import ImportFile

PART_ROWS = 50_000
"""Rows of a part: one transaction, about half a second."""

_BLOCK_BYTES = 1 << 22
_MAX_COLUMNS = 1000
_MAX_LINE_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that has not as many fields as the header; ``line`` is its number where it is known."""

    line: int | None
    text: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One part of a file: its mapped columns by their names in the file, and lines that are no rows."""

    part: int
    table: pa.Table
    malformed: tuple[Malformed, ...] = ()


def file_columns(file: ImportFile, spec: ImportSpec) -> tuple[str, ...]:
    """The names of the file's columns, in its order; InvalidRequest if one that the spec maps is not there."""
    with file.content() as content:
        if file.kind == "parquet":
            columns = tuple(_parquet(file, content).schema_arrow.names)
        else:
            columns = spec.csv.header or _csv_header(file, content, spec)
    if len(columns) > _MAX_COLUMNS:
        raise _broken(file, f"it has {len(columns)} columns", f"leave at most {_MAX_COLUMNS} in it")
    for key, name in spec.columns.items():
        if columns.count(name) != 1:
            why = f"the file has {'several' if name in columns else 'none'} of that name"
            near = get_close_matches(name, columns, n=3) or columns[:20]
            raise InvalidRequest(
                f"import spec, key columns.{key}, column {name!r:.60}", why, f"name one of {', '.join(near)}"
            )
    return columns


def blocks(file: ImportFile, spec: ImportSpec, columns: Sequence[str], part_rows: int = PART_ROWS) -> Iterator[Block]:
    """The file's parts in order, each of ``part_rows`` rows but the last; InvalidRequest where the file is broken.

    ``columns`` are the file's, see :func:`file_columns`.
    """
    malformed: list[Malformed] = []
    with file.content() as content:
        try:
            if file.kind == "parquet":
                tables = _parquet_tables(file, content, spec, part_rows)
            else:
                tables = _csv_tables(content, spec, columns, malformed)
            yield from _cut(tables, malformed, file, part_rows)
        except pa.ArrowException as error:
            why = " ".join(str(error).split())
            raise _broken(file, f"it cannot be read: {why:.300}", "mend that place, or correct the spec") from error


@dataclass
class _Pile:
    """Tables until they make a part."""

    tables: list[pa.Table] = field(default_factory=list)
    rows: int = 0

    def push(self, table: pa.Table) -> None:
        self.tables.append(table)
        self.rows += table.num_rows

    def pop(self, rows: int) -> pa.Table:
        whole = pa.concat_tables(self.tables).combine_chunks()
        rest = whole.slice(rows)
        self.tables, self.rows = [rest], rest.num_rows
        return whole.slice(0, rows)


def _cut(tables: Iterator[pa.Table], malformed: list[Malformed], file: ImportFile, part_rows: int) -> Iterator[Block]:
    pile, part, count = _Pile(), 0, 0
    for table in tables:
        count += table.num_rows
        if count + len(malformed) > file.limits.rows:
            why = f"it has more than {file.limits.rows:,} rows"
            raise _broken(file, why, "split it, or raise MARKETDATA_IMPORT_MAX_ROWS")
        pile.push(table)
        while pile.rows >= part_rows:
            yield Block(part, pile.pop(part_rows), _taken(malformed))
            part += 1
    if pile.rows or malformed:
        yield Block(part, pile.pop(part_rows), _taken(malformed))


def _taken(malformed: list[Malformed]) -> tuple[Malformed, ...]:
    found = tuple(malformed)
    malformed.clear()
    return found


def _csv_tables(
    content: BinaryIO, spec: ImportSpec, columns: Sequence[str], malformed: list[Malformed]
) -> Iterator[pa.Table]:
    def set_aside(row: arrow_csv.InvalidRow) -> str:
        reason = f"line with {row.actual_columns} fields instead of {row.expected_columns}"
        malformed.append(Malformed(row.number, row.text[:_MAX_LINE_SHOWN], reason))
        return "skip"

    mapped = list(dict.fromkeys(spec.columns.values()))
    reader = arrow_csv.open_csv(
        content,
        read_options=arrow_csv.ReadOptions(
            block_size=_BLOCK_BYTES,
            use_threads=False,
            encoding=spec.csv.encoding,
            column_names=list(columns) if spec.csv.header else None,
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=spec.csv.delimiter, newlines_in_values=True, invalid_row_handler=set_aside
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(mapped, pa.string()),
            include_columns=mapped,
            strings_can_be_null=False,
            null_values=[],
        ),
    )
    yield reader.schema.empty_table()
    for batch in reader:
        yield pa.Table.from_batches([batch])


def whole_table(data: bytes, columns: Sequence[str]) -> pa.Table:
    """CSV with a header, as a database wrote it: these columns, all of them texts."""
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=list(columns),
            strings_can_be_null=False,
            null_values=[],
        ),
    )


def _csv_header(file: ImportFile, content: BinaryIO, spec: ImportSpec) -> tuple[str, ...]:
    line = content.read(_BLOCK_BYTES).splitlines()[:1]
    encoding = "utf-8-sig" if spec.csv.encoding == "utf-8" else spec.csv.encoding
    try:
        ((*names,),) = csv.reader([b"".join(line).decode(encoding)], delimiter=spec.csv.delimiter)
    except (ValueError, csv.Error) as error:
        raise _broken(file, "its first line is no header", "write one, or name the columns as csv.header") from error
    return tuple(names)


def _parquet(file: ImportFile, content: BinaryIO, texts: Sequence[str] = ()) -> parquet.ParquetFile:
    try:
        found = parquet.ParquetFile(content, read_dictionary=list(texts))
    except (pa.ArrowException, OSError) as error:
        raise _broken(file, "it is no whole Parquet file", "write it again") from error
    facts = found.metadata
    unpacked = sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))
    if unpacked > file.limits.decoded_bytes:
        raise _broken(file, f"unpacked it has {unpacked:,} bytes", "split it, or raise MARKETDATA_IMPORT_MAX_MB")
    if facts.num_rows > file.limits.rows:
        why = f"it has {facts.num_rows:,} rows, more than {file.limits.rows:,}"
        raise _broken(file, why, "split it, or raise MARKETDATA_IMPORT_MAX_ROWS")
    return found


def _parquet_tables(file: ImportFile, content: BinaryIO, spec: ImportSpec, part_rows: int) -> Iterator[pa.Table]:
    mapped = list(dict.fromkeys(spec.columns.values()))
    schema = _parquet(file, content).schema_arrow
    texts = [name for name in mapped if pa.types.is_string(schema.field(name).type)]
    for key, name in spec.columns.items():
        _refuse_type(key, name, schema.field(name).type)
    content.seek(0)
    # Texts stay dictionaries: a long one that is repeated a million times takes its room once.
    for batch in _parquet(file, content, texts).iter_batches(part_rows, columns=mapped, use_threads=False):
        table = pa.Table.from_batches([batch]).select(mapped)
        table.validate(full=True)
        yield table.unify_dictionaries()


def _refuse_type(key: str, name: str, found: pa.DataType) -> None:
    if pa.types.is_dictionary(found):
        found = found.value_type
    is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
    is_number = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
    is_time = pa.types.is_date(found) or pa.types.is_timestamp(found) or pa.types.is_integer(found)
    if key in FIGURES:
        fits, wanted = is_text or is_number, "numbers"
    elif key in {"session", "starts_at"}:
        fits, wanted = is_text or is_time, "dates or times"
    else:
        fits, wanted = is_text, "texts"
    if not fits:
        what = f"import spec, key columns.{key}, column {name!r:.60}"
        raise InvalidRequest(what, f"its type in the file is {found}", f"name a column of {wanted}")


def _broken(file: ImportFile, why: str, next_step: str) -> InvalidRequest:
    return InvalidRequest(f"file {file.name!r:.200}", why, next_step)
