"""Recorded answers instead of the world: bodies byte for byte, found by path and the closest query."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from local.simulator.messages import Request, Response, Vendor, coingecko_plain_error, massive_error

HOSTS: dict[str, Vendor] = {
    "api.polygon.io": "massive",
    "api.massive.com": "massive",
    "api.coingecko.com": "coingecko",
    "pro-api.coingecko.com": "coingecko-pro",
}
SECRET = {"apikey", "x_cg_demo_api_key", "x_cg_pro_api_key"}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
SKIPPED_HEADERS = {
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "date",
    "content-type",
    "vary",
}
FAR = 1e9


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded answer: the request that got it, and what it was."""

    vendor: Vendor
    path: str
    query: dict[str, str]
    status: int
    headers: dict[str, str]
    content_type: str
    body: bytes


class Replay:
    """All ``X.json`` with an ``X.meta.json`` in some folders, their sub-folders included."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.recordings = [
            recording
            for folder in folders
            for meta in sorted(folder.rglob("*.meta.json"))
            if (recording := _read(meta)) is not None
        ]
        if not self.recordings:
            raise FileNotFoundError(f"no recorded answer (X.json with X.meta.json) in {', '.join(map(str, folders))}")

    def answer(self, request: Request) -> Response:
        """The recording whose path fits and whose dates and query are closest; 404 in the vendor's shape if none."""
        scored = [
            (distance, place)
            for place, recording in enumerate(self.recordings)
            if (distance := _distance(recording, request)) is not None
        ]
        if not scored:
            if request.vendor == "massive":
                raise massive_error(404, "Data not found.", request.request_id)
            raise coingecko_plain_error(404, "coin not found")
        chosen = self.recordings[min(scored)[1]]
        return Response(chosen.status, chosen.body, chosen.content_type, dict(chosen.headers))


def _read(meta: Path) -> Recording | None:
    facts = json.loads(meta.read_text(encoding="utf-8"))
    url = (facts.get("request") or {}).get("url")
    if not url or urlsplit(url).hostname not in HOSTS:
        return None
    parts = urlsplit(url)
    response = facts["response"]
    headers = response.get("headers") or {}
    types = [value for name, value in headers.items() if name.lower() == "content-type"]
    return Recording(
        vendor=HOSTS[parts.hostname or ""],
        path=parts.path.removeprefix("/api/v3") if "coingecko" in (parts.hostname or "") else parts.path,
        query=_public(parts.query),
        status=int(response["status"]),
        headers={name: value for name, value in headers.items() if name.lower() not in SKIPPED_HEADERS},
        content_type=types[0] if types else "application/json",
        body=(meta.parent / facts["body_file"]).read_bytes(),
    )


def _public(query: str) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(query, keep_blank_values=True) if name.lower() not in SECRET}


def _distance(recording: Recording, request: Request) -> tuple[float, float] | None:
    """How far a recording is from a request: by the path's dates, then by the query; None when it does not fit."""
    if recording.vendor != request.vendor:
        return None
    by_path = _path_distance(recording.path, request.path)
    if by_path is None:
        return None
    asked = _public(request.query_text)
    names = recording.query.keys() | asked.keys()
    by_query = sum(_value_distance(recording.query.get(name), asked.get(name)) for name in names)
    return by_path, by_query


def _path_distance(recorded: str, asked: str) -> float | None:
    """Days between the dates in two paths that are otherwise equal."""
    one, other = recorded.split("/"), asked.split("/")
    if len(one) != len(other):
        return None
    total = 0.0
    for left, right in zip(one, other, strict=True):
        if left == right:
            continue
        if not (DATE.fullmatch(left) and DATE.fullmatch(right)):
            return None
        total += abs((date.fromisoformat(left) - date.fromisoformat(right)).days)
    return total


def _value_distance(recorded: str | None, asked: str | None) -> float:
    """0 for equal values, a little for near numbers, most for values that have nothing in common."""
    if recorded == asked:
        return 0.0
    if recorded is None or asked is None:
        return FAR
    try:
        return min(abs(float(recorded) - float(asked)), FAR)
    except ValueError:
        return 2 * FAR
