"""docs/commands.md shows every command with what it really prints."""

from __future__ import annotations

import re

from local.command_page import MASKS, PAGE, command_of, commands, make
from local.command_sections import SECTIONS

LINES = [step for section in SECTIONS for step in section.steps if isinstance(step, str)]


def test_every_command_of_the_command_line_is_on_the_page() -> None:
    assert {command_of(line) for line in LINES} == set(commands())


def test_the_page_is_what_the_commands_say() -> None:
    assert make() == PAGE.read_text(encoding="utf-8"), "run make docs and commit it"


def test_the_page_has_an_exit_status_that_is_not_0_and_every_one_of_them_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = set(re.findall(r"^Exit status (\d+)\.$", page, re.MULTILINE))
    assert shown >= {"3"}
    assert shown <= set(re.findall(r"^\| (\d+) \| ", page, re.MULTILINE))


def test_a_mask_matches_what_it_shows_instead() -> None:
    assert MASKS
    for pattern, instead in MASKS:
        bare = re.sub(r"\(\?<=.*?\)", "", pattern)
        assert re.search(bare, instead), f"{pattern} would not know {instead!r} again"
