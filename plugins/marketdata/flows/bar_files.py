"""The forms in which bars leave: CSV for people and spreadsheets, Parquet for programs, typed and described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from marketdata.storage.exports import COLUMNS, Series

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "parquet"]
Write = Callable[[bytes], None]
"""Takes the rows of some assets, as ``read_bars`` gives them."""

_PRICES = frozenset({"open", "high", "low", "close", "vwap"})
_MEANINGS = {
    "symbol": "house symbol",
    "session": "New York date of a stock, UTC date of a coin",
    "volume": "shares or coins",
    "volume_24h": "US dollars traded in the 24 hours before the close, never to be summed",
    "trades": "number of trades",
    "is_final": "whether it was seen after its day was over",
    "factor": "what the raw prices were multiplied with",
    "source": "vendor",
    "known_since": "instant at which the vendor first answered with it",
}
_PRICE_MEANING = {
    "none": "US dollars, raw as traded",
    "splits": "US dollars, adjusted for splits",
    "total-return": "US dollars, adjusted for splits and dividends",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself."""

    series: Series
    vendors: tuple[str, ...]
    unknown_sessions: int
    exported_at: datetime


@contextmanager
def csv_file(file: BinaryIO, facts: Facts) -> Iterator[Write]:
    """A CSV file with a header: UTF-8, empty for "not given", doubles with the shortest digits that give them back."""
    del facts  # the format has no place for them that a spreadsheet would not take for a row
    file.write(",".join(COLUMNS).encode() + b"\n")

    def write(text: bytes) -> None:
        file.write(text)

    yield write


@contextmanager
def parquet_file(file: BinaryIO, facts: Facts) -> Iterator[Write]:
    """A Parquet file, a row group for each piece, with the meaning of each column and of the whole as metadata."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    types = _types(pa)
    schema = pa.schema(
        [pa.field(name, kind, metadata={"meaning": _meaning(name, facts)}) for name, kind in types.items()],
        metadata=_metadata(facts),
    )
    reading = csv.ReadOptions(column_names=list(COLUMNS))
    # A symbol such as NA or TRUE is a text like any other.
    typed = csv.ConvertOptions(column_types=types, null_values=[""])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:

        def write(text: bytes) -> None:
            if text:
                table = csv.read_csv(BytesIO(text), read_options=reading, convert_options=typed)
                writer.write_table(table.cast(schema))

        yield write


WRITERS: dict[Format, Callable[[BinaryIO, Facts], AbstractContextManager[Write]]] = {
    "csv": csv_file,
    "parquet": parquet_file,
}


def _types(pa: Any) -> dict[str, pa.DataType]:  # noqa: ANN401 - the module, which ships no types
    """The type of each column."""
    others = {
        "symbol": pa.string(),
        "session": pa.date32(),
        "trades": pa.int64(),
        "is_final": pa.bool_(),
        "source": pa.string(),
        "known_since": pa.timestamp("us", tz="UTC"),
    }
    return {name: others.get(name, pa.float64()) for name in COLUMNS}


def _meaning(column: str, facts: Facts) -> str:
    return _PRICE_MEANING[facts.series.adjusted] if column in _PRICES else _MEANINGS[column]


def _metadata(facts: Facts) -> dict[str, str]:
    as_of = facts.series.as_of
    return {
        "marketdata.source": ", ".join(facts.vendors),
        "marketdata.adjusted": facts.series.adjusted,
        "marketdata.as_of": as_of.isoformat() if as_of else "",
        "marketdata.exported_at": facts.exported_at.isoformat(),
        "marketdata.unknown_sessions": str(facts.unknown_sessions),
        "marketdata.prices": _PRICE_MEANING[facts.series.adjusted],
    }
