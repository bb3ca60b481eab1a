"""The clock, the request log, prepared answers, and the program as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import requests

from local.simulator.admin import SimulatorAdmin, SimulatorError
from tests.simulator.conftest import NOW, Wire

RANGE = "/v2/aggs/ticker/AAPL/range/1/day/2026-11-02/2026-11-19"


def test_the_clock_is_frozen_where_it_is_set_and_can_run(wire: Wire) -> None:
    assert wire.admin.now() == wire.admin.now() == NOW
    instant = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
    wire.admin.set_clock(instant, running=True)
    first = wire.admin.now()
    assert instant <= first < wire.admin.now()
    wire.admin.set_clock(None)
    assert abs((wire.admin.now() - datetime.now(UTC)).total_seconds()) < 60
    wire.admin.reset()
    assert wire.admin.now() == NOW


def test_a_clock_without_an_offset_is_refused(wire: Wire) -> None:
    with pytest.raises(SimulatorError, match="no UTC offset"):
        wire.admin.set_clock(datetime(2024, 2, 29, 12, 0))  # noqa: DTZ001 - that is the point


def test_the_log_has_every_vendor_request_in_order_with_its_times(wire: Wire) -> None:
    before = time.monotonic()
    wire.massive(RANGE, limit=5)
    wire.massive("/v2/aggs/ticker/AAPL/prev", key="nobody")
    wire.coingecko("/ping", key=None)
    one, two, three = wire.admin.requests()
    assert [(row.vendor, row.status, row.key, row.key_in) for row in (one, two, three)] == [
        ("massive", 200, "advanced", "header"),
        ("massive", 401, "unknown", "header"),
        ("coingecko", 200, "", ""),
    ]
    assert (one.path, one.query) == (RANGE, "limit=5")
    assert before < one.monotonic < one.finished < two.monotonic < three.monotonic < time.monotonic()
    assert datetime.fromisoformat(one.at) <= datetime.fromisoformat(three.at)
    assert one.sent_bytes > 100
    assert "nobody" not in str(two)
    assert len(two.key_digest) == 12
    assert wire.admin.requests(since=two.number) == [three]
    assert wire.admin.requests(vendor="massive", path_contains="prev") == [two]
    wire.admin.forget_requests()
    assert wire.admin.requests() == []


def test_prepared_answers_are_the_same_bytes_and_still_pass_the_gate(wire: Wire) -> None:
    targets = [f"/massive{RANGE}?limit=50000", "/massive/v2/aggs/grouped/locale/us/market/stocks/2026-11-19"]
    headers = {"Authorization": "Bearer demo-polygon-basic"}
    fresh = [requests.get(wire.addresses.base_url + target, headers=headers, timeout=30).content for target in targets]
    assert wire.admin.prepare("demo-polygon-basic", targets)["answers"] == 2
    served = [requests.get(wire.addresses.base_url + target, headers=headers, timeout=30).content for target in targets]
    assert served == fresh
    assert [row.prepared for row in wire.admin.requests()] == [False, False, True, True]
    for status in (200, 429):
        assert requests.get(wire.addresses.base_url + targets[0], headers=headers, timeout=30).status_code == status


@pytest.mark.parametrize(
    "change",
    [
        lambda admin: admin.correct_bar("AAPL", date(2026, 11, 3), c=1.5),
        lambda admin: admin.add_split("AAPL", date(2026, 11, 12), 1, 2),
        lambda admin: admin.rename("AAPL", "PEAR", date(2026, 11, 12)),
        lambda admin: admin.delist("AAPL", date(2026, 11, 12)),
        lambda admin: admin.set_clock(datetime(2026, 11, 12, 17, tzinfo=UTC)),
    ],
    ids=["correction", "split", "rename", "delisting", "clock"],
)
def test_what_was_prepared_is_forgotten_when_the_world_changes(
    wire: Wire, change: Callable[[SimulatorAdmin], None]
) -> None:
    wire.admin.prepare("demo-polygon-advanced", [f"/massive{RANGE}"])
    stale = wire.massive(RANGE).json()["results"]
    change(wire.admin)
    assert wire.massive(RANGE).json()["results"] != stale
    assert [row.prepared for row in wire.admin.requests()] == [True, False]


@pytest.mark.parametrize(
    ("change", "target"),
    [
        (lambda admin: admin.add_dividend("KO", date(2026, 11, 12), 1.0), "/massive/stocks/v1/dividends?ticker=KO"),
        (lambda admin: admin.list_company("NEWS", date(2026, 11, 12)), "/massive/v3/reference/tickers?ticker=NEWS"),
        (
            lambda admin: admin.correct_coin_price("bitcoin", datetime(2026, 11, 12, tzinfo=UTC), 1.0),
            "/coingecko/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=30&interval=daily",
        ),
    ],
    ids=["dividend", "listing", "coin"],
)
def test_prepared_lists_and_charts_are_forgotten_too(
    wire: Wire, change: Callable[[SimulatorAdmin], None], target: str
) -> None:
    key, header = ("demo-polygon-advanced", "Authorization")
    if target.startswith("/coingecko"):
        key, header = ("demo-coingecko-demo", "x-cg-demo-api-key")
    wire.admin.prepare(key, [target])
    headers = {header: f"Bearer {key}" if header == "Authorization" else key}
    stale = wire.session.get(wire.addresses.base_url + target, headers=headers, timeout=30).json()
    change(wire.admin)
    assert wire.session.get(wire.addresses.base_url + target, headers=headers, timeout=30).json() != stale
    assert [row.prepared for row in wire.admin.requests()] == [True, False]


def test_an_answer_that_the_plan_refuses_cannot_be_prepared(wire: Wire) -> None:
    with pytest.raises(SimulatorError, match="not entitled"):
        wire.admin.prepare("demo-polygon-basic", ["/massive/v2/last/trade/AAPL"])


def test_answers_are_compressed_on_request_and_the_connection_is_kept(wire: Wire) -> None:
    headers = {"Authorization": "Bearer demo-polygon-advanced"}
    url = wire.addresses.polygon_url + RANGE
    packed = wire.session.get(url, headers=headers, timeout=30)
    plain = wire.session.get(url, headers={**headers, "Accept-Encoding": "identity"}, timeout=30)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    assert plain.content == packed.content
    assert packed.headers["Connection"] == "keep-alive"


def test_an_endless_address_is_414(wire: Wire) -> None:
    assert wire.massive("/v3/snapshot", ticker__any_of="A" * 9000).status_code == 414


def test_an_unknown_admin_route_is_an_error(wire: Wire) -> None:
    answer = requests.get(f"{wire.addresses.base_url}/admin/nothing", timeout=30)
    assert answer.status_code == 404


def test_the_program_says_where_it_listens_and_stops_on_sigterm(tmp_path: Path) -> None:
    state = tmp_path / "simulator.json"
    command = [
        sys.executable,
        "-m",
        "local.simulator",
        "--port",
        "0",
        "--now",
        NOW.isoformat(),
        "--state-file",
        str(state),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        addresses = json.loads(state.read_text(encoding="utf-8"))
        assert line == f"simulator listening on {addresses['base_url']}\n"
        assert addresses["pid"] == process.pid
        assert SimulatorAdmin(addresses["base_url"]).now() == NOW
        assert requests.get(f"{addresses['coingecko_url']}/ping", timeout=30).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()
    assert process.returncode == 0
