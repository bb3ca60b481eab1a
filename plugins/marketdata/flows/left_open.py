"""Closes the record of a run that Airflow says has ended, where the run did not come to close it itself."""

from __future__ import annotations

import logging

from marketdata.addresses import warehouse_dsn
from marketdata.storage import runs
from marketdata.storage.runs import RunReport
from marketdata.storage.warehouse import Warehouse

log = logging.getLogger(__name__)


def close_left_open(*, dag_id: str, airflow_run_id: str) -> RunReport | None:
    """The verdict on a run that was killed, timed out, or ended by hand; None where its record is closed, or none is.

    Raises ConfigurationError and StorageError: the next run of the DAG closes it then, once it has been silent for
    long enough.
    """
    with Warehouse.open(warehouse_dsn()) as warehouse:
        report = warehouse.transact(runs.close_left_open, dag_id, airflow_run_id)
    if report is not None:
        log.warning(
            "closed a run that ended without a verdict run_id=%d dag_id=%s airflow_run_id=%s state=%s calls=%d"
            " pending_calls=%d",
            report.run_id, dag_id, airflow_run_id, report.state, report.calls_done, report.calls_pending,
        )  # fmt: skip
    return report
