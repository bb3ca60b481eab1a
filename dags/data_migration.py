"""
# data_migration: the schema, and history from elsewhere

Once, by hand: brings the schema up to date where its login owns it, and says who must where it does not
(`docs/deployment.md`); then, if asked, imports history that was kept elsewhere: a CSV or Parquet file under a declared
spec, or the table `asset_data` of an old system. Imported bars pass the checks of a vendor's;
what is refused is quarantined. A bar that a vendor gave is never replaced, a day that an import leaves out is never
proven empty, and the weekly run compares what was imported with the vendors.

**When**: only when triggered.

**Parameters** (in the UI's trigger form, or with `--conf`)

| name | meaning |
|---|---|
| `source` | `none` (schema only), `file` or `legacy` |
| `file` | `.csv`, `.csv.gz` or `.parquet` below the import directory (`MARKETDATA_IMPORT_DIR`) |
| `spec` | `.toml` or `.json` there: which column is what; for `legacy` it is optional |
| `connection` | Airflow connection of type postgres with the old system's database; never an address with a password |
| `dry_run` | store nothing: say what would be inserted, refused, kept or in conflict |

    airflow dags trigger data_migration --conf '{"source": "file", "file": "a.csv", "spec": "a.toml", "dry_run": true}'

A file is at most 50 MB and a million rows (`MARKETDATA_IMPORT_MAX_MB`, `MARKETDATA_IMPORT_MAX_ROWS`). An example of a
spec, with every key, is in `docs/imports.md`. Not mapped: parts are transactions, and one task stores a million rows in
well under a minute.

**Safe to run again**: always. Each part is one transaction; parts that are stored are skipped, those that a kill left
undone are stored, and a changed file is a new import that changes only what differs.

**When it fails**: nothing of the part under way is stored. The task's log names the file, the key, the symbols or the
rows, and what to do: see `docs/runbooks/data_migration_failed.md`. *partial* means that single rows were refused; they
are in `marketdata.quarantine`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from marketdata.errors import DatabaseBusy, DatabaseUnavailable, MarketDataError
from marketdata.flows.imports.request import CONNECTION_PATTERN, PATH_PATTERN, SOURCES, ImportRequest

RETRY_WHAT_CAN_HEAL = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=[DatabaseBusy, DatabaseUnavailable], retry_delay=timedelta(seconds=60)),
        RetryRule(exception=MarketDataError, action=RetryAction.FAIL, reason="trying again cannot help"),
    ]
)


@dag(
    schedule=None,
    start_date=pendulum.datetime(2003, 9, 10, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["history"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30), "retry_policy": RETRY_WHAT_CAN_HEAL},
    params={
        "source": Param("none", type="string", enum=list(SOURCES), title="Source", description="none: schema only."),
        "file": Param("", type="string", pattern=PATH_PATTERN, title="File", description="In the import directory."),
        "spec": Param("", type="string", pattern=PATH_PATTERN, title="Spec", description="In the import directory."),
        "connection": Param("", type="string", pattern=CONNECTION_PATTERN, title="Connection of the old system"),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Say what would happen; store nothing."),
    },
)
def data_migration() -> None:
    @task
    def migrate_schema() -> list[str]:
        """Apply the pending schema migrations; a dry run names them."""
        from marketdata.flows import migration

        return migration.migrate_schema(dry_run=_request().dry_run)

    @task(pool="history")
    def import_history() -> list[dict[str, Any]]:
        """Import what is asked for, part by part, going on where an earlier try ended; return counts."""
        from marketdata import settings
        from marketdata.flows import migration
        from marketdata.flows.imports.job import RunName

        request = _request()
        if request.source == "none":
            raise AirflowSkipException("no import was asked for")
        run = get_current_context()["dag_run"]
        reports = migration.import_history(request, name=RunName(run.dag_id, run.run_id), now=settings.now())
        refusals = [report.refusal for report in reports if report.refusal]
        if refusals:
            raise AirflowFailException(refusals[0])
        return migration.published(reports)

    migrate_schema() >> import_history()


def _request() -> ImportRequest:
    context = get_current_context()
    return ImportRequest.from_conf({**context["params"], **(context["dag_run"].conf or {})})


data_migration()
