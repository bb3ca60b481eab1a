"""Streams through all of Airflow: pushed through its middleware, gone with the client, no reason to hang at the end."""

from __future__ import annotations

import time
from datetime import timedelta

from local import processes
from marketdata.web.lazy import MOUNTED_AT
from tests.web.api_server import ApiServer
from tests.web.listening import SECONDS, Listener
from tests.web.market import CLOSE, Market, latest


def listen(server: ApiServer, headers: dict[str, str]) -> Listener:
    listener = Listener(f"{server.anonymous.url}{MOUNTED_AT}/api/prices/stream", headers).start()
    listener.wait_for(lambda one: one.status == 200 or one.start().status == 200)  # on a busy machine Redis is late
    listener.wait_for(lambda one: bool(one.last_id))
    return listener


def listeners(server: ApiServer) -> int:
    return int(server.logged_in["viewer"].get(f"{MOUNTED_AT}/api/health").json()["listeners"])


def test_a_stream_comes_through_airflow_and_leaves_nothing_behind(
    api_server: ApiServer, airflow_market: Market
) -> None:
    """With the cookie of the pages too: that way Airflow wraps the answer once more."""
    bearer = api_server.logged_in["viewer"].headers
    cookie = {"Cookie": f"_token={bearer['Authorization'].removeprefix('Bearer ')}"}
    pair = [listen(api_server, headers) for headers in (bearer, cookie)]
    assert listeners(api_server) == 2
    assert airflow_market.cache.put_prices([latest("AAPL", 111.0, CLOSE + timedelta(minutes=1))]) == 1
    for listener in pair:
        listener.wait_for(lambda one: one.prices() == [("AAPL", 111.0)])
        listener.stop()
    deadline = time.monotonic() + SECONDS
    while listeners(api_server):
        assert time.monotonic() < deadline, "a listener was left behind"
        time.sleep(0.05)


def test_open_streams_do_not_hold_up_the_end_of_the_api_server(own_api_server: ApiServer) -> None:
    listener = listen(own_api_server, dict(own_api_server.logged_in["viewer"].headers))
    started = time.monotonic()
    processes.stop([own_api_server.process], patience=110)
    assert time.monotonic() - started < 60
    listener.wait_for(lambda one: one.has_ended)
    assert listener.comments()[-1] == "come back"
