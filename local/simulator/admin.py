"""The client of a running simulator's admin routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

import requests

from local.simulator.journal import Entry

CONNECT_SECONDS = 5.0


class SimulatorError(Exception):
    """The simulator refused an admin request; the text says why."""


class SimulatorAdmin:
    """Everything that can be set and read while a simulator runs. ``base`` is its root URL."""

    def __init__(self, base: str, *, timeout: float = 60.0) -> None:
        self.base = base.rstrip("/")
        self._timeout = timeout

    def health(self) -> dict[str, Any]:
        """Clock, seed and the number of stocks, coins and recordings."""
        return cast("dict[str, Any]", self._call("GET", "/health"))

    def reset(self) -> None:
        """As right after the start: no faults, no log, demo keys unused, no corrections, the first clock."""
        self._call("POST", "/reset")

    def requests(self, *, since: int = 0, vendor: str | None = None, path_contains: str = "") -> list[Entry]:
        """The vendor requests numbered above ``since``, oldest first."""
        rows = cast("list[dict[str, Any]]", self._call("GET", f"/requests?since={since}"))
        logged = [Entry(**row) for row in rows]
        return [row for row in logged if vendor in (None, row.vendor) and path_contains in row.path]

    def forget_requests(self) -> None:
        """Empty the log."""
        self._call("DELETE", "/requests")

    def add_fault(self, kind: str, **rule: object) -> int:
        """Put a rule of the fault script in force (see ``local.simulator.faults``); its number."""
        return int(cast("dict[str, Any]", self._call("POST", "/faults", {"kind": kind, **rule}))["number"])

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force with how often each has ``matched`` and ``hits``."""
        return cast("list[dict[str, Any]]", self._call("GET", "/faults"))

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def now(self) -> datetime:
        """What time the vendors believe it is."""
        return datetime.fromisoformat(cast("dict[str, Any]", self._call("GET", "/clock"))["now"])

    def set_clock(self, instant: datetime | None, *, running: bool = False) -> None:
        """Freeze the vendors' clock at ``instant``, let it run from there, or (None) follow real time."""
        self._call("POST", "/clock", {"now": instant.isoformat() if instant else None, "running": running})

    def put_key(self, key: str, **plan: object) -> dict[str, Any]:
        """Create or change a key: fields of ``local.simulator.plans.Plan``, ``like`` another key. "" is keyless."""
        return cast("dict[str, Any]", self._call("POST", "/keys", {"key": key, **plan}))

    def remove_key(self, key: str) -> None:
        """The vendors do not know the key any more."""
        self._call("DELETE", "/keys", {"key": key})

    def correct_bar(self, ticker: str, session: date, **values: float) -> None:
        """Change ``o h l c v vw n`` of one raw daily bar from now on."""
        self._call("POST", "/corrections", {"ticker": ticker, "session": session.isoformat(), "values": values})

    def correct_coin_price(self, coin_id: str, at: datetime, price: float) -> None:
        """Change a coin's price in US dollars at one instant from now on."""
        self._call("POST", "/corrections", {"coin": coin_id, "at": at.isoformat(), "price": price})

    def add_split(self, ticker: str, execution_date: date, split_from: int, split_to: int) -> None:
        """A split that nobody knew of: raw prices change from its execution date on."""
        day = execution_date.isoformat()
        body = {"ticker": ticker, "execution_date": day, "split_from": split_from, "split_to": split_to}
        self._call("POST", "/splits", body)

    def prepare(self, key: str, targets: Sequence[str], *, gzip: bool = True) -> dict[str, int]:
        """Compute the answers to these targets (path and query, prefix included) beforehand, for one key.

        They are served as they are until the clock, a key or the world changes. ``gzip`` must be what the client asks.
        """
        body = {"key": key, "targets": list(targets), "gzip": gzip}
        return cast("dict[str, int]", self._call("POST", "/prepare", body, timeout=3600.0))

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> object:
        url, seconds = f"{self.base}/admin{path}", (CONNECT_SECONDS, timeout or self._timeout)
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, url, json=body, timeout=seconds)
        if response.status_code != 200:
            raise SimulatorError(f"{method} {path}: {response.text}")
        return response.json()
