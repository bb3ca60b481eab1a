"""What Polygon (Massive) means when it gives no data: its words decide, since one status has several meanings."""

from __future__ import annotations

from typing import Any

import msgspec

from marketdata.errors import (
    BeyondHistory,
    ContractBroken,
    EndpointNotEntitled,
    Gone,
    KeyRejected,
    NotEntitled,
    NotYet,
    VendorError,
)
from marketdata.hooks.http import Refused

_PRICING = "https://massive.com/pricing"


class _Refusal(msgspec.Struct):
    status: str = ""
    error: str = ""
    message: str = ""


def classify(refused: Refused) -> VendorError | None:
    """The error that a refusal means; None for what every vendor says alike (429, 5xx, redirects, HTML)."""
    try:
        body = msgspec.json.decode(refused.body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _Refusal()
    words = f"{body.error} {body.message}".casefold()
    about: dict[str, Any] = {"vendor": "polygon", "endpoint": refused.endpoint, "status": refused.status}
    said = f"the vendor answers {refused.status}: {body.error or body.message or refused.sample}"
    match refused.status:
        case 200 if body.status == "ERROR":
            return ContractBroken(refused.what, said, "compare the answer with the vendor's documentation", **about)
        case 401:
            step = "put a valid API key into the connection's password field; no other call can succeed before"
            return KeyRejected(refused.what, said, step, **about)
        case 403:
            return _forbidden(refused, words, said, about)
        case 404 if words.strip():
            return Gone(refused.what, said, "check the asset's vendor_symbol: it may be renamed or delisted", **about)
        case _:
            return None


def _forbidden(refused: Refused, words: str, said: str, about: dict[str, Any]) -> VendorError | None:
    if "before end of day" in words:
        return NotYet(refused.what, said, "nothing to do: a later run takes it, once it is published", **about)
    if "timeframe" in words:
        step = f"ask for later sessions, or take a plan with more history: {_PRICING}"
        return BeyondHistory(refused.what, said, step, **about)
    if "entitled" in words:
        error = NotEntitled if "{ticker}" in refused.endpoint else EndpointNotEntitled
        return error(refused.what, said, f"take a plan that has it: {_PRICING}", **about)
    return None
