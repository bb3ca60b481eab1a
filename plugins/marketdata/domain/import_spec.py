"""The declared spec of an import: which column of a foreign table is what, in which unit, and whose symbols they are.

A spec is a small TOML or JSON file; this module takes what such a file holds as plain values and checks all of it
before a row is read. Every mistake names its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, cast
from zoneinfo import ZoneInfo

from marketdata.domain.bars import VENDOR_OF, AssetClass
from marketdata.errors import InvalidRequest

Interval = Literal["1d", "1h"]

FIGURES = ("open", "high", "low", "close", "volume", "volume_24h", "vwap", "trades")
"""The numbers of a bar, each from a column or from a constant."""

TEXTS = ("symbol", "session", "starts_at", "asset_class")
ENCODINGS = ("utf-8", "latin-1", "cp1252")
NULLS = ("", "NULL", "null", "NaN", "nan", "\\N")

_KEYS = (
    *("name", "interval", "asset_class", "add_assets", "volume_unit", "time_format", "zone", "dashed_crypto", "skip"),
    *("columns", "constants", "symbols", "coin_ids", "csv"),
)
_CSV_KEYS = ("delimiter", "decimal", "thousands", "encoding", "header", "nulls")
_MAX_NAME, _MAX_SYMBOL = 32, 32
_LEGACY = {"name": "legacy", "dashed_crypto": True, "zone": "UTC"}


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a CSV file writes its values; ``header`` names the columns of a file that has no header of its own."""

    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    encoding: str = "utf-8"
    header: tuple[str, ...] = ()
    nulls: tuple[str, ...] = NULLS


@dataclass(frozen=True, slots=True)
class ImportSpec:
    """A checked spec. ``columns`` and ``constants`` are by field (``symbol``, ``session``, ``close`` ...).

    ``volume_unit`` is how many shares one unit of the file's volume means. ``time_format`` is ``iso``, ``epoch``,
    ``epoch_ms`` or a pattern such as ``%d.%m.%Y``; ``zone`` is whose clock times without an offset show.
    """

    name: str
    interval: Interval
    columns: Mapping[str, str]
    constants: Mapping[str, str | float] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    asset_class: AssetClass | None = None
    add_assets: bool = False
    coin_ids: Mapping[str, str] = field(default_factory=dict)
    dashed_crypto: bool = False
    volume_unit: float = 1.0
    time_format: str = "iso"
    zone: str | None = None
    csv: CsvFormat = field(default_factory=CsvFormat)

    @property
    def source(self) -> str:
        """What the bars of this import name as their source."""
        return f"import:{self.name}"

    @property
    def time_field(self) -> str:
        """``session`` of daily bars, ``starts_at`` of hourly ones."""
        return "session" if self.interval == "1d" else "starts_at"

    def facts(self) -> dict[str, object]:
        """The spec as plain values, equal for equal specs: a part of what tells one import from another."""
        return asdict(self)

    def house_symbol(self, given: str) -> str | None:
        """Our name for a symbol of the file, which may still be unknown; None for one that is left out."""
        if given in self.skip:
            return None
        mapped = self.symbols.get(given)
        if mapped is not None:
            return mapped
        base, _, quote = given.rpartition("-")
        return f"X:{base}USD" if self.dashed_crypto and base and quote == "USD" else given


def parse_spec(given: Mapping[str, object]) -> ImportSpec:
    """Check what a spec file holds; InvalidRequest names the first key that is wrong, why, and what belongs there."""
    top = _Table("", given, _KEYS)
    interval = cast("Interval", top.choice("interval", ("1d", "1h"), "1d"))
    columns = _columns(top.table("columns", (*TEXTS, *FIGURES)), interval)
    spec = ImportSpec(
        name=_name(top),
        interval=interval,
        columns=columns,
        constants=_constants(top.table("constants", ("symbol", *FIGURES)), columns),
        symbols=_house_symbols(top),
        skip=tuple(sorted(set(top.texts("skip", ())))),
        asset_class=cast("AssetClass | None", top.choice("asset_class", tuple(VENDOR_OF), None)),
        add_assets=top.flag("add_assets"),
        coin_ids=top.texts_by_key("coin_ids"),
        dashed_crypto=top.flag("dashed_crypto"),
        volume_unit=_volume_unit(top),
        time_format=top.text("time_format", "iso"),
        zone=_zone(top),
        csv=_csv_format(top.table("csv", _CSV_KEYS)),
    )
    _refuse_incomplete(spec)
    return spec


def legacy_spec(given: Mapping[str, object], interval: Interval) -> ImportSpec:
    """The spec of an old system's table ``asset_data``; ``given`` may say whose its symbols are, not how it is read."""
    for key in ("columns", "constants", "csv", "interval", "time_format"):
        if key in given:
            raise _wrong(key, "the columns of asset_data are known", "leave it out")
    columns = {name: name for name in ("symbol", "open", "high", "low", "close", "volume")}
    columns |= {"session": "date"} if interval == "1d" else {"starts_at": "timestamp"}
    fixed = {"interval": interval, "columns": columns, "csv": {"nulls": [""]}}
    return parse_spec({**_LEGACY, **given, **fixed})


class _Table:
    """One table of a spec: made, it has no unknown key; each value is checked for its type when it is read."""

    def __init__(self, path: str, values: Mapping[str, object], known: Sequence[str]) -> None:
        self.path = path
        self.values = values
        for key in values:
            if key not in known:
                raise _wrong(self.key(key), "there is no such key", f"use one of {', '.join(known)}")

    def key(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str, default: str) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise _wrong(self.key(name), f"{value!r:.60} is no text", "write it in quotes")
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise _wrong(self.key(name), f"{value!r:.60} is neither true nor false", "write true or false, no quotes")
        return value

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(self.key(name), f"{value!r:.60} is no number", "write digits, no quotes")
        return float(value)

    def choice(self, name: str, among: tuple[str, ...], default: str | None) -> str | None:
        value = self.values.get(name, default)
        if value not in (*among, default):
            raise _wrong(self.key(name), f"{value!r:.60} is none of them", f"use one of {', '.join(among)}")
        return None if value is None else str(value)

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.values.get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(self.key(name), f"{value!r:.60} is no list of texts", 'write it like ["A", "B"]')
        return tuple(value)

    def texts_by_key(self, name: str) -> dict[str, str]:
        value = self.values.get(name, {})
        if not isinstance(value, Mapping):
            raise _wrong(self.key(name), f"{value!r:.60} is no table", f'write [{name}] and lines like "A" = "B"')
        for key, item in value.items():
            if not isinstance(item, str) or not item:
                raise _wrong(f"{self.key(name)}.{key!r:.60}", f"{item!r:.60} is no text", "write it in quotes")
        return {str(key): str(item) for key, item in value.items()}

    def table(self, name: str, known: Sequence[str]) -> _Table:
        value = self.values.get(name, {})
        if not isinstance(value, Mapping):
            raise _wrong(self.key(name), f"{value!r:.60} is no table", f"write [{name}] and a line for each key")
        return _Table(self.key(name), value, known)


def _wrong(key: str, why: str, next_step: str) -> InvalidRequest:
    return InvalidRequest(f"import spec, key {key}", why, next_step)


def _name(top: _Table) -> str:
    name = top.text("name", "")
    if not name:
        raise _wrong("name", "it is missing: bars say where they come from", 'write name = "acme", for import:acme')
    plain = name.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and name == name.lower() and len(name) <= _MAX_NAME):
        why = f"{name!r:.60} is no short plain name"
        raise _wrong("name", why, f"use small letters, digits, '-' and '_', at most {_MAX_NAME}")
    return name


def _columns(table: _Table, interval: Interval) -> dict[str, str]:
    columns = {name: table.text(name, "") for name in table.values}
    for name, column in columns.items():
        if not column:
            raise _wrong(table.key(name), "it is empty", "write the name of the file's column, or leave the key out")
    other = "starts_at" if interval == "1d" else "session"
    if other in columns:
        why = f'bars of interval "{interval}" have none'
        raise _wrong(table.key(other), why, "name the column under the other time key, or change interval")
    if interval == "1h" and "volume_24h" in columns:
        raise _wrong(table.key("volume_24h"), "only daily bars of coins have it", "leave it out")
    return columns


def _constants(table: _Table, columns: Mapping[str, str]) -> dict[str, str | float]:
    constants: dict[str, str | float] = {}
    for name in table.values:
        if name in columns:
            raise _wrong(table.key(name), "a column is named for it too", "keep one of them")
        constants[name] = table.text(name, "") if name == "symbol" else table.number(name, 0.0)
    return constants


def _house_symbols(top: _Table) -> dict[str, str]:
    symbols = top.texts_by_key("symbols")
    for given, symbol in symbols.items():
        plain = symbol.replace(".", "").replace(":", "").replace("-", "")
        if not (plain.isascii() and plain.isalnum() and symbol[0].isalnum() and len(symbol) <= _MAX_SYMBOL):
            why = f"{symbol!r:.60} is no house symbol"
            raise _wrong(f"symbols.{given!r:.60}", why, "write one such as AAPL, BRK.B or X:BTCUSD")
    return symbols


def _volume_unit(top: _Table) -> float:
    unit = top.number("volume_unit", 1.0)
    if not 0 < unit < float("inf"):
        raise _wrong("volume_unit", f"{unit} is not positive", "write how many shares one unit means, like 1000")
    return unit


def _zone(top: _Table) -> str | None:
    zone = top.text("zone", "")
    if not zone:
        return None
    try:
        ZoneInfo(zone)
    except (ValueError, KeyError, OSError) as error:
        raise _wrong("zone", f"{zone!r:.60} is no time zone", "write one such as America/New_York or UTC") from error
    return zone


def _csv_format(table: _Table) -> CsvFormat:
    default = CsvFormat()
    chosen = CsvFormat(
        delimiter=table.text("delimiter", default.delimiter),
        decimal=table.text("decimal", default.decimal),
        thousands=table.text("thousands", default.thousands),
        encoding=str(table.choice("encoding", ENCODINGS, default.encoding)),
        header=table.texts("header", default.header),
        nulls=table.texts("nulls", default.nulls),
    )
    marks = {"delimiter": chosen.delimiter, "decimal": chosen.decimal}
    for name, mark in marks.items():
        if len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"\r\n\0':
            raise _wrong(table.key(name), f"{mark!r:.60} is no single mark", 'write one such as ",", ";" or "\\t"')
    if chosen.decimal not in ".,":
        raise _wrong(table.key("decimal"), f"{chosen.decimal!r} marks no decimals", 'write "." or ","')
    if chosen.thousands not in ("", ".", ",", "'", " ", "_") or chosen.thousands == chosen.decimal:
        why = f"{chosen.thousands!r:.60} cannot part thousands here"
        raise _wrong(table.key("thousands"), why, "write the mark between groups of digits, or leave it out")
    if len(set(chosen.header)) != len(chosen.header):
        raise _wrong(table.key("header"), "it names a column twice", "give each column a name of its own")
    return chosen


def _refuse_incomplete(spec: ImportSpec) -> None:
    for required in ("symbol", spec.time_field, "close"):
        if required not in spec.columns and not spec.constants.get(required):
            raise _wrong(f"columns.{required}", "it is missing: every bar needs one", f'write {required} = "<column>"')
    if spec.add_assets and spec.asset_class is None and "asset_class" not in spec.columns:
        why = "assets can only be added once their class is known"
        raise _wrong("add_assets", why, 'write asset_class = "stock", or name its column under [columns]')
    if spec.asset_class is not None and "asset_class" in spec.columns:
        raise _wrong("asset_class", "a column is named for it too", "keep one of them")
