"""From what a watch sees to what is told: one alert a cause, told once, followed by its recovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from marketdata.domain.alerting import (
    Change,
    OpenAlert,
    Silence,
    Trouble,
    changes,
    still_late,
    troubles_of,
    unjudged,
)
from marketdata.domain.judgement import FeedFreshness, Judgement, Stale

NOW = datetime.fromisoformat("2026-11-20T15:45:00+00:00")
SINCE = NOW - timedelta(minutes=14)
FEED = Trouble("feed_stale", "polygon", "warn", SINCE, ("latest",), 14.0, 4.0)


def stale(subject: str, vendor: str = "polygon", level: str = "warn", scope: str = "feed", *symbols: str) -> Stale:
    return Stale(subject, vendor, level, scope, symbols, SINCE, 14.0, 4.0)  # type: ignore[arg-type]


def judgement(*found: Stale, closed: Sequence[tuple[str, str]] = ()) -> Judgement:
    feeds = (FeedFreshness(vendor, subject, "closed", None, 0.0, 3, 0) for vendor, subject in closed)  # type: ignore[arg-type]
    return Judgement(NOW, tuple(feeds), found)


def opened(trouble: Trouble, *, told: bool = True, ago: timedelta = timedelta(minutes=5)) -> OpenAlert:
    """The alert that a trouble opened some time ago."""
    at = NOW - ago
    return OpenAlert(
        1, trouble.key, trouble.level, trouble.since, at, trouble.subjects, trouble.symbols,
        trouble.level if told else None, trouble.symbols if told else (), at if told else None,
    )  # fmt: skip


def said(
    troubles: Sequence[Trouble],
    alerts: Sequence[OpenAlert] = (),
    *,
    silences: Sequence[Silence] = (),
    held: Sequence[str] = (),
    now: datetime = NOW,
) -> list[tuple[str, str | None]]:
    """Key and message of each change."""
    return [
        (change.trouble.key if change.trouble else change.alert.alert_key if change.alert else "", change.message)
        for change in changes(troubles, alerts, silences=silences, held=held, now=now)
    ]


def test_one_vendors_outage_is_one_trouble_whatever_feeds_it_stops() -> None:
    later = replace(stale("hourly", level="error"), since=SINCE - timedelta(minutes=9), age_minutes=50.0)
    (found,) = troubles_of(judgement(stale("latest"), later))
    assert (found.key, found.level, found.subjects) == ("feed_stale:polygon", "error", ("latest", "hourly"))
    assert (found.since, found.age_minutes) == (SINCE - timedelta(minutes=9), 50.0)


def test_vendors_and_kinds_are_troubles_of_their_own_and_assets_are_grouped() -> None:
    found = troubles_of(
        judgement(
            stale("latest", "polygon", "warn", "assets", "MSFT"),
            stale("hourly", "polygon", "warn", "assets", "AAPL", "MSFT"),
            stale("quiet", "coingecko", "warn", "assets", "X:DEADUSD"),
            stale("daily", "coingecko"),
            stale("latest", "coingecko"),
        )
    )
    assert {trouble.key: trouble.symbols for trouble in found} == {
        "assets_left_out:polygon": ("AAPL", "MSFT"),
        "quiet_assets:coingecko": ("X:DEADUSD",),
        "daily_history_late:coingecko": (),
        "feed_stale:coingecko": (),
    }


def test_a_new_trouble_is_told_and_the_same_one_is_not_told_again() -> None:
    assert said([FEED]) == [("feed_stale:polygon", "opened")]
    assert said([FEED], [opened(FEED)]) == [("feed_stale:polygon", None)]


def test_what_gets_worse_is_told_and_what_gets_better_is_not() -> None:
    worse = replace(FEED, level="error")
    assert said([worse], [opened(FEED)]) == [("feed_stale:polygon", "worsened")]
    (change,) = changes([FEED], [opened(worse)], silences=(), held=(), now=NOW)
    assert (change.message, change.trouble and change.trouble.level) == (None, "error"), "the level only rises"
    assert said([worse], [opened(worse)]) == [("feed_stale:polygon", None)], "so the way back up is not told either"


def test_what_is_gone_recovers_once() -> None:
    assert said([], [opened(FEED)]) == [("feed_stale:polygon", "recovered")]
    assert said([], []) == []


@pytest.mark.promise("P9")
def test_what_cannot_be_judged_because_the_market_is_closed_stays_as_it_is() -> None:
    closed = judgement(closed=[("polygon", "latest"), ("polygon", "hourly"), ("polygon", "quiet")])
    held = unjudged(closed)
    runs = {"runs_stopped:realtime_latest", "runs_stopped:realtime_hourly"}
    assert {"feed_stale:polygon", "assets_left_out:polygon", "quiet_assets:polygon"} | runs == held
    assert said([], [opened(FEED)], held=sorted(held)) == []


def test_a_stale_feed_covers_the_assets_that_it_leaves_out() -> None:
    left_out = Trouble("assets_left_out", "polygon", "warn", SINCE, ("latest",), 14.0, 4.0, ("AAPL",))
    assert said([FEED, left_out]) == [("feed_stale:polygon", "opened")]
    assert said([FEED], [opened(left_out)]) == [("feed_stale:polygon", "opened")], "no recovery in an outage"
    assert said([FEED, left_out], [opened(left_out)]) == [
        ("feed_stale:polygon", "opened"),
        ("assets_left_out:polygon", None),
    ]
    assert said([left_out], [opened(FEED)]) == [
        ("assets_left_out:polygon", "opened"),
        ("feed_stale:polygon", "recovered"),
    ]


def test_runs_that_stopped_cover_the_stale_feeds_of_every_vendor() -> None:
    stopped = Trouble("runs_stopped", "realtime_latest", "warn", SINCE, ("latest",), 14.0, 4.0)
    coins = replace(FEED, about="coingecko")
    left_out = Trouble("assets_left_out", "polygon", "warn", SINCE, ("latest",), 14.0, 4.0, ("AAPL",))
    assert said([FEED, coins, left_out, stopped]) == [(stopped.key, "opened")]
    assert said([FEED, coins, stopped], [opened(FEED)]) == [(FEED.key, None), (stopped.key, "opened")]
    assert said([coins], [opened(stopped)]) == [(coins.key, "opened"), (stopped.key, "recovered")]
    assert stopped.key in unjudged(judgement(closed=[("polygon", "latest")]))


@pytest.mark.fault("U23")
def test_a_rejected_key_covers_all_that_its_vendor_leaves_stale_and_nothing_of_the_other() -> None:
    key = Trouble("key_rejected", "polygon", "error", SINCE)
    daily = Trouble("daily_history_late", "polygon", "warn", SINCE)
    coins = replace(FEED, about="coingecko")
    assert said([FEED, daily, coins, key]) == [("feed_stale:coingecko", "opened"), ("key_rejected:polygon", "opened")]


@pytest.mark.fault("U23")
def test_a_rejected_key_is_told_once_an_hour_and_other_errors_once_a_day() -> None:
    key = Trouble("key_rejected", "polygon", "error", SINCE)
    error = replace(FEED, level="error")
    for trouble, after in ((key, timedelta(hours=1)), (error, timedelta(hours=24))):
        just_before, just_after = after - timedelta(seconds=1), after
        assert said([trouble], [opened(trouble, ago=just_before)]) == [(trouble.key, None)]
        assert said([trouble], [opened(trouble, ago=just_after)]) == [(trouble.key, "reminder")]
    assert said([FEED], [opened(FEED, ago=timedelta(days=9))]) == [(FEED.key, None)], "a warning reminds of nothing"


def test_an_asset_that_joins_is_told_after_an_hour_at_the_earliest() -> None:
    one = Trouble("assets_left_out", "polygon", "warn", SINCE, ("latest",), 14.0, 4.0, ("AAPL",))
    two = replace(one, symbols=("AAPL", "MSFT"))
    assert said([two], [opened(one)]) == [(one.key, None)]
    (change,) = changes([two], [opened(one, ago=timedelta(hours=1))], silences=(), held=(), now=NOW)
    assert (change.message, change.newcomers) == ("worsened", ("MSFT",))
    assert said([one], [opened(two, ago=timedelta(hours=2))]) == [(one.key, None)], "fewer is no news"


def test_a_silenced_alert_is_kept_and_neither_it_nor_its_recovery_is_told() -> None:
    for pattern in ("feed_stale:polygon", "feed_stale:*", "*"):
        silence = Silence(pattern, NOW + timedelta(days=1))
        assert said([FEED], silences=[silence]) == [(FEED.key, None)]
        assert said([replace(FEED, level="error")], [opened(FEED)], silences=[silence]) == [(FEED.key, None)]
        assert said([], [opened(FEED)], silences=[silence]) == [(FEED.key, None)]
    assert said([FEED], silences=[Silence("feed_stale:coingecko", NOW + timedelta(days=1))]) == [(FEED.key, "opened")]


def test_when_a_silence_ends_before_the_trouble_it_is_told_as_new_and_else_never() -> None:
    ended = [Silence(FEED.key, NOW)]
    assert said([FEED], [opened(FEED, told=False)], silences=ended) == [(FEED.key, "opened")]
    assert said([], [opened(FEED, told=False)], silences=ended) == [(FEED.key, None)]


def test_a_late_run_recovers_when_a_run_of_its_dag_has_ended_since() -> None:
    late = Trouble("run_late", "historical_daily", "warn", SINCE)
    alert = opened(late)
    assert still_late([alert], {}) == {late.key}
    assert still_late([alert], {"historical_daily": alert.opened_at - timedelta(hours=1)}) == {late.key}
    assert still_late([alert], {"historical_daily": alert.opened_at + timedelta(minutes=1)}) == frozenset()
    assert still_late([opened(FEED)], {}) == frozenset(), "other alerts are none of its business"
    assert said([], [alert], held=[late.key]) == []
    assert said([], [alert]) == [(late.key, "recovered")]


def test_two_troubles_at_once_change_nothing_of_each_other() -> None:
    credits_ = Trouble("credits_used_up", "coingecko", "warn", NOW)
    both = [*changes([FEED, credits_], [opened(FEED)], silences=(), held=(), now=NOW)]
    assert [(change.trouble and change.trouble.kind, change.message) for change in both] == [
        ("feed_stale", None),
        ("credits_used_up", "opened"),
    ]
    assert all(isinstance(change, Change) for change in both)
