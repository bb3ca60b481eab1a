"""Four trading days and a holiday with labelled outages, from the vendors to the receiver: each message as labelled.

Precision and recall of the judgement over a year are shown elsewhere; this is the chain: ticks, database, watch,
outbox, Airflow's notifier, a real webhook.
"""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from tests.flows.floor import MINUTE, Floor
from tests.flows.office import new_york
from tests.flows.tower import Tower, open_tower

WEDNESDAY, THANKSGIVING, FRIDAY, MONDAY = (date(2026, 11, day) for day in (25, 26, 27, 30))

LABELLED = [
    # Wednesday 10:20 to 11:00: the stock vendor is down
    (new_york(WEDNESDAY, 10, 25), "opened feed_stale:polygon"),
    (new_york(WEDNESDAY, 10, 30), "worsened feed_stale:polygon"),
    (new_york(WEDNESDAY, 11, 5), "recovered feed_stale:polygon"),
    # 14:00 to 14:10: it leaves one stock out
    (new_york(WEDNESDAY, 14, 5), "opened assets_left_out:polygon"),
    (new_york(WEDNESDAY, 14, 10), "worsened assets_left_out:polygon"),
    (new_york(WEDNESDAY, 14, 15), "recovered assets_left_out:polygon"),
    # Thursday is Thanksgiving. Friday closes at 13:00; from 12:50 to Monday 09:42 the stock vendor is down, and the
    # daily run with it. On Monday the outage is more than a day old
    (new_york(FRIDAY, 12, 55), "opened feed_stale:polygon"),
    (new_york(FRIDAY, 13, 0), "worsened feed_stale:polygon"),
    (new_york(FRIDAY, 17, 45), "opened daily_history_late:polygon"),
    (new_york(MONDAY, 9, 30), "worsened daily_history_late:polygon"),
    (new_york(MONDAY, 9, 35), "reminder feed_stale:polygon"),
    (new_york(MONDAY, 9, 45), "recovered feed_stale:polygon"),
    # 10:02: the daily run is repeated
    (new_york(MONDAY, 10, 5), "recovered daily_history_late:polygon"),
    # 11:00 to 11:20: the other vendor rejects the key
    (new_york(MONDAY, 11, 5), "opened key_rejected:coingecko"),
    (new_york(MONDAY, 11, 25), "recovered key_rejected:coingecko"),
    # 12:00 to 12:15 the stock vendor is down; the receiver is, from 12:00 to 12:28, and gets all of it then
    (new_york(MONDAY, 12, 30), "opened feed_stale:polygon"),
    (new_york(MONDAY, 12, 30), "worsened feed_stale:polygon"),
    (new_york(MONDAY, 12, 30), "recovered feed_stale:polygon"),
    # 13:00 to 13:10: nothing runs
    (new_york(MONDAY, 13, 5), "opened runs_stopped:realtime_latest"),
    (new_york(MONDAY, 13, 10), "worsened runs_stopped:realtime_latest"),
    (new_york(MONDAY, 13, 15), "recovered runs_stopped:realtime_latest"),
]


@pytest.mark.promise("P9")
@pytest.mark.promise("P8")
@pytest.mark.fault("A11")
@pytest.mark.timeout(600)
def test_what_is_told_is_what_was_labelled_no_more_and_no_less(
    floor: Floor, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_tower(floor, redis_url, monkeypatch) as tower:
        floor.desk.at(new_york(WEDNESDAY, 9, 0))
        floor.desk.run("7D", run="up to Tuesday")
        wednesday(tower)
        tower.go(new_york(THANKSGIVING, 10), new_york(THANKSGIVING, 18), every=240, ticks=False)
        friday(tower)
        monday(tower)
        assert sorted(tower.told) == sorted(LABELLED)
        of_each = {
            key.split(" ")[1]: [text for _, text in tower.told if key.split(" ")[1] in text] for _, key in LABELLED
        }
        assert all(texts[0].startswith("opened") and texts[-1].startswith("recovered") for texts in of_each.values())
        assert not any(word in json.dumps(tower.hook.got) for word in ("demo-polygon", "demo-coingecko", "s3cret"))
        assert floor.desk.query("select count(*) from alert where state = 'open'") == [(0,)]


def wednesday(tower: Tower) -> None:
    admin = tower.floor.admin
    tower.go(new_york(WEDNESDAY, 9, 30), new_york(WEDNESDAY, 10, 20))
    admin.add_fault("status", vendor="massive", status=503)
    tower.go(new_york(WEDNESDAY, 10, 25), new_york(WEDNESDAY, 11, 0))
    admin.clear_faults()
    tower.go(new_york(WEDNESDAY, 11, 5), new_york(WEDNESDAY, 11, 15))
    tower.go(new_york(WEDNESDAY, 11, 30), new_york(WEDNESDAY, 14, 0), every=30)
    rename(tower, "MSFT", "NOSUCH")
    tower.go(new_york(WEDNESDAY, 14, 5), new_york(WEDNESDAY, 14, 10))
    rename(tower, "MSFT", "MSFT")
    tower.go(new_york(WEDNESDAY, 14, 15), new_york(WEDNESDAY, 14, 30))
    tower.go(new_york(WEDNESDAY, 15, 0), new_york(WEDNESDAY, 16, 0), every=30)
    daily(tower, WEDNESDAY)


def friday(tower: Tower) -> None:
    tower.go(new_york(FRIDAY, 9, 30), new_york(FRIDAY, 9, 50))
    tower.go(new_york(FRIDAY, 10, 20), new_york(FRIDAY, 12, 50), every=30)
    tower.floor.admin.add_fault("status", vendor="massive", status=503)
    tower.go(new_york(FRIDAY, 12, 55), new_york(FRIDAY, 13, 0))
    daily(tower, FRIDAY)


def monday(tower: Tower) -> None:
    admin = tower.floor.admin
    tower.go(new_york(MONDAY, 9, 30), new_york(MONDAY, 9, 40))
    admin.clear_faults()
    tower.go(new_york(MONDAY, 9, 45), new_york(MONDAY, 10, 0))
    tower.floor.desk.at(new_york(MONDAY, 10, 2))
    tower.floor.desk.run("7D", run="repeated")
    tower.go(new_york(MONDAY, 10, 5), new_york(MONDAY, 11, 0), every=11 * 5)
    admin.add_fault("status", vendor="coingecko", status=401)
    tower.go(new_york(MONDAY, 11, 5), new_york(MONDAY, 11, 20))
    admin.clear_faults()
    tower.go(new_york(MONDAY, 11, 25), new_york(MONDAY, 12, 0), every=35)
    tower.hook.status = 500
    admin.add_fault("status", vendor="massive", status=503)
    tower.go(new_york(MONDAY, 12, 5), new_york(MONDAY, 12, 15))
    admin.clear_faults()
    tower.go(new_york(MONDAY, 12, 20), new_york(MONDAY, 12, 25))
    tower.hook.status = 200
    tower.go(new_york(MONDAY, 12, 30), new_york(MONDAY, 13, 0), every=30)
    tower.go(new_york(MONDAY, 13, 5), new_york(MONDAY, 13, 10), ticks=False)
    tower.go(new_york(MONDAY, 13, 15), new_york(MONDAY, 13, 20))


def daily(tower: Tower, day: date) -> None:
    """The daily run at 16:30, and the watch at 17:45, twice at once."""
    tower.floor.desk.at(new_york(day, 16, 30))
    tower.floor.desk.run("7D", run=f"daily {day}")
    for _ in range(2):
        tower.watch(new_york(day, 17, 45))


def rename(tower: Tower, symbol: str, vendor_symbol: str) -> None:
    tower.floor.desk.query(
        "update asset set vendor_symbol = %(vendor_symbol)s where symbol = %(symbol)s returning 1",
        vendor_symbol=vendor_symbol, symbol=symbol,
    )  # fmt: skip


def test_the_labels_are_in_order() -> None:
    instants = [at for at, _ in LABELLED]
    assert instants == sorted(instants)
    assert all(isinstance(at, datetime) and at.tzinfo for at in instants)
    assert MINUTE.total_seconds() == 60
