"""The quota: exact over processes, a reserve for realtime, pauses and credits, and what happens without Redis."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import redis
import time_machine

from marketdata.errors import ConfigurationError, RateLimited
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.quota import Left, Quota, rates_of
from marketdata.hooks.shared_windows import SharedWindows
from marketdata.hooks.windows import LocalWindows, Rate

MINUTE = Rate(5, 61)
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def shared(url: str, *rates: Rate, credits_per_month: int | None = None, share: float = 0.0) -> SharedWindows:
    return SharedWindows(url, "polygon:test", rates, credits_per_month, share)


def opened(url: str, *rates: Rate, credits_per_month: int | None = None, share: float = 0.0) -> SharedWindows:
    """Windows on a store that others have used before: its first life begins with half of each window used."""
    with redis.Redis.from_url(url) as client:
        client.set("marketdata:quota:polygon:test:epoch", b"earlier")
    return shared(url, *rates, credits_per_month=credits_per_month, share=share)


def quota_on(windows: SharedWindows | None, local: LocalWindows | None = None) -> tuple[Quota, list[float]]:
    """A quota whose waits are collected instead of slept."""
    waits: list[float] = []
    return Quota("polygon", windows, local or LocalWindows("test", [Rate(1, 61)]), sleep=waits.append), waits


@pytest.mark.promise("P5")
@pytest.mark.parametrize("batch", [True, False])
def test_no_window_of_two_processes_ever_holds_more_than_the_limit(redis_url: str, batch: bool) -> None:
    limit, seconds, reserve, each = 20, 1, 4, 35
    program = f"""
import sys, time
from marketdata.hooks import shared_windows
from marketdata.hooks.windows import Rate
shared_windows._SOCKET_SECONDS = 30.0  # a busy machine is no hung Redis
windows = shared_windows.SharedWindows(sys.argv[1], "polygon:test", [Rate({limit}, {seconds}, {reserve})], None, 0)
print("ready", flush=True)
sys.stdin.readline()
left = {each}
while left:
    before = time.time()
    if windows.take({batch}) == 0:
        print(before, time.time(), flush=True)
        left -= 1
    time.sleep(0.002)
"""
    with redis.Redis.from_url(redis_url) as client:
        client.set("marketdata:quota:polygon:test:epoch", b"earlier")
    command = [sys.executable, "-c", program, redis_url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd="plugins") for _ in range(2)]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 2
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert list(map(len, lines)) == [each] * 2
    allowed = limit - reserve if batch else limit
    sent = sorted(tuple(map(float, line.split())) for one in lines for line in one)
    assert len(sent) >= 3 * allowed
    for index in range(len(sent) - allowed):
        # Each permission was given between its two instants: so many of them must span more than the window.
        group = sent[index : index + allowed + 1]
        assert max(after for _, after in group) - group[0][0] >= seconds


@pytest.mark.promise("P5")
def test_batch_leaves_the_reserve_and_what_realtime_sends_counts_against_batch(redis_url: str) -> None:
    windows = opened(redis_url, Rate(10, 61, reserve=3))
    assert [windows.take(batch=False) for _ in range(2)] == [0, 0]
    assert [windows.take(batch=True) for _ in range(5)] == [0] * 5
    assert 50 < windows.take(batch=True) <= 61
    assert (windows.left(batch=True)[0], windows.left(batch=False)[0]) == (0, 3)
    assert [windows.take(batch=False) for _ in range(3)] == [0] * 3
    assert windows.take(batch=False) > 50


@pytest.mark.promise("P5")
def test_a_refused_request_uses_nothing_up(redis_url: str) -> None:
    windows = opened(redis_url, Rate(1, 30), Rate(2, 61))
    assert windows.take(batch=True) == 0
    assert 0 < windows.take(batch=True) <= 30
    assert windows.left(batch=True)[0] == 0
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("marketdata:quota:polygon:test/61s") == 1


@pytest.mark.promise("P5")
def test_a_workers_own_clock_does_not_matter(redis_url: str) -> None:
    right, wrong = opened(redis_url, MINUTE), shared(redis_url, MINUTE)
    assert [right.take(batch=True) for _ in range(5)] == [0] * 5
    for hours in (-1, 1):
        with time_machine.travel(time.time() + hours * 3600, tick=True):
            assert 50 < wrong.take(batch=True) <= 61


@pytest.mark.promise("P5")
def test_a_pause_stops_every_process_and_is_never_shortened(redis_url: str) -> None:
    one, other = opened(redis_url, MINUTE), shared(redis_url, MINUTE)
    one.push_back(30)
    one.push_back(2)
    assert 20 < other.take(batch=False) <= 30
    other.push_back(60)
    assert 50 < one.take(batch=True) <= 60
    assert one.left(batch=False)[0] == 0


@pytest.mark.promise("P5")
def test_a_pause_that_runs_out_while_a_longer_one_is_set_takes_nothing_from_it(redis_url: str) -> None:
    windows = opened(redis_url, MINUTE)
    windows.push_back(1)
    send = windows._client.execute_command
    with redis.Redis.from_url(redis_url) as client:

        def let_it_run_out(*arguments: object, **options: object) -> object:
            answer = send(*arguments, **options)
            if client.pttl("marketdata:quota:polygon:test:pause") <= 1000:
                client.delete("marketdata:quota:polygon:test:pause")
            return answer

        windows._client.execute_command = let_it_run_out  # type: ignore[method-assign, assignment]
        windows.push_back(30)
    assert 20 < windows.take(batch=True) <= 30


@pytest.mark.promise("P5")
@pytest.mark.fault("R04")
def test_a_wiped_store_starts_again_with_its_windows_full_for_those_who_knew_it(redis_url: str) -> None:
    windows = opened(redis_url, MINUTE)
    assert windows.take(batch=True) == 0
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert windows.take(batch=True) > 50
    stranger = shared(redis_url, MINUTE)
    assert stranger.take(batch=True) > 50


@pytest.mark.promise("P5")
@pytest.mark.fault("R04")
def test_a_wiped_store_that_a_stranger_opened_is_filled_by_the_first_who_knew_it(redis_url: str) -> None:
    windows = opened(redis_url, MINUTE)
    assert windows.take(batch=True) == 0
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    stranger = shared(redis_url, MINUTE)
    assert stranger.take(batch=True) == 0
    assert windows.take(batch=True) > 50
    assert stranger.take(batch=True) > 50


@pytest.mark.fault("R04")
def test_an_empty_store_starts_with_half_of_its_window_used(redis_url: str) -> None:
    windows = shared(redis_url, Rate(10, 61))
    assert [windows.take(batch=True) for _ in range(5)] == [0] * 5
    assert windows.take(batch=True) > 50


@pytest.mark.fault("R11")
def test_the_window_survives_a_script_flush(redis_url: str) -> None:
    windows = opened(redis_url, Rate(2, 61))
    assert windows.take(batch=True) == 0
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    assert windows.take(batch=True) == 0
    assert windows.take(batch=True) > 0


@pytest.mark.promise("P5")
@pytest.mark.fault("U31")
def test_credits_of_the_month_are_counted_and_batch_leaves_realtimes_part(redis_url: str) -> None:
    windows = opened(redis_url, Rate(100, 61), credits_per_month=10, share=0.2)
    assert [windows.take(batch=True) for _ in range(8)] == [0] * 8
    quota, _ = quota_on(windows)
    with pytest.raises(RateLimited, match="batch") as caught:
        quota.acquire("batch", 900)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after <= 31 * 86400
    assert quota.left("batch") == Left(0, 0, True)
    assert quota.left("realtime") == Left(92, 2, True)
    assert [windows.take(batch=False) for _ in range(2)] == [0, 0]
    assert windows.take(batch=False) > 120


@pytest.mark.promise("P5")
def test_the_last_credit_is_not_given_twice_to_processes_that_both_saw_it(redis_url: str) -> None:
    one, other = (opened(redis_url, Rate(100, 61), credits_per_month=10) for _ in range(2))
    assert [one.take(batch=True) for _ in range(9)] == [0] * 9
    assert (one._look(batch=True), other._look(batch=True)) == (0, 0)
    assert one._spend_credit(batch=True) == 0
    assert other._spend_credit(batch=True) > 0
    assert other.left(batch=True)[1] == 0
    with redis.Redis.from_url(redis_url) as client:
        (counter,) = client.scan_iter("*credits*")
        assert client.get(counter) == b"10"


def test_acquire_waits_for_the_next_place_and_then_takes_it() -> None:
    with time_machine.travel(START, tick=False) as clock:
        local = LocalWindows("test", [Rate(2, 61)])
        quota = Quota("polygon", None, local, sleep=clock.shift)
        started = time.time()
        for _ in range(6):
            quota.acquire("batch", 200)
        assert 122 <= time.time() - started < 123


def test_acquire_gives_up_when_the_wait_is_longer_than_allowed(redis_url: str) -> None:
    windows = opened(redis_url, MINUTE)
    quota, waits = quota_on(windows)
    for _ in range(5):
        quota.acquire("batch", 0)
    with pytest.raises(RateLimited, match="batch") as caught:
        quota.acquire("batch", 30)
    assert caught.value.retry_after == pytest.approx(56, abs=6)
    assert caught.value.retryable
    assert waits == []


def test_a_pause_of_more_than_two_minutes_is_not_waited_for() -> None:
    quota, waits = quota_on(None)
    quota.push_back(121)
    with pytest.raises(RateLimited):
        quota.acquire("realtime", 10_000)
    assert waits == []


@pytest.mark.fault("R01")
def test_without_redis_each_process_keeps_to_its_share_and_asks_again_after_half_a_minute(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    gone = shared("redis://127.0.0.1:1/0", MINUTE)
    clock = [0.0]
    quota = Quota("polygon", gone, LocalWindows("test", [Rate(2, 61)]), clock=lambda: clock[0])
    for _ in range(2):
        quota.acquire("batch", 0)
    with pytest.raises(RateLimited):
        quota.acquire("batch", 0)
    assert quota.left() == Left(0, None, False)
    (said,) = (record.getMessage() for record in caplog.records if record.name == "marketdata.hooks.quota")
    assert said == (
        "Redis is away, start it or correct its address: quota falls back to this process's share"
        " vendor=polygon seconds=30 cause=ConnectionError"
    )
    quota._shared = opened(redis_url, MINUTE)
    assert quota.left().shared is False
    clock[0] = 31
    assert quota.left() == Left(5, None, True)


@pytest.mark.parametrize("url", ["nonsense", "http://:geheim@host", "redis://:geheim@host:port/0"])
def test_a_malformed_address_of_redis_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no Redis URL") as caught:
        Quota.of(VendorConnection("polygon", key="k"), url)
    assert "geheim" not in str(caught.value)


@pytest.mark.fault("R02")
def test_a_hung_redis_costs_a_quarter_of_a_second_once(hung_server: str) -> None:
    quota, _ = quota_on(shared(hung_server, MINUTE), LocalWindows("test", [Rate(1000, 61)]))
    started = time.monotonic()
    for _ in range(400):
        quota.acquire("batch", 0)
    assert 0.2 < time.monotonic() - started < 400 * 0.25 / 2


def test_what_was_sent_through_redis_counts_when_redis_goes_away(redis_url: str) -> None:
    windows = opened(redis_url, MINUTE)
    quota, _ = quota_on(windows, LocalWindows("test", [Rate(2, 61)]))
    for _ in range(2):
        quota.acquire("batch", 0)
    quota._shared = shared("redis://127.0.0.1:1/0", MINUTE)
    with pytest.raises(RateLimited):
        quota.acquire("batch", 0)


def test_only_what_was_sent_through_redis_within_a_window_counts_there_when_redis_goes_away() -> None:
    with time_machine.travel(START, tick=False) as clock:
        local = LocalWindows("test", [Rate(2, 1), Rate(6, 61)])
        for _ in range(3):
            local.note()
        clock.shift(2)
        assert local.left(batch=True)[0] == 2
        assert [local.take(batch=True) for _ in range(2)] == [0, 0]
        clock.shift(2)
        assert local.take(batch=True) == 0
        assert local.take(batch=True) > 50


@pytest.mark.promise("P5")
def test_a_request_that_one_window_refuses_takes_no_place_in_another(redis_url: str) -> None:
    windows = opened(redis_url, Rate(5, 30), Rate(1, 61))
    assert windows.take(batch=True) == 0
    assert [windows.take(batch=True) > 50 for _ in range(3)] == [True] * 3
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("marketdata:quota:polygon:test/30s") == 1


@pytest.mark.parametrize(
    ("per_minute", "processes", "rates"),
    [
        (5, 1, (Rate(5, 61, 0),)),
        (25, 1, (Rate(25, 61, 2),)),
        (3000, 1, (Rate(50, 1, 5), Rate(3000, 61, 300))),
        (3000, 8, (Rate(7, 1, 0), Rate(375, 61, 37))),
        (5, 8, (Rate(1, 122, 0),)),
        (25, 8, (Rate(3, 61, 0),)),
    ],
)
def test_the_shares_of_all_processes_together_stay_within_the_limit(
    per_minute: int, processes: int, rates: tuple[Rate, ...]
) -> None:
    connection = VendorConnection("polygon", key="k", plan="basic", requests_per_minute=per_minute)
    assert rates_of(connection, processes=processes) == rates
    longest = rates[-1]
    assert processes * longest.amount * 60 / longest.seconds <= per_minute


def test_rates_are_in_the_order_in_which_they_are_taken() -> None:
    connection = VendorConnection("polygon", key="k", plan="advanced")
    assert all(short.seconds < long.seconds for short, long in pairwise(rates_of(connection)))


@pytest.fixture
def hung_server() -> Iterator[str]:
    """The address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
