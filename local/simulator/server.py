"""The simulator's sockets: one loopback port for both vendors and for the admin routes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from local.simulator.admin import SimulatorAdmin
from local.simulator.control import Control
from local.simulator.engine import Engine, Options, read_request
from local.simulator.messages import Refused, Response, dump
from local.simulator.wire import MAX_HEAD, BadRequest, Head, encode, read_head, send

HOST = "127.0.0.1"
START_SECONDS = 60.0
MAX_TARGET = 8_190


class Server:
    """Serves one engine until it is closed."""

    def __init__(self, options: Options) -> None:
        self.engine = Engine(options)
        self.control = Control(self.engine)
        self.address = ""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        """Listen on a port of the loopback interface; 0 takes a free one."""
        self._server = await asyncio.start_server(self._accept, HOST, port, limit=MAX_HEAD)
        self.address = f"{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and drop all connections, hanging ones included."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, BadRequest, asyncio.CancelledError):
            pass  # the peer has gone, speaks something else, or we are closing
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection takes another."""
        head = await read_head(reader)
        if head is None:
            return False
        body = await reader.readexactly(head.body_length) if head.body_length else b""
        if len(head.target) > MAX_TARGET:
            return await self._send(writer, head, Response(414, b"URI Too Long", "text/plain"))
        if head.target.startswith("/admin"):
            return await self._send(writer, head, await self._administer(head, body))
        answer = self.engine.answer(head, self.address)
        usable = await send(writer, answer.head, answer.body, answer.delivery)
        answer.entry.finished = time.monotonic()
        return usable and head.keep_alive

    async def _administer(self, head: Head, body: bytes) -> Response:
        try:
            return await self.control.answer(read_request(head, self.address, body))
        except Refused as refused:
            return Response(400, refused.response.body)
        except (LookupError, ValueError, TypeError) as error:
            return Response(400, dump({"error": f"{type(error).__name__}: {error}"}))

    async def _send(self, writer: asyncio.StreamWriter, head: Head, response: Response) -> bool:
        now = self.engine.clock.now()
        raw = encode(response, takes_gzip=head.takes_gzip, now=now, keep_alive=head.keep_alive)
        return await send(writer, *raw, None) and head.keep_alive


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running simulator is."""

    base_url: str

    @property
    def polygon_url(self) -> str:
        return f"{self.base_url}/massive"

    @property
    def coingecko_url(self) -> str:
        return f"{self.base_url}/coingecko/api/v3"

    @property
    def coingecko_pro_url(self) -> str:
        return f"{self.base_url}/coingecko-pro/api/v3"

    @property
    def admin(self) -> SimulatorAdmin:
        return SimulatorAdmin(self.base_url)


@contextlib.contextmanager
def running(options: Options | None = None, port: int = 0) -> Iterator[Addresses]:
    """A simulator in a thread of this process, gone when the block ends."""
    server = Server(options or Options())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(port), loop).result(START_SECONDS)
        yield Addresses(f"http://{server.address}")
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
