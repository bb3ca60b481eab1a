"""The answers have the vendors' shapes: keys, nesting, types, and which keys may be missing.

The fixtures are small answers of our own writing in the shape of recorded ones, each with the request that it answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import Wire

FIXTURES = Path(__file__).with_name("fixtures")


def cases(name: str) -> list[Any]:
    found = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in found]


def shape(value: object, at: str = "") -> dict[str, set[str]]:
    """The types found at each path; the elements of a list share one path, except those of a row of numbers."""
    if isinstance(value, dict):
        parts = [shape(part, f"{at}.{name}") for name, part in value.items()]
    elif isinstance(value, list) and value and not any(isinstance(part, dict | list) for part in value):
        parts = [shape(part, f"{at}[{place}]") for place, part in enumerate(value)]
    elif isinstance(value, list):
        parts = [shape(part, f"{at}[]") for part in value]
    else:
        return {at: {type_of(value)}}
    joined: dict[str, set[str]] = {}
    for part in parts:
        for path, types in part.items():
            joined.setdefault(path, set()).update(types)
    return joined


def type_of(value: object) -> str:
    names = {bool: "bool", int: "integer", float: "number", str: "string", type(None): "null"}
    return names[type(value)]


def differences(served: object, expected: object, optional: list[str]) -> list[str]:
    """What a reader of ``expected`` would stumble over in ``served``."""
    here, there = shape(served), shape(expected)
    missing = [f"{path} is missing" for path in there.keys() - here.keys() if _stem(path) not in optional]
    unknown = [f"{path} is unknown" for path in here.keys() - there.keys() if _stem(path) not in optional]
    types = [
        f"{path} is {found}, not {there[path]}"
        for path, found in here.items()
        if path in there and not found <= there[path] | ({"integer"} if "number" in there[path] else set())
    ]
    return sorted(missing + unknown + types)


def _stem(path: str) -> str:
    """An optional list of numbers is optional with all its elements."""
    head, bracket, tail = path.rpartition("[")
    return head if bracket and tail.rstrip("]").isdigit() else path


@pytest.mark.parametrize("case", cases("massive"))
def test_massive_answers_have_the_recorded_shape(wire: Wire, case: dict[str, Any]) -> None:
    answer = wire.massive(case["path"], key=case.get("key", "demo-polygon-advanced"))
    assert answer.status_code == case["status"]
    assert differences(answer.json(), case["body"], case["optional"]) == []


@pytest.mark.parametrize("case", cases("coingecko"))
def test_coingecko_answers_have_the_recorded_shape(wire: Wire, case: dict[str, Any]) -> None:
    answer = wire.coingecko(case["path"], key=case.get("key", "demo-coingecko-demo"))
    assert answer.status_code == case["status"]
    assert differences(answer.json(), case["body"], case["optional"]) == []


@pytest.mark.parametrize(
    ("served", "complaint"),
    [
        ({"a": [{"b": 1}]}, ".a[].c is missing"),
        ({"a": [{"b": 1, "c": 1.5, "d": 1}]}, ".a[].d is unknown"),
        ({"a": [{"b": 1.5, "c": 1.5}]}, ".a[].b is {'number'}, not {'integer'}"),
        ({"a": [{"b": 1, "c": "1.5"}]}, ".a[].c is {'string'}, not {'number'}"),
        ({"a": {"b": 1, "c": 1.5}}, ".a.b is unknown"),
    ],
)
def test_the_comparison_sees_each_kind_of_difference(served: object, complaint: str) -> None:
    assert complaint in differences(served, {"a": [{"b": 1, "c": 1.5}]}, [])
