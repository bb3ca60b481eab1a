"""A way to the server that can be held: what the server sends stays on its way until the client waits for it."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo

FLUSH = b"H\0\0\0\4"
"""The last that a client in pipeline mode sends before it waits for answers."""


@dataclass(frozen=True)
class Relay:
    """``dsn`` leads through it; while ``flows`` is not set, nothing that the server sends arrives, nor its goodbye.

    It is set again as soon as the client waits for answers.
    """

    dsn: str
    flows: threading.Event


@contextmanager
def open_relay(dsn: str) -> Iterator[Relay]:
    """A relay to the server of ``dsn`` that lets everything through until told otherwise; ends when all hung up."""
    given = conninfo_to_dict(dsn)
    address = str(given["host"]), int(str(given["port"]))
    flows = threading.Event()
    flows.set()

    def carry(source: socket.socket, target: socket.socket, pass_on: Callable[[bytes], object]) -> None:
        with suppress(OSError):  # who is cut off has hung up too
            while data := source.recv(1 << 16):
                pass_on(data)
                with suppress(OSError):  # who has hung up is still spoken to
                    target.sendall(data)
        pass_on(b"")
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def let_answers_through(asked: bytes) -> None:
        if asked.endswith(FLUSH) or not asked:
            flows.set()

    class OneSession(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(address) as server:
                answers = threading.Thread(target=carry, args=(server, self.request, lambda _: flows.wait()))
                answers.start()
                carry(self.request, server, let_answers_through)
                answers.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OneSession) as relay:
        threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield Relay(make_conninfo(dsn, host="127.0.0.1", port=relay.server_address[1]), flows)
        finally:
            flows.set()
            relay.shutdown()
