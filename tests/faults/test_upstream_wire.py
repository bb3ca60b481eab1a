"""A vendor whose bytes come late, never, too many or too few."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import time
import tracemalloc
import zlib
from datetime import date

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from marketdata.errors import ContractBroken, TransientFailure
from marketdata.hooks.http import Patience
from marketdata.hooks.transport import Timeouts
from tests.hooks.accounts import polygon, polygon_at, waits_of
from tests.hooks.upstream import Asked, Script, Upstream, raw, reply

SESSION = date(2026, 3, 9)
BAR = {"T": "AAPL", "v": 1, "o": 1, "h": 1, "l": 1, "c": 1, "t": 1773086400000}
BODY = json.dumps({"status": "OK", "resultsCount": 1, "results": [BAR]}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CONNECTS = Patience(Timeouts(connect=0.3, read=60, total=60), tries=1)  # impatient in this alone
READS = Patience(Timeouts(connect=60, read=0.3, total=60), tries=1)
ENDS = Patience(Timeouts(connect=60, read=60, total=0.8), tries=1)


def drip(upstream: Upstream, content: bytes, seconds: float) -> Script:
    def play(opened: socket.socket, _asked: Asked) -> None:
        for at in range(len(content)):
            opened.sendall(content[at : at + 1])
            if not upstream.pause(seconds):
                return

    return play


def hang(upstream: Upstream) -> Script:
    def play(_opened: socket.socket, _asked: Asked) -> None:
        upstream.pause(60)

    return play


@pytest.mark.fault("U05")
def test_the_bounds_are_3_10_and_30_seconds_and_32_megabytes() -> None:
    assert Timeouts() == Timeouts(connect=3, read=10, total=30, max_bytes=32 * 1024 * 1024)
    assert Patience().timeouts == Timeouts()


@pytest.mark.fault("U05")
def test_a_vendor_that_says_nothing_is_given_up_after_the_read_time_out() -> None:
    with Upstream() as upstream:
        upstream.scripts = [hang(upstream)]
        started = time.monotonic()
        with pytest.raises(TransientFailure, match=r"no byte for 0\.3 s"):
            polygon(upstream, READS).market_day(SESSION)
        assert 0.3 <= time.monotonic() - started < 30


@pytest.mark.fault("U05")
def test_a_vendor_that_does_not_accept_is_given_up_after_the_connect_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        address = full.getsockname()
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        started = time.monotonic()
        with pytest.raises(TransientFailure, match=r"no connection within 0\.3 s"):
            polygon_at(f"http://127.0.0.1:{address[1]}", CONNECTS).market_day(SESSION)
        assert 0.3 <= time.monotonic() - started < 30


@pytest.mark.fault("U06")
@pytest.mark.parametrize("where", ["headers", "body", "body without a length"])
def test_a_drip_is_cut_at_the_total_deadline(where: str) -> None:
    length = b"" if where == "body without a length" else b"Content-Length: %d\r\n" % len(BODY)
    answer = HEAD + length + b"\r\n" + BODY
    at_once = 0 if where == "headers" else answer.index(b"\r\n\r\n") + 4
    with Upstream() as upstream:
        slow = drip(upstream, answer[at_once:], 0.5)

        def play(opened: socket.socket, asked: Asked) -> None:
            opened.sendall(answer[:at_once])
            slow(opened, asked)

        upstream.scripts = [play]
        started = time.monotonic()
        with pytest.raises(TransientFailure, match=r"no complete answer within 0\.8 s"):
            polygon(upstream, ENDS).market_day(SESSION)
        assert 0.8 <= time.monotonic() - started < 30


@pytest.mark.fault("U06")
def test_every_request_of_a_session_has_a_total_deadline_of_its_own() -> None:
    answer = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    with Upstream() as upstream:

        def late(opened: socket.socket, _asked: Asked) -> None:
            upstream.pause(0.7)
            opened.sendall(answer)

        upstream.scripts = [late, late, late, drip(upstream, answer, 0.5)]
        hook = polygon(upstream, Patience(Timeouts(connect=60, read=60, total=2), tries=1))
        for _ in range(3):  # together longer than one may take
            assert len(hook.market_day(SESSION).data) == 1
        started = time.monotonic()
        with pytest.raises(TransientFailure, match="no complete answer within 2 s"):
            hook.market_day(SESSION)
        assert 2 <= time.monotonic() - started < 30


@pytest.mark.fault("U07")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(BODY)), zipped=st.booleans(), framing=st.sampled_from(["length", "chunked", "close"]))
@example(cut=0, zipped=False, framing="length")
@example(cut=len(BODY), zipped=True, framing="close")
@example(cut=len(BODY) - 1, zipped=False, framing="close")
@pytest.mark.usefixtures("_loopback_allowed")
def test_an_answer_cut_anywhere_gives_all_of_its_rows_or_none(cut: int, zipped: bool, framing: str) -> None:
    content = gzip.compress(BODY) if zipped else BODY
    head = HEAD + (b"Content-Encoding: gzip\r\n" if zipped else b"")
    if framing == "length":
        answer = head + b"Content-Length: %d\r\n\r\n" % len(content) + content[:cut]
    elif framing == "chunked":
        ending = b"\r\n0\r\n\r\n" if cut >= len(content) else b""
        answer = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(content) + content[:cut] + ending
    else:
        answer = head + b"Connection: close\r\n\r\n" + content[:cut]
    with Upstream([raw(answer, close=True)]) as upstream:
        hook = polygon(upstream)
        try:
            rows = len(hook.market_day(SESSION).data)
        except (TransientFailure, ContractBroken):
            rows = 0
    whole = cut >= len(content)
    assert rows == whole or (framing == "close" and zipped and rows == 1)


@pytest.mark.fault("U07")
def test_every_byte_at_which_json_is_cut_is_tried_again_and_then_an_error() -> None:
    for cut in range(1, len(BODY)):
        with Upstream([reply(BODY[:cut])]) as upstream:
            hook = polygon(upstream)
            with pytest.raises(TransientFailure, match="ends in the middle"):
                hook.market_day(SESSION)
        assert len(upstream.asked) == 4


@pytest.mark.fault("U07")
def test_a_reset_connection_is_tried_again() -> None:
    def reset(opened: socket.socket, _asked: Asked) -> None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        opened.close()

    with Upstream([reset, reset, reply(BODY)]) as upstream:
        hook = polygon(upstream)
        answer = hook.market_day(SESSION)
    assert (len(answer.data), answer.requests, len(waits_of(hook))) == (1, 3, 2)


@pytest.mark.fault("U07")
def test_an_error_without_an_answer_has_no_status_even_after_an_answer() -> None:
    def end(opened: socket.socket, _asked: Asked) -> None:
        opened.shutdown(socket.SHUT_RDWR)

    with Upstream([reply({}, 500), end]) as upstream, pytest.raises(TransientFailure) as caught:
        polygon(upstream).market_day(SESSION)
    assert (caught.value.status, caught.value.requests) == (0, 4)


@pytest.mark.fault("U09")
def test_a_gzip_bomb_is_stopped_at_the_cap_without_growing_the_process() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([packer.compress(b'{"status":"'), *(packer.compress(b" " * (1 << 20)) for _ in range(400))])
    bomb += packer.flush()
    assert len(bomb) < 1 << 20
    with Upstream([reply(bomb, Content_Encoding="gzip", Content_Length=str(len(bomb)))]) as upstream:
        hook = polygon(upstream, Patience())
        tracemalloc.start()
        try:
            with pytest.raises(ContractBroken, match="larger than 33,554,432 bytes"):
                hook.market_day(SESSION)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert 32 << 20 < peak < 100 << 20
    assert len(upstream.asked) == 1
