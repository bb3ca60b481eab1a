"""Alerts: what is wrong now becomes at most one open alert a cause, and a message only where something new is to say.

A *trouble* is what a watch sees at one instant; an *alert* is kept from the first watch that sees it to the one that
does not. One vendor's outage is one alert, whatever feeds and assets it stops: a rejected key covers its vendor's stale
feed, and that covers the assets that it leaves out. Where no run of ours asks any vendor, that is the one alert.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from marketdata.domain.bars import VENDOR_OF

if TYPE_CHECKING:
    from marketdata.domain.freshness import Judgement

Level = Literal["warn", "error"]
Kind = Literal[
    "feed_stale",
    "assets_left_out",
    "quiet_assets",
    "daily_history_late",
    "key_rejected",
    "credits_used_up",
    "cache_away",
    "runs_stopped",
    "run_late",
    "watch_blind",
]
MessageKind = Literal["opened", "worsened", "recovered", "reminder", "silence_ended"]

KINDS: tuple[Kind, ...] = get_args(Kind)
LEVELS: tuple[Level, ...] = ("warn", "error")
LONGEST_SILENCE = timedelta(days=90)
"""An end date beyond it is none."""

_NEWCOMERS_AFTER = timedelta(hours=1)
_REMIND_AFTER: dict[str, timedelta] = {"key_rejected": timedelta(hours=1)}
_REMIND_AFTER_OTHERS = timedelta(hours=24)

_FEED_KINDS: tuple[Kind, ...] = ("feed_stale", "assets_left_out", "quiet_assets")
_COVERS: dict[str, tuple[Kind, ...]] = {
    "runs_stopped": ("feed_stale",),
    "key_rejected": (*_FEED_KINDS, "daily_history_late"),
    "feed_stale": ("assets_left_out", "quiet_assets"),
}
_KINDS_OF_SUBJECT: dict[str, tuple[Kind, ...]] = {
    "latest": _FEED_KINDS,
    "hourly": ("feed_stale", "assets_left_out"),
    "daily": ("daily_history_late",),
    "quiet": ("quiet_assets",),
}


_DAG_OF = {"latest": "realtime_latest", "hourly": "realtime_hourly"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong now. ``about`` is a vendor, of ``runs_stopped`` and ``run_late`` a DAG, of ``cache_away``
    ``redis``; the ``kind`` is its runbook's name.

    ``age_minutes`` is of trading time and ``limit_minutes`` the age from which it counts; None where it is not about
    age. ``subjects`` are ``latest``, ``hourly``, ``daily`` or ``quiet``; ``symbols`` house symbols, ascending.
    """

    kind: Kind
    about: str
    level: Level
    since: datetime
    subjects: tuple[str, ...] = ()
    age_minutes: float | None = None
    limit_minutes: float | None = None
    symbols: tuple[str, ...] = ()
    figures: str = ""
    cause: str = ""
    next_step: str = ""

    @property
    def key(self) -> str:
        """What tells one alert from another: at most one is open for each."""
        return f"{self.kind}:{self.about}"


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is open. ``told_level`` None: nobody was told, because it is silenced."""

    alert_id: int
    alert_key: str
    level: Level
    since: datetime
    opened_at: datetime
    subjects: tuple[str, ...]
    symbols: tuple[str, ...]
    told_level: Level | None
    told_symbols: tuple[str, ...]
    told_at: datetime | None

    @property
    def kind(self) -> str:
        """The part of the key before the colon."""
        return self.alert_key.partition(":")[0]

    @property
    def about(self) -> str:
        """The part of the key behind the colon."""
        return self.alert_key.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that nobody wants to hear of before ``until``: a key, or its beginning and ``*``."""

    pattern: str
    until: datetime

    def covers(self, key: str, now: datetime) -> bool:
        """Whether an alert with this key is silenced at ``now``."""
        begins = self.pattern.endswith("*") and key.startswith(self.pattern[:-1])
        return now < self.until and (begins or key == self.pattern)


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch changes of one alert.

    ``trouble`` None: it is over. ``alert`` None: it is new. ``message`` None: nothing is said. ``newcomers`` are the
    assets that joined since somebody was told.
    """

    trouble: Trouble | None
    alert: OpenAlert | None
    message: MessageKind | None
    newcomers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to deliver. ``delivered_to`` names the receivers that have it already."""

    message_id: int
    alert_key: str
    kind: MessageKind
    level: Level
    title: str
    body: str
    delivered_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of delivering a message: who has it now, and of each of the others why it has not."""

    delivered_to: tuple[str, ...]
    failures: tuple[str, ...] = ()


def troubles_of(judgement: Judgement) -> list[Trouble]:
    """The troubles of a judgement, one a vendor and kind; a stale feed holds its latest prices and its hours."""
    grouped: dict[tuple[Kind, str], Trouble] = {}
    for stale in judgement.stale:
        kind = _kind_of(stale.subject, stale.scope)
        seen = Trouble(
            kind,
            stale.vendor,
            stale.level,
            stale.since,
            (stale.subject,),
            stale.age_minutes,
            stale.limit_minutes,
            tuple(stale.symbols),
        )
        known = grouped.get((kind, stale.vendor))
        grouped[kind, stale.vendor] = seen if known is None else joined(known, seen)
    return list(grouped.values())


def unjudged(judgement: Judgement) -> frozenset[str]:
    """The keys of which the judgement says nothing, because the market is closed: what is open of them stays open."""
    closed = [(feed.subject, feed.vendor) for feed in judgement.feeds if feed.level == "closed"]
    runs = {f"runs_stopped:{_DAG_OF[subject]}" for subject, _ in closed if subject in _DAG_OF}
    return frozenset(runs | {f"{kind}:{vendor}" for subject, vendor in closed for kind in _KINDS_OF_SUBJECT[subject]})


def still_late(alerts: Iterable[OpenAlert], ended: Mapping[str, datetime]) -> frozenset[str]:
    """The keys of late runs that go on: none of the DAG has ``ended`` since the alert was opened."""
    late = (alert for alert in alerts if alert.kind == "run_late")
    return frozenset(
        alert.alert_key for alert in late if alert.about not in ended or ended[alert.about] <= alert.opened_at
    )


def changes(
    troubles: Sequence[Trouble],
    alerts: Sequence[OpenAlert],
    *,
    silences: Sequence[Silence],
    held: Collection[str],
    now: datetime,
) -> list[Change]:
    """What a watch changes: new troubles open an alert, known ones keep theirs, and what is gone recovers.

    ``held`` are keys of which nothing is known now. A trouble that another one covers opens nothing, and what is open
    of it stays open without a word. An alert's level only rises. A silenced alert is kept and nothing is said of it;
    when the silence ends before the trouble does, it is told as new.
    """
    found = {trouble.key: trouble for trouble in troubles}
    covered = {key for trouble in troubles for key in _covered_by(trouble)}
    known = {alert.alert_key: alert for alert in alerts}
    changed: list[Change] = []
    for key, trouble in found.items():
        alert = known.get(key)
        silenced = any(silence.covers(key, now) for silence in silences)
        if alert is None and key not in covered:
            changed.append(Change(trouble, None, None if silenced else "opened"))
        elif alert is not None:
            changed.append(_kept(trouble, alert, now, is_quiet=silenced or key in covered))
    for key, alert in known.items():
        if key not in found and key not in covered and key not in held:
            told = alert.told_level is not None and not any(silence.covers(key, now) for silence in silences)
            changed.append(Change(None, alert, "recovered" if told else None))
    return changed


def joined(one: Trouble, other: Trouble) -> Trouble:
    """Two troubles of one kind: the worse level, the greater age, all subjects and assets."""
    worse = max(one, other, key=lambda trouble: (LEVELS.index(trouble.level), trouble.age_minutes or 0.0))
    return replace(
        worse,
        since=min(one.since, other.since),
        subjects=tuple(dict.fromkeys((*one.subjects, *other.subjects))),
        symbols=tuple(sorted({*one.symbols, *other.symbols})),
    )


def _covered_by(trouble: Trouble) -> Iterable[str]:
    """The keys of what a trouble explains; runs that stopped explain it of every vendor."""
    vendors = set(VENDOR_OF.values()) if trouble.kind == "runs_stopped" else {trouble.about}
    return (f"{kind}:{vendor}" for kind in _COVERS.get(trouble.kind, ()) for vendor in vendors)


def _kept(trouble: Trouble, alert: OpenAlert, now: datetime, *, is_quiet: bool) -> Change:
    """What is said of a trouble that has its alert already."""
    worst = max(trouble.level, alert.level, key=LEVELS.index)
    now_known = replace(trouble, level=worst, since=min(trouble.since, alert.since))
    if is_quiet:
        return Change(now_known, alert, None)
    if alert.told_level is None or alert.told_at is None:
        return Change(now_known, alert, "opened")
    newcomers = tuple(sorted(set(trouble.symbols) - set(alert.told_symbols)))
    if LEVELS.index(worst) > LEVELS.index(alert.told_level):
        return Change(now_known, alert, "worsened", newcomers)
    since_told = now - alert.told_at
    if newcomers and since_told >= _NEWCOMERS_AFTER and trouble.kind != "feed_stale":
        return Change(now_known, alert, "worsened", newcomers)
    if worst == "error" and since_told >= _REMIND_AFTER.get(trouble.kind, _REMIND_AFTER_OTHERS):
        return Change(now_known, alert, "reminder")
    return Change(now_known, alert, None)


def _kind_of(subject: str, scope: str) -> Kind:
    if subject in {"daily", "quiet"}:
        return "daily_history_late" if subject == "daily" else "quiet_assets"
    return "feed_stale" if scope == "feed" else "assets_left_out"
