"""What all commands share: text for people or, with --json, one JSON object for programs, and how errors are told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from secrets import token_hex
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from marketdata.errors import MarketDataError

FAILED, PARTIAL, INTERRUPTED = 1, 3, 130
"""Exit statuses besides 0 and 2; see :mod:`marketdata.cli`."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@contextmanager
def told(as_json: bool) -> Iterator[None]:
    """Turn an error of ours into its message (on stdout as JSON, else on stderr) and exit status 1."""
    try:
        yield
    except MarketDataError as error:
        if as_json:
            print_json({"error": error.kind, "what": error.what, "why": error.why, "next_step": error.next_step})
        else:
            Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines between progress bar and tables: what they say of failures is in the report."""
    logger = logging.getLogger("marketdata")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def run_name(now: datetime) -> str:
    """A name of its own for each run: repeated, the same command is another run, which asks for what is left."""
    return f"cli__{now:%Y-%m-%dT%H:%M:%S%z}__{token_hex(4)}"


def counted(number: int, what: str) -> str:
    """``1 asset``, ``2 assets``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def print_json(value: object) -> None:
    """One line of JSON; dates and instants are ISO texts."""
    typer.echo(json.dumps(value, default=_as_text))


def _as_text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
