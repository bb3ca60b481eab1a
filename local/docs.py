"""Pages that are made from the code: ``python -m local.docs`` writes them, ``--check`` compares them.

``docs/dags.md`` from the DAG files' docstrings, ``docs/data-dictionary.md`` from the comments in the migrations,
``docs/metrics.md`` from the registry of metrics, ``docs/cache.md`` from the registry of the cache's keys.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

from rich.console import Console

from local.cache_page import cache_page
from local.metrics_page import metrics_page

ROOT = Path(__file__).resolve().parent.parent
DAGS = ROOT / "dags"
MIGRATIONS = ROOT / "include" / "sql" / "migrations"
DOCS = ROOT / "docs"

_COMMENT = re.compile(
    r"^comment on (?P<what>table|column|view|function|aggregate) (?P<name>[\w.]+(?:\([\w ,]*\))?)"
    r" is\s+'(?P<text>(?:[^']|'')*)';",
    re.MULTILINE | re.DOTALL,
)


def dag_page() -> str:
    """Every DAG's docstring, which is also its page in Airflow's UI, one heading deeper."""
    parts = ["# DAGs\n\nMade from the docstrings in `dags/` by `make docs`.\n"]
    for path in sorted(DAGS.glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if docstring is None:
            raise SystemExit(f"{path.name} has no docstring: it is the DAG's page, write one")
        parts.append(re.sub(r"^#", "##", docstring, flags=re.MULTILINE) + "\n")
    return "\n".join(parts)


def data_dictionary() -> str:
    """Every table, view and function with its columns and comments, in the order of the migrations."""
    tables: dict[str, tuple[str, dict[str, str]]] = {}
    for path in sorted(MIGRATIONS.glob("*.sql")):
        for found in _COMMENT.finditer(path.read_text(encoding="utf-8")):
            text = " ".join(found["text"].replace("''", "'").split())
            if found["what"] == "column":
                table, column = found["name"].rsplit(".", 1)
                tables.setdefault(table, ("", {}))[1][column] = text  # a later comment replaces an earlier one
            else:
                tables[found["name"]] = (text, tables.get(found["name"], ("", {}))[1])
    parts = ["# Data dictionary\n\nMade from the comments in `include/sql/migrations` by `make docs`.\n"]
    for table, (text, columns) in tables.items():
        if not columns:
            parts.append(f"## {table}\n\n{text}\n")
            continue
        rows = "\n".join(
            f"| `{column}` | {meaning.replace('|', chr(92) + '|')} |" for column, meaning in columns.items()
        )
        parts.append(f"## {table}\n\n{text}\n\n| column | meaning |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


PAGES = {
    "cache.md": cache_page,
    "dags.md": dag_page,
    "data-dictionary.md": data_dictionary,
    "metrics.md": metrics_page,
}


def main() -> None:
    """Write the pages, or with ``--check`` exit 1 naming those that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    stale = []
    for name, make in PAGES.items():
        path, page = DOCS / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == page:
            continue
        stale.append(name)
        if not check:
            path.write_text(page, encoding="utf-8")
    console = Console()
    if check and stale:
        console.print(f"docs/{', docs/'.join(stale)} differ from the code: run make docs and commit them")
        sys.exit(1)
    console.print(f"docs: {len(PAGES)} pages, {len(stale)} written")


if __name__ == "__main__":
    main()
