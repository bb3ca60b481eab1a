"""Recorded answers are served byte for byte, found by path and the closest query."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.simulator.engine import Options
from local.simulator.server import Addresses, running

RANGE_BODY = b'{"ticker":"AAPL","status":"OK","queryCount":2,"resultsCount":1,"results":[{"v":1.5e+07,"c":50.10}]}\n'
CHART_90 = b'{"prices":[[1600000000000,1.50]],"market_caps":[],"total_volumes":[]}'
CHART_30 = b'{"prices":[[1600000000001,2.50]],"market_caps":[],"total_volumes":[]}'


def record(folder: Path, name: str, url: str, body: bytes, status: int = 200) -> None:
    (folder / f"{name}.json").write_bytes(body)
    meta = {
        "body_file": f"{name}.json",
        "request": {"method": "GET", "url": url},
        "response": {
            "status": status,
            "headers": {"content-type": "application/json", "x-kept": "yes", "connection": "close"},
        },
    }
    (folder / f"{name}.meta.json").write_text(json.dumps(meta), encoding="utf-8")


@pytest.fixture
def replaying(tmp_path: Path) -> Iterator[Addresses]:
    one, two = tmp_path / "one", tmp_path / "two" / "deeper"
    one.mkdir()
    two.mkdir(parents=True)
    range_url = (
        "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/2019-01-01/2019-02-01?apiKey=<API_KEY>&unadjusted=false"
    )
    record(one, "range", range_url, RANGE_BODY)
    record(
        one, "limited", "https://api.polygon.io/v3/reference/tickers/IBM?apiKey=<API_KEY>", b'{"status":"ERROR"}', 429
    )
    chart = "https://api.coingecko.com/api/v3/coins/bitcoin/market_chart?interval=daily&vs_currency=usd&days="
    record(two, "chart_90", f"{chart}90", CHART_90)
    record(two, "chart_30", f"{chart}30", CHART_30)
    with running(Options(replay=(one, tmp_path / "two"))) as addresses:
        yield addresses


def test_a_differing_query_still_finds_the_recording(replaying: Addresses) -> None:
    path = "/v2/aggs/ticker/AAPL/range/1/day/2019-01-01/2019-02-01?adjusted=false&sort=asc&limit=50000"
    answer = requests.get(replaying.polygon_url + path, headers={"Authorization": "Bearer any"}, timeout=30)
    assert (answer.status_code, answer.content, answer.headers["x-kept"]) == (200, RANGE_BODY, "yes")


def test_near_dates_in_the_path_still_find_the_recording_and_another_ticker_does_not(replaying: Addresses) -> None:
    for ticker, status in (("AAPL", 200), ("MSFT", 404)):
        path = f"/v2/aggs/ticker/{ticker}/range/1/day/2019-01-02/2019-01-31"
        assert requests.get(replaying.polygon_url + path, timeout=30).status_code == status


@pytest.mark.parametrize(("days", "body"), [(91, CHART_90), (31, CHART_30), (1, CHART_30)])
def test_the_closest_query_wins(replaying: Addresses, days: int, body: bytes) -> None:
    query = f"vs_currency=usd&days={days}&interval=daily&precision=full"
    answer = requests.get(f"{replaying.coingecko_url}/coins/bitcoin/market_chart?{query}", timeout=30)
    assert answer.content == body


def test_a_recorded_error_keeps_its_status(replaying: Addresses) -> None:
    assert requests.get(f"{replaying.polygon_url}/v3/reference/tickers/IBM", timeout=30).status_code == 429


def test_what_was_not_recorded_is_404_in_the_vendors_shape_and_logged(replaying: Addresses) -> None:
    massive = requests.get(f"{replaying.polygon_url}/v2/aggs/ticker/AAPL/prev", timeout=30)
    coingecko = requests.get(f"{replaying.coingecko_url}/coins/ethereum/market_chart?days=90", timeout=30)
    assert (massive.status_code, massive.json()["status"]) == (404, "NOT_FOUND")
    assert (coingecko.status_code, coingecko.json()) == (404, {"error": "coin not found"})
    assert [(row.vendor, row.status) for row in replaying.admin.requests()] == [("massive", 404), ("coingecko", 404)]


def test_faults_work_on_recordings_too(replaying: Addresses) -> None:
    replaying.admin.add_fault("status", status=503, times=1)
    path = "/v2/aggs/ticker/AAPL/range/1/day/2019-01-01/2019-02-01"
    assert [requests.get(replaying.polygon_url + path, timeout=30).status_code for _ in range(2)] == [503, 200]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no recorded answer"), running(Options(replay=(tmp_path,))):
        pass
