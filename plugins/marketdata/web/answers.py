"""The form of answers: JSON, its schema, and problems that say what, why and what next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.responses import Response

from marketdata.errors import InvalidRequest
from marketdata.storage.cache_values import DayValue, HourValue
from marketdata.storage.market_reader import MOST_SYMBOLS, Chart, PricesNow

SYMBOL = r"[A-Za-z0-9][A-Za-z0-9.:-]{0,31}"
_SYMBOL = re.compile(SYMBOL)
_LONGEST_LIST = MOST_SYMBOLS * 33

Symbols = Annotated[
    str | None,
    Query(
        max_length=_LONGEST_LIST,
        description=f"house symbols, separated by commas, at most {MOST_SYMBOLS}",
        examples=["AAPL,BRK.B,X:BTCUSD"],
    ),
]


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, why, and what to do next."""

    what: str
    why: str
    next: str


class JsonAnswer(Response):
    """Bytes that are JSON already, or anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The body."""
        return content if isinstance(content, bytes) else msgspec.json.encode(content)


def wanted_symbols(given: str | None) -> list[str]:
    """The symbols of a list, each once; InvalidRequest names the first that cannot be one."""
    parts = (part.strip() for part in (given or "").split(","))
    wanted = list(dict.fromkeys(wanted_symbol(part) for part in parts if part))
    if len(wanted) > MOST_SYMBOLS:
        raise InvalidRequest("symbols", f"{len(wanted)} were given", f"give at most {MOST_SYMBOLS} at once")
    return wanted


def wanted_symbol(given: str) -> str:
    """The symbol itself; InvalidRequest for what cannot be one."""
    if not _SYMBOL.fullmatch(given):
        raise InvalidRequest(
            f"symbol {given!r:.60}", "it is malformed", "letters, digits, '.', ':' and '-', at most 32"
        )
    return given


def _problem(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": _reference("Problem")}}}


def answer_of(name: str, meaning: str) -> dict[int | str, dict[str, Any]]:
    """What FastAPI is told of a route that answers with the schema ``name``, problems included."""
    good = {"description": meaning, "content": {"application/json": {"schema": _reference(name)}}}
    return {200: good, **PROBLEMS}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _problem("The question is malformed."),
    401: _problem("There is no login."),
    403: _problem("The role may not read."),
    404: _problem("There is no such asset."),
    422: _problem("A parameter is missing or not one of its values."),
    503: _problem("The database or the stream does not answer now."),
}


def schemas(types: Sequence[type[msgspec.Struct]] = ()) -> dict[str, Any]:
    """The JSON schemas of all answers, by name; ``types`` are more of them."""
    _, found = msgspec.json.schema_components(
        [Problem, PricesNow, Chart, DayValue, HourValue, *types], ref_template="#/components/schemas/{name}"
    )
    found["Chart"]["properties"]["bars"] = {
        "type": "array",
        "items": {"anyOf": [_reference("DayValue"), _reference("HourValue")]},
    }
    return found
