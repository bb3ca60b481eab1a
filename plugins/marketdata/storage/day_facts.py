"""Collects all that is recorded about one asset on one day, in one round trip once the asset is known."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple, TypeVar

from psycopg import Cursor
from psycopg.rows import class_row, kwargs_row

from marketdata.domain.bars import VENDOR_OF, AssetClass
from marketdata.domain.day_facts import (
    DayFacts,
    EarlierBar,
    LedgerCall,
    OpenFailure,
    ProvenAbsence,
    Reach,
    Refusal,
    StoredBar,
    Subject,
)
from marketdata.domain.sessions import today
from marketdata.storage.assets import find_assets
from marketdata.storage.connection import Connection
from marketdata.storage.entitlements import PROBE_ANEW_AFTER
from marketdata.storage.statements import statement

R = TypeVar("R")


class _Covered(NamedTuple):
    """What coverage says of the day; nothing where the asset has no row yet."""

    is_verified: bool = False
    is_provisional: bool = False
    compared_at: datetime | None = None


def find_facts(connection: Connection, symbol: str, day: date, *, now: datetime) -> DayFacts:
    """Everything about the asset that ``symbol`` names, now or as a ticker of that day, on ``day``.

    InvalidRequest names near matches of a symbol that means nobody.
    """
    subject = _find_subject(connection, symbol, day)
    values = {
        "asset_id": subject.asset_id,
        "vendor": subject.vendor,
        "day": day,
        "today": today(subject.asset_class, now),
        "probe_days": PROBE_ANEW_AFTER.days,
    }

    def ask(name: str, row: type[R]) -> Cursor[R]:
        cursor = connection.cursor(row_factory=class_row(row))
        return cursor.execute(statement(name), values)

    with connection.pipeline():
        covered = ask("questions/find_coverage", _Covered)
        bar = ask("questions/find_bar", StoredBar)
        absence = ask("questions/find_absence", ProvenAbsence)
        failures = ask("questions/list_failures", OpenFailure)
        refusals = ask("questions/list_refusals", Refusal)
        calls = ask("questions/list_calls", LedgerCall)
        revisions = ask("questions/list_revisions", EarlierBar)
        reach = ask("questions/find_reach", Reach)
    return DayFacts(
        day,
        subject,
        *(covered.fetchone() or _Covered()),
        bar=bar.fetchone(),
        absence=absence.fetchone(),
        failures=tuple(failures.fetchall()),
        refusals=tuple(refusals.fetchall()),
        calls=tuple(calls.fetchall()),
        revisions=tuple(revisions.fetchall()),
        reach=reach.fetchone(),
    )


def _find_subject(connection: Connection, symbol: str, day: date) -> Subject:
    with connection.cursor(row_factory=kwargs_row(_subject)) as cursor:
        found = cursor.execute(statement("questions/find_asset"), {"symbol": symbol, "day": day}).fetchone()
    if found is None:
        find_assets(connection, [symbol])  # which refuses it and names what is near
        raise LookupError(symbol)
    return found


def _subject(asset_class: AssetClass, **others: object) -> Subject:
    return Subject(asset_class=asset_class, vendor=VENDOR_OF[asset_class], **others)  # type: ignore[arg-type]
