"""The SQL files: each one explains itself and is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketdata.errors import ConfigurationError
from marketdata.storage.statements import all_statements, sql_directory, statement

NAMES = all_statements()


def test_there_are_statements() -> None:
    assert len(NAMES) > 30


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_says_why_it_exists_what_it_takes_and_who_uses_it(name: str) -> None:
    text = statement(name)
    head = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    for word in ("why:", "params:", "grain:", "used by:"):
        assert word in head, f"{name} lacks {word}"
    assert ";" not in text.removeprefix(head), "one statement a file"


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_used_by_the_module_that_its_header_names(name: str) -> None:
    package = Path(__file__).parents[2] / "plugins" / "marketdata"
    (line,) = (line for line in statement(name).splitlines() if line.startswith("-- used by:"))
    for module in line.removeprefix("-- used by:").split(","):
        source = (package / (module.strip().replace(".", "/") + ".py")).read_text(encoding="utf-8")
        assert f'"{name}"' in source, f"{module} does not use {name}"


def test_a_folder_without_migrations_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_SQL_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="MARKETDATA_SQL_DIR"):
        sql_directory()
