"""What CoinGecko means when it gives no data: four JSON shapes, one table of codes."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from marketdata.errors import BeyondHistory, EndpointNotEntitled, Gone, KeyRejected, RateLimited, VendorError
from marketdata.hooks.http import Refused

_PRICING = "https://www.coingecko.com/en/api/pricing"
_HOUR = 3600.0


class Said(NamedTuple):
    """The vendor's own code (0: none) and words."""

    code: int
    message: str


def read_error(body: bytes) -> Said:
    """Code and message of an error body in any of the vendor's shapes; code 0 and no words where it is none."""
    try:
        tree: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said(0, "")
    if not isinstance(tree, dict):
        return Said(0, "")
    error = tree.get("error")
    inner = error.get("status") if isinstance(error, dict) else None
    places = [place for place in (tree, tree.get("status"), inner) if isinstance(place, dict)]
    code = next((place["error_code"] for place in places if isinstance(place.get("error_code"), int)), 0)
    words = [error, *(place.get("error_message") for place in places)]
    return Said(code, next((word for word in words if isinstance(word, str)), ""))


def classify(refused: Refused) -> VendorError | None:
    """The error that a refusal means; None for what every vendor says alike (a plain 429, 5xx, redirects, HTML)."""
    said = read_error(refused.body)
    why = f"the vendor answers {refused.status}: {said.message or refused.sample}"
    about: dict[str, Any] = {"vendor": "coingecko", "endpoint": refused.endpoint, "status": refused.status}
    match said.code:
        case 10002:
            step = "put a valid API key into the connection's password field and its plan into extra"
            return KeyRejected(refused.what, why, step, **about)
        case 10005:
            return EndpointNotEntitled(refused.what, why, f"take a plan that has it: {_PRICING}", **about)
        case 10006:
            step = "wait for the next month, or take a larger plan: the month's credits are used up"
            return RateLimited(refused.what, why, step, retry_after=_HOUR, **about)
        case 10010 | 10011:
            step = "set the plan in the connection's extra to the key's, and leave the host empty"
            return KeyRejected(refused.what, why, step, **about)
        case 10012:
            step = f"ask for later sessions, or take a plan with more history: {_PRICING}"
            return BeyondHistory(refused.what, why, step, **about)
        case _:
            return _by_status(refused, said, why, about)


def _by_status(refused: Refused, said: Said, why: str, about: dict[str, Any]) -> VendorError | None:
    if refused.status == 401:
        return KeyRejected(refused.what, why, "put a valid API key into the connection's password field", **about)
    if refused.status == 404 and said.message:
        return Gone(refused.what, why, "check the asset's vendor_symbol against the vendor's list of coins", **about)
    if refused.status == 403:
        step = "wait: the vendor's firewall blocks this address; if it lasts, send fewer calls a minute"
        return RateLimited(refused.what, why, step, retry_after=_HOUR, **about)
    if refused.status == 200 and said.code == 429:
        return RateLimited(refused.what, why, "nothing to do: it is asked again later", **about)
    return None
