"""The database's clock and those of the workers differ: an hour between them, or half a minute, does no harm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from marketdata.domain.alerting import Delivery, Message, Trouble
from marketdata.domain.stale_limits import Limits
from marketdata.settings import now
from marketdata.storage import runs
from marketdata.storage.alert_evidence import read_evidence
from marketdata.storage.alerts import raise_alert, update_alerts
from marketdata.storage.clock import ahead
from marketdata.storage.freshness import read_facts
from marketdata.storage.outbox import deliver_waiting
from marketdata.storage.warehouse import Warehouse
from tests.flows.floor import FRIDAY, MINUTE, Floor
from tests.flows.office import new_york
from tests.storage.ledger import Ledger, open_ledger
from tests.web.market import CLOSE, open_market

DAG = "historical_daily"
HOUR, HALF_A_MINUTE = timedelta(hours=1), timedelta(seconds=30)
NEAR = timedelta(seconds=10)
NOON = new_york(FRIDAY, 12)


@pytest.fixture(params=[-HOUR, HOUR], ids=["behind the database", "ahead of the database"])
def skew(request: pytest.FixtureRequest) -> Iterator[timedelta]:
    """Our clock goes an hour wrong; the server's does not."""
    with time_machine.travel(time.time() + request.param.total_seconds(), tick=True):
        yield request.param


@pytest.mark.fault("D14")
def test_what_the_database_stamped_is_told_by_our_clock(dsn: str, skew: timedelta) -> None:
    with open_ledger(dsn) as ledger:
        assert ledger.warehouse.transact(ahead) == pytest.approx(skew, abs=NEAR)
        began = now()
        ledger.warehouse.transact(runs.open_run, DAG, "scheduled", "7D", None, FRIDAY)
        _close(ledger, "scheduled")
        found = ledger.warehouse.transact(read_evidence, [DAG]).runs[DAG]
        assert found.closed_at is not None
        assert found.ended_at is not None
        for instant in (found.opened_at, found.closed_at, found.ended_at):
            assert began - NEAR <= instant <= now() + NEAR
        facts = ledger.warehouse.transact(read_facts, now=now(), limits=Limits.parse(""))
        created = facts.created_at.astype(datetime).tolist()
        assert len(created) == 3
        assert all(began - HOUR / 2 <= at.replace(tzinfo=UTC) <= now() + NEAR for at in created)


@pytest.mark.fault("D14")
@pytest.mark.usefixtures("skew")
def test_a_late_run_recovers_when_it_ends_and_not_by_an_end_before_it(dsn: str) -> None:
    """With the database's clock an hour ahead a run that had ended before the alert would seem to end after it."""
    late = Trouble("run_late", DAG, "warn", now())
    with open_ledger(dsn) as ledger:
        _close(ledger, "manual__1")
        ledger.warehouse.transact(raise_alert, late, now=now() + NEAR, runbooks="")
        assert _recovered(ledger, now() + NEAR) == []
        ledger.warehouse.transact(runs.open_run, DAG, "late", "7D", None, FRIDAY)
        _close(ledger, "late")
        ledger.read("update ingest_run set closed_at = closed_at + interval '20 seconds' returning 1")
        assert _recovered(ledger, now() + 2 * NEAR) == [f"run_late:{DAG}"]


def _close(ledger: Ledger, name: str) -> None:
    run_id = ledger.warehouse.transact(runs.find_run, DAG, name)
    assert run_id is not None
    ledger.warehouse.transact(runs.close_run, run_id)


def _recovered(ledger: Ledger, at: datetime) -> list[str]:
    ended = ledger.warehouse.transact(read_evidence, [DAG]).ended
    changed = ledger.warehouse.transact(update_alerts, [], held=(), ended=ended, now=at, runbooks="")
    return [change.alert.alert_key for change in changed if change.trouble is None and change.alert]


@pytest.mark.fault("A05")
@pytest.mark.parametrize("skew", [HALF_A_MINUTE, -HALF_A_MINUTE])
def test_a_message_that_one_watch_delivers_is_not_taken_by_one_whose_clock_is_wrong(dsn: str, skew: timedelta) -> None:
    late = Trouble("run_late", DAG, "warn", now())
    with open_ledger(dsn) as ledger, Warehouse.open(dsn) as other:
        ledger.warehouse.transact(raise_alert, late, now=now(), runbooks="")
        taken: list[int] = []

        def deliver(message: Message) -> Delivery:
            taken.append(message.message_id)
            if len(taken) == 1:  # while it is on its way the other watch looks, when delivering may just still take
                at = now() + timedelta(seconds=45) + skew
                assert deliver_waiting(other, deliver, now=at).delivered == 0
            return Delivery(("somebody",))

        assert deliver_waiting(ledger.warehouse, deliver, now=now()).delivered == 1
        assert len(taken) == 1


@pytest.mark.fault("A05")
@pytest.mark.parametrize("skew", [HALF_A_MINUTE, -HALF_A_MINUTE], ids=["ahead", "behind"])
def test_ticks_of_a_worker_whose_clock_is_wrong_store_the_same_as_others_and_bar_nobodys_way(
    floor: Floor, skew: timedelta
) -> None:
    for minute in range(3):
        at = NOON + minute * MINUTE
        _set_clocks(floor, at, skew if minute < 2 else timedelta())
        assert floor.update(at).state == "success"
        stored = floor.latest("AAPL")
        assert at - MINUTE <= datetime.fromisoformat(stored["at"]) <= at + MINUTE
    priced = [at for at, _ in floor.minutes("AAPL")]
    assert len(priced) == len(set(priced)) == 3, "one a minute, the last by a worker whose clock is right"
    for ten, worker in ((10, skew), (20, timedelta())):
        at = NOON + ten * MINUTE
        _set_clocks(floor, at, worker)
        assert floor.update_hours(at).state == "success"
    hours = floor.hours_of("AAPL")
    assert [hour[-2] for hour in hours] == [True, True, False], "only the hour that goes on is not final"
    assert floor.desk.query("select count(*) from quarantine") == [(0,)], "nothing was taken for the future"


@pytest.mark.fault("A05")
def test_a_price_that_is_newer_than_the_readers_clock_has_no_age_below_nothing(dsn: str) -> None:
    with open_market(dsn, None) as market:
        market.now = CLOSE - HALF_A_MINUTE
        (price,) = market.reader.prices(["AAPL"]).prices
    assert price.age_seconds == 0


def _set_clocks(floor: Floor, at: datetime, skew: timedelta) -> None:
    """The vendors' clock a second after a tick, the worker's wrong by ``skew``."""
    floor.desk.at(at + timedelta(seconds=1))
    floor.desk.now += skew
    floor.desk.set_clock(floor.desk.now)
