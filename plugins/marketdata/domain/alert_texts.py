"""An alert in words: what is wrong, since when, how old, why, and what to do. Plain text, one thing a line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marketdata.domain.alert_causes import clock
from marketdata.domain.alerting import Change, MessageKind, Trouble

_SYMBOLS_SHOWN = 20
_LONGEST_LINE = 600

_SUBJECTS = {"latest": "latest prices", "hourly": "hourly bars", "daily": "daily bars", "quiet": "prices"}
_HEADLINES = {
    "feed_stale": "{subjects} of {about} are stale",
    "assets_left_out": "no new {subjects} for {assets} of {about}",
    "quiet_assets": "prices stand still for {assets} of {about}",
    "daily_history_late": "daily history of {about} is late",
    "key_rejected": "key rejected by {about}",
    "credits_used_up": "credits of {about} run out",
    "cache_away": "the cache takes no values: {about} is away or full",
    "runs_stopped": "{about} does not run: {subjects} of all vendors are stale",
    "run_late": "{about} is late",
    "watch_blind": "freshness cannot be judged: the {about} is away",
}
_BEGINNINGS: dict[MessageKind, str] = {"worsened": "worse: ", "reminder": "still: ", "recovered": "recovered: "}


def headline(kind: str, about: str, subjects: Sequence[str], symbols: Sequence[str]) -> str:
    """One line that says what is wrong."""
    named = " and ".join(_SUBJECTS[subject] for subject in subjects) or "prices"
    assets = "1 asset" if len(symbols) == 1 else f"{len(symbols):,} assets"
    return _HEADLINES[kind].format(about=about, subjects=named, assets=assets)


def title_of(change: Change) -> str:
    """The one line that a message begins with; the level in front, but for a recovery."""
    beginning = _BEGINNINGS.get(change.message or "opened", "")
    if change.trouble is not None:
        trouble = change.trouble
        said = headline(trouble.kind, trouble.about, trouble.subjects, trouble.symbols)
        return clean(f"[{trouble.level}] {beginning}{said}")
    alert = change.alert
    said = "" if alert is None else headline(alert.kind, alert.about, alert.subjects, alert.symbols)
    return clean(f"{beginning}{said}")


def body_of(change: Change, now: datetime, runbooks: str) -> str:
    """The rest of a message; ``runbooks`` is where they are, a folder or the beginning of a URL."""
    if change.trouble is not None:
        lines = _lines(change.trouble, change.newcomers)
        key = change.trouble.key
    elif change.alert is not None:
        alert = change.alert
        lines = [f"was so: from {clock(alert.since)} to {clock(now)}", *_assets("assets", alert.symbols)]
        key = alert.alert_key
    else:
        raise ValueError("a change without a trouble and without an alert")
    if change.message != "recovered":
        lines.append(f"runbook: {runbooks.rstrip('/')}/{key.partition(':')[0]}.md")
    return "\n".join(clean(line) for line in (*lines, f"alert: {key}"))


def silence_ended(pattern: str, until: datetime, reason: str, who: str) -> tuple[str, str]:
    """Title and body of the report on a silence that has ended."""
    lines = (
        f"ended: {clock(until)}",
        f"reason: {reason}",
        f"made by: {who}",
        "next: what is wrong is told again from now on; if that is too early, silence it anew with a new date",
    )
    return clean(f"the silence of {pattern} has ended"), "\n".join(map(clean, lines))


def clean(text: str) -> str:
    """One line without control characters, of a bounded length: vendors' words are in it."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."


def _lines(trouble: Trouble, newcomers: Sequence[str]) -> list[str]:
    lines = [f"since: {clock(trouble.since)}"]
    if trouble.age_minutes is not None:
        limit = "" if trouble.limit_minutes is None else f", {trouble.level} from {_minutes(trouble.limit_minutes)} on"
        lines.append(f"age: {_minutes(trouble.age_minutes)} of trading time{limit}")
    if trouble.figures:
        lines.append(f"figures: {trouble.figures}")
    lines += [*_assets("newly concerned", newcomers), *_assets("assets", trouble.symbols)]
    return [*lines, f"likely cause: {trouble.cause}", f"next: {trouble.next_step}"]


def _assets(word: str, symbols: Sequence[str]) -> list[str]:
    return [f"{word} ({len(symbols):,}): {shown_symbols(symbols)}"] if symbols else []


def shown_symbols(symbols: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(symbols) - _SYMBOLS_SHOWN
    return ", ".join(symbols[:_SYMBOLS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _minutes(minutes: float) -> str:
    """Minutes in the unit that reads best: 14 min, 3 h 20 min."""
    whole = round(minutes)
    hours, rest = divmod(whole, 60)
    return f"{whole} min" if not hours else f"{hours} h" if not rest else f"{hours} h {rest} min"
