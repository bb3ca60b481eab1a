"""What was imported is not fetched again, and is compared with the vendor when its turn comes."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from marketdata.domain.import_spec import parse_spec
from marketdata.flows import fetch, history
from marketdata.flows.imports.flow import import_file
from marketdata.flows.imports.job import RunName
from marketdata.flows.request import HistoryRequest
from marketdata.storage.runs import RunReport
from tests.flows.conftest import Desk

FIGURES = ("open", "high", "low", "close", "volume", "vwap", "trades")
SPEC = parse_spec(
    {"name": "acme", "columns": {"symbol": "symbol", "session": "session", **{name: name for name in FIGURES}}}
)


def verify(desk: Desk) -> RunReport:
    request = HistoryRequest("1M", ("AAPL",), verify_hours=6.0)
    plan = history.plan_run(
        desk.services, request, dag_id="historical_backfill", airflow_run_id="sunday", as_of=desk.now, now=desk.now
    )
    for batch in plan.batches:
        fetch.fetch_batch(desk.services, batch.run_id, batch.batch)
    report = history.close_run(desk.services, dag_id="historical_backfill", airflow_run_id="sunday")
    assert report is not None
    return report


@pytest.mark.promise("P3")
def test_imported_history_is_not_asked_for_and_gives_way_to_the_vendors_when_compared(
    desk: Desk, tmp_path: Path
) -> None:
    desk.run("1M", ["AAPL"])
    truth = desk.rows()
    rows = desk.query(
        f"select symbol, session, {', '.join(FIGURES)} from bar_daily join asset using (asset_id) order by session"
    )
    wrong = rows[3]
    lines = [",".join(("symbol", "session", *FIGURES))]
    lines += [",".join(str(value) for value in (row if row != wrong else (*row[:6], 1.0, *row[7:]))) for row in rows]
    (tmp_path / "known.csv").write_text("\n".join(lines), encoding="utf-8")
    with psycopg.connect(desk.dsn, options="-c search_path=marketdata") as connection:
        connection.execute("truncate bar_daily; delete from coverage; delete from bar_digest")

    name = RunName("data_migration", "manual")
    imported = import_file(desk.services.warehouse, "known.csv", SPEC, base=tmp_path, name=name, now=desk.now)
    assert imported.total("inserted") == len(truth)
    assert desk.run("1M", ["AAPL"], run="again").requests == 0

    report = verify(desk)
    assert (report.verified, report.differing, report.changed) == (1, 1, 1)
    assert desk.rows() == truth
    assert desk.query("select session, volume, source from bar_revision") == [(wrong[1], 1.0, "import:acme")]
    assert desk.query("select distinct source from bar_daily") == [("polygon",)]
