"""Requests, responses, and the vendors' bodies for what goes wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import parse_qsl, unquote

Vendor = Literal["massive", "coingecko", "coingecko-pro", "admin"]
JsonObject = dict[str, object]

JSON_TYPE = "application/json"
COINGECKO_JSON_TYPE = "application/json; charset=utf-8"
UPGRADE = "Please upgrade your plan at https://massive.com/pricing"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` and ``query`` are the vendor's, without the prefix that tells the vendors apart."""

    method: str
    target: str
    vendor: Vendor
    path: str
    query_text: str
    headers: dict[str, str]
    body: bytes = b""
    address: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The query's values; the last one of a repeated name."""
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @property
    def segments(self) -> tuple[str, ...]:
        """The path split at ``/`` and only then percent-decoded."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @property
    def request_id(self) -> str:
        """The same for the same request, so that answers can be compared and prepared."""
        return hashlib.md5(self.target.encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Response:
    """One answer, not yet compressed."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    encoding: str = ""


class Refused(Exception):
    """The vendor answers with an error; ``response`` is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def dump(payload: object) -> bytes:
    """Compact JSON, as both vendors send it."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def plain(value: float) -> int | float:
    """Whole numbers without a decimal point."""
    return int(value) if value == int(value) else value


def number(value: float) -> str:
    """A float as Massive's aggregates write it: shortest digits, with an exponent from a million up."""
    text = repr(value).removesuffix(".0")
    if value < 1e6 or "e" in text:
        return text
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e+{len(whole) - 1:02d}"


def massive_error(status: int, text: str, request_id: str) -> Refused:
    """Massive's error body: the text is under ``error`` or ``message``, depending on the status."""
    word, name = {403: ("NOT_AUTHORIZED", "message"), 404: ("NOT_FOUND", "message")}.get(status, ("ERROR", "error"))
    return Refused(Response(status, dump({"status": word, "request_id": request_id, name: text})))


def massive_rate_limited(request_id: str) -> Refused:
    """Massive's 429: no Retry-After, no other header that tells how long."""
    text = (
        "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
        "https://massive.com/pricing"
    )
    return massive_error(429, text, request_id)


def _coingecko(status: int, payload: object, headers: dict[str, str] | None = None) -> Refused:
    return Refused(Response(status, dump(payload), COINGECKO_JSON_TYPE, headers or {}))


def coingecko_plain_error(status: int, text: str) -> Refused:
    """``{"error": text}``: unknown coins and bad parameters."""
    return _coingecko(status, {"error": text})


def coingecko_server_error() -> Refused:
    """The shape of a crashed endpoint, as /ohlc without parameters gives."""
    return _coingecko(500, {"status": 500, "error": "Internal Server Error"})


def coingecko_status_error(http: int, code: int, text: str, now: datetime | None = None) -> Refused:
    """``{"status": {…}}``: keys, plans and credits."""
    status: JsonObject = {"timestamp": _stamp(now)} if now else {}
    return _coingecko(http, {"status": {**status, "error_code": code, "error_message": text}})


def coingecko_time_range(now: datetime) -> Refused:
    """10012, nested once more: history beyond the plan. HTTP 401 although the key is fine."""
    text = (
        "Your request exceeds the allowed time range. Public API users are limited to querying historical data within "
        "the past 365 days. Upgrade to a paid plan to enjoy full historical data access: "
        "https://www.coingecko.com/en/api/pricing. "
    )
    status = {"timestamp": _stamp(now), "error_code": 10012, "error_message": text}
    return _coingecko(401, {"error": {"status": status}})


def coingecko_wrong_host(code: int, kind: str, now: datetime) -> Refused:
    """10010 and 10011: the code at the top, the text under ``status``."""
    wrong, right = ("pro-api", "api") if code == 10011 else ("api", "pro-api")
    text = (
        f"If you are using {kind} API key, please change your root URL from {wrong}.coingecko.com to "
        f"{right}.coingecko.com Please refer here for more details: https://docs.coingecko.com/reference/introduction"
    )
    return _coingecko(400, {"timestamp": _stamp(now), "error_code": code, "status": {"error_message": text}})


def coingecko_rate_limited(headers: dict[str, str]) -> Refused:
    """CoinGecko's 429; which headers come with it depends on the key."""
    text = (
        "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API "
        "plans for higher rate limits."
    )
    return _coingecko(429, {"status": {"error_code": 429, "error_message": text}}, headers)


def bad_parameter(request: Request, text: str) -> Refused:
    """A value that cannot be read, in the shape of the request's vendor."""
    if request.vendor == "massive":
        return massive_error(400, f"Could not parse a parameter: {text}", request.request_id)
    return coingecko_plain_error(400, f"Invalid parameter: {text}")


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")
