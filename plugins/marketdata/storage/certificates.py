"""Certificates of completeness: for each asset what is expected, stored, proven absent and unknown, with a digest.

The digest of an asset is the SHA-256, in hex, of its stored bars as lines of text, so that anybody can recompute it:

    psql "$MARKETDATA_DSN" -qc "copy (select session, open, high, low, close, volume, volume_24h, vwap, trades
      from marketdata.bar_daily where asset_id = 1 and session between '2025-11-21' and '2026-11-20'
      order by session) to stdout (format csv)" | sha256sum

The digest over all is that of the lines ``symbol,first,last,bars,digest`` in the byte order of the symbols.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from psycopg.rows import kwargs_row

from marketdata.domain.class_windows import ClassWindow
from marketdata.storage.connection import Connection
from marketdata.storage.questions import window_values
from marketdata.storage.statements import statement
from marketdata.storage.trading_sessions import ensure_reach


@dataclass(frozen=True, slots=True)
class Certificate:
    """One asset from ``first`` to ``last``, both inclusive; None where no session can be expected.

    ``expected`` = ``stored`` + ``absent`` + ``unknown``. Of the unknown sessions ``missing`` are not covered and
    ``provisional`` have a bar that was seen before their day was over. The others are inconsistencies, named by their
    sessions: ``unproven`` are covered with neither bar nor absence, ``contradictory`` have both, ``uncovered`` have one
    of them outside coverage. ``bars`` are in the ``digest``, those on unexpected days included.
    """

    asset_id: int
    symbol: str
    first: date | None
    last: date | None
    expected: int
    stored: int
    absent: int
    missing: int
    provisional: int
    unproven: tuple[date, ...]
    contradictory: tuple[date, ...]
    uncovered: tuple[date, ...]
    bars: int
    digest: str

    @property
    def unknown(self) -> int:
        """The sessions that are neither stored nor proven absent."""
        inconsistent = len(self.unproven) + len(self.contradictory) + len(self.uncovered)
        return self.missing + self.provisional + inconsistent

    @property
    def is_complete(self) -> bool:
        return self.unknown == 0


def certify(connection: Connection, windows: Sequence[ClassWindow], *, asset_ids: Sequence[int]) -> list[Certificate]:
    """The certificates of these assets within the windows of their classes, each one as of one instant, by symbol."""
    ensure_reach(connection, max(each.today for each in windows))
    values = {**window_values(windows), "asset_ids": list(asset_ids)}
    with connection.cursor(binary=True, row_factory=kwargs_row(_certificate)) as cursor:
        return cursor.execute(statement("questions/certify"), values).fetchall()


def digest_over(certificates: Iterable[Certificate]) -> str:
    """One digest over all, whatever their order."""
    lines = sorted(
        f"{each.symbol},{each.first or ''},{each.last or ''},{each.bars},{each.digest}\n" for each in certificates
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _certificate(
    *,
    unproven: list[date] | None,
    contradictory: list[date] | None,
    uncovered: list[date] | None,
    **others: object,
) -> Certificate:
    """A row as it comes: PostgreSQL gives no array for no element."""
    return Certificate(
        unproven=tuple(unproven or ()),
        contradictory=tuple(contradictory or ()),
        uncovered=tuple(uncovered or ()),
        **others,  # type: ignore[arg-type]
    )
