"""A vendor on raw sockets: says exactly the bytes that a test scripts, and notes what it was asked and when."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_LONGEST_HEAD = 65536


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its target as sent, its headers in lower case, the monotonic instant of its arrival."""

    target: str
    headers: dict[str, str]
    at: float

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


Script = Callable[[socket.socket, Asked], None]


@dataclass
class Upstream:
    """Plays one script per request, in order; the last one for all further requests. A context manager."""

    scripts: list[Script] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def pause(self, seconds: float) -> bool:
        """Wait inside a script; False when the test is over."""
        return not self._closing.wait(seconds)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                opened, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        if self.tls is not None:
            try:
                opened = self.tls.wrap_socket(opened, server_side=True)
            except OSError:  # the client refused the certificate
                return
        with opened:
            while asked := _read_request(opened):
                with self._lock:
                    self.asked.append(asked)
                    script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
                try:
                    script(opened, asked)
                except OSError:
                    return


def _read_request(opened: socket.socket) -> Asked | None:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
        try:
            piece = opened.recv(4096)
        except OSError:
            return None
        if not piece:
            return None
        head += piece
    at = time.monotonic()
    first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(first.split(" ")[1], headers, at)


def reply(body: object, status: int = 200, *, zipped: bool = False, **headers: str) -> Script:
    """A proper answer; ``body`` is sent as JSON unless it is bytes. Underscores in header names become hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if zipped:
        content = gzip.compress(content)
        given["Content-Encoding"] = "gzip"
    given = {"Content-Type": "application/json", "Content-Length": str(len(content))} | given
    head = f"HTTP/1.1 {status} Scripted\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return raw(head.encode() + b"\r\n" + content)


def raw(content: bytes, *, close: bool = False) -> Script:
    """These very bytes; then the connection stays open unless ``close``."""

    def play(opened: socket.socket, _asked: Asked) -> None:
        opened.sendall(content)
        if close:
            opened.shutdown(socket.SHUT_RDWR)

    return play
