"""The database's disk is full: nothing is stored by halves, and what was stopped goes on once there is room."""

from __future__ import annotations

import psycopg
import pytest

from marketdata.errors import DatabaseUnavailable
from marketdata.flows import fetch, history
from tests.flows.conftest import Desk

_FULL = """
    create function marketdata.no_room() returns trigger language plpgsql as $$
    begin
        raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
    end $$;
    create trigger no_room before insert on marketdata.quarantine execute function marketdata.no_room();
    create trigger no_room before insert or update on marketdata.coverage execute function marketdata.no_room();
"""
"""Where the last statements of a call write, so that its bars are written already. What is said is PostgreSQL's."""

_ROOM = "drop function marketdata.no_room() cascade"


@pytest.mark.fault("D07")
@pytest.mark.promise("P2")
def test_a_full_disk_ends_the_call_with_its_cause_and_the_same_run_goes_on_when_there_is_room(desk: Desk) -> None:
    (batch,) = desk.plan("7D", ["AAPL"]).batches
    _execute(desk, _FULL)
    with pytest.raises(DatabaseUnavailable, match="No space left on device") as caught:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    assert caught.value.retryable, "Airflow tries the task again, and gives up when it does not help"
    assert "its disk" in caught.value.next_step
    assert desk.rows() == []
    assert desk.query("select state from ingest_call") == [("pending",)]
    _execute(desk, _ROOM)
    fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    report = history.close_run(desk.services, dag_id="historical_daily", airflow_run_id="manual")
    assert report is not None
    assert (report.state, report.inserted) == ("success", len(desk.rows()))
    assert desk.rows()


def _execute(desk: Desk, text: str) -> None:
    with psycopg.connect(desk.dsn) as connection:
        connection.execute(text)  # type: ignore[arg-type]
