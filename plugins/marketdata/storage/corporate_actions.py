"""Splits and dividends as they are stored: what an answer adds, alters and no longer holds; the verdict on splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from psycopg.rows import class_row, scalar_row

from marketdata.domain.adjustment import LONGEST_PAUSE_DAYS, Split
from marketdata.domain.corporate_actions import (
    Candidate,
    ReportedDividend,
    ReportedSplit,
    Verdict,
    drop_duplicates,
    is_same_split,
    judge_splits,
)
from marketdata.storage.connection import Connection
from marketdata.storage.reference_calls import Brought
from marketdata.storage.statements import statement

Kept = tuple[int, Split]


@dataclass(frozen=True, slots=True)
class Progress:
    """Up to which day an asset's splits and dividends are known; None: none of them was read yet."""

    asset_id: int
    splits_through: date | None
    dividends_through: date | None


@dataclass(frozen=True, slots=True)
class Reach:
    """What an answer speaks for: the actions of these assets since a day. ``at`` is its instant.

    ``withdraws``: what it does not hold is no longer reported.
    """

    asset_ids: Sequence[int]
    since: date
    at: datetime
    withdraws: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that is new: on a split never judged before, or another one than before."""

    asset_id: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Known:
    asset_id: int
    executed_on: date
    split_from: float
    split_to: float
    vendor_id: str
    kind: str
    is_reported: bool

    @property
    def split(self) -> Split:
        return Split(self.executed_on, self.split_from, self.split_to)


@dataclass(frozen=True, slots=True)
class _Stored:
    asset_id: int
    executed_on: date
    split_from: float
    split_to: float
    is_applied: bool
    reason: str
    is_reported: bool
    close_before: float | None
    open_after: float | None

    @property
    def candidate(self) -> Candidate:
        split = Split(self.executed_on, self.split_from, self.split_to)
        return Candidate(split, self.close_before, self.open_after, self.is_reported)


def find_progress(connection: Connection, asset_ids: Sequence[int]) -> list[Progress]:
    """How far the splits and dividends of each of these assets are known."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        return cursor.execute(statement("reference/list_progress"), {"asset_ids": list(asset_ids)}).fetchall()


def advance(
    connection: Connection, what: Literal["splits", "dividends"], asset_ids: Sequence[int], through: date
) -> None:
    """Note that the splits or the dividends of these assets are known up to a day."""
    name = {"splits": "reference/advance_splits", "dividends": "reference/advance_dividends"}[what]
    connection.execute(statement(name), {"asset_ids": list(asset_ids), "through": through})


def store_splits(connection: Connection, reported: Mapping[int, Sequence[ReportedSplit]], reach: Reach) -> Brought:
    """Keep the splits of an answer, by asset; nothing is judged yet.

    What says no more than a split that is known, or than another one of the answer, is dropped and counted. A split
    that the answer no longer holds is marked as withdrawn, which its next verdict tells.
    """
    known: dict[int, list[_Known]] = {}
    with connection.cursor(row_factory=class_row(_Known)) as cursor:
        cursor.execute(statement("splits/list_known"), {"asset_ids": list(reach.asset_ids), "since": reach.since})
        for row in cursor:
            known.setdefault(row.asset_id, []).append(row)
    new: list[tuple[int, ReportedSplit]] = []
    seen: set[Kept] = set()
    dropped = 0
    for asset_id, splits in reported.items():
        before = [ReportedSplit("", row.split, row.kind, row.vendor_id) for row in known.get(asset_id, ())]
        own, twice = drop_duplicates(splits)
        kept, _ = drop_duplicates([*before, *own])
        new.extend((asset_id, split) for split in kept[len(before) :])
        seen.update((asset_id, one.split) for one in before if any(is_same_split(one.split, it.split) for it in own))
        dropped += twice
    stored = [row for rows in known.values() for row in rows]
    gone = [row for row in stored if row.is_reported and (row.asset_id, row.split) not in seen]
    back = [row for row in stored if not row.is_reported and (row.asset_id, row.split) in seen]
    _add(connection, new, reach.at)
    _mark(connection, back, None)
    if reach.withdraws:
        _mark(connection, gone, reach.at)
    changed = len(back) + (len(gone) if reach.withdraws else 0)
    warnings = _not_believed(reach, len(gone))
    return Brought(len(new), changed, len(seen), duplicates=dropped, warnings=warnings)


def judge(connection: Connection, asset_ids: Sequence[int]) -> list[Judged]:
    """Judge the splits of these assets anew, with the prices that are stored now; returns the verdicts that are new.

    Assets whose splits are all proven by the vendor's own series are left alone.
    """
    by_asset: dict[int, list[_Stored]] = {}
    with connection.cursor(row_factory=class_row(_Stored)) as cursor:
        cursor.execute(statement("splits/list_candidates"), {"asset_ids": list(asset_ids), "reach": LONGEST_PAUSE_DAYS})
        for row in cursor:
            by_asset.setdefault(row.asset_id, []).append(row)
    changed: list[Judged] = []
    for asset_id, rows in by_asset.items():
        before = {row.candidate.split: (row.is_applied, row.reason) for row in rows}
        verdicts = judge_splits([row.candidate for row in rows])
        changed.extend(Judged(asset_id, one) for one in verdicts if before[one.split] != (one.is_applied, one.reason))
    for state, is_applied in (("held", False), ("applied", True)):  # so that no day ever has two applied ones
        chosen = [one for one in changed if one.verdict.is_applied is is_applied]
        values = _keys((one.asset_id, one.verdict.split) for one in chosen)
        reasons = [one.verdict.reason for one in chosen]
        connection.execute(statement("splits/judge"), {**values, "reasons": reasons, "state": state})
    return changed


def count_held(connection: Connection, asset_ids: Sequence[int]) -> int:
    """How many splits of these assets are held."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(statement("splits/count_held"), {"asset_ids": list(asset_ids)}).fetchone()
    return int(found or 0)


def store_dividends(
    connection: Connection, reported: Mapping[int, Sequence[ReportedDividend]], reach: Reach
) -> Brought:
    """Keep the dividends of an answer, by asset.

    Of several with one key, or with the same day, amount, currency and kind, the first one counts. Those that the
    answer no longer holds are marked as withdrawn.
    """
    rows = [(asset_id, one) for asset_id, dividends in reported.items() for one in _each_once(dividends)]
    keys = {"asset_ids": [asset_id for asset_id, _ in rows], "vendor_ids": [one.key for _, one in rows]}
    written = connection.execute(
        statement("dividends/upsert"),
        {
            **keys,
            "ex_dates": [one.dividend.ex_date for _, one in rows],
            "cash_amounts": [one.dividend.cash_amount for _, one in rows],
            "currencies": [one.dividend.currency for _, one in rows],
            "declared_on": [one.declared_on for _, one in rows],
            "record_dates": [one.record_date for _, one in rows],
            "pay_dates": [one.pay_date for _, one in rows],
            "frequencies": [one.frequency for _, one in rows],
            "kinds": [one.kind for _, one in rows],
            "at": reach.at,
        },
    ).fetchall()
    withdrawn = 0
    if reach.withdraws:
        shared = {"scope": list(reach.asset_ids), "since": reach.since, "at": reach.at}
        withdrawn = connection.execute(statement("dividends/withdraw"), {**keys, **shared}).rowcount
    inserted = sum(1 for (is_new,) in written if is_new)
    given = sum(len(dividends) for dividends in reported.values())
    return Brought(
        inserted=inserted,
        changed=len(written) - inserted + withdrawn,
        unchanged=len(rows) - len(written),
        duplicates=given - len(rows),
        warnings=(f"{withdrawn} dividends are no longer reported, and count no more",) if withdrawn else (),
    )


def _each_once(dividends: Sequence[ReportedDividend]) -> Iterable[ReportedDividend]:
    """The first of each key, and of each day, amount, currency and kind."""
    by_content: dict[object, ReportedDividend] = {}
    for one in dividends:
        by_content.setdefault((one.dividend, one.kind), one)
    by_key: dict[str, ReportedDividend] = {}
    for one in by_content.values():
        by_key.setdefault(one.key, one)
    return by_key.values()


def _not_believed(reach: Reach, lacking: int) -> tuple[str, ...]:
    if reach.withdraws or not lacking:
        return ()
    return (f"no split of any company since {reach.since}: not believed, the {lacking} that are known stay",)


def _add(connection: Connection, splits: Sequence[tuple[int, ReportedSplit]], at: datetime) -> None:
    if splits:
        values = {
            **_keys((asset_id, one.split) for asset_id, one in splits),
            "vendor_ids": [one.vendor_id for _, one in splits],
            "kinds": [one.kind for _, one in splits],
            "at": at,
        }
        connection.execute(statement("splits/add"), values)


def _mark(connection: Connection, rows: Sequence[_Known], withdrawn_at: datetime | None) -> None:
    if rows:
        values = _keys((row.asset_id, row.split) for row in rows)
        connection.execute(statement("splits/mark_withdrawn"), {**values, "withdrawn_at": withdrawn_at})


def _keys(splits: Iterable[Kept]) -> dict[str, object]:
    """What a split is known by, as columns."""
    given = list(splits)
    return {
        "asset_ids": [asset_id for asset_id, _ in given],
        "executed_on": [split.executed_on for _, split in given],
        "split_from": [split.split_from for _, split in given],
        "split_to": [split.split_to for _, split in given],
    }
