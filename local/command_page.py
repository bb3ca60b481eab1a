"""docs/commands.md: every command with its real output.

``python -m local.command_page`` writes the page, ``--check`` compares it. The sections, and how to add one, are in
``local/command_sections.py``.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from local.command_sections import SECTIONS, Section
from local.command_world import Shown, World, raised

_WIDTH = 120
_TYPE = r"<(list\[str\]|str)>"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

MASKS: tuple[tuple[str, str], ...] = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:54321"),
    (r"PostgreSQL \d+\.\d+", "PostgreSQL 18.6"),
    (r"\d+ fit the schema", "100 fit the schema"),
    (r"(?<=__)[0-9a-f]{8}", "1f0a9c33"),
    (r"(?<=│ seconds       │ )\d+\.\d", "0.4"),
    (r'(?<="seconds": )\d+\.\d+', "0.4"),
)
"""What differs from run to run, as patterns with what is shown instead; the width of a table is kept."""

HEAD = """\
# Commands

Made by `make docs`: each output below is real, of one small world whose clock stands still on Saturday 2026-11-21,
13:00 New York.

Every command takes `--help`, and `--json` for programs: one object on stdout, errors too.

The database is `MARKETDATA_DSN`. `plan`, `run` and `quota` take the Airflow connections, as the DAGs do: from
`AIRFLOW_CONN_POLYGON_DEFAULT` and its like in the environment, or from a secrets backend. Connections that are only in
Airflow's own database are seen by Airflow alone.
"""


def make() -> str:
    """The page, made anew in a world of its own."""
    from marketdata import cli

    parts = [HEAD, _statuses(cli.__doc__ or "")]
    described: set[str] = set()
    with raised() as world:
        parts.extend("\n".join(_section(section, world, described)) for section in SECTIONS)
    return "\n".join(parts)


def commands() -> dict[str, TyperCommand]:
    """Every command of the CLI by its words: ``assets load``."""
    from marketdata.cli import app

    return dict(_commands_of(typer.main.get_command(app)))


def command_of(line: str) -> str:
    """The words of a command line that name its command; LookupError if there is none."""
    known = commands()
    words = line.split()[1:]
    for count in range(len(words), 0, -1):
        if (name := " ".join(words[:count])) in known:
            return name
    raise LookupError(f"{line!r} names no command")


def _commands_of(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperCommand):
        yield " ".join(words), command
    elif isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from _commands_of(inner, (*words, name))


def _statuses(docstring: str) -> str:
    """The table of exit statuses, from the docstring of the package."""
    rows = re.findall(r"^``(\d+)``\s+(.+(?:\n {7}.+)*)", docstring, re.MULTILINE)
    lines = "\n".join(f"| {status} | {' '.join(meaning.split())} |" for status, meaning in rows)
    return f"| exit status | meaning |\n|---|---|\n{lines}\n"


def _section(section: Section, world: World, described: set[str]) -> Iterator[str]:
    yield f"## {section.title}\n\n{_wrapped(section.text)}\n"
    for step in section.steps:
        if not isinstance(step, str):
            step(world)
            continue
        name = command_of(step)
        if name not in described:
            described.add(name)
            yield _described(name)
        yield _shown(world.run(step))


def _wrapped(text: str) -> str:
    """Paragraphs filled to the page's width; code stays as it is."""
    parts = text.split("\n\n")
    return "\n\n".join(
        part if part.startswith("```") else fill(part, _WIDTH, break_long_words=False, break_on_hyphens=False)
        for part in parts
    )


def _described(name: str) -> str:
    """What a command does and takes, from its docstring and its parameters."""
    command = commands()[name]
    context = typer.Context(command, info_name=f"marketdata {name}")
    does = inspect.cleandoc(command.help or "").partition("\n\n")[0]
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts and "--json" not in parameter.opts:
            taken, meaning = (" ".join(re.sub(_TYPE, "", text).split()).replace("|", "\\|") for text in record)
            rows.append(f"| `{taken}` | {meaning} |")
    usage = f"**`marketdata {name} {' '.join(command.collect_usage_pieces(context))}`**"
    table = "\n\n| takes | |\n|---|---|\n" + "\n".join(rows) if rows else ""
    return f"{usage}\n\n{' '.join(does.split())}{table}\n"


def _shown(shown: Shown) -> str:
    output = "\n".join(line.rstrip() for line in shown.output.rstrip().splitlines())
    for pattern, instead in MASKS:
        output = _masked(output, re.compile(pattern), instead)
    status = f"\nExit status {shown.status}.\n" if shown.status else ""
    return f"```text\n$ {shown.line}\n{output}\n```\n{status}"


def _masked(output: str, pattern: re.Pattern[str], instead: str) -> str:
    """``instead`` for each match, as wide as that was where it fits, so that a table keeps its columns."""
    return pattern.sub(lambda found: instead.ljust(len(found[0])), output)


def main() -> None:
    """Write the page, or with ``--check`` exit 1 when it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    page = make()
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page
    if not same and not check:
        PAGE.write_text(page, encoding="utf-8")
    if not same and check:
        Console().print("docs/commands.md differs from what the commands say: run make docs and commit it")
        sys.exit(1)
    Console().print(f"docs/commands.md: {'as it was' if same else 'written'}")


if __name__ == "__main__":
    main()
