"""The command line: ``marketdata COMMAND``, for people or, with --json, for programs.

The database is ``MARKETDATA_DSN``. What asks the vendors takes the Airflow connections, as the DAGs do;
``AIRFLOW_CONN_...`` in the environment will do. Exit status:

``0``    done
``1``    failed or refused, with the cause and the next step on stderr
``2``    wrong usage
``3``    partial: some symbols failed, or something is missing, stale, or cannot be accounted for
``130``  interrupted by Ctrl-C: what is stored stays, and the same command goes on from there
"""

from __future__ import annotations

import typer

from marketdata.cli import (
    alerts,
    assets,
    data_migration,
    export,
    freshness,
    history,
    questions,
    quota,
    revisions,
    schema,
    watchlists,
    why,
)

app = typer.Typer(help="Market-data ingestion: schema, health, assets and history.", no_args_is_help=True)
app.command()(schema.migrate)
app.command()(schema.doctor)
app.add_typer(assets.app, name="assets")
app.command()(revisions.revisions)
app.command()(history.plan)
app.add_typer(history.run_app, name="run")
app.command()(questions.gaps)
app.command()(questions.verify)
app.command()(why.why)
app.command()(quota.quota)
app.command()(freshness.freshness)
app.add_typer(alerts.app, name="alerts")
app.add_typer(watchlists.app, name="watchlist")
app.add_typer(watchlists.overview_app, name="overview")
app.command()(export.export)
app.add_typer(data_migration.app, name="data-migration")
