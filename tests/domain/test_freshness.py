"""When something is stale: the rules one by one. The simulated year plays them all together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketdata.domain.freshness import (
    FeedFacts,
    FeedFreshness,
    FreshnessFacts,
    Judgement,
    Limits,
    Stale,
    daily_dues,
    judge,
)
from marketdata.domain.sessions import session_close, session_open
from marketdata.domain.trading_time import instant64

LIMITS = Limits.parse("")
DAY = date(2026, 11, 17)
OPEN = session_open(DAY)
NOON = OPEN + timedelta(hours=2, minutes=30)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FEEDS = tuple(
    FeedFacts(vendor, feed, way, cadence, 0)
    for vendor, latest in (("polygon", "snapshot"), ("coingecko", "simple_price"))
    for feed, way, cadence in (("latest", latest, 1), ("hourly", "minute_prices", 10))
)


def column(instants: list[datetime | None]) -> NDArray[np.datetime64]:
    return np.array([np.datetime64("NaT", "us") if at is None else instant64(at) for at in instants], "datetime64[us]")


def make_facts(now: datetime, assets: int = 3, coins: int = 0, **given: object) -> FreshnessFacts:
    """So many active stocks S0, S1 ... and coins C0 ..., all heard of and priced just now; ``given``: other columns."""
    count = assets + coins
    just_now = [now - timedelta(seconds=20)] * count
    instants = {"created_at": [LONG_AGO] * count, "priced_at": just_now, "heard_at": just_now}
    instants |= {name: [None] * count for name in ("hour_at", "hour_fetched_at", "unwritten_at")}
    flags = {"is_active": True, "is_due": True, "is_answered": False, "is_unknown": False}
    feeds = given.pop("feeds", None) or tuple(replace(feed, heard_at=now - MINUTE) for feed in FEEDS)
    dues = daily_dues(now, LIMITS)
    columns = {name: column(given.pop(name, values)) for name, values in instants.items()}
    columns |= {name: np.array(given.pop(name, [value] * count), dtype=np.bool_) for name, value in flags.items()}
    covered = [dues["polygon"].session] * assets + [dues["coingecko"].session] * coins
    columns["covered_to"] = np.array(given.pop("covered_to", covered), dtype="datetime64[D]")
    assert not given
    return FreshnessFacts(
        asset_ids=np.arange(count),
        symbols=np.array([f"S{n}" for n in range(assets)] + [f"C{n}" for n in range(coins)], dtype=np.object_),
        is_coin=np.arange(count) >= assets,
        feeds=feeds,
        dues=dues,
        **columns,
    )


def judged(facts: FreshnessFacts, now: datetime, *, around_the_clock: bool = False) -> Judgement:
    return judge(facts, LIMITS, now=now, around_the_clock=around_the_clock)


def stale_of(facts: FreshnessFacts, now: datetime, subject: str, **given: bool) -> list[Stale]:
    return [stale for stale in judged(facts, now, **given).stale if stale.subject == subject]


def line(judgement: Judgement, subject: str, vendor: str = "polygon") -> FeedFreshness:
    (found,) = (feed for feed in judgement.feeds if (feed.subject, feed.vendor) == (subject, vendor))
    return found


def test_all_that_was_heard_of_just_now_is_fresh() -> None:
    judgement = judged(make_facts(NOON, 3, 2), NOON)
    assert judgement.stale == ()
    assert [(feed.vendor, feed.subject, feed.level) for feed in judgement.feeds] == [
        (vendor, subject, "fresh")
        for vendor in ("polygon", "coingecko")
        for subject in ("latest", "hourly", "daily", "quiet")
    ]
    assert line(judgement, "latest").assets == 3


@pytest.mark.parametrize(
    ("minutes", "level", "limit"), [(4, None, 0), (4.1, "warn", 4.0), (9, "warn", 4.0), (9.1, "error", 9.0)]
)
def test_a_vendor_that_is_not_heard_of_is_one_stale_feed_that_names_no_asset(
    minutes: float, level: str | None, limit: float
) -> None:
    heard = NOON - minutes * MINUTE
    found = stale_of(make_facts(NOON, heard_at=[heard] * 3, priced_at=[heard] * 3), NOON, "latest")
    if level is None:
        assert found == []
        return
    (stale,) = found
    assert (stale.level, stale.scope, stale.symbols, stale.since) == (level, "feed", (), heard)
    assert stale.age_minutes == pytest.approx(minutes)
    assert stale.limit_minutes == limit
    assert line(judged(make_facts(NOON, heard_at=[heard] * 3), NOON), "latest").stale_assets == 3


def test_assets_that_the_vendor_leaves_out_are_named_and_as_old_as_the_oldest() -> None:
    heard = [NOON - 30 * MINUTE, NOON - MINUTE, NOON - 5 * MINUTE]
    (stale,) = stale_of(make_facts(NOON, heard_at=heard), NOON, "latest")
    assert (stale.scope, stale.symbols, stale.age_minutes) == ("assets", ("S0", "S2"), 30.0)
    assert (stale.level, stale.since) == ("error", heard[0])


def test_a_feed_that_leaves_out_half_of_its_assets_is_stale_as_a_whole_where_they_are_many() -> None:
    heard = [NOON - 30 * MINUTE] * 10 + [NOON - MINUTE] * 10
    (stale,) = stale_of(make_facts(NOON, 20, heard_at=heard), NOON, "latest")
    assert (stale.scope, stale.symbols, stale.age_minutes) == ("feed", (), 30.0)
    heard = [NOON - 30 * MINUTE] * 9 + [NOON - MINUTE] * 9
    (stale,) = stale_of(make_facts(NOON, 18, heard_at=heard), NOON, "latest")
    assert stale.scope == "assets"


def test_a_slow_cadence_is_given_the_time_of_one_lost_tick() -> None:
    feeds = tuple(replace(feed, cadence_minutes=30) for feed in FEEDS)
    for minutes, found in ((61, 0), (63, 1)):
        heard = [NOON - minutes * MINUTE] * 3
        assert len(stale_of(make_facts(NOON, heard_at=heard, feeds=feeds), NOON, "latest")) == found


@pytest.mark.promise("P9")
@pytest.mark.fault("U29")
@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 17, 3, 0, tzinfo=UTC),  # at night
        datetime(2026, 11, 21, 17, 0, tzinfo=UTC),  # a Saturday
        datetime(2026, 11, 26, 17, 0, tzinfo=UTC),  # Thanksgiving
        datetime(2026, 11, 27, 18, 6, tzinfo=UTC),  # after an early close
        datetime(2026, 12, 24, 19, 0, tzinfo=UTC),
        datetime(2026, 7, 3, 15, 0, tzinfo=UTC),  # Independence Day, observed
        datetime(2025, 1, 9, 17, 0, tzinfo=UTC),  # mourning
        datetime(2026, 11, 17, 14, 29, 59, tzinfo=UTC),  # a second before the open
    ],
)
def test_nothing_is_told_while_the_exchange_is_closed_however_old_it_is(now: datetime) -> None:
    old = [now - timedelta(days=2)] * 3
    facts = make_facts(now, 2, 1, created_at=[now - timedelta(days=9)] * 3, heard_at=old, priced_at=old, feeds=FEEDS)
    judgement = judged(facts, now)
    assert judgement.stale == ()
    assert {feed.level for feed in judgement.feeds if feed.subject != "daily"} == {"closed"}


@pytest.mark.promise("P9")
def test_nothing_is_stale_before_its_limit_has_passed_since_the_open_and_nothing_recovers_unheard() -> None:
    evening = session_close(date(2026, 11, 16)) - 60 * MINUTE
    for minutes, level in ((0, "closed"), (4, "closed"), (4.1, "error")):
        now = OPEN + minutes * MINUTE
        facts = make_facts(now, heard_at=[evening] * 3, priced_at=[evening] * 3)
        assert line(judged(facts, now), "latest").level == level
    (stale,) = stale_of(facts, now, "latest")
    assert stale.age_minutes == pytest.approx(64.1)
    healed = make_facts(OPEN + MINUTE)
    assert line(judged(healed, OPEN + MINUTE), "latest").level == "fresh"


def test_what_was_heard_of_up_to_the_close_is_fresh_at_the_next_open() -> None:
    close = session_close(date(2026, 11, 16))
    facts = make_facts(OPEN, heard_at=[close] * 3, priced_at=[close] * 3)
    assert line(judged(facts, OPEN), "latest").level == "fresh"


def test_an_asset_that_was_left_out_at_the_close_keeps_its_alert_until_its_limit_after_the_open() -> None:
    close = session_close(date(2026, 11, 16))
    heard = [close - 40 * MINUTE, OPEN, OPEN]
    assert line(judged(make_facts(OPEN + MINUTE, heard_at=heard), OPEN + MINUTE), "latest").level == "closed"
    now = OPEN + 5 * MINUTE
    heard = [close - 40 * MINUTE, now, now]
    assert [stale.symbols for stale in stale_of(make_facts(now, heard_at=heard), now, "latest")] == [("S0",)]


def test_the_last_tick_is_judged_even_when_the_watch_comes_minutes_late() -> None:
    close = session_close(DAY)
    heard = [close - 6 * MINUTE] * 3
    for late, found in ((0, 1), (5, 1), (6, 0)):
        now = close + late * MINUTE
        assert len(stale_of(make_facts(now, heard_at=heard), now, "latest")) == found


def test_a_stock_that_never_had_a_price_is_no_alert_and_a_coin_is_one() -> None:
    heard = [None, NOON - MINUTE, NOON - MINUTE, None, NOON - MINUTE]
    found = stale_of(make_facts(NOON, 3, 2, heard_at=heard), NOON, "latest")
    assert [(stale.vendor, stale.symbols) for stale in found] == [("coingecko", ("C0",))]


def test_a_stock_without_a_price_and_without_a_bar_is_left_out_after_two_sessions_and_never_the_feeds_trouble() -> None:
    two_sessions_ago = NOON - timedelta(days=4)  # with a weekend between
    for created, left_out in ((two_sessions_ago - MINUTE, ("S0",)), (two_sessions_ago + MINUTE, ())):
        heard, given = [None, NOON - MINUTE], [created, LONG_AGO]
        facts = make_facts(NOON, 2, heard_at=heard, priced_at=heard, created_at=given, is_unknown=[True, False])
        found = judged(facts, NOON).stale
        assert [(stale.subject, stale.scope, stale.symbols) for stale in found] == (
            [("latest", "assets", left_out)] if left_out else []
        )
    (stale,) = judged(make_facts(NOON, 1, heard_at=[None], is_unknown=[True]), NOON).stale
    assert (stale.subject, stale.scope) == ("latest", "assets"), "all that is known of the feed is that it answers"
    with_bars = make_facts(NOON, 2, heard_at=heard, priced_at=heard, created_at=[LONG_AGO] * 2)
    assert [stale.subject for stale in judged(with_bars, NOON).stale] == ["quiet"]


def test_a_feed_none_of_whose_assets_ever_had_a_price_is_heard_of_by_its_answers() -> None:
    silent = FEEDS
    assert len(stale_of(make_facts(NOON, heard_at=[None] * 3, feeds=silent), NOON, "latest")) == 1
    assert stale_of(make_facts(NOON, heard_at=[None] * 3), NOON, "latest") == []


def test_assets_that_nobody_watches_and_feeds_that_the_plan_does_not_give_are_not_judged() -> None:
    old = [NOON - 60 * MINUTE] * 3
    unwatched = make_facts(NOON, heard_at=old, is_active=[False] * 3)
    none = make_facts(NOON, heard_at=old, feeds=tuple(replace(feed, way="none") for feed in FEEDS))
    for facts in (unwatched, none):
        judgement = judged(facts, NOON)
        assert judgement.stale == ()
        assert {line(judgement, subject).level for subject in ("latest", "hourly", "quiet")} == {"none"}


def test_a_price_that_stands_still_for_two_sessions_while_its_vendor_names_it_is_quiet_and_never_an_error() -> None:
    week_ago = NOON - timedelta(days=7)
    priced = [week_ago, NOON, NOON]
    (stale,) = judged(make_facts(NOON, priced_at=priced), NOON).stale
    assert (stale.subject, stale.level, stale.scope, stale.symbols) == ("quiet", "warn", "assets", ("S0",))
    assert (stale.age_minutes, stale.limit_minutes) == (5 * 390.0, 780.0)
    yesterday = [NOON - timedelta(days=1), NOON, NOON]
    assert judged(make_facts(NOON, priced_at=yesterday), NOON).stale == ()


def test_what_is_not_heard_of_is_not_quiet_besides() -> None:
    week_ago = NOON - timedelta(days=7)
    facts = make_facts(NOON, priced_at=[week_ago] * 3, heard_at=[week_ago, NOON, NOON])
    quiet = stale_of(facts, NOON, "quiet")
    assert [stale.symbols for stale in quiet] == [("S1", "S2")]
    judgement = judged(make_facts(NOON, priced_at=[week_ago] * 3, heard_at=[week_ago] * 3), NOON)
    assert line(judgement, "quiet").level == "closed"


def test_hours_are_stale_when_neither_a_call_nor_a_run_brought_any() -> None:
    for minutes, level in ((25, "fresh"), (26, "warn"), (46, "error")):
        feeds = tuple(replace(feed, heard_at=NOON - minutes * MINUTE) for feed in FEEDS)
        assert line(judged(make_facts(NOON, feeds=feeds), NOON), "hourly").level == level


def test_hours_are_stale_when_runs_are_green_and_prices_wait_for_their_hour() -> None:
    waiting = [NOON - 26 * MINUTE] * 3
    (stale,) = stale_of(make_facts(NOON, unwritten_at=waiting), NOON, "hourly")
    assert (stale.scope, stale.level, stale.since) == ("feed", "warn", waiting[0])
    hours = [NOON - 60 * MINUTE] * 3
    one = make_facts(NOON, unwritten_at=[waiting[0], None, None], hour_at=hours)
    (stale,) = stale_of(one, NOON, "hourly")
    assert (stale.scope, stale.symbols) == ("assets", ("S0",))


def test_where_hours_come_from_the_vendor_a_single_price_without_a_bar_is_no_alert() -> None:
    feeds = tuple(
        replace(feed, heard_at=NOON, way="half_hours" if feed.feed == "hourly" else feed.way) for feed in FEEDS
    )
    hours: list[datetime | None] = [NOON - 60 * MINUTE] * 3
    facts = make_facts(NOON, unwritten_at=[NOON - 26 * MINUTE, None, None], hour_at=hours, feeds=feeds)
    assert stale_of(facts, NOON, "hourly") == []


def test_a_delayed_plan_has_its_delay_for_hours_and_quiet_prices_and_not_for_being_heard_of() -> None:
    feeds = tuple(replace(feed, delay_seconds=900, heard_at=NOON) for feed in FEEDS)
    for minutes, found in ((40, 0), (41, 1)):
        facts = make_facts(NOON, unwritten_at=[NOON - minutes * MINUTE] * 3, feeds=feeds)
        assert len(stale_of(facts, NOON, "hourly")) == found
    for minutes, found in ((15, 0), (16, 1)):
        priced = [NOON - timedelta(days=4) - minutes * MINUTE, NOON, NOON]
        assert len(stale_of(make_facts(NOON, priced_at=priced, feeds=feeds), NOON, "quiet")) == found
    assert len(stale_of(make_facts(NOON, heard_at=[NOON - 5 * MINUTE] * 3, feeds=feeds), NOON, "latest")) == 1


def test_coins_around_the_clock_are_judged_at_night_and_stocks_are_not() -> None:
    night = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    old = [night - 10 * MINUTE] * 4
    facts = make_facts(night, 2, 2, heard_at=old, priced_at=old)
    assert stale_of(facts, night, "latest") == []
    (stale,) = stale_of(facts, night, "latest", around_the_clock=True)
    assert (stale.vendor, stale.scope, stale.age_minutes) == ("coingecko", "feed", 10.0)


AFTER_RUN = datetime(2026, 11, 17, 22, 45, tzinfo=UTC)  # 17:45 New York, 75 minutes after the run was due


@pytest.mark.promise("P9")
def test_a_daily_run_that_was_not_done_is_told_an_hour_after_it_was_due_on_that_evening_and_the_next_day() -> None:
    monday = date(2026, 11, 16)
    for now, level in (
        (AFTER_RUN - 16 * MINUTE, None),
        (AFTER_RUN, "warn"),
        (AFTER_RUN + timedelta(hours=16), "error"),
    ):
        found = stale_of(make_facts(now, covered_to=[monday] * 3), now, "daily")
        assert [stale.level for stale in found] == ([level] if level else [])
    (stale,) = found
    assert (stale.scope, stale.since) == ("feed", datetime(2026, 11, 17, 21, 30, tzinfo=UTC))


def test_what_the_vendor_publishes_later_is_expected_of_the_next_run() -> None:
    monday, friday = date(2026, 11, 16), date(2026, 11, 13)
    answered = [True] * 3
    assert stale_of(make_facts(AFTER_RUN, covered_to=[monday] * 3, is_answered=answered), AFTER_RUN, "daily") == []
    found = stale_of(make_facts(AFTER_RUN, covered_to=[friday] * 3, is_answered=answered), AFTER_RUN, "daily")
    assert [stale.scope for stale in found] == ["feed"]


def test_a_few_assets_without_their_session_wait_for_the_next_run_and_are_named_after_it() -> None:
    monday, friday, today = date(2026, 11, 16), date(2026, 11, 13), DAY
    late = make_facts(AFTER_RUN, covered_to=[today, today, monday])
    assert stale_of(late, AFTER_RUN, "daily") == []
    lost = make_facts(AFTER_RUN, covered_to=[today, today, friday])
    (stale,) = stale_of(lost, AFTER_RUN, "daily")
    assert (stale.scope, stale.level, stale.symbols) == ("assets", "warn", ("S2",))


def test_the_daily_run_owes_nothing_for_assets_that_were_loaded_after_it_or_have_no_such_session() -> None:
    friday = date(2026, 11, 13)
    loaded = make_facts(AFTER_RUN, created_at=[AFTER_RUN - 10 * MINUTE] * 3, covered_to=[None] * 3)
    delisted = make_facts(AFTER_RUN, is_due=[False] * 3, covered_to=[friday] * 3)
    for facts in (loaded, delisted):
        assert line(judged(facts, AFTER_RUN), "daily").level == "none"


@pytest.mark.fault("U29")
@pytest.mark.parametrize(
    ("now", "session", "coins", "previous"),
    [
        (AFTER_RUN, DAY, date(2026, 11, 16), date(2026, 11, 16)),
        (datetime(2026, 11, 17, 22, 30, tzinfo=UTC), date(2026, 11, 16), date(2026, 11, 15), date(2026, 11, 13)),
        (datetime(2026, 11, 22, 12, 0, tzinfo=UTC), date(2026, 11, 20), date(2026, 11, 19), date(2026, 11, 19)),
        (datetime(2026, 11, 27, 22, 0, tzinfo=UTC), date(2026, 11, 25), date(2026, 11, 24), date(2026, 11, 24)),
        (datetime(2026, 11, 27, 22, 31, tzinfo=UTC), date(2026, 11, 27), date(2026, 11, 26), date(2026, 11, 25)),
    ],
    ids=["an evening", "not an hour after", "a Sunday", "early close, not yet", "early close"],
)
def test_the_daily_run_owes_the_session_of_the_newest_run_that_was_due_an_hour_ago(
    now: datetime, session: date, coins: date, previous: date
) -> None:
    dues = daily_dues(now, LIMITS)
    assert (dues["polygon"].session, dues["polygon"].previous) == (session, previous)
    assert dues["coingecko"].session == coins


def test_no_assets_at_all_are_nothing_to_judge() -> None:
    judgement = judged(make_facts(NOON, 0), NOON)
    assert judgement.stale == ()
    assert {feed.level for feed in judgement.feeds} == {"none"}


@given(ages=st.lists(st.floats(0, 3000), min_size=1, max_size=12), days=st.floats(0, 300))
def test_nothing_is_ever_told_that_is_younger_than_its_limit(ages: list[float], days: float) -> None:
    now = LONG_AGO + timedelta(days=5 + days)
    heard = [now - age * MINUTE for age in ages]
    facts = make_facts(now, len(ages), heard_at=heard, priced_at=heard)
    for stale in judged(facts, now).stale:
        assert stale.age_minutes > stale.limit_minutes
        assert stale.since <= now
        assert stale.symbols == tuple(sorted(stale.symbols))
        assert bool(stale.symbols) == (stale.scope == "assets")
