"""The circuit of a key: what opens it, who may probe a vendor that is down, what closes it; with and without Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

import pytest
import redis
import time_machine

from marketdata.errors import RateLimited, VendorDown
from marketdata.hooks.circuit import Breaker
from marketdata.hooks.quota import Quota
from marketdata.hooks.shared_windows import SharedWindows
from marketdata.hooks.windows import LocalWindows, Rate, Windows

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SELDOM = Rate(1000, 61)
BREAKER = Breaker(straight=6, first=15, longest=100)


class Circuit(Protocol):
    """Two users of one key, and time."""

    def user(self) -> Windows: ...

    def pass_by(self, seconds: float) -> None: ...


class InMemory:
    """Both users are threads of one process."""

    def __init__(self, clock: time_machine.Coordinates) -> None:
        self._windows = LocalWindows("test", [SELDOM], BREAKER)
        self._clock = clock

    def user(self) -> Windows:
        return self._windows

    def pass_by(self, seconds: float) -> None:
        self._clock.shift(seconds)


class InRedis:
    """Both users are processes; time passes by taking it off what the keys have left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = redis.Redis.from_url(url)
        self._client.set("marketdata:quota:polygon:test:epoch", b"earlier")

    def user(self) -> Windows:
        return SharedWindows(self._url, "polygon:test", [SELDOM], None, 0, BREAKER)

    def pass_by(self, seconds: float) -> None:
        for key in ("failures", "down", "probe"):
            name = f"marketdata:quota:polygon:test:{key}"
            left = self._client.pttl(name)
            if left > 0:
                self._client.pexpire(name, max(0, left - int(seconds * 1000)))


@pytest.fixture(params=["memory", "redis"])
def circuit(request: pytest.FixtureRequest) -> Iterator[Circuit]:
    """A circuit that opens after 6 failures for 15 seconds, and for 100 at most."""
    if request.param == "redis":
        yield InRedis(request.getfixturevalue("redis_url"))
    else:
        with time_machine.travel(START, tick=False) as clock:
            yield InMemory(clock)


def fail(windows: Windows, times: int) -> None:
    for _ in range(times):
        windows.note_answer(False)


def about(seconds: float) -> object:
    return pytest.approx(seconds, abs=6)  # those in Redis are real ones


@pytest.mark.fault("U04")
def test_six_failures_in_a_row_open_the_circuit_whoever_met_them(circuit: Circuit) -> None:
    one, other = circuit.user(), circuit.user()
    fail(one, 3)
    fail(other, 2)
    assert (one.take(batch=True), one.held(batch=True)) == (0, 0)
    fail(one, 1)
    assert [user.take(batch) for user in (one, other) for batch in (True, False)] == [about(15)] * 4
    assert other.held(batch=True) == about(15)


@pytest.mark.fault("U04")
def test_an_answer_in_between_starts_the_count_anew(circuit: Circuit) -> None:
    one, other = circuit.user(), circuit.user()
    fail(one, 5)
    assert other.take(batch=True) == 0
    other.note_answer(True)
    fail(one, 5)
    assert one.take(batch=True) == 0


@pytest.mark.fault("U04")
def test_failures_of_long_ago_do_not_count(circuit: Circuit) -> None:
    one = circuit.user()
    fail(one, 5)
    circuit.pass_by(BREAKER.memory)
    fail(one, 1)
    assert one.take(batch=True) == 0


@pytest.mark.fault("U04")
def test_after_the_pause_one_request_probes_and_its_answer_closes_the_circuit_for_all(circuit: Circuit) -> None:
    one, other = circuit.user(), circuit.user()
    fail(one, 6)
    circuit.pass_by(15.5)
    assert one.take(batch=True) == 0
    assert [other.take(batch) for batch in (True, False)] == [about(15)] * 2, "one probe at a time"
    one.note_answer(True)
    assert [user.take(batch=True) for user in (one, other)] == [0, 0]


@pytest.mark.fault("U04")
def test_each_probe_in_vain_doubles_the_pause_up_to_its_bound(circuit: Circuit) -> None:
    one = circuit.user()
    fail(one, 6)
    pauses = [15, 30, 60, 100, 100]
    for pause in pauses:
        assert one.take(batch=True) == about(pause)
        circuit.pass_by(pause + 0.5)
        assert one.take(batch=True) == 0
        fail(one, 1)


@pytest.mark.fault("U04")
def test_a_probe_of_which_nothing_is_heard_again_is_followed_by_another(circuit: Circuit) -> None:
    one, other = circuit.user(), circuit.user()
    fail(one, 6)
    circuit.pass_by(15.5)
    assert one.take(batch=True) == 0
    circuit.pass_by(15.5)
    assert other.take(batch=True) == 0


@pytest.mark.fault("U04")
def test_requests_that_were_on_their_way_when_it_opened_make_nobody_wait_longer(circuit: Circuit) -> None:
    one = circuit.user()
    fail(one, 6 + 15)
    assert one.take(batch=True) == about(15)


@pytest.mark.fault("U04")
def test_realtime_probes_while_batch_waits_long_and_opens_the_way_for_both(circuit: Circuit) -> None:
    batch, realtime = circuit.user(), circuit.user()
    fail(batch, 6)
    for pause in (15, 30, 60):
        circuit.pass_by(pause + 0.5)
        assert batch.take(batch=True) == 0
        fail(batch, 1)
    circuit.pass_by(15.5)
    assert batch.take(batch=True) == about(85)
    assert realtime.take(batch=False) == 0
    assert realtime.take(batch=False) == about(15)
    fail(realtime, 1)
    assert batch.take(batch=True) == about(85), "its failure is no probe of batch"
    circuit.pass_by(15.5)
    assert realtime.take(batch=False) == 0
    realtime.note_answer(True)
    assert batch.take(batch=True) == 0


@pytest.mark.fault("U04")
def test_a_pause_that_the_vendor_asked_for_outlasts_the_circuit(circuit: Circuit) -> None:
    one = circuit.user()
    fail(one, 6)
    one.push_back(40)
    one.note_answer(True)
    assert one.take(batch=False) == about(40)


@pytest.mark.fault("U04")
@pytest.mark.parametrize("redis_is", ["there", "away"])
def test_who_cannot_wait_for_it_is_told_that_the_vendor_is_down_and_when_to_ask_again(
    redis_url: str, redis_is: str
) -> None:
    local = LocalWindows("test", [SELDOM], BREAKER)
    quota = Quota("polygon", SharedWindows(redis_url, "t", [SELDOM], None, 0, BREAKER), local, sleep=pytest.fail)
    if redis_is == "away":
        quota = Quota("polygon", None, local, sleep=pytest.fail)
    for _ in range(6):
        quota.note_answer(False)
    with pytest.raises(VendorDown, match="failed so often in a row") as caught:
        quota.acquire("realtime", 8)
    assert isinstance(caught.value, RateLimited), "the batch ends and is taken up again, as for any other pause"
    assert (caught.value.kind, caught.value.retryable, caught.value.retry_after) == ("transient", True, about(15))


@pytest.mark.fault("U04")
@pytest.mark.fault("R01")
def test_failures_seen_through_redis_count_when_redis_goes_away(redis_url: str) -> None:
    local = LocalWindows("test", [SELDOM], BREAKER)
    quota = Quota("polygon", SharedWindows(redis_url, "t", [SELDOM], None, 0, BREAKER), local)
    for _ in range(6):
        quota.note_answer(False)
    quota._shared = SharedWindows("redis://127.0.0.1:1/0", "t", [SELDOM], None, 0, BREAKER)
    with pytest.raises(VendorDown):
        quota.acquire("batch", 1)


def test_batch_waits_for_a_short_pause_and_is_the_probe(circuit: Circuit) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        circuit.pass_by(seconds)

    quota = Quota("polygon", circuit.user(), LocalWindows("test", [SELDOM], BREAKER), sleep=wait)
    for _ in range(6):
        quota.note_answer(False)
    quota.acquire("batch", 900)
    assert waits[0] == about(15)
    assert quota._take("batch") == about(15)
