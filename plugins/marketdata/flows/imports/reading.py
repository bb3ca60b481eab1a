"""From the columns of a file to rows: texts become numbers and times, symbols become assets, and what does not is told.

Nothing is guessed: a text that is no number, or a time that could be two, makes the row one that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketdata.domain.bars import DailyBars
from marketdata.domain.import_rows import ImportRows
from marketdata.domain.import_spec import FIGURES, CsvFormat, ImportSpec
from marketdata.flows.imports.symbols import SymbolBook, row_faults
from marketdata.flows.imports.times import Moment, read_hour, read_session

_LARGEST_COUNT = 2.0**63
_NO_DAY = np.datetime64("NaT", "D")
_SHOWN = 40


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The rows of a part that are not left out, with the table that they came from, row by row; ``skipped`` are."""

    rows: ImportRows
    table: pa.Table
    skipped: int

    def record(self, index: int) -> dict[str, str | None]:
        """A row as it came: the mapped columns by their names in the file."""
        row = {name: self.table[name][index].as_py() for name in self.table.column_names}
        return {name: None if value is None else str(value).replace("\0", "\ufffd") for name, value in row.items()}


def read_rows(table: pa.Table, spec: ImportSpec, book: SymbolBook) -> Reading:
    """The rows of a part; see :class:`ImportRows`. Symbols that are no asset of ours have asset_id 0."""
    given, codes = _symbols(table, spec)
    class_of_row = _classes(table, spec)
    entries = book.find(given, _first_class(class_of_row, codes, len(given)))
    left_out = np.array([entry is None for entry in entries], dtype=np.bool_)[codes]
    if left_out.any():
        table, codes = table.filter(pa.array(~left_out)), codes[~left_out]
        class_of_row = None if class_of_row is None else class_of_row[~left_out]
    reader = _Reader(table, spec)
    figures = {name: reader.figure(name) for name in FIGURES}
    moments, moment_of = reader.moments()
    is_crypto = np.array([entry is not None and entry.is_crypto for entry in entries], dtype=np.bool_)[codes]
    trades = _counts(figures.pop("trades"))
    session = _sessions(moments, moment_of, is_crypto)
    rows = ImportRows(
        bars=DailyBars(symbols=np.array(given, np.object_)[codes], session=session, trades=trades, **figures),
        asset_ids=np.array([0 if entry is None else entry.asset_id for entry in entries], dtype=np.int64)[codes],
        is_crypto=is_crypto,
        starts_at=_starts(moments, moment_of) if spec.interval == "1h" else None,
        faults=reader.faults,
    )
    given_crypto = None if class_of_row is None else class_of_row == "crypto"
    faults = {**row_faults(rows, entries, codes, given_crypto), **reader.faults}
    return Reading(replace(rows, faults=faults), table, int(left_out.sum()))


class _Reader:
    """Reads the columns of one table; ``faults`` has the first thing wrong with each row, by its index."""

    def __init__(self, table: pa.Table, spec: ImportSpec) -> None:
        self.table = table
        self.spec = spec
        self.faults: dict[int, str] = {}

    def figure(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where none is given."""
        if name not in self.spec.columns:
            constant = self.spec.constants.get(name, np.nan)
            return np.full(self.table.num_rows, float(constant), dtype=np.float64)
        column = one_array(self.table[self.spec.columns[name]])
        values, bad = read_numbers(column, self.spec.csv)
        if name == "trades":
            bad |= (values != np.floor(values)) & ~np.isnan(values) | (values >= _LARGEST_COUNT)
        for index in np.flatnonzero(bad).tolist():
            text = str(column[index].as_py())
            self.faults.setdefault(index, f"{name} {text[:_SHOWN]!r} is no {'whole ' * (name == 'trades')}number")
        return values * self.spec.volume_unit if name == "volume" and self.spec.volume_unit != 1 else values

    def moments(self) -> tuple[list[Moment | None], NDArray[np.intp]]:
        """The distinct sessions, or hours, of the rows, and which of them each row has."""
        spec = self.spec
        column = one_array(self.table[spec.columns[spec.time_field]])
        distinct, codes = _distinct(column)
        read: Callable[..., Moment | str] = read_session if spec.interval == "1d" else read_hour
        found = [read(value, spec.time_format, spec.zone) for value in distinct]
        wrong = np.array([isinstance(moment, str) for moment in found], dtype=np.bool_)[codes]
        for index in np.flatnonzero(wrong).tolist():
            self.faults.setdefault(index, str(found[codes[index]]))
        return [None if isinstance(moment, str) else moment for moment in found], codes


def one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [column.combine_chunks()])


def _distinct(column: pa.Array) -> tuple[list[object], NDArray[np.intp]]:
    """The different values of a column as Python's, and for each row which of them it has; null is a value."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_dictionary(column.type):  # shared with rows of other parts: only what these rows have
        indices = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        used, codes = np.unique(indices, return_inverse=True)
        return [None if index < 0 else column.dictionary[index].as_py() for index in used.tolist()], codes
    encoded = pc.dictionary_encode(column, "encode")
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.intp)
    return encoded.dictionary.to_pylist(), codes


def _symbols(table: pa.Table, spec: ImportSpec) -> tuple[list[str], NDArray[np.intp]]:
    if "symbol" not in spec.columns:
        return [str(spec.constants["symbol"])], np.zeros(table.num_rows, dtype=np.intp)
    distinct, codes = _distinct(one_array(table[spec.columns["symbol"]]))
    return ["" if symbol is None else str(symbol).strip() for symbol in distinct], codes


def _classes(table: pa.Table, spec: ImportSpec) -> NDArray[np.object_] | None:
    """The asset class that the file gives each row, small letters; None if it has no column for it."""
    if "asset_class" not in spec.columns:
        return None
    distinct, codes = _distinct(one_array(table[spec.columns["asset_class"]]))
    names = ["" if name is None else str(name).strip().lower() for name in distinct]
    return np.array(names, dtype=np.object_)[codes]


def _first_class(class_of_row: NDArray[np.object_] | None, codes: NDArray[np.intp], symbols: int) -> list[str]:
    """The class that the file gives each symbol where it first names it."""
    classes = [""] * symbols
    if class_of_row is not None:
        present, first = np.unique(codes, return_index=True)
        for code, row in zip(present.tolist(), first.tolist(), strict=True):
            classes[code] = str(class_of_row[row])
    return classes


def read_numbers(column: pa.Array, form: CsvFormat) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers, NaN for null, and which rows hold something else.

    Decimals and single floats go by their text, so that the shortest decimal that they show is the number stored.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        values, bad = read_numbers(column.dictionary, form)
        codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
        given = column.is_valid().to_numpy(zero_copy_only=False)
        if not len(values):
            return np.full(len(column), np.nan), np.zeros(len(column), dtype=np.bool_)
        return np.where(given, values[codes], np.nan), bad[codes] & given
    if pa.types.is_decimal(kind) or pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return _parsed(pc.cast(column, pa.string()), CsvFormat())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _parsed(column, form)
    numbers = pc.cast(column, pa.float64(), safe=False)
    return numbers.to_numpy(zero_copy_only=False), np.zeros(len(column), dtype=np.bool_)


def _parsed(column: pa.Array, form: CsvFormat) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    texts = pc.utf8_trim_whitespace(column)
    is_null = pc.is_in(texts, value_set=pa.array(form.nulls, texts.type))
    texts = pc.if_else(is_null, pa.scalar(None, texts.type), texts)
    if form.thousands or form.decimal != ".":
        texts = _plain(texts, form)
    try:
        numbers = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(texts, _number_pattern("", "."))
        numbers = pc.cast(pc.if_else(is_number, texts, pa.scalar(None, texts.type)), pa.float64())
    values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return values, np.isnan(values) & texts.is_valid().to_numpy(zero_copy_only=False)


def _plain(texts: pa.Array, form: CsvFormat) -> pa.Array:
    """Numbers with a point and without marks between thousands; a text that is none stays as it is, and is refused."""
    fits = pc.match_substring_regex(texts, _number_pattern(form.thousands, form.decimal))
    plain = pc.replace_substring(texts, form.thousands, "") if form.thousands else texts
    plain = pc.replace_substring(plain, form.decimal, ".")
    return pc.if_else(fits, plain, pc.if_else(texts.is_valid(), "no number", pa.scalar(None, texts.type)))


@lru_cache(maxsize=16)
def _number_pattern(thousands: str, decimal: str) -> str:
    whole = rf"(\d{{1,3}}(\{thousands}\d{{3}})+|\d+)" if thousands else r"\d+"
    return rf"^[+-]?({whole}(\{decimal}\d*)?|\{decimal}\d+)([eE][+-]?\d+)?$"


def _counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers, -1 for none given, -2 for every negative one: that is refused, and must not look like "none"."""
    known = np.where(np.isnan(values) | (values >= _LARGEST_COUNT), -1, values)
    return np.where(values < 0, -2, known).astype(np.int64)


def _sessions(
    moments: Sequence[Moment | None], codes: NDArray[np.intp], is_crypto: NDArray[np.bool_]
) -> NDArray[np.datetime64]:
    exchange = np.array([_NO_DAY if moment is None else moment.new_york_day for moment in moments], "datetime64[D]")
    coins = np.array([_NO_DAY if moment is None else moment.utc_day for moment in moments], "datetime64[D]")
    return np.where(is_crypto, coins[codes], exchange[codes]) if len(moments) else coins


def _starts(moments: Sequence[Moment | None], codes: NDArray[np.intp]) -> NDArray[np.datetime64]:
    seconds = np.array([0 if moment is None else moment.seconds for moment in moments], dtype=np.int64)
    return (seconds[codes] if len(moments) else seconds).astype("datetime64[s]")
