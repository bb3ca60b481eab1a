"""Which requests a rule of the fault script hits."""

from __future__ import annotations

import pytest
import requests

from local.simulator.admin import SimulatorError
from tests.simulator.conftest import Wire

RANGE = "/v2/aggs/ticker/AAPL/range/1/day/2026-11-02/2026-11-19"


def test_an_unknown_kind_is_refused(wire: Wire) -> None:
    with pytest.raises(SimulatorError, match="no fault 'meteor'"):
        wire.admin.add_fault("meteor")


def test_a_rule_hits_what_it_matches_after_a_few_and_a_few_times(wire: Wire) -> None:
    wire.admin.add_fault("status", status=500, match="/ticker/AAPL/", vendor="massive", after=1, times=2)
    assert [wire.massive(RANGE).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert wire.massive(RANGE.replace("AAPL", "MSFT")).status_code == 200
    (rule,) = wire.admin.faults()
    assert (rule["matched"], rule["hits"]) == (5, 2)


def test_a_rule_can_be_about_one_key(wire: Wire) -> None:
    wire.admin.add_fault("status", status=500, key="demo-polygon-starter")
    assert wire.massive(RANGE).status_code == 200
    assert wire.massive(RANGE, key="demo-polygon-starter").status_code == 500


def test_one_page_of_many_can_fail(wire: Wire) -> None:
    wire.admin.add_fault("status", status=500, match="cursor=", after=1, times=1)
    statuses, url = [], f"{wire.addresses.polygon_url}{RANGE}?limit=3"
    for _ in range(3):
        answer = requests.get(url, headers={"Authorization": "Bearer demo-polygon-advanced"}, timeout=30)
        statuses.append(answer.status_code)
        url = answer.json().get("next_url", url)
    assert statuses == [200, 200, 500]


def test_a_probability_gives_the_same_faults_after_each_reset(wire: Wire) -> None:
    runs = []
    for _ in range(2):
        wire.admin.reset()
        wire.admin.add_fault("status", status=500, probability=0.3)
        runs.append([wire.massive(RANGE).status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert 8 <= runs[0].count(500) <= 30
