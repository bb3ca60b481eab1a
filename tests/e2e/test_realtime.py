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

from marketdata.domain.sessions import expected_through, session_open
from tests.e2e.conftest import RUN_SECONDS

if TYPE_CHECKING:
    from tests.e2e.conftest import Ended, Scheduler

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LATEST, HOURLY = "realtime_latest", "realtime_hourly"
TASKS = {LATEST: "update_prices", HOURLY: "update_hours"}
COIN = "X:BTCUSD"
MINUTE = timedelta(minutes=1)


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
def realtime(_stack: Scheduler) -> Iterator[Scheduler]:
    """The scheduler with both realtime DAGs unpaused, nothing stored; paused again at the end."""
    _stack.forget()
    for dag_id in TASKS:
        for _ in until(datetime.now(UTC) + MINUTE):
            if _stack.api.unpause(dag_id):
                break
        assert _stack.api.import_errors() == []
    yield _stack
    for dag_id in TASKS:
        _stack.api.pause(dag_id)
    for dag_id in TASKS:
        for run in _stack.api.runs(dag_id):
            _stack.api.wait_for_run(dag_id, run["dag_run_id"], seconds=RUN_SECONDS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A price in the cache, and when it was first seen there."""

    at: datetime
    price: dict[str, Any]

    @property
    def as_of(self) -> datetime:
        return instant(self.price["as_of"])


def watch(stack: Scheduler, *, ticks: int) -> list[Seen]:
    """Look at a coin's price in the cache until so many new ticks have been worked off."""
    known = {run["dag_run_id"] for run in scheduled(stack)}
    seen: list[Seen] = []
    with redis.Redis.from_url(stack.redis_url) as cache:
        for _ in until(datetime.now(UTC) + (ticks + 3) * MINUTE):
            text = cache.get(f"latest_price:{COIN}")
            price = json.loads(text) if text else None
            if price and (not seen or price != seen[-1].price):
                seen.append(Seen(datetime.now(UTC), price))
            runs = [run for run in scheduled(stack) if run["dag_run_id"] not in known]
            assert "failed" not in {run["state"] for run in runs}, stack.api.first_error(LATEST, runs[-1]["dag_run_id"])
            if len(runs) >= ticks and seen[-1:] and seen[-1].as_of >= instant(runs[-1]["run_after"]):
                return seen
    pytest.fail(f"{len(seen)} ticks instead of {ticks} brought a price: {stack.api.import_errors()}")


def test_each_minute_is_one_run_of_one_task_and_its_price_is_in_the_cache_within_the_minute(
    realtime: Scheduler,
) -> None:
    before = {run["dag_run_id"] for run in scheduled(realtime)}
    seen = watch(realtime, ticks=2)
    runs = [run for run in scheduled(realtime) if run["dag_run_id"] not in before]
    minutes = [instant(run["run_after"]) for run in runs]
    assert len(minutes) >= 2
    assert minutes == [minutes[0] + number * MINUTE for number in range(len(minutes))], "none is doubled, none is lost"
    for run in runs:
        assert run["logical_date"] == run["data_interval_start"] == run["data_interval_end"] == run["run_after"]
        outcome = ended(realtime, LATEST, run["dag_run_id"])
        assert (outcome.state, outcome.report["state"]) == ("success", "success")
        (task,) = realtime.api.tasks(LATEST, run["dag_run_id"])
        assert (task["task_id"], task["pool"], task["try_number"]) == ("update_prices", "realtime", 1)
        assert note_of(realtime, LATEST, run["dag_run_id"]).startswith("**success**")
    for minute in minutes[1:]:  # unpausing may come in the middle of the first
        (price,) = (one for one in seen if minute <= one.as_of < minute + MINUTE)
        assert price.at < minute + MINUTE
        assert price.price["symbol"] == COIN
        assert price.price["price"] > 0


def test_a_run_by_hand_inside_a_session_brings_prices_and_hours_to_database_cache_and_read_api(
    realtime: Scheduler,
) -> None:
    session = expected_through("stock", datetime.now(UTC))
    opened = session_open(session)
    realtime.vendor.set_clock(opened + timedelta(hours=3), running=True)
    prices = ended(realtime, LATEST, trigger(realtime, LATEST))
    cached = cached_price(realtime, "AAPL")
    hours = ended(realtime, HOURLY, trigger(realtime, HOURLY))
    assert (prices.report["state"], hours.report["state"]) == ("success", "success"), (prices.report, hours.report)
    assert prices.report["inserted"] > 10

    ((stored, at, of_session),) = realtime.rows(
        "select price, at, session from latest_price join asset using (asset_id) where symbol = 'AAPL'"
    )
    assert of_session == session
    assert opened < at < opened + timedelta(hours=3, minutes=5)
    assert cached["price"] == stored
    assert instant(cached["timestamp"]) == at
    assert realtime.rows("select count(*) from price_minute join asset using (asset_id) where symbol = 'AAPL'") == [
        (1,)
    ]

    starts = [start for (start,) in realtime.rows(HOURS_OF_AAPL)]
    assert starts == [opened + number * timedelta(hours=1) for number in range(len(starts))]
    assert 3 <= len(starts) <= 4

    (read,) = realtime.api.read("marketdata/api/prices?symbols=AAPL")["prices"]
    assert (read["symbol"], read["price"]) == ("AAPL", stored)
    bars = realtime.api.read("marketdata/api/assets/AAPL/chart?range=1D")["bars"]
    assert [instant(bar["timestamp"]) for bar in bars] == starts


HOURS_OF_AAPL = "select starts_at from bar_hourly join asset using (asset_id) where symbol = 'AAPL' order by starts_at"


def cached_price(stack: Scheduler, symbol: str) -> dict[str, Any]:
    with redis.Redis.from_url(stack.redis_url) as cache:
        text = cache.get(f"latest_price:{symbol}")
    assert text, f"there is no price of {symbol} in the cache"
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.fault("A03")
def test_a_tick_that_comes_due_while_a_run_goes_on_waits_for_it_and_no_second_one_queues(realtime: Scheduler) -> None:
    """The run under way is one by hand, started late in a minute, at vendors that do not answer."""
    realtime.vendor.add_fault("hang", seconds=60)
    due = datetime.now(UTC).replace(second=0, microsecond=0) + MINUTE
    if due - datetime.now(UTC) < timedelta(seconds=12):
        due += MINUTE
    for _ in until(due - timedelta(seconds=8)):
        pass
    slow = trigger(realtime, LATEST)
    assert ended(realtime, LATEST, slow).state == "failed"
    realtime.vendor.clear_faults()
    for _ in until(due + 2 * MINUTE):
        states = [run["state"] for run in realtime.api.runs(LATEST)]
        assert states.count("running") + states.count("queued") <= 1
        if len([run for run in scheduled(realtime) if instant(run["run_after"]) >= due and run["end_date"]]) == 2:
            break

    runs = {run["dag_run_id"]: run for run in realtime.api.runs(LATEST)}
    end = instant(runs[slow]["end_date"])
    assert end > due, "the run by hand has overrun the minute"
    assert note_of(realtime, LATEST, slow).startswith("**failed**")
    late, following = (run for run in scheduled(realtime) if instant(run["run_after"]) >= due)
    assert [instant(run["run_after"]) for run in (late, following)] == [due, due + MINUTE]
    assert instant(late["start_date"]) >= end
    assert instant(following["start_date"]) < due + MINUTE + timedelta(seconds=10), "the next one is on time again"
    assert [run["state"] for run in (late, following)] == ["success", "success"]


def test_a_backfill_of_ticks_that_have_passed_is_refused(realtime: Scheduler) -> None:
    today = date.today().isoformat()  # noqa: DTZ011 - any date will do
    asked = {"dag_id": LATEST, "from_date": f"{today}T00:00:00Z", "to_date": f"{today}T01:00:00Z"}
    answer = realtime.api.call("POST", "backfills", asked)
    assert not answer.ok
    assert "backfill" in answer.text
