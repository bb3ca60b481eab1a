"""Finds the SQL: each statement is a file under ``include/sql``, named by its path without the ending."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from marketdata.errors import ConfigurationError


def sql_directory() -> Path:
    """``MARKETDATA_SQL_DIR``, else ``include/sql`` in the nearest directory above this file that has one."""
    chosen = os.environ.get("MARKETDATA_SQL_DIR")
    candidates = (
        [Path(chosen)] if chosen else [parent / "include" / "sql" for parent in Path(__file__).resolve().parents]
    )
    for directory in candidates:
        if (directory / "migrations").is_dir():
            return directory
    raise ConfigurationError(
        f"SQL directory {candidates[0]}",
        "it holds no migrations",
        "set MARKETDATA_SQL_DIR to the project's include/sql",
    )


@cache
def statement(name: str) -> str:
    """The text of ``include/sql/<name>.sql``, read once; FileNotFoundError, a defect, if there is none."""
    return (sql_directory() / f"{name}.sql").read_text(encoding="utf-8")


def all_statements() -> list[str]:
    """The names of all statements, migrations left out, sorted."""
    directory = sql_directory()
    paths = (path.relative_to(directory).with_suffix("") for path in directory.rglob("*.sql"))
    return sorted(path.as_posix() for path in paths if path.parts[0] != "migrations")
