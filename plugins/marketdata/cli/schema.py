"""``marketdata migrate`` and ``marketdata doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from marketdata import settings
from marketdata.cli.output import AsJson, print_json, told

if TYPE_CHECKING:
    from marketdata.storage.doctor import Finding

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
    """Look at the database, the cache, and where metrics and alerts go; exit status 1 if anything needs repair."""
    from marketdata.storage.doctor import examine

    with told(as_json):
        findings = [*examine(), _examine_metrics(), _examine_receivers()]
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


def _examine_metrics() -> Finding:
    from marketdata.metrics import destination
    from marketdata.storage.doctor import Finding

    found = destination()
    if not found.problem:
        return Finding("metrics", "ok", f"go to {found.where}")
    return Finding(
        "metrics", "failed" if found.is_broken else "warning", f"go nowhere: {found.problem}", found.next_step
    )


def _examine_receivers() -> Finding:
    from marketdata.alerts.delivery import receivers
    from marketdata.errors import ConfigurationError
    from marketdata.storage.doctor import Finding

    try:
        names = [receiver.name for receiver in receivers()]
    except ConfigurationError as error:
        return Finding("alerts", "failed", f"{error.what}: {error.why}", error.next_step)
    if not names:
        step = "make the Airflow connection apprise_default, or set MARKETDATA_NOTIFIERS: see docs/alerting.md"
        return Finding("alerts", "warning", "nobody is told of them: they are only logged", step)
    return Finding("alerts", "ok", f"go to {', '.join(names)}")
