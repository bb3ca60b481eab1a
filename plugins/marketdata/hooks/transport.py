"""One HTTP request with hard bounds: connect, silence, total time, decoded size; no redirects, keys in headers only."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from marketdata.errors import ConfigurationError
from marketdata.hooks.connection import VendorConnection, is_loopback

_CHUNK_BYTES = 1 << 16
_AGENT = "marketdata/0.1"
_CERTIFICATE = {
    9: "it is not valid yet",
    10: "it has expired",
    62: "it is another host's",
    64: "it is another host's",
}
"""OpenSSL's codes of what makes a certificate bad (X509_V_ERR)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds of one request: seconds to connect, of silence while reading, in all; bytes of the decoded body."""

    connect: float = 3.0
    read: float = 10.0
    total: float = 30.0
    max_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A complete answer, decoded. ``headers`` ignore case; ``wire_bytes`` is the size before decompression."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "none")


class WireFailure(Exception):
    """No complete answer came: why, free of addresses and keys, and what to do where it may be this machine's fault."""

    def __init__(self, why: str, next_step: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.next_step = next_step


class AnswerTooLarge(Exception):
    """The decoded body passed the cap; reading stopped there."""


class Transport:
    """A keep-alive HTTP session with one vendor host, for one thread at a time."""

    def __init__(self, connection: VendorConnection, timeouts: Timeouts) -> None:
        self._base = urlsplit(connection.base_url)
        self._timeouts = timeouts
        sockets: set[socket.socket] = set()
        self._deadline = _Deadline(timeouts.total, sockets)
        session = requests.Session()
        # A simulator on this machine is never asked through a proxy that the environment names.
        session.trust_env = not is_loopback(self._base.hostname or "")
        session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": _AGENT})
        # requests works out headers, proxies and certificates once, the same for every request; urllib3 sends each, at
        # two thirds of the cost. Nothing here follows a redirect, keeps a cookie or tries again.
        blank = session.prepare_request(requests.Request("GET", connection.base_url, auth=_HeaderAuth(connection)))
        ways = session.merge_environment_settings(connection.base_url, {}, True, None, None)
        verify, cert, proxies = cast("bool | str", ways["verify"]), ways["cert"], ways["proxies"]
        self._adapter = _WatchedAdapter(sockets)
        found = self._adapter.get_connection_with_tls_context(blank, verify, proxies=proxies, cert=cert)
        pool = cast("HTTPConnectionPool", found)
        try:
            self._adapter.cert_verify(pool, connection.base_url, verify, cert)  # type: ignore[no-untyped-call]
        except OSError:
            raise ConfigurationError(
                "the certificates that vouch for vendors",
                "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that does not exist",
                "correct it, or unset it: then the ones that come with certifi are used",
            ) from None
        proxied = self._adapter.request_url(blank, proxies).startswith(self._base.scheme)
        self._origin = "" if proxied else f"{self._base.scheme}://{self._base.netloc}"
        self._send = partial(
            pool.urlopen,
            "GET",
            headers=dict(blank.headers),
            redirect=False,
            retries=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=timeouts.connect, read=timeouts.read),
        )

    def get(self, url: str) -> Received:
        """GET, whatever the status. Raises WireFailure, or AnswerTooLarge."""
        target = urlsplit(url)
        if (target.scheme, target.netloc) != (self._base.scheme, self._base.netloc):
            raise WireFailure("the URL is not on the configured host")
        with self._deadline as deadline:
            try:
                return self._exchange(url)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if passed := deadline.passed_text():
                    raise WireFailure(passed) from None
                raise _described(error, self._timeouts) from None

    def close(self) -> None:
        self._adapter.close()
        self._deadline.close()

    def _exchange(self, url: str) -> Received:
        with contextlib.closing(self._send(url.removeprefix(self._origin))) as response:
            body = self._read(response)
            if passed := self._deadline.passed_text():
                # A body that ends with the connection looks complete when we are the ones who cut it.
                raise WireFailure(passed)
            return Received(response.status, response.headers, body, response.tell())

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        chunks = bytearray()
        # read1 gives back each piece as it comes; read and stream would block until a whole buffer is full.
        while piece := raw.read1(_CHUNK_BYTES, decode_content=True):
            chunks += piece
            if len(chunks) > self._timeouts.max_bytes:
                raise AnswerTooLarge
        return bytes(chunks)


class _HeaderAuth(AuthBase):
    """Puts the key into its header; being set, it also keeps requests from replacing it by an entry of .netrc."""

    def __init__(self, connection: VendorConnection) -> None:
        self._connection = connection

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._connection.auth_headers())
        return request


class _Deadline:
    """Cuts the session's sockets when a request's time is up: no time-out of a single read stops a vendor that drips.

    One thread watches all requests of a session; one for each would cost as much as the request. It looks up whenever
    as much time has passed as any request may take, so it never needs to be told that one began.
    """

    def __init__(self, seconds: float, sockets: set[socket.socket]) -> None:
        self._seconds = seconds
        self._sockets = sockets
        self._until = math.inf
        self._closed = threading.Event()
        self._cutting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="vendor deadline", daemon=True)
            self._thread.start()
        self._until = time.monotonic() + self._seconds
        return self

    def __exit__(self, *_: object) -> None:
        with self._cutting:
            self._until = math.inf

    def passed_text(self) -> str:
        """Why the request failed if its time is up, else nothing."""
        return f"no complete answer within {self._seconds:g} s" if time.monotonic() >= self._until else ""

    def close(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        wait = self._seconds
        while not self._closed.wait(wait):
            with self._cutting:
                left = self._until - time.monotonic()
                if left <= 0:
                    self._cut()
            wait = left if 0 < left < self._seconds else self._seconds

    def _cut(self) -> None:
        for opened in tuple(self._sockets):
            with contextlib.suppress(OSError):  # closed meanwhile
                # Not SSLSocket.shutdown, which takes the TLS object away under the reading thread.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _WatchedAdapter(HTTPAdapter):
    """Keeps the open sockets of its connections in a set; never retries by itself."""

    def __init__(self, sockets: set[socket.socket]) -> None:
        self._pools = _watched_pools(sockets)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:  # noqa: ANN401 - as inherited
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _watched_pools(sockets: set[socket.socket]) -> dict[str, type[HTTPConnectionPool]]:
    class Watched(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            _replace(sockets, self.sock)

    class WatchedTls(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            _replace(sockets, self.sock)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Watched

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = WatchedTls

    return {"http": Pool, "https": TlsPool}


def _replace(sockets: set[socket.socket], opened: socket.socket) -> None:
    sockets.difference_update([old for old in sockets if old.fileno() == -1])
    sockets.add(opened)


def _described(error: Exception, timeouts: Timeouts) -> WireFailure:
    """The cause in words: the libraries' own texts hold addresses."""
    failures = urllib3.exceptions
    if isinstance(error, failures.SSLError):
        return _refused_tls(error)
    if isinstance(error, failures.NameResolutionError):
        return WireFailure(
            "the host name could not be resolved", "see this machine's DNS and network; it is tried again"
        )
    if isinstance(error, failures.ConnectTimeoutError) and not isinstance(error, failures.NewConnectionError):
        return WireFailure(f"no connection within {timeouts.connect:g} s")
    if isinstance(error, failures.ReadTimeoutError):
        return WireFailure(f"no byte for {timeouts.read:g} s")
    if isinstance(error, failures.DecodeError):
        return WireFailure("the body's compression is broken")
    return WireFailure(f"the connection failed or ended before the whole answer was there ({type(error).__name__})")


def _refused_tls(error: urllib3.exceptions.SSLError) -> WireFailure:
    cause = error.args[0] if error.args else None
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return WireFailure("TLS failed: no handshake", "see whether a proxy stands between; it is tried again")
    why = _CERTIFICATE.get(cause.verify_code, "nobody known to this machine vouches for it")
    return WireFailure(
        f"TLS failed: the host's certificate was refused, {why}",
        "see this machine's clock and whether a proxy stands between; certificates are always checked, and it is tried"
        " again",
    )
