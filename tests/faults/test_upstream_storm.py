"""A vendor that answers nothing but 5xx for a while, or for one symbol for good."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import date

import pytest

from marketdata.errors import KeyRejected, TransientFailure, VendorDown, VendorError
from marketdata.hooks.circuit import Breaker
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.quota import Quota
from tests.hooks.accounts import KEY, polygon
from tests.hooks.upstream import Asked, Upstream, reply

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 6)
EMPTY = reply({"status": "OK", "resultsCount": 0})
FAILS = reply({}, 503)
PROCESSES = 4


def quota(upstream: Upstream, redis_url: str, breaker: Breaker) -> Quota:
    """The quota of one process of the key."""
    connection = VendorConnection("polygon", upstream.url, key=KEY, plan="starter", requests_per_minute=100_000)
    return Quota.of(connection, redis_url, breaker)


@pytest.mark.fault("U04")
def test_a_storm_gets_no_more_than_the_bound_from_all_processes_and_its_end_is_found_out(redis_url: str) -> None:
    breaker = Breaker(first=0.25, longest=1)
    bound = Counter[str]()
    with Upstream([FAILS]) as upstream:
        started = time.monotonic()

        def work() -> None:
            hook = polygon(upstream, quota=quota(upstream, redis_url, breaker))
            while True:
                try:
                    hook.daily_bars("AAPL", FIRST, LAST)
                except TransientFailure:
                    bound["failed"] += 1
                else:
                    return

        processes = [threading.Thread(target=work) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        while time.monotonic() - started < 1.5 or len(upstream.asked) < breaker.straight:
            time.sleep(0.05)
        asked = len(upstream.asked)
        seconds = time.monotonic() - started  # later than what was counted
        upstream.scripts = [EMPTY]
        for process in processes:
            process.join(60)
        assert not any(process.is_alive() for process in processes), "its end closes the circuit for everybody"
    assert breaker.straight <= asked <= breaker.straight + PROCESSES - 1 + seconds / breaker.first + 1


@pytest.mark.fault("U04")
def test_one_symbol_that_always_fails_is_tried_four_times_and_stands_in_nobodys_way(redis_url: str) -> None:
    def play(opened: object, asked: Asked) -> None:
        (FAILS if "/BAD/" in asked.path else EMPTY)(opened, asked)  # type: ignore[arg-type]

    with Upstream([play]) as upstream:
        hook = polygon(upstream, quota=quota(upstream, redis_url, Breaker()))
        for _ in range(3):
            with pytest.raises(TransientFailure, match="503"):
                hook.daily_bars("BAD", FIRST, LAST)
            hook.daily_bars("GOOD", FIRST, LAST)
    tries = Counter(asked.path.split("/")[5] for asked in upstream.asked)
    assert tries == {"BAD": 12, "GOOD": 3}


@pytest.mark.fault("U04")
def test_a_refusal_is_an_answer_and_a_broken_connection_is_none(redis_url: str) -> None:
    def end(opened: object, _asked: Asked) -> None:
        opened.shutdown(2)  # type: ignore[attr-defined]

    refused = reply({"status": "ERROR", "error": "Unknown API Key"}, 401)
    with Upstream([*[end] * 5, refused, *[end] * 5, refused, end]) as upstream:
        hook = polygon(upstream, quota=quota(upstream, redis_url, Breaker(first=200)))
        kinds: list[type[VendorError]] = []
        for _ in range(5):
            with pytest.raises(VendorError) as caught:
                hook.daily_bars("AAPL", FIRST, LAST)
            kinds.append(caught.type)
    assert kinds == [TransientFailure, KeyRejected, TransientFailure, KeyRejected, TransientFailure]
    assert len(upstream.asked) == 16


@pytest.mark.fault("U04")
def test_an_open_circuit_costs_no_request_and_names_what_was_asked_for(redis_url: str) -> None:
    with Upstream([FAILS]) as upstream:
        hook = polygon(upstream, quota=quota(upstream, redis_url, Breaker(first=200)))
        with pytest.raises(TransientFailure):
            hook.daily_bars("AAPL", FIRST, LAST)
        for ticker in ("MSFT", "GOOGL", "SPY"):
            with pytest.raises(VendorDown, match=f"polygon {ticker} .*failed so often") as caught:
                hook.daily_bars(ticker, FIRST, LAST)
    assert len(upstream.asked) == 6
    assert (caught.value.requests, caught.value.endpoint) == (0, "/v2/aggs/ticker/{ticker}/range/1/day/{from}/{to}")
