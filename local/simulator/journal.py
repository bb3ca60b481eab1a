"""The log of every request, in order of arrival."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from local.simulator.messages import Request


@dataclass(slots=True)
class Entry:
    """One request. The key itself is never kept: ``key`` is its name, ``key_digest`` the start of its SHA-256.

    ``at`` is the machine's wall clock, ``monotonic`` seconds of the machine's monotonic clock, comparable between
    processes of one machine. ``status`` is 0 until the answer is ready; ``fault`` is the kind that was applied.
    """

    number: int
    at: str
    monotonic: float
    vendor: str
    method: str
    path: str
    query: str
    key: str
    key_digest: str
    key_in: str
    user_agent: str
    status: int = 0
    sent_bytes: int = 0
    fault: str = ""
    prepared: bool = False
    finished: float = 0.0


class Journal:
    """All requests since the last clearing. Admin requests are not in it."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._next = 1
        self._lock = threading.Lock()

    def open(self, request: Request, *, key: str, key_name: str, key_in: str) -> Entry:
        """Write down an arrival."""
        with self._lock:
            entry = Entry(
                number=self._next,
                at=datetime.now(UTC).isoformat(),
                monotonic=time.monotonic(),
                vendor=request.vendor,
                method=request.method,
                path=request.path,
                query=_without_key(request.query_text),
                key=key_name,
                key_digest=hashlib.sha256(key.encode()).hexdigest()[:12] if key else "",
                key_in=key_in,
                user_agent=request.headers.get("user-agent", ""),
            )
            self._next += 1
            self._entries.append(entry)
        return entry

    def entries(self, since: int = 0) -> list[dict[str, object]]:
        """Entries numbered above ``since``, oldest first."""
        with self._lock:
            return [asdict(entry) for entry in self._entries if entry.number > since]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


def _without_key(query: str) -> str:
    secret = ("apikey=", "x_cg_demo_api_key=", "x_cg_pro_api_key=")
    return "&".join(part for part in query.split("&") if not part.lower().startswith(secret))
