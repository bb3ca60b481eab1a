"""New prices pushed: each once, in order, nothing lost between two connections, nobody held up by a slow client."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
import redis

from local import processes, valkey
from marketdata.storage.price_cache import PriceCache
from marketdata.web import fan_out, stream
from tests.web.listening import SECONDS, Listener
from tests.web.market import CLOSE, Client, Market, app_of, latest, open_market, serving

STREAM = "/api/prices/stream"


class Ticker:
    """Publishes prices as the minute job does: one symbol a second of its own clock."""

    def __init__(self, cache: PriceCache) -> None:
        self.cache = cache
        self.count = 0
        self.published: list[tuple[str, float]] = []

    def tick(self, *symbols: str) -> None:
        """One published entry with a new price for each symbol."""
        self.count += 1
        at, price = CLOSE + timedelta(seconds=self.count), 100.0 + self.count
        assert self.cache.put_prices([latest(symbol, price, at) for symbol in symbols]) == len(symbols)
        self.published.extend((symbol, price) for symbol in symbols)


@pytest.fixture
def ticker(market: Market) -> Ticker:
    """Publishes into the market's cache."""
    return Ticker(market.cache)


def listening(client: Client, query: str = "", last_id: str = "") -> Listener:
    """A listener that is connected and has its place."""
    listener = Listener(client.url + STREAM + query, last_id=last_id).start()
    assert listener.status == 200
    listener.wait_for(lambda one: "connected" in one.comments())
    if not last_id:
        listener.wait_for(lambda one: bool(one.last_id))
    return listener


def test_a_new_price_is_pushed_as_the_cache_has_it(client: Client, ticker: Ticker, market: Market) -> None:
    listener = listening(client)
    ticker.tick("AAPL", "BRK.B")
    listener.wait_for(lambda one: len(one.prices()) == 2)
    (event,) = [event for event in listener.events if event.name == "prices"]
    with redis.Redis.from_url(market.redis_url or "", decode_responses=True) as server:
        ((entry_id, _),) = server.xrange("prices:recent")
    assert event.last_id == entry_id
    price = client.get("/api/prices?symbols=AAPL").json()["prices"][0]
    del price["age_seconds"]
    assert event.data[0] == price  # type: ignore[index]
    listener.stop()


def test_a_listener_hears_only_the_symbols_that_it_asked_for(client: Client, ticker: Ticker) -> None:
    listener = listening(client, "?symbols=BRK.B,X:BTCUSD")
    ticker.tick("AAPL")
    ticker.tick("AAPL", "BRK.B")
    ticker.tick("X:BTCUSD")
    listener.wait_for(lambda one: len(one.prices()) == 2)
    assert listener.prices() == [("BRK.B", 102.0), ("X:BTCUSD", 103.0)]
    listener.stop()


def test_a_listener_that_comes_back_gets_what_it_missed_and_nothing_twice(client: Client, ticker: Ticker) -> None:
    listener = listening(client)
    ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 1)
    listener.stop()
    for _ in range(120):  # more than one page of the replay
        ticker.tick("AAPL")
    listener.start()
    ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 122)
    assert listener.prices() == ticker.published
    listener.stop()


def test_a_listener_that_heard_nothing_yet_comes_back_to_its_place(client: Client, ticker: Ticker) -> None:
    ticker.tick("AAPL")
    listener = listening(client)
    listener.stop()
    ticker.tick("AAPL")
    listener.start()
    listener.wait_for(lambda one: len(one.prices()) == 1)
    assert listener.prices() == ticker.published[1:]
    listener.stop()


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_prices_and_reconnects_loses_nothing_and_doubles_nothing(
    client: Client, ticker: Ticker, seed: int
) -> None:
    choice = random.Random(seed)  # noqa: S311 - a storm, not a secret
    symbols = ("AAPL", "BRK.B", "GSpJ")
    listeners = [listening(client), listening(client, "?symbols=BRK.B")]
    is_over, reconnects = threading.Event(), 0

    def rain() -> None:
        try:
            while ticker.count < 400:
                ticker.tick(*choice.sample(symbols, choice.randint(1, 3)))
                while reconnects < ticker.count // 40:  # a stream holds 500 entries: who is away for long loses some
                    time.sleep(0.001)
        finally:
            is_over.set()

    rainmaker = threading.Thread(target=rain)
    rainmaker.start()
    while not is_over.is_set():
        for listener in listeners:
            listener.stop()
            listener.start()
            reconnects += 1
        is_over.wait(choice.uniform(0, 0.05))
    rainmaker.join()
    wanted = [ticker.published, [one for one in ticker.published if one[0] == "BRK.B"]]
    for listener, expected in zip(listeners, wanted, strict=True):

        def is_complete(one: Listener, all_of: int = len(expected)) -> bool:
            one.come_back()
            return len(one.prices()) >= all_of

        listener.wait_for(is_complete, f"of {reconnects} reconnects")
        assert listener.prices() == expected
        listener.stop()
    assert ticker.count == 400
    assert reconnects > 5


def test_what_the_stream_has_let_go_is_said(client: Client, ticker: Ticker, market: Market) -> None:
    listener = listening(client)
    ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 1)
    listener.stop()
    for _ in range(5):
        ticker.tick("AAPL")
    with redis.Redis.from_url(market.redis_url or "") as server:
        server.xtrim("prices:recent", maxlen=2, approximate=False)
    listener.start()
    listener.wait_for(lambda one: len(one.prices()) == 3)
    assert listener.names() == ["prices", "gap", "prices", "prices"]
    assert listener.prices()[1:] == ticker.published[-2:]
    listener.stop()


@pytest.mark.fault("R04")
@pytest.mark.parametrize("is_empty", [True, False])
def test_who_comes_back_to_a_stream_that_began_anew_is_told_that_something_may_be_gone(
    client: Client, ticker: Ticker, market: Market, is_empty: bool
) -> None:
    """A wiped Redis has counted nothing that it let go: only the ids tell that they are of another stream."""
    listener = listening(client)
    ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 1)
    listener.stop()
    ticker.tick("AAPL")
    with redis.Redis.from_url(market.redis_url or "") as server:
        server.flushall()
    if not is_empty:
        ticker.tick("AAPL")
    listener.start()
    listener.wait_for(lambda one: "gap" in one.names())
    if is_empty:
        ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 2)
    assert listener.names() == ["prices", "gap", "prices"]
    assert listener.prices()[1:] == ticker.published[-1:]
    listener.stop()


def test_a_stream_that_was_wiped_goes_on(client: Client, ticker: Ticker, market: Market) -> None:
    listener = listening(client)
    ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 1)
    with redis.Redis.from_url(market.redis_url or "") as server:
        server.flushall()
        ticker.tick("AAPL")
        listener.wait_for(lambda one: len(one.prices()) == 2)
        server.flushall()
        server.xadd("prices:recent", {"prices": '[{"symbol": "AAPL", "price": 7.0}]'}, id="5-1")  # its clock went back
        listener.wait_for(lambda one: len(one.prices()) == 3)
    assert listener.last_id == "5-1"
    listener.stop()


def test_an_entry_that_holds_no_prices_passes_by(client: Client, ticker: Ticker, market: Market) -> None:
    listener = listening(client)
    with redis.Redis.from_url(market.redis_url or "") as server:
        for value in ("", "{", "[1]", '"x"', '[{"price": 1}]'):
            server.xadd("prices:recent", {"prices": value})
        server.xadd("prices:recent", {"other": "x"})
        server.xadd("prices:recent", {"prices": '[\n{"symbol":\r\n"AAPL", "price": 1}\n]'})
    ticker.tick("AAPL")
    listener.wait_for(lambda one: len(one.prices()) == 2)
    assert listener.prices() == [("AAPL", 1), ("AAPL", 101.0)]
    listener.stop()


def test_a_silent_stream_has_a_heartbeat_that_moves_the_last_id_on(
    client: Client, ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.2)
    listener = listening(client, "?symbols=BRK.B")
    place = listener.last_id
    ticker.tick("AAPL")  # not for this listener
    listener.wait_for(lambda one: one.comments().count("heartbeat") >= 2 and one.last_id != place)
    assert listener.prices() == []
    listener.stop()


def test_a_stream_ends_now_and_then_so_that_the_login_is_checked_again(
    client: Client, ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LIFE_SECONDS", 0.3)
    listener = listening(client)
    listener.wait_for(lambda one: one.has_ended)
    assert listener.comments()[-1] == "come back"
    ticker.tick("AAPL")
    listener.start()
    listener.wait_for(lambda one: len(one.prices()) == 1)
    listener.stop()


@pytest.mark.parametrize("last_id", ["x", "1", "1-", "-1-1", f"{2**64}-0", "1-1; drop", "9" * 70])
def test_an_id_that_is_none_is_refused(client: Client, last_id: str) -> None:
    for given in ({"headers": {"Last-Event-ID": last_id}}, {"params": {"after": last_id}}):
        answer = client.get(STREAM, **given)  # type: ignore[arg-type]
        assert answer.status_code in {400, 422}
        assert set(answer.json()) == {"what", "why", "next"}


def test_the_id_may_be_given_in_the_address_too(client: Client, ticker: Ticker) -> None:
    ticker.tick("AAPL")
    listener = listening(client, "?after=0-0", last_id="")
    listener.wait_for(lambda one: len(one.prices()) == 1)
    listener.stop()


def connect_and_read_nothing(url: str) -> socket.socket:
    """A client that sends its request and then never takes anything out of a small buffer."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def listeners_of(app: object) -> int:
    """How many listen to an application."""
    return app.state.sources.listeners  # type: ignore[attr-defined, no-any-return]


def wait_until_nobody_listens(app: object) -> None:
    """Wait until every listener is forgotten."""
    deadline = time.monotonic() + SECONDS
    while listeners_of(app):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_slow_client_is_let_go_while_the_others_go_on(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_SECONDS", 3.0)
    app, ticker = app_of(market), Ticker(market.cache)
    app.state.sources._fan_out = fan_out.FanOut(market.redis_url, queued=32)
    symbols = [f"A{number}" for number in range(400)]  # 100 KB an entry
    with serving(app) as url:
        stuck, listener = connect_and_read_nothing(url), listening(Client(url))
        while listeners_of(app) < 2:
            time.sleep(0.01)
        for _ in range(60):
            seen = len(listener.prices())
            ticker.tick(*symbols)
            listener.wait_for(lambda one, seen=seen: len(one.prices()) == seen + len(symbols))
        deadline = time.monotonic() + SECONDS
        while listeners_of(app) > 1:
            assert time.monotonic() < deadline, "the slow client is still there"
            time.sleep(0.01)
        assert listener.prices() == ticker.published
        listener.stop()
        stuck.close()
        wait_until_nobody_listens(app)


def test_a_client_that_falls_behind_is_told_and_loses_nothing(market: Market) -> None:
    app, ticker = app_of(market), Ticker(market.cache)
    hub = app.state.sources._fan_out = fan_out.FanOut(market.redis_url, queued=3)
    with serving(app) as url:
        listener = listening(Client(url))
        (held,) = hub._listeners
        while not held._news._waiters:  # type: ignore[attr-defined]
            time.sleep(0.01)
        held.queue.extend(["x"] * 3)  # as if it had not taken them yet; nobody has woken it
        ticker.tick("AAPL")
        listener.wait_for(lambda one: one.has_ended)
        assert listener.names() == ["dropped"]
        ticker.tick("AAPL")
        listener.start()
        listener.wait_for(lambda one: len(one.prices()) == 2)
        assert listener.prices() == ticker.published
        listener.stop()


def test_a_client_too_many_is_refused_and_a_place_that_is_given_back_is_free(market: Market) -> None:
    app = app_of(market)
    app.state.sources._fan_out = fan_out.FanOut(market.redis_url, most_listeners=2)
    with serving(app) as url:
        listeners = [listening(Client(url)) for _ in range(2)]
        refused = Client(url).get(STREAM)
        assert (refused.status_code, refused.json()["why"]) == (503, "it has 2 listeners")
        listeners[0].stop()
        while listeners_of(app) == 2:
            time.sleep(0.01)
        listeners[0].start()
        assert listeners[0].status == 200
        for listener in listeners:
            listener.stop()
        wait_until_nobody_listens(app)


def test_hanging_up_gives_everything_back(market: Market) -> None:
    app = app_of(market)
    with serving(app) as url, redis.Redis.from_url(market.redis_url or "") as server:
        before = len(server.client_list())
        for _ in range(20):
            listening(Client(url)).stop()
        wait_until_nobody_listens(app)
        deadline = time.monotonic() + SECONDS
        while len(server.client_list()) > before:
            assert time.monotonic() < deadline, "a connection to Redis was left open"
            time.sleep(0.01)
        assert app.state.sources._fan_out._reader is None


@pytest.mark.parametrize("steps", range(12))
def test_a_reader_that_is_let_go_reads_no_more_however_far_it_was(ticker: Ticker, market: Market, steps: int) -> None:
    """Cancelled at any step between handing out an entry and waiting for the next: none may read beside a new one."""

    async def readers_at_work() -> int:
        hub = fan_out.FanOut(market.redis_url)
        listener = await hub.join(frozenset(), None)
        ticker.tick("AAPL")
        assert await listener.wait(SECONDS)
        for _ in range(steps):
            await asyncio.sleep(0)
        hub.leave(listener)
        readers = [task for task in asyncio.all_tasks() if task.get_name() == "prices:recent"]
        ticker.tick("AAPL")
        _, at_work = await asyncio.wait(readers, timeout=SECONDS)
        return len(at_work)

    assert asyncio.run(readers_at_work()) == 0


def test_who_comes_while_the_process_ends_is_sent_away_too(market: Market) -> None:
    """A server takes connections for a moment after it was told to end; one open stream would hold it up."""

    async def all_that_it_is_sent() -> bytes:
        hub = fan_out.FanOut(market.redis_url)
        hub.close_all()
        listener = await hub.join(frozenset(), None)
        sent = b"".join([piece async for piece in stream.events(hub, listener)])
        hub.leave(listener)
        return sent

    assert asyncio.run(asyncio.wait_for(all_that_it_is_sent(), SECONDS)).endswith(b": come back\n\n")


def test_what_comes_in_the_moment_in_which_a_wait_ends_is_sent_before_a_heartbeat_names_its_place() -> None:
    """A heartbeat says that all up to its id was sent: a client that left then would never get what is queued."""
    listener = fan_out.Listener(frozenset(), None, (0, 0))

    class TooLate(asyncio.Event):
        async def wait(self) -> Literal[True]:
            listener.queue.append("a price")
            raise TimeoutError

    listener._news = TooLate()
    assert asyncio.run(listener.wait(60))


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[valkey.ValkeyServer]:
    """A Valkey that a test may stop."""
    server = valkey.start(tmp_path, password=os.urandom(8).hex(), log=tmp_path / "valkey.log")
    processes.guard(server.process, signal.SIGKILL)
    yield server
    os.kill(server.process.pid, signal.SIGCONT)
    processes.stop([server.process])


@pytest.mark.fault("R02")
def test_while_redis_hangs_listeners_stay_and_newcomers_are_told(dsn: str, own_valkey: valkey.ValkeyServer) -> None:
    with open_market(dsn, own_valkey.url()) as market, serving(app_of(market)) as url:
        listener, ticker = listening(Client(url)), Ticker(market.cache)
        os.kill(own_valkey.process.pid, signal.SIGSTOP)
        listener.wait_for(lambda one: any("away" in comment for comment in one.comments()))
        refused = Client(url).get(STREAM)
        assert refused.status_code == 503
        assert refused.json()["why"] == "Redis does not answer"
        os.kill(own_valkey.process.pid, signal.SIGCONT)
        listener.wait_for(lambda one: any("is back" in comment for comment in one.comments()))
        ticker.tick("AAPL")
        listener.wait_for(lambda one: one.prices() == ticker.published)
        listener.stop()


@pytest.mark.fault("R01")
def test_without_redis_there_is_no_stream_and_it_says_so(dsn: str) -> None:
    with open_market(dsn, None) as market, serving(app_of(market)) as url:
        refused = Client(url).get(STREAM)
        assert (refused.status_code, refused.json()["why"]) == (503, "no Redis is configured")
