"""A rolling 24 h volume is a level, not a flow: no statement and no code may add it up over time or over coins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SQL = sorted((ROOT / "include" / "sql").rglob("*.sql"))
CODE = sorted(path for folder in ("plugins", "dags") for path in (ROOT / folder).rglob("*.py"))

FIGURE = "volume_24h"
_COMMENT_OR_TEXT = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_ADDS_UP = re.compile(r"\b(?:sum|avg|product|regr_\w+)\s*\(", re.IGNORECASE)
ADDING = frozenset(
    {"sum", "nansum", "fsum", "cumsum", "nancumsum", "mean", "nanmean", "average", "reduce", "accumulate"}
)


def added_in_sql(text: str) -> list[str]:
    """Each aggregate over an expression that holds the figure."""
    bare = _COMMENT_OR_TEXT.sub(" ", text)
    return [inside for start in _ADDS_UP.finditer(bare) if FIGURE in (inside := _argument(bare, start.end()))]


def _argument(text: str, start: int) -> str:
    """What stands up to the parenthesis that closes the one before ``start``."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return text[start:at]
    return text[start:]


def added_in_code(text: str) -> list[str]:
    """Each call of a function or method that adds up, on an expression that holds the figure."""
    return [shown for call in _calls(text) if _name(call) in ADDING and FIGURE in (shown := ast.unparse(call))]


def _calls(text: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def test_there_is_something_to_look_at() -> None:
    assert any(FIGURE in path.read_text("utf-8") for path in SQL)
    assert any(FIGURE in path.read_text("utf-8") for path in CODE)


@pytest.mark.parametrize("path", SQL, ids=[str(path.relative_to(ROOT)) for path in SQL])
def test_no_statement_adds_up_the_rolling_volume(path: Path) -> None:
    assert added_in_sql(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", CODE, ids=[str(path.relative_to(ROOT)) for path in CODE])
def test_no_code_adds_up_the_rolling_volume(path: Path) -> None:
    assert added_in_code(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "select sum(volume_24h) from bar_daily",
        "select Sum (b.volume_24h / 2) over (partition by asset_id) from bar_daily as b",
        "select avg(coalesce(volume_24h, 0)) from bar_daily",
    ],
)
def test_the_check_sees_a_sum_in_sql(text: str) -> None:
    assert len(added_in_sql(text)) == 1
    assert added_in_sql("select sum(volume), max(volume_24h) from bar_daily -- sum(volume_24h)") == []


@pytest.mark.parametrize(
    "text", ["bars.volume_24h.sum()", "np.nansum(bars.volume_24h)", "sum(bar.volume_24h for bar in bars)"]
)
def test_the_check_sees_a_sum_in_code(text: str) -> None:
    assert len(added_in_code(text)) == 1
    assert added_in_code("sum(bar.volume for bar in bars) or bars.volume_24h.max()") == []
