"""Alerts on record: what a watch changes of them, the messages that tell of it, and what is silenced."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from marketdata.domain.alert_texts import body_of, silence_ended, title_of
from marketdata.domain.alerting import (
    KINDS,
    LONGEST_SILENCE,
    Change,
    Level,
    OpenAlert,
    Silence,
    Trouble,
    changes,
    still_late,
)
from marketdata.errors import InvalidRequest
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """A silence that has not ended."""

    silence_id: int
    pattern: str
    until: datetime
    reason: str
    who: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as operators see it. ``told_at`` None: nobody was told. ``waiting``: messages not yet delivered."""

    alert_id: int
    alert_key: str
    level: Level
    state: str
    subjects: tuple[str, ...]
    since: datetime
    age_minutes: float | None
    symbols: tuple[str, ...]
    figures: str
    cause: str
    next_step: str
    told_at: datetime | None
    opened_at: datetime
    changed_at: datetime
    recovered_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class _EndedSilence:
    """A silence that has ended; ``is_renewed``: another one of its pattern goes on."""

    pattern: str
    until: datetime
    reason: str
    who: str
    is_renewed: bool


def update_alerts(
    connection: Connection,
    troubles: Sequence[Trouble],
    *,
    held: Collection[str],
    ended: Mapping[str, datetime],
    now: datetime,
    runbooks: str,
) -> list[Change]:
    """Bring the alerts to what a watch sees at ``now``, write the messages that tell of it, and return the changes.

    ``held`` are keys of which the watch knows nothing; ``ended`` says when a run of each DAG last ended, which is how a
    late run recovers. Watches at once take turns: an alert is opened, and told, once. Reports silences that have ended.
    """
    connection.execute(statement("alerts/lock"))
    _report_ended_silences(connection, now)
    alerts = _open_alerts(connection)
    late = still_late(alerts, ended)
    changed = changes(troubles, alerts, silences=_silences(connection, now), held={*held, *late}, now=now)
    for change in changed:
        _store(connection, change, now, runbooks)
    return changed


def raise_alert(connection: Connection, trouble: Trouble, *, now: datetime, runbooks: str) -> Change:
    """Open the alert of one trouble, or keep the one that is open, whatever else is wrong."""
    connection.execute(statement("alerts/lock"))
    alerts = [alert for alert in _open_alerts(connection) if alert.alert_key == trouble.key]
    (change,) = changes([trouble], alerts, silences=_silences(connection, now), held=(), now=now)
    _store(connection, change, now, runbooks)
    return change


def list_alerts(connection: Connection, *, opened_after: datetime) -> list[StoredAlert]:
    """The alerts that are open, then those opened after an instant; newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("alerts/list"), {"opened_after": opened_after}).fetchall()
    return [StoredAlert(**_with_tuples(row)) for row in rows]


def list_silences(connection: Connection, *, now: datetime) -> list[StoredSilence]:
    """The silences that have not ended, by end."""
    with connection.cursor(row_factory=class_row(StoredSilence)) as cursor:
        return cursor.execute(statement("alerts/list_silences"), {"now": now}).fetchall()


def add_silence(
    connection: Connection, *, pattern: str, until: datetime, reason: str, who: str, now: datetime
) -> StoredSilence:
    """Keep alerts with this key, or this beginning of a key and ``*``, from being told before ``until``.

    Raises InvalidRequest without a reason or a name, and for an end that is past or more than 90 days ahead.
    """
    for name, text in (("key", pattern), ("--reason", reason), ("--who", who)):
        if not text.strip() or not text.isprintable() or len(text) > _LONGEST_TEXT:
            raise InvalidRequest(
                f"{name} {text[:40]!r}", "it says nothing", f"1 to {_LONGEST_TEXT} printable characters"
            )
    if not any(f"{kind}:".startswith(pattern.rstrip("*")) or pattern.startswith(f"{kind}:") for kind in KINDS):
        raise InvalidRequest(f"key {pattern!r:.40}", "no alert is called so", f"one of {', '.join(KINDS)}, then :*")
    if not now < until <= now + LONGEST_SILENCE:
        why = "it is over already" if until <= now else f"it is more than {LONGEST_SILENCE.days} days ahead"
        raise InvalidRequest(
            f"--until {until.isoformat()}", why, f"a day within the next {LONGEST_SILENCE.days}; it can be renewed then"
        )
    values = {"pattern": pattern.strip(), "until": until, "reason": reason.strip(), "who": who.strip(), "now": now}
    row = connection.execute(statement("alerts/silence"), values).fetchone()
    return StoredSilence(int(str(row[0] if row else "")), pattern.strip(), until, reason.strip(), who.strip(), now)


def end_silence(connection: Connection, silence_id: int, *, now: datetime) -> str:
    """End a silence before its day and return its pattern; InvalidRequest where there is none of that number."""
    row = connection.execute(statement("alerts/end_silence"), {"silence_id": silence_id, "now": now}).fetchone()
    if row is None:
        raise InvalidRequest(f"silence {silence_id}", "there is none that goes on", "see marketdata alerts")
    return str(row[0])


def _store(connection: Connection, change: Change, now: datetime, runbooks: str) -> None:
    """Write one change and its message."""
    trouble, alert = change.trouble, change.alert
    alert_id = None if alert is None else alert.alert_id
    if trouble is None:
        connection.execute(statement("alerts/recover"), {"alert_id": alert_id, "now": now})
    else:
        values = _values(trouble, is_told=change.message is not None, now=now)
        if alert_id is not None:
            connection.execute(statement("alerts/keep"), {**values, "alert_id": alert_id})
        else:
            row = connection.execute(statement("alerts/open"), values).fetchone()
            if row is None:  # somebody without our lock opened it: that one tells of it
                return
            alert_id = int(str(row[0]))
    if change.message is not None:
        subject = trouble or alert
        said = {
            "alert_id": alert_id,
            "alert_key": trouble.key if trouble else alert.alert_key if alert else "",
            "kind": change.message,
            "level": subject.level if subject else "warn",
            "title": title_of(change),
            "body": body_of(change, now, runbooks),
            "now": now,
        }
        connection.execute(statement("alerts/say"), said)


def _values(trouble: Trouble, *, is_told: bool, now: datetime) -> dict[str, object]:
    return {
        "alert_key": trouble.key,
        "level": trouble.level,
        "subjects": list(trouble.subjects),
        "since": trouble.since,
        "age_minutes": trouble.age_minutes,
        "limit_minutes": trouble.limit_minutes,
        "symbols": list(trouble.symbols),
        "figures": trouble.figures,
        "cause": trouble.cause,
        "next_step": trouble.next_step,
        "told_level": trouble.level if is_told else None,
        "told_symbols": list(trouble.symbols) if is_told else [],
        "told_at": now if is_told else None,
        "now": now,
    }


def _open_alerts(connection: Connection) -> list[OpenAlert]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("alerts/list_open")).fetchall()
    return [OpenAlert(**_with_tuples(row)) for row in rows]


def _with_tuples(row: dict[str, Any]) -> dict[str, Any]:
    """The database's arrays arrive as lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _silences(connection: Connection, now: datetime) -> list[Silence]:
    return [Silence(stored.pattern, stored.until) for stored in list_silences(connection, now=now)]


def _report_ended_silences(connection: Connection, now: datetime) -> None:
    with connection.cursor(row_factory=class_row(_EndedSilence)) as cursor:
        ended = cursor.execute(statement("alerts/report_ended"), {"now": now}).fetchall()
    for silence in ended:
        if not silence.is_renewed:
            title, body = silence_ended(silence.pattern, silence.until, silence.reason, silence.who)
            said = {"alert_id": None, "alert_key": silence.pattern, "kind": "silence_ended", "level": "warn"}
            connection.execute(statement("alerts/say"), {**said, "title": title, "body": body, "now": now})
