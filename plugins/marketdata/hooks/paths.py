"""URL paths that stay what they are: one segment a value, next pages on our own host only."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from marketdata.errors import InvalidRequest
from marketdata.hooks.connection import ALLOWED_HOSTS, VendorConnection

_LONGEST_SEGMENT = 100
_UNPRINTABLE = re.compile(r"[^ -~]")
_KEY_NAMES = frozenset({"apikey", "api_key", "x_cg_demo_api_key", "x_cg_pro_api_key"})


class ForeignPage(Exception):
    """A next page that the vendor's answer puts somewhere else; ``args[0]`` says why, without the address."""


def segment(value: str) -> str:
    """The value as exactly one path segment, everything but letters, digits and ``_.-~`` percent-encoded.

    Raises InvalidRequest for what cannot be a ticker or a coin id: empty, ``..`` anywhere, a control character or a
    letter outside ASCII, more than 100 characters.
    """
    if not value or len(value) > _LONGEST_SEGMENT or ".." in value or value == "." or _UNPRINTABLE.search(value):
        raise InvalidRequest(
            f"vendor symbol {value[:_LONGEST_SEGMENT]!r}",
            "no ticker or coin id looks like that",
            "correct the asset's vendor_symbol",
        )
    return quote(value, safe="")


def next_page(connection: VendorConnection, next_url: str) -> str:
    """The URL of a next page: path and query of ``next_url`` on our own base, without any key in the query.

    Raises ForeignPage when ``next_url`` names another host, port or scheme, or carries user information.
    """
    if _UNPRINTABLE.search(next_url) or " " in next_url or "\\" in next_url:
        raise ForeignPage("it holds characters that no URL may hold")
    try:
        page = urlsplit(next_url)
        place = (page.scheme, page.hostname or "", page.port)
    except ValueError:
        raise ForeignPage("it is no URL") from None
    base = urlsplit(connection.base_url)
    hosts = ALLOWED_HOSTS[connection.vendor]
    at_vendor = place[0] == "https" and place[1] in hosts and place[2] in {None, 443}
    at_base = place == (base.scheme, base.hostname or "", base.port)
    if not (at_vendor or at_base) or "@" in page.netloc:
        raise ForeignPage("it points to another host, port or scheme")
    if ".." in page.path or "%2e" in page.path.lower():
        raise ForeignPage("its path climbs")
    path = page.path if page.path.startswith(f"{base.path}/") else base.path + page.path
    kept = [part for part in page.query.split("&") if part and part.partition("=")[0].lower() not in _KEY_NAMES]
    return f"{base.scheme}://{base.netloc}{path}" + (f"?{'&'.join(kept)}" if kept else "")
