"""Columns as the bytes of PostgreSQL's binary COPY, built by numpy without a Python step per row.

The format: a header, then per row the number of fields and per field its length and its big-endian bytes; a null has
length -1 and no bytes. Rows with the same nulls have the same size, so each such group is one numpy structured array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_EPOCH_DAY = np.datetime64("2000-01-01", "D")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NULL = -1
_BIG_ENDIAN = {code: np.dtype(code).newbyteorder(">").str for code in "?hiqlfd"}

Column = NDArray[np.generic] | np.generic | bytes
Rows = slice | NDArray[np.intp]


def days_since_epoch(days: NDArray[np.datetime64]) -> NDArray[np.int32]:
    """datetime64[D] as PostgreSQL's ``date``."""
    return (days - _EPOCH_DAY).astype(np.int32)


def instant_since_epoch(instant: datetime) -> np.int64:
    """An aware instant as PostgreSQL's ``timestamptz``: microseconds since 2000."""
    return np.int64((instant - _EPOCH) // timedelta(microseconds=1))


def instants_since_epoch(instants: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """datetime64[us], UTC, as PostgreSQL's ``timestamptz``: microseconds since 2000."""
    since: NDArray[np.int64] = (instants - _EPOCH_DAY.astype("datetime64[us]")).astype(np.int64)
    return since


def encode(
    columns: Mapping[str, Column], given: Mapping[str, NDArray[np.bool_]], length: int, *, rows_a_copy: int
) -> list[bytes]:
    """The data of one or more COPYs for ``length`` rows, each of at most ``rows_a_copy``; none for no rows.

    ``columns`` in the order of the COPY statement: an array, or one number or byte string for all rows. ``given`` says
    for a column that may be null which rows have a value. Rows keep their order unless their nulls differ.
    """
    copies: list[bytes] = []
    for nulls, chosen in _by_nulls(given, length):
        rows = _rows(columns, nulls, chosen, length)
        starts = range(0, len(rows), rows_a_copy)
        copies.extend(HEADER + rows[start : start + rows_a_copy].tobytes() + TRAILER for start in starts)
    return copies


def _by_nulls(given: Mapping[str, NDArray[np.bool_]], length: int) -> Iterator[tuple[frozenset[str], Rows]]:
    """Each combination of null columns that occurs, with the rows that have it."""
    mixed = {name: mask for name, mask in given.items() if mask.any() and not mask.all()}
    always_null = frozenset(name for name, mask in given.items() if not mask.any())
    if not mixed:
        yield always_null, slice(None)
        return
    pattern = np.zeros(length, dtype=np.int64)
    for bit, mask in enumerate(mixed.values()):
        pattern |= mask.astype(np.int64) << bit
    for code in np.unique(pattern).tolist():
        nulls = frozenset(name for bit, name in enumerate(mixed) if not code >> bit & 1)
        yield always_null | nulls, np.flatnonzero(pattern == code)


def _rows(columns: Mapping[str, Column], nulls: frozenset[str], chosen: Rows, length: int) -> NDArray[np.void]:
    formats = tuple((name, _format(values), name in nulls) for name, values in columns.items())
    layout, frame = _layout(formats)
    # Bytes repeated: numpy would fill in a structure field by field, at four times the cost of all the values below.
    rows = np.frombuffer(bytearray(frame * (length if isinstance(chosen, slice) else len(chosen))), dtype=layout)
    for name, values in columns.items():
        if name not in nulls:
            rows[name] = values[chosen] if isinstance(values, np.ndarray) else values
    return rows


def _format(values: Column) -> str:
    return f"S{len(values)}" if isinstance(values, bytes) else _BIG_ENDIAN[values.dtype.char]


@lru_cache(maxsize=64)
def _layout(formats: tuple[tuple[str, str, bool], ...]) -> tuple[np.dtype[np.void], bytes]:
    """The structure of a row, and the bytes of a row with all counts and lengths filled in."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, code, is_null in formats:
        fields.append((f"{name} length", ">i4"))
        if not is_null:
            fields.append((name, code))
    layout = np.dtype(fields)
    frame = np.zeros((), dtype=layout)
    frame["fields"] = len(formats)
    for name, code, is_null in formats:
        frame[f"{name} length"] = _NULL if is_null else np.dtype(code).itemsize
    return layout, frame.tobytes()
