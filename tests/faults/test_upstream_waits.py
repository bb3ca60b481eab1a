"""429 and what it says about waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from email.utils import format_datetime

import pytest

from marketdata.errors import RateLimited
from tests.hooks.accounts import NOW, polygon, pushed_back, waits_of
from tests.hooks.upstream import Script, Upstream, reply

SESSION = date(2026, 3, 9)
EMPTY = reply({"status": "OK", "resultsCount": 0})
TOO_MANY = {"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}


def too_many(**headers: str) -> Script:
    return reply(TOO_MANY, 429, **headers)


def start_caller(upstream: Upstream, redis_url: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.hooks.caller", upstream.url, redis_url, str(count)]
    path = os.pathsep.join(["plugins", "."])
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)


@pytest.mark.fault("U01")
@pytest.mark.promise("P5")
def test_retry_after_stops_every_process_of_the_key_and_then_the_call_succeeds(redis_url: str) -> None:
    with Upstream([EMPTY] * 40 + [too_many(Retry_After="2"), EMPTY]) as upstream:
        callers = [start_caller(upstream, redis_url, 60) for _ in range(2)]
        said = [caller.communicate(timeout=120)[0].split("\n")[:-1] for caller in callers]
        arrivals = [asked.at for asked in upstream.asked]
    (pause,) = [line.split()[1:] for line in said[0] + said[1] if line != "ok"]
    assert [each.count("ok") for each in said] == [60] * 2
    assert len(arrivals) == 121
    seconds, before, after = map(float, pause)
    assert seconds == 2
    # What the other process was permitted before the pause may still arrive in it: it has one request at a time.
    assert len([at for at in arrivals if after < at < before + seconds]) <= 1
    assert [at for at in arrivals if at >= before + seconds]


@pytest.mark.fault("U01")
def test_retry_after_is_waited_for_counted_and_pushed_on_the_others() -> None:
    with Upstream([too_many(Retry_After="2"), EMPTY]) as upstream:
        hook = polygon(upstream)
        answer = hook.market_day(SESSION)
    assert waits_of(hook) == [2.0]
    assert pushed_back(hook) == [2.0]
    assert (answer.requests, answer.rate_limited) == (2, 1)


@pytest.mark.fault("U02")
def test_without_a_header_the_waits_are_random_below_a_bound_that_doubles_and_seeds_differ() -> None:
    waits = []
    for seed in (1, 2, 3):
        with Upstream([too_many()]) as upstream:
            hook = polygon(upstream, seed=seed)
            with pytest.raises(RateLimited) as caught:
                hook.market_day(SESSION)
        assert len(upstream.asked) == 4
        assert (caught.value.requests, caught.value.rate_limited, caught.value.retry_after) == (4, 4, 60.0)
        assert pushed_back(hook) == [*waits_of(hook), 60.0]
        waits.append(waits_of(hook))
    assert all(0 <= wait <= bound for each in waits for wait, bound in zip(each, (1, 2, 4), strict=True))
    assert any(each[2] > 2 for each in waits)
    assert len({tuple(each) for each in waits}) == 3


@pytest.mark.fault("U03")
def test_an_http_date_is_honoured() -> None:
    header = format_datetime(NOW + timedelta(seconds=42), usegmt=True)
    with Upstream([too_many(Retry_After=header), EMPTY]) as upstream:
        hook = polygon(upstream)
        hook.market_day(SESSION)
    assert waits_of(hook) == [42.0]


@pytest.mark.fault("U03")
@pytest.mark.parametrize("header", ["soon", "-5", "", "1e3", "9" * 40])
def test_junk_counts_as_no_header(header: str) -> None:
    with Upstream([too_many(Retry_After=header), EMPTY]) as upstream:
        hook = polygon(upstream)
        hook.market_day(SESSION)
    (wait,) = waits_of(hook)
    assert 0 <= wait <= 1


@pytest.mark.fault("U03")
def test_a_wait_above_a_minute_is_left_to_the_caller_and_pushed_on_the_others_for_an_hour_at_most() -> None:
    with Upstream([too_many(Retry_After="86400")]) as upstream:
        hook = polygon(upstream)
        with pytest.raises(RateLimited) as caught:
            hook.market_day(SESSION)
    assert len(upstream.asked) == 1
    assert caught.value.retry_after == 86400
    assert waits_of(hook) == []
    assert pushed_back(hook) == [3600.0]


@pytest.mark.fault("U03")
def test_the_reset_instant_of_coingecko_is_honoured_where_no_retry_after_comes() -> None:
    with Upstream([too_many(x_ratelimit_reset="2026-11-22 12:00:31 +0000"), EMPTY]) as upstream:
        hook = polygon(upstream)
        hook.market_day(SESSION)
    assert waits_of(hook) == [31.0]


def test_a_server_failure_is_tried_four_times_in_all() -> None:
    with Upstream([reply({}, 502), reply({}, 408), reply({}, 599), EMPTY]) as upstream:
        hook = polygon(upstream)
        assert hook.market_day(SESSION).requests == 4
    assert len(waits_of(hook)) == 3
    assert pushed_back(hook) == []


def test_a_server_that_asks_for_time_is_given_it() -> None:
    with Upstream([reply({}, 503, Retry_After="7"), EMPTY]) as upstream:
        hook = polygon(upstream)
        hook.market_day(SESSION)
    assert waits_of(hook) == [7.0]
    assert pushed_back(hook) == []
