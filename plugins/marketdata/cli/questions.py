"""``marketdata gaps`` and ``marketdata verify``: what is missing and why, and what can be certified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from marketdata import settings
from marketdata.cli.output import PARTIAL, AsJson, counted, print_json, told
from marketdata.cli.progress import progress
from marketdata.domain.ranges import RANGES
from marketdata.errors import InvalidRequest

if TYPE_CHECKING:
    from marketdata.domain.causes import NextRun
    from marketdata.domain.coverage import Spans
    from marketdata.storage.certificates import Certificate
    from marketdata.storage.questions import Missing
    from marketdata.storage.warehouse import Warehouse

_ASSETS_A_STATEMENT = 200
_SHOWN_DIGEST = 16
_SPANS_SHOWN = 3

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="RANGE|SYMBOL", help=f"A range, {' '.join(RANGES)} (default MAX), then symbols; none: all."),
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Show at most so many rows; --json has all of them.")]


def gaps(words: Words = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Show what is missing: of which asset, which sessions, why, and when they are tried next.

    Asks no vendor. What coverage calls answered is not missing: see verify for whether it is there.
    """
    from marketdata.domain.class_windows import class_windows
    from marketdata.storage.questions import list_missing
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        now = settings.now()
        range_name, symbols = read_words(words)
        windows = class_windows(range_name, now)
        with Warehouse.open(settings.database_dsn()) as warehouse:
            ids = _ids(warehouse, symbols) if symbols else None
            found = warehouse.transact(list_missing, windows, asset_ids=ids)
        if as_json:
            print_json({"range": range_name, "now": now, **_gaps_json(found, now)})
        else:
            _print_gaps(found, range_name, limit, now)


def verify(words: Words = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Certify what is stored: per asset the sessions expected, stored, proven absent and unknown, with a digest.

    Asks no vendor. Expected is always stored + absent + unknown. Exit status 0 when nothing is unknown, else 3.
    """
    from marketdata.domain.class_windows import class_windows
    from marketdata.storage.certificates import certify, digest_over
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        now = settings.now()
        range_name, symbols = read_words(words)
        windows = class_windows(range_name, now)
        certificates: list[Certificate] = []
        with Warehouse.open(settings.database_dsn()) as warehouse:
            ids = _ids(warehouse, symbols)
            with progress("certifying", len(ids), hidden=as_json) as advance:
                for start in range(0, len(ids), _ASSETS_A_STATEMENT):
                    some = ids[start : start + _ASSETS_A_STATEMENT]
                    certificates += warehouse.transact(certify, windows, asset_ids=some)
                    advance(len(some), certificates[-1].symbol)
        certificates.sort(key=lambda each: each.symbol)
        digest = digest_over(certificates)
        if as_json:
            print_json({"range": range_name, "now": now, **_certificate_json(certificates), "digest": digest})
        else:
            _print_certificates(certificates, digest, range_name, limit)
    if any(not certificate.is_complete for certificate in certificates):
        raise typer.Exit(PARTIAL)


def read_words(words: Sequence[str] | None) -> tuple[str, list[str]]:
    """The range, ``MAX`` where the first word is none, and the symbols; a range misspelt in its case is refused."""
    given = list(words or ())
    if not given or given[0] not in RANGES:
        if given and given[0].upper() in RANGES:
            why = "ranges are written in capital letters"
            raise InvalidRequest(f"range {given[0]!r}", why, f"use {given[0].upper()}")
        return "MAX", given
    return given[0], given[1:]


def _ids(warehouse: Warehouse, symbols: Sequence[str]) -> list[int]:
    from marketdata.storage.assets import find_assets

    return [asset.asset_id for asset in warehouse.transact(find_assets, list(symbols) or None)]


def _gaps_json(found: Sequence[Missing], now: datetime) -> dict[str, object]:
    assets: dict[str, list[dict[str, object]]] = {}
    for missing in found:
        part = _part_json(missing, now)
        for symbol in missing.symbols:
            assets.setdefault(symbol, []).append(part)
    return {
        "assets": [{"symbol": symbol, "missing": assets[symbol]} for symbol in sorted(assets)],
        "sessions": sum(missing.sessions * len(missing.symbols) for missing in found),
    }


def _part_json(missing: Missing, now: datetime) -> dict[str, object]:
    from marketdata.domain.causes import SAID

    fields = asdict(missing)
    coming = _coming(missing, now)
    left_out = ("asset_ids", "symbols", "missing")
    return {
        **{name: value for name, value in fields.items() if name not in left_out},
        "why": SAID[missing.cause],
        "spans": [[span.first, span.last] for span in missing.missing],
        "next_run": asdict(coming) if coming else None,
    }


def _coming(missing: Missing, now: datetime) -> NextRun | None:
    from marketdata.domain.causes import next_try

    return next_try(missing.cause, [missing.retry_at], now, is_followed=missing.is_followed)


def _print_gaps(found: Sequence[Missing], range_name: str, limit: int, now: datetime) -> None:
    from marketdata.domain.causes import SAID

    console = Console(highlight=False)
    if not found:
        console.print(f"nothing is missing in {range_name}")
        return
    rows = [(symbol, missing) for missing in found for symbol in missing.symbols]
    rows.sort(key=lambda row: (row[0], row[1].missing))
    folded = (Column(name, overflow="fold") for name in ("why", "next try"))
    table = Table("symbol", "missing", "sessions", *folded)
    for symbol, missing in rows[:limit]:
        why = SAID[missing.cause] + (f": {missing.message}" if missing.message else "")
        table.add_row(symbol, _spans(missing.missing), f"{missing.sessions:,}", escape(why), _next(missing, now))
    if limit:
        console.print(table)
    if len(rows) > limit:
        console.print(f"{len(rows) - limit:,} more rows: --limit shows them, --json has them all")
    sessions = sum(missing.sessions * len(missing.symbols) for missing in found)
    assets = len({symbol for symbol, _ in rows})
    console.print(f"{range_name}: missing are {counted(sessions, 'session')} of {counted(assets, 'asset')}")


def _spans(spans: Spans) -> str:
    shown = [
        str(span.first) if span.first == span.last else f"{span.first} to {span.last}" for span in spans[-_SPANS_SHOWN:]
    ]
    more = len(spans) - len(shown)
    return "\n".join([*shown[::-1], *([f"and {more} earlier"] if more else [])])


def _next(missing: Missing, now: datetime) -> str:
    from marketdata.domain import spoken
    from marketdata.domain.causes import Cause

    coming = _coming(missing, now)
    step = f"\n{escape(missing.next_step)}" if missing.next_step and missing.retry_at is None else ""
    if coming is not None:
        return f"{coming.dag_id}, {spoken.instant(coming.at)}{step}"
    return "a larger plan" if missing.cause is Cause.CLIPPED else "none: it is not followed"


def _certificate_json(certificates: Sequence[Certificate]) -> dict[str, object]:
    rows = [{**asdict(each), "unknown": each.unknown, "complete": each.is_complete} for each in certificates]
    return {"complete": all(each.is_complete for each in certificates), **_sums(certificates), "assets": rows}


def _sums(certificates: Sequence[Certificate]) -> dict[str, int]:
    names = ("expected", "stored", "absent", "unknown")
    return {name: sum(getattr(each, name) for each in certificates) for name in names}


def _print_certificates(certificates: Sequence[Certificate], digest: str, range_name: str, limit: int) -> None:
    console = Console(highlight=False)
    table = Table("symbol", "from", "to", "expected", "stored", "absent", "unknown", f"digest, first {_SHOWN_DIGEST}")
    for each in sorted(certificates, key=lambda each: (each.is_complete, each.symbol))[:limit]:
        counts = (f"{count:,}" for count in (each.expected, each.stored, each.absent, each.unknown))
        table.add_row(each.symbol, str(each.first or ""), str(each.last or ""), *counts, each.digest[:_SHOWN_DIGEST])
    if limit:
        console.print(table)
    if len(certificates) > limit:
        console.print(f"{len(certificates) - limit:,} more assets: --limit shows them, --json has them all")
    for line in _named(certificates)[: limit or None]:
        console.print(line, soft_wrap=True)
    sums = _sums(certificates)
    verdict = "[green]complete[/]" if not sums["unknown"] else "[yellow]not complete[/]"
    figures = ", ".join(f"{count:,} {name}" for name, count in sums.items())
    console.print(f"{range_name}: {verdict}, {counted(len(certificates), 'asset')}: {figures}", soft_wrap=True)
    console.print(f"digest over all: {digest}")


def _named(certificates: Sequence[Certificate]) -> list[str]:
    """A line for each thing that does not fit together."""
    meanings = {
        "unproven": "answered, yet there is neither a bar nor evidence that there is none",
        "contradictory": "there is a bar, and evidence that there is none",
        "uncovered": "there is a bar or an absence that coverage does not hold",
    }
    lines = []
    for each in certificates:
        for name, meaning in meanings.items():
            sessions = getattr(each, name)
            if sessions:
                some = ", ".join(str(session) for session in sessions[:_SPANS_SHOWN])
                more = f" and {len(sessions) - _SPANS_SHOWN:,} more" if len(sessions) > _SPANS_SHOWN else ""
                lines.append(f"[red]{each.symbol}[/] {some}{more}: {meaning}")
    return lines
