"""``marketdata migrate`` and ``marketdata doctor``."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketdata import settings
from marketdata.cli.output import AsJson, print_json, told

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def migrate(as_json: AsJson = False) -> None:
    """Create the schema, or bring it up to date; safe to repeat and to start twice at once."""
    from marketdata.storage import migrations

    with told(as_json):
        applied = migrations.migrate(settings.database_dsn())
        if as_json:
            print_json({"applied": applied})
        else:
            done = f"applied: {', '.join(applied)}" if applied else "nothing to apply: the schema is up to date"
            Console().print(done)


def doctor(as_json: AsJson = False) -> None:
    """Look at the database and the cache; exit status 1 if anything needs repair."""
    from marketdata.storage.doctor import examine

    with told(as_json):
        findings = examine()
        healthy = all(finding.health != "failed" for finding in findings)
        if as_json:
            print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
        else:
            table = Table("check", "", "found", "next step")
            for finding in findings:
                health = f"[{_COLOURS[finding.health]}]{finding.health}[/]"
                table.add_row(finding.check, health, escape(finding.found), escape(finding.next_step))
            Console().print(table)
    if not healthy:
        raise typer.Exit(1)
