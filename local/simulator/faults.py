"""The fault script: rules that say which requests go wrong, how, and how often. The same script gives the same faults.

A rule is a JSON object. Which requests: ``match`` (part of the request target), ``vendor``, ``key``; of these the first
``after`` are spared, the next ``times`` (all, when absent) are hit, each with ``probability``. The first rule that hits
wins. How, by ``kind``:

    status        an error answer: ``status``, and ``body``, ``headers``, ``retry_after`` where given
    html, empty   a 200 with a web page, a 200 with nothing
    redirect      ``status`` (302) to ``location``
    gzip_bomb     a body that unpacks to ``megabytes`` (64)
    hang          no answer for ``seconds`` (3600), then the connection is closed
    delay         a good answer after ``seconds``
    drip          ``piece`` (1) bytes of the body every ``seconds`` (0.2)
    truncate      the connection is closed after ``at`` bytes (half) of the body
    cut_json      a complete answer whose JSON ends after ``at`` bytes (half)
    reset         a TCP reset instead of an answer, or after ``at`` bytes of the body
    skew          the vendor's clock is off by ``seconds``
    …             everything else is a change of the answer's JSON: see ``mangle.CHANGES``
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from local.simulator.mangle import CHANGES, mangle
from local.simulator.messages import (
    Refused,
    Request,
    Response,
    coingecko_rate_limited,
    coingecko_server_error,
    coingecko_status_error,
    dump,
    massive_error,
    massive_rate_limited,
)
from local.simulator.noise import key_of, keys, uniform
from local.simulator.wire import Delivery, gzip_bomb

REPLACING = ("status", "html", "empty", "redirect", "gzip_bomb")
DELIVERING = ("hang", "delay", "drip", "truncate", "reset")
KINDS = (*REPLACING, *DELIVERING, "cut_json", "skew", *CHANGES)

PAGE = (
    b"<!DOCTYPE html><html><head><title>Access denied | used Cloudflare to restrict access</title></head>"
    b"<body>Error 1015 You are being rate limited</body></html>"
)


@dataclass(slots=True)
class Fault:
    """One rule of the script and how often it has matched and hit so far."""

    number: int
    kind: str
    match: str = ""
    vendor: str = ""
    key: str = ""
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    parameters: dict[str, Any] = field(default_factory=dict)
    matched: int = 0
    hits: int = 0

    def covers(self, request: Request, key: str) -> bool:
        """Whether the rule is about this request at all."""
        about_vendor = not self.vendor or request.vendor.startswith(self.vendor)
        return about_vendor and self.match in request.target and self.key in ("", key)


class FaultScript:
    """The rules in force, in the order in which they were set."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.faults: list[Fault] = []
        self._made = 0
        self._lock = threading.Lock()

    def add(self, rule: Mapping[str, Any]) -> Fault:
        """Put a rule in force; LookupError for an unknown kind."""
        named = {
            name: rule[name] for name in ("match", "vendor", "key", "after", "times", "probability") if name in rule
        }
        parameters = {name: value for name, value in rule.items() if name not in named and name != "kind"}
        if rule.get("kind") not in KINDS:
            raise LookupError(f"no fault {rule.get('kind')!r}; there are {', '.join(KINDS)}")
        with self._lock:
            self._made += 1
            fault = Fault(number=self._made, kind=rule["kind"], parameters=parameters, **named)
            self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """Nothing goes wrong any more; the next rule is number 1 again."""
        with self._lock:
            self.faults.clear()
            self._made = 0

    def pick(self, request: Request, key: str) -> Fault | None:
        """The fault that this request suffers, if any. Each asking counts."""
        with self._lock:
            for fault in self.faults:
                if not fault.covers(request, key):
                    continue
                fault.matched += 1
                if fault.matched <= fault.after or (fault.times is not None and fault.hits >= fault.times):
                    continue
                if fault.probability < 1.0 and not self._drawn(fault):
                    continue
                fault.hits += 1
                return fault
        return None

    def _drawn(self, fault: Fault) -> bool:
        """A draw that depends on the seed, the rule and the number of the match only."""
        draw = uniform(keys([key_of(self.seed, "fault", fault.number)]), np.array([fault.matched]), 0)
        return bool(draw[0, 0] < fault.probability)


def replacement(fault: Fault, request: Request) -> Response | None:
    """The answer that is given instead of the real one, for the kinds that do so."""
    parameters = fault.parameters
    if fault.kind == "status":
        return _status(parameters, request)
    if fault.kind == "html":
        return Response(parameters.get("status", 200), PAGE, "text/html; charset=utf-8")
    if fault.kind == "empty":
        return Response(parameters.get("status", 200), b"")
    if fault.kind == "redirect":
        return Response(parameters.get("status", 302), b"", headers={"Location": parameters["location"]})
    if fault.kind == "gzip_bomb":
        return Response(200, gzip_bomb(parameters.get("megabytes", 64)), encoding="gzip")
    return None


def _status(parameters: Mapping[str, Any], request: Request) -> Response:
    status = int(parameters["status"])
    response = _vendor_error(status, request).response
    if "body" in parameters:
        body = parameters["body"]
        response.body = body.encode() if isinstance(body, str) else dump(body)
    if "retry_after" in parameters:
        response.headers["Retry-After"] = str(parameters["retry_after"])
    response.headers.update(parameters.get("headers", {}))
    return response


def _vendor_error(status: int, request: Request) -> Refused:
    """The vendor's usual body for a status."""
    massive = request.vendor == "massive"
    if status == 429:
        return massive_rate_limited(request.request_id) if massive else coingecko_rate_limited({})
    if massive:
        texts = {
            401: "Unknown API Key",
            403: "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing",
            404: "Data not found.",
        }
        return massive_error(status, texts.get(status, "Internal server error"), request.request_id)
    if status == 401:
        return coingecko_status_error(401, 10002, "API Key Missing. Please make sure you're using the right key.")
    if status >= 500:
        refused = coingecko_server_error()
        refused.response.status = status
        return refused
    return Refused(Response(status, dump({"error": "coin not found"})))


def changed(fault: Fault, response: Response, seed: int) -> Response:
    """The answer after the fault has been at its content."""
    if fault.kind == "cut_json":
        at = fault.parameters.get("at", len(response.body) // 2)
        return Response(response.status, response.body[:at], response.content_type, response.headers)
    if fault.kind in CHANGES and response.status == 200:
        body = mangle(response.body, fault.kind, fault.parameters, seed)
        return Response(200, body, response.content_type, response.headers)
    return response


def delivery(fault: Fault, size: int) -> Delivery | None:
    """How the fault sends the ``size`` bytes of the body."""
    parameters = fault.parameters
    if fault.kind == "hang":
        return Delivery(delay=parameters.get("seconds", 3600.0), hang=True)
    if fault.kind == "delay":
        return Delivery(delay=parameters["seconds"])
    if fault.kind == "drip":
        return Delivery(drip=parameters.get("seconds", 0.2), piece=parameters.get("piece", 1))
    if fault.kind == "truncate":
        return Delivery(cut=parameters.get("at", size // 2))
    if fault.kind == "reset":
        return Delivery(cut=parameters.get("at"), reset=True)
    return None
