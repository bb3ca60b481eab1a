"""HTTP/1.1 on asyncio streams, raw enough to answer badly: slowly, half, not at all, or with a reset."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import socket
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from local.simulator.messages import Response

MAX_HEAD = 64 * 1024
WORTH_COMPRESSING = 256
GZIP_LEVEL = 5
RESET_LINGER = struct.pack("ii", 1, 0)


class BadRequest(Exception):
    """Not HTTP/1.1 as we speak it."""


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed request line and its headers, names in lower case."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def keep_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    @property
    def body_length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    @property
    def takes_gzip(self) -> bool:
        return "gzip" in self.headers.get("accept-encoding", "")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the bytes of an answer are sent.

    ``delay`` seconds before the first byte. ``drip`` seconds between pieces of ``piece`` bytes of the body. ``cut``
    ends the body after so many bytes, with ``reset`` by a TCP reset. ``hang`` sends nothing at all for ``delay``.
    """

    delay: float = 0.0
    drip: float = 0.0
    piece: int = 1
    cut: int | None = None
    reset: bool = False
    hang: bool = False


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request's head; None when the peer has closed the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest("the head is too long") from error
    first, *lines = raw.decode("latin-1").split("\r\n")
    try:
        method, target, _ = first.split(" ")
    except ValueError as error:
        raise BadRequest(f"no request line: {first[:80]!r}") from error
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            headers[name.strip().lower()] = value.strip()
    return Head(method, target, headers)


def encode(response: Response, *, takes_gzip: bool, now: datetime, keep_alive: bool) -> tuple[bytes, bytes]:
    """Head and body as they go over the wire, compressed when the client takes it and it is worth it."""
    body, encoding = response.body, response.encoding
    compressible = not encoding and response.status == 200 and len(body) >= WORTH_COMPRESSING
    if compressible and takes_gzip:
        body, encoding = gzip.compress(body, GZIP_LEVEL, mtime=0), "gzip"
    headers = {
        "Date": format_datetime(now, usegmt=True),
        "Content-Type": response.content_type,
        "Content-Length": str(len(body)),
        "Connection": "keep-alive" if keep_alive else "close",
        **({"Vary": "Accept-Encoding"} if compressible else {}),
        **({"Content-Encoding": encoding} if encoding else {}),
        **response.headers,
    }
    reason = http.client.responses.get(response.status, "")
    lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body


async def send(writer: asyncio.StreamWriter, head: bytes, body: bytes, delivery: Delivery | None) -> bool:
    """Send an answer; False when the connection cannot be used any further."""
    if delivery is None:
        writer.write(head + body)
        await writer.drain()
        return True
    await asyncio.sleep(delivery.delay)
    if delivery.hang:
        return False
    if delivery.reset and delivery.cut is None:
        _reset(writer)
        return False
    shown = body if delivery.cut is None else body[: delivery.cut]
    writer.write(head)
    if delivery.drip:
        for start in range(0, len(shown), delivery.piece):
            writer.write(shown[start : start + delivery.piece])
            await writer.drain()
            await asyncio.sleep(delivery.drip)
    else:
        writer.write(shown)
    await writer.drain()
    if delivery.reset:
        _reset(writer)
    return delivery.cut is None


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_LINGER)
    writer.transport.abort()


def gzip_bomb(megabytes: int) -> bytes:
    """A small gzip stream that unpacks to so many megabytes of blanks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])
