"""Massive's lists: filters, sorting, ``limit`` and ``next_url``, the same for all reference endpoints."""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from local.simulator.messages import JsonObject, Request, Response, dump, massive_error

COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "": operator.eq,
    ".lt": operator.lt,
    ".lte": operator.le,
    ".gt": operator.gt,
    ".gte": operator.ge,
    ".any_of": lambda value, wanted: value in wanted.split(","),
}


@dataclass(frozen=True, slots=True)
class ListRules:
    """What a list endpoint allows: the fields it filters by, its order, and how many rows a page has."""

    filters: tuple[str, ...]
    sort: str
    order: str
    limit: int
    max_limit: int
    with_count: bool = False


def read_list_query(request: Request) -> dict[str, str]:
    """The query, or the one that the cursor of a ``next_url`` stands for."""
    query = request.query
    if "cursor" not in query:
        return query
    return dict(parse_qsl(base64.urlsafe_b64decode(query["cursor"] + "==").decode()))


def row_filter(query: Mapping[str, str], filters: Sequence[str]) -> Callable[[Mapping[str, object]], bool]:
    """Whether a row passes all filters of the query. Dates and tickers compare as text."""
    asked = [
        (name, compare, query[name + suffix])
        for name in filters
        for suffix, compare in COMPARISONS.items()
        if query.get(name + suffix)
    ]
    return lambda row: all(compare(str(row.get(name, "")), value) for name, compare, value in asked)


def answer_page(request: Request, rows: Sequence[JsonObject], rules: ListRules) -> Response:
    """One page of the rows that pass the filters, and where the next one is."""
    query = read_list_query(request)
    limit = query.get("limit", str(rules.limit))
    if not limit.isdigit() or not 1 <= int(limit) <= rules.max_limit:
        text = f"The parameter 'limit' must be between 1 and {rules.max_limit}"
        raise massive_error(400, text, request.request_id)
    name, _, order = query.get("sort", rules.sort).partition(".")
    order = order or query.get("order", rules.order)
    chosen = list(filter(row_filter(query, rules.filters), rows))
    chosen.sort(key=lambda row: str(row.get(name, "")), reverse=order == "desc")
    start = int(query.get("offset", "0"))
    end = start + int(limit)
    payload: JsonObject = {"results": chosen[start:end], "status": "OK", "request_id": request.request_id}
    if rules.with_count:
        payload["count"] = len(chosen[start:end])
    if end < len(chosen):
        payload["next_url"] = next_url(request, {**query, "offset": str(end)})
    return Response(200, dump(payload))


def next_url(request: Request, query: Mapping[str, str]) -> str:
    """On this host, without a key, and without the prefix that tells our vendors apart."""
    public = {name: value for name, value in query.items() if name.lower() != "apikey"}
    cursor = base64.urlsafe_b64encode(urlencode(public).encode()).decode().rstrip("=")
    return f"http://{request.address}{request.path}?cursor={cursor}"
