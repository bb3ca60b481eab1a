"""Pieces of a vendor's answer that may be shown: short, printable, without the key."""

from __future__ import annotations

import re
from urllib.parse import quote

_SAMPLE_CHARACTERS = 200
_LOOKED_AT_BYTES = 1 << 16
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def body_sample(body: bytes, key: str) -> str:
    """The first 200 characters of a body, cleaned."""
    return cleaned(body[:_LOOKED_AT_BYTES].decode("utf-8", errors="replace"), key)[:_SAMPLE_CHARACTERS].strip()


def cleaned(text: str, key: str) -> str:
    """The text on one line: control characters as blanks, the key (raw or percent-encoded) as ``***``."""
    for secret in {key, quote(key, safe="")} if key else ():
        text = text.replace(secret, "***")
    return _UNPRINTABLE.sub(" ", text)


def is_cut_short(body: bytes, error: Exception) -> bool:
    """Whether the body is JSON that ends too early, as a broken connection leaves it."""
    return bool(body.strip()) and body.lstrip()[:1] in b"{[" and "truncated" in str(error)
