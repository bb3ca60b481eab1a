"""Why something is stale, as far as the records of runs and calls tell it, and what an operator can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import chain

from marketdata.domain.alerting import Trouble, joined
from marketdata.domain.sessions import NEW_YORK

REALTIME_DAGS = ("realtime_latest", "realtime_hourly")
HISTORY_DAG = "historical_daily"

_WITHOUT_RUN_FOR = {"realtime_latest": timedelta(minutes=5), "realtime_hourly": timedelta(minutes=25)}
_WITHOUT_DAILY_RUN_FOR = timedelta(hours=20)
_RUN_UNENDED_FOR = timedelta(minutes=5)
_DAILY_RUN_UNENDED_FOR = timedelta(hours=1)
_WARN_SHARE, _ERROR_SHARE = 0.80, 0.95

_NEXT_STEPS = {
    "key_rejected": "put a valid key into the connection {vendor}_default",
    "rate_limited": "see marketdata quota: who else uses the key, and what is left of the month",
    "transient": "wait for the vendor, or see the network: what is missing is asked for again by itself",
    "not_entitled": "see marketdata quota for what the plan was found to allow",
    "contract_broken": "the vendor changed its answer: report it with the message of the call",
    "gone": "see whether the asset was renamed or delisted: marketdata why SYMBOL",
}


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a DAG; ``closed_at`` None: it has no verdict. ``ended_at``: when any run of it last got one.

    ``left_open``: it was killed or ended by hand, and had ``calls_pending`` still to make.
    """

    dag_id: str
    airflow_run_id: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    ended_at: datetime | None
    left_open: bool = False
    calls_pending: int = 0


@dataclass(frozen=True, slots=True)
class LastCalls:
    """What the newest runs of a DAG heard from a vendor: when it last answered, when a call last failed, and how."""

    dag_id: str
    vendor: str
    answered_at: datetime | None
    failed_at: datetime | None
    kind: str
    message: str

    @property
    def is_failing(self) -> bool:
        """Whether the newest call failed."""
        return self.failed_at is not None and (self.answered_at is None or self.failed_at > self.answered_at)


@dataclass(frozen=True, slots=True)
class CreditsUsed:
    """What was spent of a vendor's month."""

    vendor: str
    allowed: int
    used: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is on record: runs by DAG, calls, credits where they are counted; ``shared`` False: Redis is away.

    ``cache_refusal`` is why the cache takes no values, empty where it does.
    """

    runs: Mapping[str, LastRun] = field(default_factory=dict)
    calls: Sequence[LastCalls] = ()
    credits: Sequence[CreditsUsed] = ()
    shared: bool = True
    cache_refusal: str = ""

    @property
    def ended(self) -> dict[str, datetime]:
        """When a run of each DAG last got its verdict."""
        return {run.dag_id: run.ended_at for run in self.runs.values() if run.ended_at is not None}


def explained(trouble: Trouble, evidence: Evidence, now: datetime) -> Trouble:
    """The trouble with its likely cause and the next step."""
    if trouble.kind == "quiet_assets":
        cause = "the vendor names them, and their own price time stands still: halted, delisted, or not traded any more"
        return replace(trouble, cause=cause, next_step="see whether they still trade; take dead ones off the watchlist")
    dag_ids = (HISTORY_DAG,) if trouble.kind == "daily_history_late" else _dags_of(trouble)
    cause, next_step = _cause(dag_ids, trouble, evidence, now)
    return replace(trouble, cause=cause, next_step=next_step)


def stopped_runs(troubles: Sequence[Trouble], evidence: Evidence, now: datetime) -> list[Trouble]:
    """What is ours and no vendor's: feeds of more than one vendor are stale, and no run of their DAG was started."""
    unasked: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        if trouble.kind == "feed_stale" and _without_run(dag_id := _dags_of(trouble)[0], evidence, now):
            unasked.setdefault(dag_id, []).append(trouble)
    return [
        replace(reduce(joined, found), kind="runs_stopped", about=dag_id)
        for dag_id, found in unasked.items()
        if len(found) > 1
    ]


def other_troubles(evidence: Evidence, now: datetime) -> list[Trouble]:
    """What is wrong besides stale data: keys that the newest call saw rejected, credits that run out, and the cache."""
    return list(chain(_rejected_keys(evidence), _spent_credits(evidence, now), _refusing_cache(evidence, now)))


def _rejected_keys(evidence: Evidence) -> Iterable[Trouble]:
    for vendor in sorted({calls.vendor for calls in evidence.calls}):
        newest = _newest(calls for calls in evidence.calls if calls.vendor == vendor)
        if newest is not None and newest.is_failing and newest.failed_at and newest.kind == "key_rejected":
            step = _NEXT_STEPS["key_rejected"].format(vendor=vendor)
            yield Trouble("key_rejected", vendor, "error", newest.failed_at, cause=newest.message, next_step=step)


def _spent_credits(evidence: Evidence, now: datetime) -> Iterable[Trouble]:
    for spent in evidence.credits:
        share = spent.used / spent.allowed
        if share >= _WARN_SHARE:
            yield Trouble(
                "credits_used_up",
                spent.vendor,
                "error" if share >= _ERROR_SHARE else "warn",
                now,
                figures=f"{spent.used:,} of {spent.allowed:,} credits of the month are used ({share:.0%})",
                cause="more was asked than the plan gives for a month: see the newest runs, and who else uses the key",
                next_step="batch stops at realtime's reserve by itself; fewer active assets, or a larger plan",
            )


def _refusing_cache(evidence: Evidence, now: datetime) -> Iterable[Trouble]:
    if evidence.cache_refusal:
        step = "start Redis, or give it room; nothing is lost: readers get prices from the database meanwhile"
        yield Trouble("cache_away", "redis", "warn", now, cause=evidence.cache_refusal, next_step=step)


def _dags_of(trouble: Trouble) -> tuple[str, ...]:
    if trouble.subjects == ("hourly",):
        return ("realtime_hourly",)
    return REALTIME_DAGS if "hourly" in trouble.subjects else ("realtime_latest",)


def _cause(dag_ids: Sequence[str], trouble: Trouble, evidence: Evidence, now: datetime) -> tuple[str, str]:
    """The first that holds: no run, a failing call, a run that hangs or asked nothing, answers that do not help."""
    stopped = _without_run(dag_ids[0], evidence, now)
    if stopped is not None:
        return stopped
    newest = _newest(calls for calls in evidence.calls if calls.vendor == trouble.about and calls.dag_id in dag_ids)
    if newest is not None and newest.is_failing and newest.failed_at is not None:
        away = "" if evidence.shared else "; Redis is away, so that each process keeps to a share of the quota"
        cause = f"calls fail, the last at {clock(newest.failed_at)}: {newest.kind}, {newest.message}{away}"
        return cause, _NEXT_STEPS.get(newest.kind, "see the log of the newest run").format(vendor=trouble.about)
    return _cause_beyond_calls(evidence.runs[dag_ids[0]], newest, trouble, now)


def _without_run(dag_id: str, evidence: Evidence, now: datetime) -> tuple[str, str] | None:
    """Cause and next step where no run of a DAG was started for too long; else None."""
    run = evidence.runs.get(dag_id)
    if run is None:
        return f"{dag_id} never ran", f"see that it is unpaused: airflow dags unpause {dag_id}"
    if now - run.opened_at > _WITHOUT_RUN_FOR.get(dag_id, _WITHOUT_DAILY_RUN_FOR):
        cause = f"no run of {dag_id} since {clock(run.opened_at)}: the scheduler or the DAG is down or paused"
        return cause, f"see that the scheduler and its workers run and that {dag_id} is unpaused"
    return None


def _cause_beyond_calls(run: LastRun, newest: LastCalls | None, trouble: Trouble, now: datetime) -> tuple[str, str]:
    """Where runs begin and no call fails."""
    longest = _RUN_UNENDED_FOR if run.dag_id in REALTIME_DAGS else _DAILY_RUN_UNENDED_FOR
    if run.closed_at is None and now - run.opened_at > longest:
        cause = f"the run that began at {clock(run.opened_at)} has not ended: its worker hangs, waits or was killed"
        return cause, f"see the log of that run of {run.dag_id}"
    if run.left_open:
        cause = f"the run that began at {clock(run.opened_at)} did not come to its end: it was killed, or ended by hand"
        left = f", with {run.calls_pending:,} calls left to make" if run.calls_pending else ""
        return cause + left, f"see the log of that run of {run.dag_id}; the next one goes on from there"
    if newest is None or newest.answered_at is None:
        cause = (
            f"the newest run of {run.dag_id}, of {clock(run.opened_at)} ({run.state}), asked {trouble.about} nothing"
        )
        return cause, "see the warnings of that run, and what the plan allows: marketdata quota"
    answers = f"{trouble.about} answers, at {clock(newest.answered_at)} last,"
    if trouble.kind == "assets_left_out":
        step = "see their vendor symbols, and marketdata.quarantine for prices that were refused"
        return f"{answers} and gives no price for them", step
    return f"{answers} with old data", "see the vendor's status page; nothing is to be done here"


def _newest(calls: Iterable[LastCalls]) -> LastCalls | None:
    """The calls of the DAG that asked last."""
    asked = [(max(filter(None, (each.answered_at, each.failed_at))), each) for each in calls if _was_asked(each)]
    return max(asked, key=lambda pair: pair[0])[1] if asked else None


def _was_asked(calls: LastCalls) -> bool:
    return calls.answered_at is not None or calls.failed_at is not None


def clock(instant: datetime) -> str:
    """An instant as operators read it: ``2026-11-20 10:31 New York``."""
    return f"{instant.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
