"""A progress bar on stderr for long work; nothing where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]
"""Moves the bar on by so many steps, and says what is being done."""


@contextmanager
def progress(what: str, total: int, *, hidden: bool) -> Iterator[Advance]:
    """A bar of ``total`` steps for the length of a ``with``; none where it is ``hidden`` (--json) or nobody watches."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[doing]}[/]", markup=True),
    )
    disable = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as bar:
        task = bar.add_task(what, total=total, doing="")

        def advance(steps: int, doing: str = "") -> None:
            bar.update(task, advance=steps, doing=doing.replace("[", "("))

        yield advance
