"""``python -m tests.bench [SCENE ...]``: measure, print, write ``docs/performance.md``, or some scenes' lines of it."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable, Sequence

import psycopg
from rich.console import Console

from marketdata.errors import MarketDataError
from tests.bench import (
    adjusted_reads,
    first_load,
    freshness,
    history_max,
    reads,
    realtime_scheduled,
    resend,
    scenes,
    scheduled,
    side_by_side,
    ticks,
    verification,
)
from tests.bench.scenes import Figure, Section
from tests.bench.stage import ROOT, Stage, raised

SCENES: dict[str, Callable[[Stage], Sequence[Figure | Section]]] = {
    "calls": scenes.vendor_calls,
    "market_day": scenes.market_day,
    "first_load": first_load.first_load,
    "resend": resend.resend,
    "history_max": history_max.history_max,
    "verification": verification.verification,
    "adjusted_reads": adjusted_reads.adjusted_reads,
    "side_by_side": side_by_side.side_by_side,
    "imports": scenes.imports,
    "freshness": freshness.freshness,
    "reads": reads.reads,
    "scheduled": scheduled.scheduled,
    "ticks": ticks.ticks,
    "realtime_scheduled": realtime_scheduled.realtime_scheduled,
}
PAGE = ROOT / "docs" / "performance.md"
_INTRODUCTION = """# Performance

Written by `make bench`: medians with minimum and maximum, each scene in one run on one server. Compare the ratios, not
the seconds: the machine is small and shared. Market data comes from the simulator, whose answers are prepared
beforehand; the database has its durable settings on. `make bench SCENES=reads` measures one scene anew; the last run of
a scene is what stands here.
"""


def main() -> int:
    """Exit status 1 when a goal is missed."""
    console = Console(soft_wrap=True)
    logging.disable(logging.WARNING)
    chosen = sys.argv[1:] or list(SCENES)
    figures: list[Figure] = []
    sections: list[Section] = []
    try:
        with raised() as stage:
            where = _where(stage)
            for name in chosen:
                for found in SCENES[name](stage):
                    if isinstance(found, Section):
                        sections.append(found)
                        console.print(found.text, highlight=False)
                        continue
                    figures.append(found)
                    verdict = "" if not found.goal else "met: " if found.met else "MISSED: "
                    console.print(f"{found.what}: {found.measured}  {verdict}{found.goal}", highlight=False)
    except MarketDataError as error:
        console.print(str(error))
        return 1
    is_whole = len(chosen) == len(SCENES)
    page = (
        _page(where, figures, sections) if is_whole else _renewed(PAGE.read_text(encoding="utf-8"), figures, sections)
    )
    PAGE.write_text(page, encoding="utf-8")
    console.print(f"written: {PAGE.relative_to(ROOT)}")
    return 0 if all(figure.met for figure in figures) else 1


def _where(stage: Stage) -> str:
    with psycopg.connect(stage.database.dsn()) as connection:
        version = connection.info.parameter_status("server_version")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{machine}, Python {platform.python_version()}, PostgreSQL {version}"


def _page(where: str, figures: list[Figure], sections: list[Section]) -> str:
    rows = [_row(one) for one in figures]
    head = [_INTRODUCTION, where + ".\n", "| what | goal | measured | |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, *(f"\n{section.text}" for section in sections), ""])


def _renewed(page: str, figures: list[Figure], sections: list[Section]) -> str:
    """The page with these figures and sections in place of the same ones, or behind the others where they are new."""
    head, rule, rest = page.partition("\n|---|---|---|---|\n")
    table, *below = rest.rstrip("\n").split("\n\n## ")
    rows = {row.split(" | ")[0]: row for row in [*table.split("\n"), *map(_row, figures)]}
    texts = [*(f"## {text}" for text in below), *(section.text.rstrip("\n") for section in sections)]
    titled = {text.partition("\n")[0]: text for text in texts}
    return "\n".join([f"{head}{rule}" + "\n".join(rows.values()), *(f"\n{text}" for text in titled.values()), ""])


def _row(figure: Figure) -> str:
    return f"| {figure.what} | {figure.goal} | {figure.measured} | {_verdict(figure)} |"


def _verdict(figure: Figure) -> str:
    if not figure.goal:
        return ""
    return "met" if figure.met else "**missed**"


if __name__ == "__main__":
    sys.exit(main())
