"""Every fault of the script, seen on the wire."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.simulator.faults import KINDS
from tests.simulator.conftest import NOW, Wire

RANGE = "/v2/aggs/ticker/AAPL/range/1/day/2026-11-02/2026-11-19"
CHART = "/coins/bitcoin/market_chart?vs_currency=usd&days=10&interval=daily"


def good(wire: Wire) -> dict[str, Any]:
    body: dict[str, Any] = wire.massive(RANGE).json()
    assert len(body["results"]) == 14
    return body


@contextmanager
def raw(wire: Wire, seconds: float = 60.0) -> Iterator[http.client.HTTPResponse]:
    """The answer as it comes, without a library that repairs or unpacks it."""
    address = urlsplit(wire.addresses.base_url).netloc
    with closing(http.client.HTTPConnection(address, timeout=seconds)) as connection:
        connection.request("GET", f"/massive{RANGE}", headers={"Authorization": "Bearer demo-polygon-advanced"})
        yield connection.getresponse()


def test_every_kind_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f'"{kind}"' not in text]
    assert KINDS
    assert missing == []


@pytest.mark.parametrize("value", ["2", "86400", "-5", "soon", "Fri, 20 Nov 2026 23:00:30 GMT", None])
def test_429_with_any_retry_after_or_none(wire: Wire, value: str | None) -> None:
    wire.admin.add_fault("status", status=429, **({"retry_after": value} if value else {}))
    answer = wire.massive(RANGE)
    assert answer.status_code == 429
    assert answer.headers.get("Retry-After") == value
    assert answer.json()["error"].startswith("You've exceeded the maximum requests per minute")
    assert wire.coingecko("/ping").json()["status"]["error_code"] == 429


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502, 503, 504])
def test_other_statuses_come_with_the_vendors_body(wire: Wire, status: int) -> None:
    wire.admin.add_fault("status", status=status)
    massive, coingecko = wire.massive(RANGE), wire.coingecko("/ping")
    assert massive.status_code == coingecko.status_code == status
    assert {"error", "message"} & massive.json().keys()
    assert {"error", "status"} & coingecko.json().keys()


def test_a_status_may_have_any_body_and_headers(wire: Wire) -> None:
    wire.admin.add_fault("status", status=503, body="<h1>down</h1>", headers={"X-Extra": "1"})
    answer = wire.massive(RANGE)
    assert (answer.text, answer.headers["X-Extra"]) == ("<h1>down</h1>", "1")


def test_html_and_empty_bodies_with_200(wire: Wire) -> None:
    wire.admin.add_fault("html", times=1)
    wire.admin.add_fault("empty")
    page, nothing = wire.massive(RANGE), wire.massive(RANGE)
    assert page.status_code == nothing.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.text.startswith("<!DOCTYPE html>")
    assert nothing.content == b""


def test_redirect(wire: Wire) -> None:
    wire.admin.add_fault("redirect", location="http://127.0.0.1:9/elsewhere", status=307)
    answer = wire.massive(RANGE)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/elsewhere")


def test_gzip_bomb(wire: Wire) -> None:
    wire.admin.add_fault("gzip_bomb", megabytes=40)
    with raw(wire) as answer:
        packed = answer.read()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) == 40 << 20


def test_hang_sends_nothing(wire: Wire) -> None:
    wire.admin.add_fault("hang")
    with pytest.raises(TimeoutError), raw(wire, seconds=0.3):
        pass
    while not (entries := wire.admin.requests()):
        pass  # our request is on its way to the log
    assert [(logged.fault, logged.finished) for logged in entries] == [("hang", 0.0)]


def test_delay_answers_late(wire: Wire) -> None:
    wire.admin.add_fault("delay", seconds=0.3)
    started = time.monotonic()
    assert good(wire)
    assert time.monotonic() - started >= 0.3


def test_drip_sends_pieces(wire: Wire) -> None:
    wire.admin.add_fault("drip", seconds=0.02, piece=200)
    started = time.monotonic()
    with raw(wire) as answer:
        body = answer.read()
    pieces = -(-len(body) // 200)
    assert pieces > 3
    assert time.monotonic() - started >= 0.02 * (pieces - 1)
    assert len(json.loads(body)["results"]) == 14


def test_truncate_closes_in_the_middle_of_the_body(wire: Wire) -> None:
    wire.admin.add_fault("truncate", at=100)
    with raw(wire) as answer, pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    assert len(broken.value.partial) == 100


def test_cut_json_is_delivered_whole(wire: Wire) -> None:
    wire.admin.add_fault("cut_json", at=120)
    answer = wire.massive(RANGE)
    assert len(answer.content) == 120
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def receive_until_closed(connection: socket.socket, received: list[bytes]) -> None:
    while piece := connection.recv(65536):
        received.append(piece)


@pytest.mark.parametrize("at", [None, 50])
def test_reset_before_or_within_the_body(wire: Wire, at: int | None) -> None:
    wire.admin.add_fault("reset", **({} if at is None else {"at": at}))
    parts = urlsplit(wire.addresses.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        head = f"GET /massive{RANGE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-polygon-advanced\r\n\r\n"
        connection.sendall(head.encode())
        received: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            receive_until_closed(connection, received)
    assert (received == []) == (at is None)


def test_skew_moves_the_vendors_clock(wire: Wire) -> None:
    wire.admin.add_fault("skew", seconds=3600)
    answer = wire.coingecko(CHART)
    assert answer.json()["prices"][-1][0] == (NOW.timestamp() + 3600) * 1000
    assert answer.headers["Date"] == "Sat, 21 Nov 2026 00:00:00 GMT"


def changed_row(wire: Wire, kind: str, **rule: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """The third row before and after a fault, all other rows being equal."""
    genuine = good(wire)["results"]
    wire.admin.add_fault(kind, row=2, **rule)
    rows = wire.massive(RANGE).json()["results"]
    assert rows[:2] + rows[3:] == genuine[:2] + genuine[3:]
    return genuine[2], rows[2]


def test_null_field(wire: Wire) -> None:
    before, after = changed_row(wire, "null_field", field="v")
    assert after == {**before, "v": None}
    wire.admin.clear_faults()
    wire.admin.add_fault("null_field", row=3)
    assert wire.coingecko(CHART).json()["prices"][3][1] is None


@pytest.mark.parametrize("value", [-1.5, 0, "NaN", "Infinity", "-Infinity", "1e400", "1e20"])
def test_bad_number(wire: Wire, value: float | str) -> None:
    wire.admin.add_fault("bad_number", value=value, field="h", row=2)
    assert f'"h":{value},' in wire.massive(RANGE).text
    wire.admin.clear_faults()
    wire.admin.add_fault("bad_number", value=value, row=2)
    assert f",{value}]" in wire.coingecko(CHART).text


def test_wrong_type(wire: Wire) -> None:
    before, after = changed_row(wire, "wrong_type", field="c")
    assert after == {**before, "c": str(float(before["c"]))}
    wire.admin.clear_faults()
    wire.admin.add_fault("wrong_type", field="results")
    assert isinstance(wire.massive(RANGE).json()["results"], dict)


def test_high_below_low_and_close_outside(wire: Wire) -> None:
    _, after = changed_row(wire, "high_below_low")
    assert after["h"] < after["l"]
    wire.admin.clear_faults()
    before, after = changed_row(wire, "close_outside")
    assert after["c"] > after["h"] == before["h"]


def test_shift_time_and_seconds_for_ms(wire: Wire) -> None:
    before, after = changed_row(wire, "shift_time", ms=86_400_000 * 400)
    assert after["t"] - before["t"] == 86_400_000 * 400
    wire.admin.clear_faults()
    genuine = good(wire)["results"]
    wire.admin.add_fault("seconds_for_ms")
    assert [row["t"] * 1000 for row in wire.massive(RANGE).json()["results"]] == [row["t"] for row in genuine]


def test_results_null_and_missing(wire: Wire) -> None:
    wire.admin.add_fault("results_null", times=1)
    wire.admin.add_fault("results_missing")
    body = wire.massive(RANGE).json()
    assert body["results"] is None
    assert body["resultsCount"] == 14
    assert not {"results", "resultsCount", "queryCount", "count"} & wire.massive(RANGE).json().keys()
    assert "prices" not in wire.coingecko(CHART).json()


def test_status_error_in_a_200(wire: Wire) -> None:
    wire.admin.add_fault("status_error")
    answer = wire.massive(RANGE)
    assert (answer.status_code, answer.json()["status"]) == (200, "ERROR")


def test_duplicates_equal_and_differing(wire: Wire) -> None:
    genuine = good(wire)["results"]
    wire.admin.add_fault("duplicates", times=1)
    wire.admin.add_fault("duplicates", differing=True)
    equal, differing = wire.massive(RANGE).json(), wire.massive(RANGE).json()
    assert equal["results"] == [*genuine, genuine[0]]
    assert equal["resultsCount"] == 15
    assert differing["results"][-1]["t"] == genuine[0]["t"]
    assert differing["results"][-1]["c"] != genuine[0]["c"]


def test_disorder_is_the_same_disorder_each_time(wire: Wire) -> None:
    genuine = good(wire)["results"]
    wire.admin.add_fault("disorder")
    one, two = (wire.massive(RANGE).json()["results"] for _ in range(2))
    assert one == two != genuine
    assert sorted(one, key=lambda row: row["t"]) == genuine


def test_unknown_field_and_drop_rows(wire: Wire) -> None:
    wire.admin.add_fault("unknown_field", times=1)
    wire.admin.add_fault("drop_rows", keep=3)
    assert wire.massive(RANGE).json()["results"][0]["zz"] == "new"
    short = wire.massive(RANGE).json()
    assert (short["resultsCount"], len(short["results"])) == (3, 3)


def test_next_url_can_loop_or_point_elsewhere(wire: Wire) -> None:
    loop = f"{wire.addresses.polygon_url}{RANGE}"
    wire.admin.add_fault("next_url", url=loop, match="AAPL")
    wire.admin.add_fault("next_url", url="http://api.massive.com@evil.example/v2/x", match="MSFT")
    assert wire.massive(RANGE).json()["next_url"] == loop
    assert "evil" in wire.massive(RANGE.replace("AAPL", "MSFT")).json()["next_url"]


def test_a_late_correction_changes_one_stored_answer(wire: Wire) -> None:
    genuine = wire.massive(RANGE, adjusted="false").json()["results"]
    wire.admin.correct_bar("AAPL", datetime(2026, 11, 3, tzinfo=UTC).date(), c=genuine[1]["c"] + 0.5, v=7.0)
    rows = wire.massive(RANGE, adjusted="false").json()["results"]
    assert rows[1] == {**genuine[1], "c": pytest.approx(genuine[1]["c"] + 0.5), "v": 7}
    assert rows[:1] + rows[2:] == genuine[:1] + genuine[2:]
    grouped = wire.massive("/v2/aggs/grouped/locale/us/market/stocks/2026-11-03", adjusted="false").json()["results"]
    assert next(row["v"] for row in grouped if row["T"] == "AAPL") == 7


def test_a_fault_that_does_not_fit_says_so(wire: Wire) -> None:
    wire.admin.add_fault("null_field")
    answer = wire.massive("/v1/marketstatus/now")
    assert answer.status_code == 500
    assert "null_field does not fit" in answer.json()["simulator"]
