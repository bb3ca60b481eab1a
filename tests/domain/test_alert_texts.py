"""What an alert says: what, since when, how old, likely cause, next step, runbook; and nothing that it must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from marketdata.domain.alert_causes import CreditsUsed, Evidence, LastCalls, LastRun, explained, other_troubles
from marketdata.domain.alert_texts import body_of, clean, headline, title_of
from marketdata.domain.alerting import Change, Kind, OpenAlert, Trouble

ROOT = Path(__file__).parents[2]
NOW = datetime.fromisoformat("2026-11-20T15:45:00+00:00")
SINCE = NOW - timedelta(minutes=14)
FEED = Trouble("feed_stale", "polygon", "error", SINCE, ("latest", "hourly"), 14.0, 9.0)
MINUTE = timedelta(minutes=1)


def run(dag_id: str = "realtime_latest", ago: timedelta = MINUTE, *, closed: bool = True) -> LastRun:
    opened_at = NOW - ago
    return LastRun(dag_id, "run", "success" if closed else "running", opened_at, opened_at if closed else None, None)


def calls(answered: int | None, failed: int | None, kind: str = "transient", message: str = "it is down") -> LastCalls:
    """What realtime_latest heard, so many minutes ago."""
    at = {None: None, **{ago: NOW - ago * MINUTE for ago in (answered, failed) if ago is not None}}
    return LastCalls("realtime_latest", "polygon", at[answered], at[failed], kind, message)


def cause(evidence: Evidence, trouble: Trouble = FEED) -> str:
    return explained(trouble, evidence, NOW).cause


def test_a_message_says_what_since_when_how_old_why_and_what_to_do() -> None:
    trouble = replace(FEED, cause="calls fail", next_step="wait", symbols=("AAPL", "MSFT"))
    change = Change(trouble, None, "opened")
    assert title_of(change) == "[error] latest prices and hourly bars of polygon are stale"
    assert body_of(change, NOW, "https://example.com/runbooks/").splitlines() == [
        "since: 2026-11-20 10:31 New York",
        "age: 14 min of trading time, error from 9 min on",
        "assets (2): AAPL, MSFT",
        "likely cause: calls fail",
        "next: wait",
        "runbook: https://example.com/runbooks/feed_stale.md",
        "alert: feed_stale:polygon",
    ]


def test_a_recovery_says_from_when_to_when_it_was_so() -> None:
    alert = OpenAlert(1, "feed_stale:polygon", "error", SINCE, SINCE, ("latest",), (), "error", (), SINCE)
    change = Change(None, alert, "recovered")
    assert title_of(change) == "recovered: latest prices of polygon are stale"
    assert "was so: from 2026-11-20 10:31 New York to 2026-11-20 10:45 New York" in body_of(change, NOW, "docs")


def test_of_many_assets_the_first_are_named_and_the_others_counted() -> None:
    symbols = tuple(f"S{number:05}" for number in range(12_000))
    body = body_of(Change(replace(FEED, symbols=symbols), None, "opened"), NOW, "docs")
    assert "assets (12,000): S00000, S00001" in body
    assert "S00019 and 11,980 more" in body
    assert len(body) < 1_000


@pytest.mark.fault("S16")
def test_control_characters_in_a_vendors_words_do_not_reach_a_message() -> None:
    nasty = "down\x1b[31m\r\nX-Injected: yes\u202e\x00 {{ 7 * 7 }}"
    body = body_of(Change(replace(FEED, cause=nasty), None, "opened"), NOW, "docs")
    assert all(line.isprintable() for line in body.splitlines())
    assert len(body.splitlines()) == len(body_of(Change(FEED, None, "opened"), NOW, "docs").splitlines())
    assert len(clean("x" * 100_000)) == 600


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_alert_has_a_headline_and_a_runbook_of_its_name(kind: str) -> None:
    assert headline(kind, "polygon", ("latest",), ("AAPL",))
    page = (ROOT / "docs" / "runbooks" / f"{kind}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {kind}\n")
    assert "1. " in page


def test_without_runs_the_scheduler_is_named() -> None:
    assert cause(Evidence()) == "realtime_latest never ran"
    evidence = Evidence({"realtime_latest": run(ago=14 * MINUTE)}, (calls(15, None),))
    assert cause(evidence) == (
        "no run of realtime_latest since 2026-11-20 10:31 New York: the scheduler or the DAG is down or paused"
    )


def test_with_runs_whose_calls_fail_the_failure_is_named() -> None:
    evidence = Evidence({"realtime_latest": run()}, (calls(20, 1, "rate_limited", "429 from polygon"),))
    assert cause(evidence) == "calls fail, the last at 2026-11-20 10:44 New York: rate_limited, 429 from polygon"
    assert "Redis is away" in cause(replace(evidence, shared=False))
    assert "marketdata quota" in explained(FEED, evidence, NOW).next_step


def test_a_failure_before_the_newest_answer_is_not_the_cause() -> None:
    evidence = Evidence({"realtime_latest": run()}, (calls(1, 3),))
    assert cause(evidence) == "polygon answers, at 2026-11-20 10:44 New York last, with old data"


def test_a_run_that_hangs_and_one_that_asks_nothing_are_named() -> None:
    early = replace(run(ago=6 * MINUTE, closed=False), dag_id="historical_daily")
    hung = replace(early, opened_at=NOW - 3 * timedelta(hours=1))
    late = Trouble("daily_history_late", "polygon", "warn", SINCE, ("daily",), 70.0, 60.0)
    assert "has not ended" in cause(Evidence({"historical_daily": hung}), late)
    assert "asked polygon nothing" in cause(Evidence({"historical_daily": early}), late)
    assert "asked polygon nothing" in cause(Evidence({"realtime_latest": run()}, (calls(None, None),)))


def test_a_run_that_was_killed_is_the_cause_and_not_the_vendor_who_answered_it() -> None:
    killed = replace(run(), state="partial", left_open=True, calls_pending=1_200)
    trouble = explained(FEED, Evidence({"realtime_latest": killed}, (calls(1, None),)), NOW)
    assert trouble.cause == (
        "the run that began at 2026-11-20 10:44 New York did not come to its end: it was killed, or ended by hand,"
        " with 1,200 calls left to make"
    )
    assert trouble.next_step == "see the log of that run of realtime_latest; the next one goes on from there"


def test_hours_alone_are_explained_by_their_own_runs() -> None:
    hourly = replace(FEED, subjects=("hourly",))
    assert cause(Evidence({"realtime_latest": run()}), hourly) == "realtime_hourly never ran"


@pytest.mark.fault("U23")
def test_a_key_is_rejected_while_the_newest_call_says_so() -> None:
    rejected = calls(9, 1, "key_rejected", "polygon: it does not know the key")
    (found,) = other_troubles(Evidence(calls=(rejected,)), NOW)
    assert (found.key, found.level, found.since) == ("key_rejected:polygon", "error", NOW - MINUTE)
    assert found.next_step == "put a valid key into the connection polygon_default"
    later = replace(calls(0, None), dag_id="historical_daily")
    assert other_troubles(Evidence(calls=(rejected, later)), NOW) == []


@pytest.mark.fault("U31")
@pytest.mark.parametrize(("used", "level"), [(7_999, None), (8_000, "warn"), (9_499, "warn"), (9_500, "error")])
def test_credits_are_told_at_80_and_95_percent_of_the_month(used: int, level: str | None) -> None:
    found = other_troubles(Evidence(credits=(CreditsUsed("coingecko", 10_000, used),)), NOW)
    assert [trouble.level for trouble in found] == ([level] if level else [])
    if found:
        assert found[0].figures.startswith(f"{used:,} of 10,000 credits of the month are used")
