"""The command line: ``marketdata COMMAND``, for people or, with --json, for programs.

The database is ``MARKETDATA_DSN``. Exit status 0: done; 1: not done, with the cause and the next step on stderr;
2: wrong usage.
"""

from __future__ import annotations

import typer

from marketdata.cli import assets, schema

app = typer.Typer(help="Market-data ingestion: schema, health, assets and history.", no_args_is_help=True)
app.command()(schema.migrate)
app.command()(schema.doctor)
app.add_typer(assets.app, name="assets")
