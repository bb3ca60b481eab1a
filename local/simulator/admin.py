"""The client of a running simulator's admin routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast
from urllib.parse import urlencode

import requests

from local.simulator.journal import Entry

CONNECT_SECONDS = 5.0
DAYS = frozenset({"session", "execution_date", "ex_date", "declared_on", "record_date", "pay_date"})


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

    def correct_bar(self, ticker: str, session: date, *, published_at: datetime | None = None, **values: float) -> None:
        """Change ``o h l c v vw n`` of one raw daily bar, from ``published_at`` on or always."""
        body: dict[str, Any] = {"ticker": ticker, "session": session.isoformat(), "values": values}
        self._call("POST", "/corrections", body | _dates({"published_at": published_at}))

    def correct_coin_price(
        self, coin_id: str, at: datetime, price: float, *, published_at: datetime | None = None
    ) -> None:
        """Change a coin's price in US dollars at one instant, from ``published_at`` on or always."""
        body = {"coin": coin_id, "at": at, "price": price, "published_at": published_at}
        self._call("POST", "/corrections", _dates(body))

    def add_split(
        self,
        ticker: str,
        execution_date: date,
        split_from: float,
        split_to: float,
        *,
        reported: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """A split of the company that has the ticker on its day: raw prices change from then on.

        ``reported``, rows of ``execution_date``, ``split_from`` and ``split_to``, is what the vendor lists instead of
        the truth: one row twice, two that contradict each other, a wrong day, or [] for nothing. The same split again
        only changes what is reported of it.
        """
        day = execution_date.isoformat()
        body = {"ticker": ticker, "execution_date": day, "split_from": split_from, "split_to": split_to}
        rows = None if reported is None else [_dates(row) for row in reported]
        self._call("POST", "/splits", {**body, "reported": rows})

    def add_dividend(self, ticker: str, ex_date: date, cash_amount: float, **more: object) -> None:
        """A dividend of the company that has the ticker on its ex-date, beside the quarterly ones.

        ``more`` are fields of ``local.simulator.actions.Dividend``: ``currency`` (USD), ``kind`` (recurring),
        ``frequency`` (4), ``declared_on`` (14 days before), ``record_date`` and ``pay_date``.
        """
        body = {"ticker": ticker, "ex_date": ex_date, "cash_amount": cash_amount, **more}
        self._call("POST", "/dividends", _dates(body))

    def rename(self, old: str, new: str, on: date) -> None:
        """From ``on`` the company ``old`` is called ``new``; its bars before stay under ``old``."""
        self._call("POST", "/renames", _dates({"old": old, "new": new, "on": on}))

    def delist(self, ticker: str, last_session: date) -> None:
        """The company is traded for the last time on ``last_session``; then its ticker is free."""
        self._call("POST", "/delistings", _dates({"ticker": ticker, "last_session": last_session}))

    def halt(self, ticker: str, session: date) -> None:
        """Nobody trades the ticker on ``session``: no bar, and a close that is older than its day."""
        self._call("POST", "/halts", _dates({"ticker": ticker, "session": session}))

    def list_company(self, ticker: str, listed_on: date, *, price: float = 50.0, name: str = "") -> None:
        """A new company under a free ticker, whoever had it before. ``price`` is its first close."""
        body = {"ticker": ticker, "listed_on": listed_on, "price": price, "name": name or f"{ticker} Newcomer Inc."}
        self._call("POST", "/companies", _dates(body))

    def truth_daily(self, ticker: str, first: date, last: date, *, on: date | None = None) -> list[dict[str, Any]]:
        """The raw bars of the company that has ``ticker`` now (or on a day), under all its tickers, oldest first.

        Rows of ``session`` (a date), ``open``, ``high``, ``low``, ``close``, ``volume``, ``vwap`` and ``trades``: of
        the sessions whose evening trading is over, as corrected up to now.
        """
        return self._truth("/truth/daily", {"ticker": ticker, "first": first, "last": last, "on": on})

    def truth_coin(self, coin_id: str, first: date, last: date) -> list[dict[str, Any]]:
        """``session``, ``close`` and ``volume_24h`` of a coin's UTC days that are over, oldest first."""
        return self._truth("/truth/coin", {"coin": coin_id, "first": first, "last": last})

    def truth_splits(self, ticker: str, *, on: date | None = None) -> list[dict[str, Any]]:
        """``execution_date``, ``split_from`` and ``split_to`` of the company's splits up to now, oldest first."""
        return self._truth("/truth/splits", {"ticker": ticker, "on": on})

    def truth_dividends(self, ticker: str, *, on: date | None = None) -> list[dict[str, Any]]:
        """The company's dividends whose ``ex_date`` has come, oldest first; fields as in ``add_dividend``."""
        return self._truth("/truth/dividends", {"ticker": ticker, "on": on})

    def leave_out(self, symbols: Sequence[str]) -> None:
        """Snapshots, last trades and coin prices know nothing of these tickers and coin ids; none: of all again."""
        self._call("POST", "/left-out", {"symbols": list(symbols)})

    def prepare(
        self, key: str, targets: Sequence[str], *, gzip: bool = True, minutes: Sequence[datetime] = ()
    ) -> dict[str, int]:
        """Compute the answers to these targets (path and query, prefix included) beforehand, for one key.

        They are served as they are until the clock is set, or a key or the world changes. With ``minutes`` an answer
        is made for each of these minutes of a clock that runs, as of the instant given, and served during that minute
        only. ``gzip`` must be what the client asks.
        """
        body = {"key": key, "targets": list(targets), "gzip": gzip, "minutes": [at.isoformat() for at in minutes]}
        return cast("dict[str, int]", self._call("POST", "/prepare", body, timeout=3600.0))

    def _truth(self, path: str, question: Mapping[str, object]) -> list[dict[str, Any]]:
        query = urlencode({name: value for name, value in question.items() if value is not None})
        rows = cast("list[dict[str, Any]]", self._call("GET", f"{path}?{query}"))
        return [
            {name: date.fromisoformat(value) if name in DAYS else value for name, value in row.items()} for row in rows
        ]

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


def _dates(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with its dates and instants as text, ready for JSON."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in body.items()}
