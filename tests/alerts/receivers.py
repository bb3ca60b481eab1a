"""Real receivers on this machine: a webhook, a mail server, one that hangs, and a port on which nobody listens."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from local import processes


@dataclass
class Webhook:
    """What a webhook got; ``status`` is what it answers."""

    port: int = 0
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)

    @property
    def apprise(self) -> str:
        """Its address as Apprise wants it, which is to wait longer than 4 s for this busy process."""
        return f"json://127.0.0.1:{self.port}/hook/s3cret-token?cto=60&rto=60"

    def connection(self) -> str:
        """The text of an AIRFLOW_CONN_... variable."""
        return apprise_connection(self.apprise)

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.got]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """An HTTP server that takes what Apprise posts to ``json://``."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status < 400:
                hook.got.append(said)
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:  # the tests read what it got
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """What a mail server took."""

    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """An SMTP server."""
    box = Mailbox()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
            assert isinstance(envelope.content, bytes)
            box.got.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            return "250 OK"

    box.port = processes.free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=box.port, ready_timeout=60)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@contextmanager
def hanging() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield server.getsockname()[1]


_DEAF = socket.socket()


@cache
def free_port() -> int:
    """A port on which nobody listens; it is ours, so nobody will."""
    _DEAF.bind(("127.0.0.1", 0))
    port: int = _DEAF.getsockname()[1]
    return port


def apprise_connection(*addresses: str) -> str:
    """An Apprise connection of Airflow with these addresses."""
    config = [{"path": address, "tag": "alerts"} for address in addresses]
    return json.dumps({"conn_type": "apprise", "extra": {"config": config}})


def smtp_connection(port: int) -> str:
    """An SMTP connection of Airflow without encryption, tried once."""
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 0, "timeout": 300}
    return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra})
