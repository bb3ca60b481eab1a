"""What was known of daily bars, and when: the series as of an instant, and what a vendor changed since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row, namedtuple_row

from marketdata.domain.coverage import Span
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

FIELDS = ("open", "high", "low", "close", "volume", "volume_24h", "vwap", "trades")
"""What a vendor can change of a daily bar, in the order in which it is shown."""


@dataclass(frozen=True, slots=True)
class KnownBar:
    """One version of a daily bar, raw prices in US dollars, None for "not given".

    It was known from ``known_since``, when the vendor first answered with it, until ``known_until`` (exclusive; None:
    it is the present one). ``run_id`` is the run that first stored it. ``is_final``: it was ever seen after its day was
    over, be it later than the instant asked for.
    """

    asset_id: int
    session: date
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    volume_24h: float | None
    vwap: float | None
    trades: int | None
    is_final: bool
    source: str
    run_id: int
    known_since: datetime
    known_until: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of a bar before and after; None for "not given"."""

    field: str
    old: float | None
    new: float | None

    @property
    def relative(self) -> float | None:
        """The change as a part of the old figure: 0.01 for one per cent more; None where there is none to compare."""
        return self.new / self.old - 1 if self.old and self.new is not None else None


@dataclass(frozen=True, slots=True)
class BarChange:
    """A vendor's change of one daily bar: what it was from ``known_since`` to ``changed_at``, and what it became then.

    ``was_final`` False: the earlier version had been taken before its day was over, so that a change was to be
    expected. ``run_id`` had stored the earlier version, ``changed_by_run_id`` replaced it. ``new_source`` None: the bar
    was taken back, being another company's, and no other has come.
    """

    asset_id: int
    symbol: str
    session: date
    was_final: bool
    known_since: datetime
    changed_at: datetime
    run_id: int
    changed_by_run_id: int
    source: str
    new_source: str | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class DayOfChanges:
    """The changes of one New York date: how many bars, how many of them were final, of how many assets and which
    sessions; and the symbol whose close changed most in proportion (``relative``; None: bars were only taken back)."""

    day: date
    changes: int
    corrections: int
    assets: int
    first: date
    last: date
    most_changed: str
    relative: float | None


@dataclass(frozen=True, slots=True)
class ChangesWanted:
    """Which changes: of these assets (None: all), from ``since`` on and before ``until`` (None: no end).

    ``only_final`` leaves out bars that were taken before their day was over.
    """

    asset_ids: Sequence[int] | None
    since: datetime
    until: datetime | None = None
    only_final: bool = False

    def values(self) -> dict[str, object]:
        ids = None if self.asset_ids is None else list(self.asset_ids)
        return {"asset_ids": ids, "since": self.since, "until": self.until, "only_final": self.only_final}


def bars_as_of(connection: Connection, asset_ids: Sequence[int], window: Span, known_at: datetime) -> list[KnownBar]:
    """The daily bars of ``window``, both ends inclusive, as they were known at ``known_at``, by asset and session.

    A session of which nothing was known then has no bar, whatever is known of it now.
    """
    values = {"asset_ids": list(asset_ids), "first": window.first, "last": window.last, "known_at": known_at}
    with connection.cursor(row_factory=class_row(KnownBar)) as cursor:
        return cursor.execute(statement("revisions/list_known"), values).fetchall()


def bar_changes(connection: Connection, wanted: ChangesWanted, most: int) -> list[BarChange]:
    """What the vendors changed, newest first, at most ``most`` changes; empty for none."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(statement("revisions/list_changes"), {**wanted.values(), "most": most})
        return [_change(row._asdict()) for row in cursor]


def changes_by_day(connection: Connection, wanted: ChangesWanted) -> list[DayOfChanges]:
    """How much was changed on each New York date with a change, newest first."""
    with connection.cursor(row_factory=class_row(DayOfChanges)) as cursor:
        return cursor.execute(statement("revisions/count_by_day"), wanted.values()).fetchall()


def _change(row: dict[str, Any]) -> BarChange:
    pairs = zip(FIELDS, row.pop("old"), row.pop("new"), strict=True)
    differences = tuple(Difference(field, old, new) for field, old, new in pairs if old != new)
    return BarChange(**row, differences=differences)
