"""Changes of an answer's JSON that make it wrong in one particular way.

They work on the rows of both vendors: Massive's ``results`` objects, and CoinGecko's arrays (``prices``, or OHLC rows).
``row`` (0) says which row is changed, ``field`` (c) which field by Massive's letter.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, TypeAlias

RAW_NUMBERS = {"NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e20"}
OHLC_FIELDS = {"t": 0, "o": 1, "h": 2, "l": 3, "c": 4}
CHART_FIELDS = {"t": 0, "c": 1, "v": 1}

Json: TypeAlias = Any  # a decoded answer, or part of one
Parameters: TypeAlias = dict[str, Any]


class RawNumber(str):
    """Text that goes into the JSON as it is, though no JSON encoder would write it."""

    __slots__ = ()


def mangle(body: bytes, kind: str, parameters: Parameters, seed: int) -> bytes:
    """The body with one change of ``CHANGES`` applied."""
    payload = CHANGES[kind](json.loads(body), {"seed": seed, **parameters})
    raw: list[str] = []
    text = json.dumps(_marked(payload, raw), separators=(",", ":"))
    for place, value in enumerate(raw):
        text = text.replace(f'"@raw{place}@"', value)
    return text.encode()


def _marked(value: Json, raw: list[str]) -> Json:
    if isinstance(value, RawNumber):
        raw.append(str(value))
        return f"@raw{len(raw) - 1}@"
    if isinstance(value, dict):
        return {name: _marked(part, raw) for name, part in value.items()}
    if isinstance(value, list):
        return [_marked(part, raw) for part in value]
    return value


def rows_of(payload: Json) -> list[Json]:
    """The list that holds the rows; LookupError when the answer has none to change."""
    rows = payload
    if isinstance(payload, dict):
        rows = payload.get("results", payload.get("prices", payload.get("tickers")))
    if not isinstance(rows, list) or not rows:
        raise LookupError("this answer has no rows to change")
    return rows


def _put(payload: Json, parameters: Parameters, value: Json) -> Json:
    """Set a field of one row, wherever the vendor keeps it."""
    name = parameters.get("field", "c")
    if isinstance(payload, dict) and "prices" in payload:
        rows = payload["total_volumes"] if name == "v" else payload["prices"]
        rows[parameters.get("row", 0)][CHART_FIELDS[name]] = value
    else:
        row = rows_of(payload)[parameters.get("row", 0)]
        row[OHLC_FIELDS[name] if isinstance(row, list) else name] = value
    return payload


def _get(payload: Json, parameters: Parameters, name: str) -> float:
    row = rows_of(payload)[parameters.get("row", 0)]
    if isinstance(row, dict):
        return float(row[name])
    return float(row[(CHART_FIELDS if len(row) == 2 else OHLC_FIELDS)[name]])


def null_field(payload: Json, parameters: Parameters) -> Json:
    """``null`` where a number should be."""
    return _put(payload, parameters, None)


def bad_number(payload: Json, parameters: Parameters) -> Json:
    """``value`` in place of a price: a number, or NaN, Infinity, 1e400 as text."""
    value = parameters["value"]
    return _put(payload, parameters, RawNumber(value) if value in RAW_NUMBERS else value)


def wrong_type(payload: Json, parameters: Parameters) -> Json:
    """A price as text; with ``field`` "results" the rows as one object."""
    if parameters.get("field") == "results":
        return {**payload, "results": {"0": rows_of(payload)[0]}}
    return _put(payload, parameters, str(_get(payload, parameters, parameters.get("field", "c"))))


def results_null(payload: Json, _parameters: Parameters) -> Json:
    """``null`` in place of the rows, the counts as they are."""
    return {**payload, ("prices" if "prices" in payload else "results"): None}


def results_missing(payload: Json, _parameters: Parameters) -> Json:
    """No rows and nothing that says that there are none."""
    gone = ("results", "resultsCount", "queryCount", "count", "prices")
    return {name: value for name, value in payload.items() if name not in gone}


def status_error(_payload: Json, parameters: Parameters) -> Json:
    """An error in the body of a 200."""
    return {"status": "ERROR", "request_id": "0" * 32, "error": parameters.get("text", "Internal server error")}


def duplicates(payload: Json, parameters: Parameters) -> Json:
    """One row twice; with ``differing`` the second has another close."""
    rows = rows_of(payload)
    copy = json.loads(json.dumps(rows[parameters.get("row", 0)]))
    if parameters.get("differing"):
        place: Json = "c" if isinstance(copy, dict) else len(copy) - 1
        copy[place] = round(copy[place] * 1.0001, 4)
    rows.append(copy)
    if isinstance(payload, dict) and "resultsCount" in payload:
        payload["resultsCount"] += 1
    return payload


def disorder(payload: Json, parameters: Parameters) -> Json:
    """The rows in another, seeded order."""
    random.Random(parameters["seed"]).shuffle(rows_of(payload))  # noqa: S311 - not for secrets
    return payload


def high_below_low(payload: Json, parameters: Parameters) -> Json:
    """High and low of one row exchanged, and never equal."""
    high, low = _get(payload, parameters, "h"), _get(payload, parameters, "l")
    _put(payload, {**parameters, "field": "h"}, round(low * 0.99, 4))
    return _put(payload, {**parameters, "field": "l"}, high)


def close_outside(payload: Json, parameters: Parameters) -> Json:
    """A close above the high."""
    return _put(payload, {**parameters, "field": "c"}, round(_get(payload, parameters, "h") * 1.01, 4))


def shift_time(payload: Json, parameters: Parameters) -> Json:
    """A row's timestamp moved by ``ms``: into the future, off the grid, before the listing."""
    return _put(payload, {**parameters, "field": "t"}, int(_get(payload, parameters, "t")) + parameters["ms"])


def seconds_for_ms(payload: Json, parameters: Parameters) -> Json:
    """All timestamps in the wrong unit."""
    for place in range(len(rows_of(payload))):
        at = {**parameters, "row": place, "field": "t"}
        _put(payload, at, int(_get(payload, at, "t")) // 1000)
    return payload


def unknown_field(payload: Json, _parameters: Parameters) -> Json:
    """A field that nobody has seen yet, in the envelope and in the rows."""
    for row in rows_of(payload):
        if isinstance(row, dict):
            row["zz"] = "new"
    return {**payload, "zz_new": {"since": "tomorrow"}} if isinstance(payload, dict) else payload


def next_url(payload: Json, parameters: Parameters) -> Json:
    """``next_url`` is ``url``, whatever the answer had."""
    return {**payload, "next_url": parameters["url"]}


def drop_rows(payload: Json, parameters: Parameters) -> Json:
    """Only the first ``keep`` rows, with counts to match: a short answer that looks whole."""
    kept = rows_of(payload)[: parameters.get("keep", 1)]
    return {**payload, "results": kept, "resultsCount": len(kept)}


CHANGES: dict[str, Callable[[Json, Parameters], Json]] = {
    change.__name__: change
    for change in (
        null_field,
        bad_number,
        wrong_type,
        results_null,
        results_missing,
        status_error,
        duplicates,
        disorder,
        high_below_low,
        close_outside,
        shift_time,
        seconds_for_ms,
        unknown_field,
        next_url,
        drop_rows,
    )
}
