"""``marketdata quota``: what may still be asked of each vendor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from marketdata.cli.output import AsJson, print_json, told

if TYPE_CHECKING:
    from marketdata.flows.allowance import Allowance

_FIELDS = ("vendor", "plan", "key_digest", "pause_seconds", "down_seconds")


def quota(as_json: AsJson = False) -> None:
    """Show what may still be sent to each vendor, and what its plan was found to allow.

    Asks no vendor and takes nothing of the quota. A key is told by its digest only. Exit status 1 when a connection is
    missing or wrong.
    """
    from marketdata.addresses import warehouse_dsn
    from marketdata.flows.allowance import allowances
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        with Warehouse.open(warehouse_dsn()) as warehouse:
            found = allowances(warehouse)
        if as_json:
            print_json({"vendors": [_as_json(allowance) for allowance in found]})
        else:
            _print(found)
    if any(allowance.problem is not None for allowance in found):
        raise typer.Exit(1)


def _as_json(allowance: Allowance) -> dict[str, object]:
    problem = allowance.problem
    said = problem and {"what": problem.what, "why": problem.why, "next_step": problem.next_step}
    left = {"credits_left": allowance.credits.left} if allowance.credits else {}
    windows = [{**asdict(window), "left": window.left} for window in allowance.windows]
    fields = {name: getattr(allowance, name) for name in _FIELDS}
    shared = {"is_shared": allowance.is_shared, "is_known": allowance.is_known}
    spent = asdict(allowance.credits) if allowance.credits else None
    known = [asdict(each) for each in allowance.known]
    return {**fields, **shared, "problem": said, "windows": windows, "credits": spent, **left, "known": known}


def _print(found: Sequence[Allowance]) -> None:
    console = Console(highlight=False)
    table = Table("vendor", "plan", "key", "window", "allowed", "reserve", "used", "left for batch")
    for allowance in found:
        name = (allowance.vendor, allowance.plan, allowance.key_digest)
        for place, window in enumerate(allowance.windows):
            figures = (window.allowed, window.reserve, window.used, window.left)
            table.add_row(*(name if place == 0 else ("", "", "")), f"{window.seconds} s", *(f"{n:,}" for n in figures))
        if allowance.credits is not None:
            month = allowance.credits
            figures = (month.allowed, month.reserve, month.used, month.left)
            table.add_row("", "", "", "credits a month", *(f"{n:,}" for n in figures))
    console.print(table)
    for allowance in found:
        for line in _remarks(allowance):
            console.print(f"{allowance.vendor}: {escape(line)}", soft_wrap=True)
    _print_known(console, found)


def _remarks(allowance: Allowance) -> list[str]:
    if allowance.problem is not None:
        return [str(allowance.problem)]
    lines = []
    if allowance.pause_seconds:
        lines.append(f"the vendor asked for a pause: nothing is sent for {allowance.pause_seconds:.0f} s")
    if allowance.down_seconds:
        lines.append(f"it failed too often in a row: nothing but probes is sent for {allowance.down_seconds:.0f} s")
    if not allowance.is_shared:
        lines.append("Redis is away or not set: each process keeps to this share, and credits are not counted")
    elif not allowance.is_known:
        lines.append("Redis remembers nothing yet: the first request takes half of each window for used")
    return lines


def _print_known(console: Console, found: Sequence[Allowance]) -> None:
    table = Table(
        "vendor",
        "found out",
        "allowed",
        "history from",
        "on",
        "probed anew",
        Column("the vendor's words", overflow="fold"),
    )
    for allowance in found:
        for known in allowance.known:
            table.add_row(
                allowance.vendor, known.capability, "yes" if known.allowed else "no", str(known.earliest or ""),
                str(known.learnt_on), str(known.probed_anew_on), escape(known.note),
            )  # fmt: skip
    if table.row_count:
        console.print(table)
    else:
        console.print("no limit of a plan was met yet: what a plan allows is found out from answers")
