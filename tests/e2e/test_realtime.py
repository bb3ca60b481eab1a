"""Both realtime DAGs in a real scheduler for some minutes: ticks of their own, ticks by hand, and one that overruns."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from local.airflow_api import RUN_ENDED
from marketdata.domain.sessions import latest_session, new_york_date, session_open
from tests.e2e.conftest import LONGEST_TEST, RUN_SECONDS

if TYPE_CHECKING:
    from tests.e2e.conftest import Ended, Scheduler

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

LATEST, HOURLY = "realtime_latest", "realtime_hourly"
TASKS = {LATEST: "update_prices", HOURLY: "update_hours"}
COIN = "X:BTCUSD"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LONG = timedelta(seconds=RUN_SECONDS)
DELAY = timedelta(minutes=15)
"""So old are the prices that the stack's plan gives."""


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def scheduled(stack: Scheduler, dag_id: str = LATEST) -> list[dict[str, Any]]:
    """The runs that the schedule has made, oldest first."""
    found = [run for run in stack.api.runs(dag_id) if run["run_type"] == "scheduled"]
    return sorted(found, key=lambda run: instant(run["run_after"]))


def trigger(stack: Scheduler, dag_id: str) -> str:
    answer = stack.api.trigger(dag_id, {})
    assert answer.ok, answer.text
    run_id: str = answer.json()["dag_run_id"]
    return run_id


def ended(stack: Scheduler, dag_id: str, run_id: str) -> Ended:
    return stack.wait(run_id, dag_id=dag_id, task_id=TASKS[dag_id])


def note_of(stack: Scheduler, dag_id: str, run_id: str) -> str:
    (note,) = (run["note"] for run in stack.api.runs(dag_id) if run["dag_run_id"] == run_id)
    return str(note)


def until(stop: datetime) -> Iterator[None]:
    """Steps of a tenth of a second up to an instant."""
    while datetime.now(UTC) < stop:
        yield
        time.sleep(0.1)


@pytest.fixture
def forgotten(_stack: Scheduler) -> Scheduler:
    """The scheduler with nothing stored, both realtime DAGs still paused."""
    _stack.forget()
    return _stack


@pytest.fixture
def shown(forgotten: Scheduler) -> datetime:
    """Where the vendors' clock stands before any tick: three hours into the newest session, or now, while it is young.

    It stands still. In an open session the schedule asks for stocks too: it gets the same answers as a run by hand.
    """
    while latest_session(now := datetime.now(UTC)) != latest_session(now + LONGEST_TEST):
        time.sleep(0.5)  # until the session is open that would open in between
    instant = min(session_open(latest_session(now)) + 3 * HOUR, now)
    forgotten.vendor.set_clock(instant)
    return instant


@pytest.fixture
def realtime(_stack: Scheduler, forgotten: Scheduler) -> Iterator[Scheduler]:  # noqa: ARG001 - comes before
    """The scheduler with both realtime DAGs unpaused, nothing stored; paused again at the end."""
    for dag_id in TASKS:
        for _ in until(datetime.now(UTC) + LONG):
            if _stack.api.unpause(dag_id):
                break
        else:
            pytest.fail(f"{dag_id} is not parsed: {_stack.api.import_errors()}")
    yield _stack
    for dag_id in TASKS:
        pause_between_runs(_stack, dag_id)


def pause_between_runs(stack: Scheduler, dag_id: str) -> None:
    """Pause a DAG when none of its runs is under way: what has not begun by then would never end."""
    for _ in until(datetime.now(UTC) + LONG):
        stack.api.pause(dag_id)
        going_on = [run for run in stack.api.runs(dag_id) if run["state"] not in RUN_ENDED]
        if not going_on:
            return
        stack.api.unpause(dag_id)
        for run in going_on:
            stack.api.wait_for_run(dag_id, run["dag_run_id"], seconds=RUN_SECONDS)
    pytest.fail(f"{dag_id} makes no pause: {going_on}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A price in the cache, and when it was first seen there."""

    at: datetime
    price: dict[str, Any]

    @property
    def as_of(self) -> datetime:
        return instant(self.price["as_of"])


def watch(stack: Scheduler) -> tuple[list[dict[str, Any]], list[Seen]]:
    """The new ticks and a coin's prices in the cache, up to two ticks as they should be: the last two of those.

    They are a minute apart, and the second one's price comes within its minute. A machine that is out of breath gets
    some more.
    """
    known = {run["dag_run_id"] for run in scheduled(stack)}
    runs: list[dict[str, Any]] = []
    seen: list[Seen] = []
    with redis.Redis.from_url(stack.redis_url) as cache:
        for _ in until(datetime.now(UTC) + LONG):
            text = cache.get(f"latest_price:{COIN}")
            price = json.loads(text) if text else None
            if price and (not seen or price != seen[-1].price):
                seen.append(Seen(datetime.now(UTC), price))
            runs = [run for run in scheduled(stack) if run["dag_run_id"] not in known]
            for run in runs:
                if run["state"] == "failed" and instant(run["end_date"]) < instant(run["run_after"]) + MINUTE / 2:
                    pytest.fail(stack.api.first_error(LATEST, run["dag_run_id"]))  # one that fails later was too slow
            assert len({run["run_after"] for run in runs}) == len(runs), "none is doubled"
            good = [run for run in runs if run["state"] != "failed"][-2:]
            minutes = [instant(run["run_after"]) for run in good]
            in_time = [one for one in seen if minutes and minutes[-1] <= one.as_of and one.at < minutes[-1] + MINUTE]
            if in_time and minutes == [minutes[-1] - MINUTE, minutes[-1]]:
                return good, seen
    pytest.fail(f"no tick after another brought its price within its minute: {runs}, {seen}")


def test_each_minute_is_one_run_of_one_task_and_its_price_is_in_the_cache_within_the_minute(
    realtime: Scheduler,
) -> None:
    runs, seen = watch(realtime)
    for run in runs:
        assert run["logical_date"] == run["data_interval_start"] == run["data_interval_end"] == run["run_after"]
        outcome = ended(realtime, LATEST, run["dag_run_id"])
        assert (outcome.state, outcome.report["state"]) == ("success", "success")
        (task,) = realtime.api.tasks(LATEST, run["dag_run_id"])
        assert (task["task_id"], task["pool"], task["try_number"]) == ("update_prices", "realtime", 1)
        assert note_of(realtime, LATEST, run["dag_run_id"]).startswith("**success**")
    assert {one.price["symbol"] for one in seen} == {COIN}
    assert min(one.price["price"] for one in seen) > 0


def test_a_run_by_hand_inside_a_session_brings_prices_and_hours_to_database_cache_and_read_api(
    shown: datetime, realtime: Scheduler
) -> None:
    session = new_york_date(shown)
    prices, cached = price_by_hand(realtime, "AAPL")
    hours = ended(realtime, HOURLY, trigger(realtime, HOURLY))
    assert (prices.report["state"], hours.report["state"]) == ("success", "success"), (prices.report, hours.report)

    ((priced,),) = realtime.rows("select count(*) from latest_price")
    assert priced > 10
    ((stored, at, of_session),) = realtime.rows(
        "select price, at, session from latest_price join asset using (asset_id) where symbol = 'AAPL'"
    )
    assert of_session == session
    assert shown - HOUR < at <= shown
    assert cached["price"] == stored
    assert instant(cached["timestamp"]) == at
    assert realtime.rows("select count(*) from price_minute join asset using (asset_id) where symbol = 'AAPL'") == [
        (1,)
    ]

    opened = session_open(session)
    starts = [start for (start,) in realtime.rows(HOURS_OF_AAPL)]
    assert starts == [opened + number * HOUR for number in range(len(starts))]
    sure = max((shown - opened - DELAY - 5 * MINUTE) // HOUR + 1, 0)
    assert sure <= len(starts) <= sure + 1

    (read,) = realtime.api.read("marketdata/api/prices?symbols=AAPL")["prices"]
    assert (read["symbol"], read["price"]) == ("AAPL", stored)
    bars = realtime.api.read("marketdata/api/assets/AAPL/chart?range=1D")["bars"]
    assert [instant(bar["timestamp"]) for bar in bars] == starts


HOURS_OF_AAPL = "select starts_at from bar_hourly join asset using (asset_id) where symbol = 'AAPL' order by starts_at"


def price_by_hand(stack: Scheduler, symbol: str) -> tuple[Ended, dict[str, Any]]:
    """A run by hand and the price that it put into the cache; another run, where that had expired before we looked."""
    with redis.Redis.from_url(stack.redis_url) as cache:
        for _ in until(datetime.now(UTC) + LONG):
            outcome = ended(stack, LATEST, trigger(stack, LATEST))
            assert outcome.state == "success", outcome
            if text := cache.get(f"latest_price:{symbol}"):
                return outcome, json.loads(text)
    pytest.fail(f"there is no price of {symbol} in the cache")


@pytest.mark.fault("A03")
def test_a_tick_that_comes_due_while_a_run_goes_on_waits_for_it_and_no_second_one_queues(realtime: Scheduler) -> None:
    """The run under way is one by hand, started late in a minute, at vendors that do not answer."""
    realtime.vendor.add_fault("hang", seconds=60)
    slow, due = overrun(realtime)
    realtime.vendor.clear_faults()
    end = instant(slow["end_date"])
    assert slow["state"] == "failed"
    assert note_of(realtime, LATEST, slow["dag_run_id"]).startswith("**failed**")

    since: list[dict[str, Any]] = []
    for _ in until(datetime.now(UTC) + LONG):
        states = [run["state"] for run in realtime.api.runs(LATEST)]
        assert states.count("running") + states.count("queued") <= 1
        since = [run for run in scheduled(realtime) if instant(run["run_after"]) >= due]
        if any(run["state"] == "success" and is_on_time(run) for run in since):
            break
    else:
        pytest.fail(f"no tick is on time again: {since}")
    assert min(instant(run["start_date"]) for run in since if run["start_date"]) >= end
    if end < due + timedelta(seconds=15):  # a tick is due for half a minute
        assert min(instant(run["run_after"]) for run in since) == due


def overrun(stack: Scheduler) -> tuple[dict[str, Any], datetime]:
    """A run by hand that began before a tick was due and ended after it, and when that tick was due.

    It takes a dozen seconds at work; how long before that depends on the machine.
    """
    for lead in (8, 16, 26, 38):
        due = (datetime.now(UTC) + timedelta(seconds=lead + 4)).replace(second=0, microsecond=0) + MINUTE
        for _ in until(due - timedelta(seconds=lead)):
            pass
        run_id = trigger(stack, LATEST)
        ended(stack, LATEST, run_id)
        (run,) = (run for run in stack.api.runs(LATEST) if run["dag_run_id"] == run_id)
        if instant(run["start_date"]) < due < instant(run["end_date"]):
            return run, due
    pytest.fail(f"no run by hand was under way when a tick was due: {stack.api.runs(LATEST)}")


def is_on_time(run: dict[str, Any]) -> bool:
    """Whether a tick began when it was due."""
    return bool(run["start_date"]) and instant(run["start_date"]) < instant(run["run_after"]) + MINUTE / 2


def test_a_backfill_of_ticks_that_have_passed_is_refused(realtime: Scheduler) -> None:
    today = date.today().isoformat()  # noqa: DTZ011 - any date will do
    asked = {"dag_id": LATEST, "from_date": f"{today}T00:00:00Z", "to_date": f"{today}T01:00:00Z"}
    answer = realtime.api.call("POST", "backfills", asked)
    assert not answer.ok
    assert "backfill" in answer.text
