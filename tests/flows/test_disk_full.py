"""The database's disk is full: nothing is stored by halves, and what was stopped goes on once there is room."""

from __future__ import annotations

import psycopg
import pytest

from marketdata.errors import DatabaseUnavailable
from marketdata.flows import fetch, history
from tests.flows.conftest import Desk

_NO_ROOM = """
    create function marketdata.no_room() returns trigger language plpgsql as $$
    begin
        raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
    end $$;
"""
"""What is said is PostgreSQL's."""

_AT_ITS_LAST_STATEMENTS = """
    create trigger no_room before insert on marketdata.quarantine execute function marketdata.no_room();
    create trigger no_room before insert or update on marketdata.coverage execute function marketdata.no_room();
"""
"""The bars of the call are written already."""

_AT_ITS_COMMIT = """
    create constraint trigger no_room after insert or update on marketdata.coverage deferrable initially deferred
        for each row execute function marketdata.no_room();
"""
"""Nobody waits for the commit while the next call is made."""

_ROOM = "drop function marketdata.no_room() cascade"


@pytest.mark.fault("D07")
@pytest.mark.promise("P2")
@pytest.mark.parametrize("trigger", [_AT_ITS_LAST_STATEMENTS, _AT_ITS_COMMIT], ids=["last statements", "commit"])
def test_a_full_disk_ends_the_call_with_its_cause_and_the_same_run_goes_on_when_there_is_room(
    desk: Desk, trigger: str
) -> None:
    (batch,) = desk.plan("7D", ["AAPL"]).batches
    _execute(desk, _NO_ROOM)
    _execute(desk, trigger)
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


@pytest.mark.fault("D07")
@pytest.mark.promise("P2")
def test_a_commit_that_fails_is_told_though_a_changed_bar_has_charts_to_drop_first(desk: Desk) -> None:
    """Dropping charts may fail without a word, and is the first to use the session after the commit."""
    desk.run("7D", ["AAPL"])
    _execute(desk, "update marketdata.bar_daily set high = high + 1; delete from marketdata.coverage")
    (batch,) = desk.plan("7D", ["AAPL"], run="again").batches
    _execute(desk, _NO_ROOM)
    _execute(desk, _AT_ITS_COMMIT)
    with pytest.raises(DatabaseUnavailable, match="No space left on device"):
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    assert desk.query("select state from ingest_call order by call_id") == [("done",), ("pending",)]
