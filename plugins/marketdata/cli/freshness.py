"""``marketdata freshness``: how old the data is in trading time, asked without Airflow."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from marketdata import settings
from marketdata.cli.output import PARTIAL, AsJson, counted, print_json, told

if TYPE_CHECKING:
    from marketdata.domain.freshness import FeedFreshness, Judgement, Stale

_COLOURS = {"fresh": "green", "warn": "yellow", "error": "red"}
_SHOWN = 10
_MEANINGS = {
    "closed": "not judged: the market is closed, or has just opened and the first news are not due yet",
    "none": "nothing is expected: nobody watches such an asset, the plan does not give it, or it was never asked for",
}


def freshness(as_json: AsJson = False) -> None:
    """Show how fresh the data is: prices, hours and daily bars of each vendor, in trading time, and what is stale.

    Asks no vendor and needs no Airflow: run it on another machine, and a scheduler that is dead is noticed. Exit status
    0 when nothing is stale, else 3.
    """
    from marketdata.domain.freshness import Limits, judge
    from marketdata.storage.freshness import read_facts
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        limits, now = Limits.parse(settings.stale_after()), settings.now()
        around_the_clock = settings.crypto_around_the_clock()
        with Warehouse.open(settings.database_dsn()) as warehouse:
            facts = warehouse.transact(read_facts, now=now, limits=limits)
        judgement = judge(facts, limits, now=now, around_the_clock=around_the_clock)
        if as_json:
            print_json({**asdict(judgement), "is_stale": bool(judgement.stale)})
        else:
            _print(judgement)
    if judgement.stale:
        raise typer.Exit(PARTIAL)


def _print(judgement: Judgement) -> None:
    from marketdata.domain import spoken

    console = Console(highlight=False)
    table = Table("vendor", "what", "level", Column("newest, New York", no_wrap=True), "age", "assets", "stale")
    for feed in judgement.feeds:
        figures = (f"{feed.assets:,}", f"{feed.stale_assets:,}" if feed.level not in _MEANINGS else "")
        table.add_row(feed.vendor, feed.subject, _coloured(feed.level), *_newest(feed), *figures)
    console.print(table)
    for level in dict.fromkeys(feed.level for feed in judgement.feeds if feed.level in _MEANINGS):
        console.print(f"{level}: {_MEANINGS[level]}", soft_wrap=True)
    for stale in judgement.stale:
        console.print(f"{_coloured(stale.level)}: {escape(_said(stale))}", soft_wrap=True)
    verdict = (
        f"[red]{counted(len(judgement.stale), 'thing')} stale[/]" if judgement.stale else "[green]nothing is stale[/]"
    )
    console.print(f"{spoken.instant(judgement.judged_at)}: {verdict}")


def _newest(feed: FeedFreshness) -> tuple[str, str]:
    from marketdata.domain.sessions import NEW_YORK

    if feed.newest_at is None:
        return "", ""
    if feed.subject == "daily":
        return f"{feed.newest_at:%Y-%m-%d}", ""
    return f"{feed.newest_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S}", f"{feed.age_minutes:,.1f} min"


def _said(stale: Stale) -> str:
    """One sentence about something that is stale."""
    from marketdata.domain import spoken

    who = "all of it" if stale.scope == "feed" else ", ".join(stale.symbols[:_SHOWN])
    if len(stale.symbols) > _SHOWN:
        who += f" and {len(stale.symbols) - _SHOWN:,} more"
    if stale.subject == "daily":
        what = f"the run due on {spoken.instant(stale.since)} has not brought its session"
        return f"{stale.vendor} {stale.subject}, {who}: {what}"
    age = f"{stale.age_minutes:,.0f} trading minutes, {stale.limit_minutes:,.0f} are allowed"
    return f"{stale.vendor} {stale.subject}, {who}: since {spoken.instant(stale.since)}, {age}"


def _coloured(level: str) -> str:
    colour = _COLOURS.get(level, "dim")
    return f"[{colour}]{level}[/]"
