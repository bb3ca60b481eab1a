"""Why a bar is there or not, in plain words: from all that is recorded about an asset's day to a verdict and lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from marketdata.domain import spoken
from marketdata.domain.causes import SAID, Cause, NextRun, next_try
from marketdata.domain.closings import why_closed
from marketdata.domain.day_facts import DayFacts, OpenFailure
from marketdata.domain.ranges import EARLIEST, RANGES, window
from marketdata.domain.sessions import early_closes, expected_through, session_close, today

_MOST_CALLS = 5


class Verdict(StrEnum):
    """What there is to say of a day; only ``missing`` and ``inconsistent`` ask for something to be done."""

    CLOSED = "closed"
    BEFORE_HISTORY = "before_history"
    BEFORE_LISTING = "before_listing"
    AFTER_DELISTING = "after_delisting"
    AHEAD = "ahead"
    STORED = "stored"
    PROVISIONAL = "provisional"
    ABSENT = "absent"
    MISSING = "missing"
    INCONSISTENT = "inconsistent"


_NOT_EXPECTED = frozenset({Verdict.CLOSED, Verdict.BEFORE_HISTORY, Verdict.BEFORE_LISTING, Verdict.AFTER_DELISTING})


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said; ``label`` names what it is about, and is empty where it goes on from the line before."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A ``headline`` in one sentence, then lines. ``cause`` is of what is missing, ``next_run`` where one helps."""

    verdict: Verdict
    cause: Cause | None
    headline: str
    lines: tuple[Line, ...]
    next_run: NextRun | None


def explain(facts: DayFacts, now: datetime) -> Explanation:
    """Everything that can be said about the day, as of ``now``."""
    verdict = _verdict(facts, now)
    cause = find_cause(facts) if verdict is Verdict.MISSING else None
    coming = _next_run(facts, verdict, cause, now)
    subject, day = facts.subject, facts.day
    return Explanation(
        verdict,
        cause,
        f"{subject.symbol} on {day:%A} {day}: {_headline(facts, verdict, cause)}",
        (
            *_labelled("calendar", _calendar(facts)),
            *_labelled("asset", spoken.names(subject, day)),
            *_labelled("bar", _bar(facts)),
            *_labelled("evidence", _evidence(facts)),
            *_labelled("cause", _why_missing(facts, cause)),
            *_labelled("refused", [spoken.refusal(refusal) for refusal in facts.refusals]),
            *_labelled("before", [spoken.revision(earlier) for earlier in facts.revisions]),
            *_labelled("calls", _calls(facts)),
            *_labelled("next try", _next_try(facts, verdict, cause, coming, now)),
        ),
        coming,
    )


def find_cause(facts: DayFacts) -> Cause:
    """The first reason that holds, in the order of what stands in the way of the next try."""
    states = {call.state for call in facts.calls if call.purpose != "import"}
    if facts.reach is not None and facts.day < facts.reach.earliest:
        return Cause.CLIPPED
    if facts.refusals:
        return Cause.REFUSED
    if facts.failures:
        return Cause.NOT_YET if facts.failures[0].kind == "not_yet" else Cause.FAILED
    if facts.is_provisional:
        return Cause.PROVISIONAL
    if "pending" in states:
        return Cause.PLANNED
    return Cause.LEFT_OPEN if "done" in states else Cause.NEVER_ASKED


def _verdict(facts: DayFacts, now: datetime) -> Verdict:
    if (unexpected := _unexpected(facts)) is not None:
        return unexpected
    bar, absence = facts.bar, facts.absence
    is_today = facts.is_provisional and facts.day >= today(facts.subject.asset_class, now)
    if bar is not None and absence is not None:
        return Verdict.INCONSISTENT
    if facts.is_verified:
        return Verdict.STORED if bar else Verdict.ABSENT if absence else Verdict.INCONSISTENT
    if bar is not None and (is_today or facts.is_provisional):
        return Verdict.PROVISIONAL if is_today else Verdict.MISSING
    if bar is not None or absence is not None or is_today:
        return Verdict.INCONSISTENT
    return Verdict.AHEAD if facts.day > expected_through(facts.subject.asset_class, now) else Verdict.MISSING


def _unexpected(facts: DayFacts) -> Verdict | None:
    """Why no bar can be expected on the day at all."""
    subject, day = facts.subject, facts.day
    if subject.asset_class != "crypto" and why_closed(day):
        return Verdict.CLOSED
    if day < EARLIEST[subject.asset_class] and facts.bar is None:
        return Verdict.BEFORE_HISTORY
    if subject.listed_on is not None and day < subject.listed_on:
        return Verdict.BEFORE_LISTING
    if subject.delisted_on is not None and day > subject.delisted_on:
        return Verdict.AFTER_DELISTING
    return None


def _headline(facts: DayFacts, verdict: Verdict, cause: Cause | None) -> str:
    return {
        Verdict.CLOSED: f"no session, {why_closed(facts.day)}; no bar is expected",
        Verdict.BEFORE_HISTORY: "before the vendor's history of daily bars; no bar is expected",
        Verdict.BEFORE_LISTING: f"before its listing on {facts.subject.listed_on}; no bar is expected",
        Verdict.AFTER_DELISTING: f"after its last session on {facts.subject.delisted_on}; no bar is expected",
        Verdict.AHEAD: "not over yet; its bar is asked for afterwards",
        Verdict.STORED: "stored, and final",
        Verdict.PROVISIONAL: "stored, and provisional until it is seen again after the day is over",
        Verdict.ABSENT: "proven absent; the vendor has no bar",
        Verdict.MISSING: f"missing; {SAID[cause]}" if cause else "missing",
        Verdict.INCONSISTENT: f"not accounted for; {_inconsistency(facts)}",
    }[verdict]


def _inconsistency(facts: DayFacts) -> str:
    if facts.bar is not None and facts.absence is not None:
        return "there is a bar, and evidence that there is none"
    if facts.bar is None and facts.absence is None:
        return "coverage calls it answered, yet there is neither a bar nor evidence that there is none"
    held = "a bar" if facts.bar is not None else "evidence of an absence"
    return f"there is {held}, yet coverage does not hold the day"


def _labelled(label: str, texts: list[str]) -> list[Line]:
    return [Line(label if place == 0 else "", text) for place, text in enumerate(texts)]


def _calendar(facts: DayFacts) -> list[str]:
    day = facts.day
    if facts.subject.asset_class == "crypto":
        return ["a UTC day; coins trade every day"]
    if closed := why_closed(day):
        return [f"{closed}: the New York Stock Exchange is closed"]
    close = spoken.clock(session_close(day))
    kind = "a session with an early close" if day in early_closes(day.year) else "a session"
    return [f"{kind} of the New York Stock Exchange, 09:30 to {close}"]


def _bar(facts: DayFacts) -> list[str]:
    bar = facts.bar
    if bar is None:
        return []
    final = "seen after its day was over" if bar.is_final else "seen before its day was over, so it may still change"
    run = f"run {bar.run_id}" + (f" ({bar.dag_id}, {bar.airflow_run_id})" if bar.dag_id else "")
    lines = [spoken.figures(bar), f"from {bar.source}, {spoken.instant(bar.fetched_at)}, stored by {run}", final]
    if facts.compared_at is not None:
        lines.append(f"the asset was last compared with the vendor on {spoken.instant(facts.compared_at)}")
    return lines


def _evidence(facts: DayFacts) -> list[str]:
    absence = facts.absence
    if absence is None:
        return []
    asked = f"call {absence.call_id} of run {absence.run_id}, {absence.endpoint or 'no endpoint noted'}"
    return [
        f"{asked}: a well-formed, entitled answer of {spoken.instant(absence.proven_at)} has no bar for the day",
        f"SHA-256 of the answer: {absence.digest}",
    ]


def _why_missing(facts: DayFacts, cause: Cause | None) -> list[str]:
    if cause is None:
        return []
    if cause is Cause.CLIPPED and facts.reach is not None:
        reach = facts.reach
        return [f"the plan's history starts on {reach.earliest}: {reach.note} (found out on {reach.learnt_on})"]
    if cause is Cause.LEFT_OPEN:
        answered = next(call for call in facts.calls if call.state == "done")
        return [f"call {answered.call_id}: {warning}" for warning in answered.warnings or ()]
    if cause in {Cause.FAILED, Cause.NOT_YET}:
        return [text for failure in facts.failures for text in _failure(failure)]
    return []


def _failure(failure: OpenFailure) -> list[str]:
    whom = ", asked for the whole market" if failure.whole_market else ""
    since = f" {failure.attempts} times since {spoken.instant(failure.first_failed_at)}, last"
    often = " once" if failure.attempts == 1 else since
    last = f"by call {failure.call_id} of run {failure.run_id} on {spoken.instant(failure.last_failed_at)}"
    return [f"{failure.kind}{often} {last}{whom}", failure.message]


def _calls(facts: DayFacts) -> list[str]:
    if not facts.calls:
        return ["none asked for this day"]
    texts = [spoken.call(call) for call in facts.calls[:_MOST_CALLS]]
    return [*texts, "and older ones"] if len(facts.calls) > _MOST_CALLS else texts


def _next_run(facts: DayFacts, verdict: Verdict, cause: Cause | None, now: datetime) -> NextRun | None:
    """The scheduled run that can bring the bar; None where none will, or none needs to."""
    if verdict in _NOT_EXPECTED | {Verdict.STORED, Verdict.ABSENT} or _is_taken_for_answered(facts, verdict):
        return None
    waits = [failure.retry_at for failure in facts.failures]
    if verdict in {Verdict.AHEAD, Verdict.PROVISIONAL}:
        waits.append(_over(facts))
    is_followed = facts.subject.inactive_since is None
    return next_try(cause or Cause.NOT_YET, waits, now, is_followed=is_followed)


def _is_taken_for_answered(facts: DayFacts, verdict: Verdict) -> bool:
    """Whether no run asks again, although the day is not accounted for: coverage holds it."""
    return verdict is Verdict.INCONSISTENT and (facts.is_verified or facts.is_provisional)


def _over(facts: DayFacts) -> datetime:
    """When the bar of a day is worth asking for: after the close, or for one that is there already after the day."""
    if facts.bar is None and facts.subject.asset_class != "crypto":
        return session_close(facts.day)
    return spoken.midnight_after(facts.day, facts.subject.asset_class)


def _next_try(
    facts: DayFacts, verdict: Verdict, cause: Cause | None, coming: NextRun | None, now: datetime
) -> list[str]:
    if verdict in _NOT_EXPECTED:
        return ["none: there is nothing to ask for"]
    if verdict in {Verdict.STORED, Verdict.ABSENT}:
        return ["none needed; the weekly comparison sees a later change"]
    if _is_taken_for_answered(facts, verdict):
        asset_id, day = facts.subject.asset_id, facts.day
        undo = f"update marketdata.coverage set verified = verified - '{{[{day},{day}]}}' where asset_id = {asset_id}"  # noqa: S608 - to be read, not run
        return ["none by itself: something was changed by hand, or a backup mixed", f"to have it asked again: {undo}"]
    if cause is Cause.CLIPPED and facts.reach is not None:
        return [f"from {facts.reach.probed_anew_on} on, when the plan is probed anew; only a larger plan reaches it"]
    texts = []
    if coming is None:
        texts.append(f"no scheduled run: the asset is not followed since {facts.subject.inactive_since}")
    else:
        texts.append(f"{coming.dag_id}, {spoken.instant(coming.at)}")
    if verdict in {Verdict.MISSING, Verdict.INCONSISTENT}:
        texts.extend(failure.next_step for failure in facts.failures if failure.retry_at is None)
        texts.append(f"at once: marketdata run historical {_shortest_range(facts, now)} {facts.subject.symbol}")
    return texts


def _shortest_range(facts: DayFacts, now: datetime) -> str:
    """The shortest range that holds the day."""
    asset_class = facts.subject.asset_class
    today_ = today(asset_class, now)
    spans = {name: window(name, today_, asset_class=asset_class) for name in RANGES}
    return max((name for name, span in spans.items() if facts.day in span), key=lambda name: spans[name].first)
