"""What becomes of an answer that is a little wrong, or of none: what is stored, what stays missing, what is said."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Quota
from tests.flows.conftest import FRIDAY_EVENING, SATURDAY_NOON, Desk
from tests.hooks.accounts import Waits

FRIDAY = date(2026, 11, 20)
WEDNESDAY = date(2026, 11, 18)


@pytest.fixture
def plain_server() -> Iterator[int]:
    """The port of a server that says no word of TLS to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    opened, _ = server.accept()
                    with opened:
                        opened.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        opened.recv(4096)

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def proven(desk: Desk) -> list[tuple[int]]:
    """Absences and days of coverage."""
    return desk.query(
        "select count(*) from absence union all select count(*) from coverage where not isempty(verified)"
    )


@pytest.mark.fault("U14")
@pytest.mark.promise("P7")
@pytest.mark.promise("P10")
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", 0, -1.5])
def test_a_price_that_is_none_is_quarantined_and_the_rest_of_its_page_is_stored(desk: Desk, value: str | int) -> None:
    desk.simulator.admin.add_fault("bad_number", vendor="massive", value=value, field="c", row=2)
    report = desk.run("7D", ["AAPL"])
    assert (report.state, report.received, report.inserted, report.quarantined) == ("partial", 5, 4, 1)
    assert [(one.symbol, one.kind) for one in report.failed_symbols] == [("AAPL", "refused")]
    ((session, reason),) = desk.query("select session, reason from quarantine")
    assert (session, reason) == (WEDNESDAY, "close is missing, not positive or not finite")
    assert WEDNESDAY not in [row[1] for row in desk.rows()]
    assert desk.missing("AAPL", WEDNESDAY, WEDNESDAY) == 1
    assert desk.query("select count(*) from absence") == [(0,)]
    desk.simulator.admin.clear_faults()
    assert desk.run("7D", ["AAPL"], run="healed").state == "success"
    assert len(desk.rows()) == 5


@pytest.mark.fault("U14")
@pytest.mark.promise("P7")
def test_one_wrong_price_in_the_whole_market_costs_its_asset_alone(desk: Desk) -> None:
    desk.run("1M")
    desk.at(SATURDAY_NOON + timedelta(days=3))
    desk.simulator.admin.add_fault("bad_number", match="/grouped/", value="1e400", field="h", row=0)
    report = desk.run("1M", ["AAPL", "MSFT", "GOOGL"], run="tuesday")
    assert report.state in {"partial", "success"}, "the first row of the market may be nobody's that is followed"
    assert report.inserted + report.quarantined == 3
    assert desk.query("select count(*) from absence") == [(0,)]


@pytest.mark.fault("U14")
def test_a_coins_price_that_is_none_is_quarantined(desk: Desk) -> None:
    desk.simulator.admin.add_fault("bad_number", vendor="coingecko", value="Infinity", field="c", row=3)
    report = desk.run("7D", ["X:BTCUSD"])
    assert (report.state, report.quarantined) == ("partial", 1)
    assert report.inserted == report.received - 1 > 0


@pytest.mark.fault("U11")
@pytest.mark.promise("P10")
def test_a_price_of_null_is_quarantined_and_a_volume_of_null_is_one_that_is_not_known(desk: Desk) -> None:
    desk.simulator.admin.add_fault("null_field", match="/AAPL/", field="c", row=2)
    desk.simulator.admin.add_fault("null_field", match="/MSFT/", field="v", row=2)
    report = desk.run("7D", ["AAPL", "MSFT"])
    assert (report.state, report.inserted, report.quarantined) == ("partial", 9, 1)
    assert desk.query("select symbol, session from quarantine") == [("AAPL", WEDNESDAY)]
    assert [row[:2] for row in desk.rows() if row[6] is None] == [("MSFT", WEDNESDAY)]
    assert desk.query("select count(*) from absence") == [(0,)]


@pytest.mark.fault("U10")
@pytest.mark.fault("U11")
@pytest.mark.promise("P10")
@pytest.mark.parametrize("fault", ["results_null", "results_missing", "status_error"])
def test_rows_that_are_not_there_though_the_answer_counts_them_prove_nothing(desk: Desk, fault: str) -> None:
    desk.simulator.admin.add_fault(fault)
    report = desk.run("7D", ["AAPL", "X:BTCUSD"])
    assert (report.state, {one.kind for one in report.failed_symbols}) == ("failed", {"contract_broken"})
    assert (desk.rows(), proven(desk)) == ([], [(0,), (0,)])


@pytest.mark.fault("U12")
@pytest.mark.promise("P1")
@pytest.mark.parametrize("differing", [False, True])
def test_a_bar_that_comes_twice_is_one_row_and_counted_and_said_where_the_two_differ(
    desk: Desk, differing: bool
) -> None:
    desk.simulator.admin.add_fault("duplicates", vendor="massive", row=2, differing=differing)
    report = desk.run("7D", ["AAPL"])
    assert (report.state, report.received, report.inserted) == ("success", 6, 5)
    assert desk.query("select duplicates from ingest_run") == [(1,)]
    assert any("two different bars for AAPL 2026-11-18" in warning for warning in report.warnings) == differing


@pytest.mark.fault("U13")
def test_rows_in_any_order_are_stored_as_the_same_bars(desk: Desk) -> None:
    desk.simulator.admin.add_fault("disorder")
    assert desk.run("1M", ["AAPL", "X:BTCUSD"]).state == "success"
    disordered = desk.rows()
    desk.simulator.admin.clear_faults()
    desk.query("with bars as (delete from bar_daily), days as (delete from coverage) select 1")
    desk.run("1M", ["AAPL", "X:BTCUSD"], run="in order")
    assert disordered == desk.rows() != []


@pytest.mark.fault("U15")
@pytest.mark.parametrize(
    ("fault", "reason"), [("high_below_low", "below low"), ("close_outside", "outside low to high")]
)
def test_prices_that_contradict_each_other_are_quarantined(desk: Desk, fault: str, reason: str) -> None:
    desk.simulator.admin.add_fault(fault, vendor="massive", row=2)
    report = desk.run("7D", ["AAPL"])
    assert (report.state, report.inserted, report.quarantined) == ("partial", 4, 1)
    ((session, said),) = desk.query("select session, reason from quarantine")
    assert (session, reason in said) == (WEDNESDAY, True)


@pytest.mark.fault("U16")
@pytest.mark.promise("P10")
def test_times_in_another_unit_break_the_contract(desk: Desk) -> None:
    desk.simulator.admin.add_fault("seconds_for_ms", vendor="massive")
    report = desk.run("7D", ["AAPL"])
    assert (report.state, [one.kind for one in report.failed_symbols]) == ("failed", ["contract_broken"])
    assert "changed their unit" in report.failed_symbols[0].message
    assert (desk.rows(), proven(desk)) == ([], [(0,), (0,)])


@pytest.mark.fault("U16")
@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("row", "days", "reason"),
    [
        (3, 60, "in the future"),
        (3, -60, "outside the asked range"),
        (3, -1, "no trading day"),
        (2, 1, "no trading day"),
    ],
)
def test_a_bar_of_a_day_that_cannot_be_is_quarantined_and_its_own_day_stays_open(
    desk: Desk, row: int, days: int, reason: str
) -> None:
    desk.simulator.admin.add_fault("shift_time", vendor="massive", row=row, ms=days * 86_400_000)
    report = desk.run("1M", ["AAPL"])
    assert (report.state, report.quarantined) == ("partial", 1)
    ((said,),) = desk.query("select reason from quarantine")
    assert reason in said
    assert desk.query("select count(*) from absence") == [(0,)]
    desk.simulator.admin.clear_faults()
    assert desk.run("1M", ["AAPL"], run="healed").inserted == 1


@pytest.mark.fault("U12")
@pytest.mark.fault("U16")
@pytest.mark.promise("P10")
def test_a_bar_that_bears_its_neighbours_day_leaves_its_own_open(desk: Desk) -> None:
    desk.simulator.admin.add_fault("shift_time", vendor="massive", row=2, ms=-86_400_000)
    report = desk.run("7D", ["AAPL"])
    assert (report.received, report.inserted) == (5, 4)
    assert any("two different bars for AAPL 2026-11-17" in warning for warning in report.warnings)
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.missing("AAPL", WEDNESDAY, WEDNESDAY) == 1


@pytest.mark.fault("U17")
def test_a_volume_beyond_any_integer_is_stored_as_it_is(desk: Desk) -> None:
    desk.simulator.admin.add_fault("bad_number", vendor="massive", value="1e20", field="v", row=2)
    assert desk.run("7D", ["AAPL"]).state == "success"
    assert [row[6] for row in desk.rows() if row[1] == WEDNESDAY] == [1e20]


@pytest.mark.fault("U32")
@pytest.mark.promise("P10")
@pytest.mark.parametrize("field", ["c", "t", "v", "results"])
def test_a_field_that_became_text_stores_nothing_and_proves_nothing(desk: Desk, field: str) -> None:
    desk.simulator.admin.add_fault("wrong_type", vendor="massive", field=field, row=2)
    report = desk.run("7D", ["AAPL"])
    assert (report.state, [one.kind for one in report.failed_symbols]) == ("failed", ["contract_broken"])
    assert (desk.rows(), proven(desk)) == ([], [(0,), (0,)])
    assert desk.query("select kind, retry_at from fetch_failure") == [("contract_broken", None)]


@pytest.mark.fault("U32")
def test_a_field_that_nobody_has_seen_yet_is_ignored_and_said_once_with_its_name_and_the_calls(
    desk: Desk,
) -> None:
    desk.simulator.admin.add_fault("unknown_field", vendor="massive")
    report = desk.run("7D", ["AAPL", "MSFT"])
    assert (report.state, report.inserted) == ("success", 10)
    (said,) = [warning for warning in report.warnings if "schema drift" in warning]
    assert "the new field 'zz' is ignored" in said
    assert "2" in said


@pytest.mark.fault("U30")
@pytest.mark.promise("P10")
def test_a_vendor_whose_tls_fails_leaves_everything_missing_and_is_asked_again(
    desk: Desk, redis_url: str, plain_server: int
) -> None:
    url = "https://127.0.0.1:" + str(plain_server)
    connection = replace(desk.services.polygon.connection, base_url=url)
    hook = PolygonHook(connection=connection, quota=Quota.of(connection, redis_url))
    hook.get_conn().sleep = Waits()
    working = desk.services
    desk.services = replace(working, polygon=hook)
    report = desk.run("7D", ["AAPL"])
    hook.close()
    assert (report.state, [one.kind for one in report.failed_symbols]) == ("failed", ["transient"])
    assert "TLS failed" in report.failed_symbols[0].message
    assert (desk.rows(), proven(desk)) == ([], [(0,), (0,)])
    assert desk.query("select kind, retry_at is not null from fetch_failure") == [("transient", True)]
    desk.services = working
    assert desk.run("7D", ["AAPL"], run="healed").state == "success"


@pytest.mark.fault("U30")
@pytest.mark.promise("P10")
@pytest.mark.parametrize("ahead", [timedelta(hours=-36), timedelta(hours=-1), timedelta(hours=1), timedelta(hours=36)])
def test_a_vendor_whose_clock_is_wrong_harms_no_row_and_proves_no_absence(desk: Desk, ahead: timedelta) -> None:
    symbols = ["AAPL", "X:BTCUSD"]
    desk.at(FRIDAY_EVENING)
    desk.simulator.admin.add_fault("skew", seconds=ahead.total_seconds())
    desk.run("7D", symbols, run="wrong clock")
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.query("select count(*) from bar_daily where session > %(today)s", today=FRIDAY) == [(0,)]
    assert desk.query("select count(*) from bar_daily where session = %(today)s and is_final", today=FRIDAY) == [(0,)]
    desk.simulator.admin.clear_faults()
    desk.at(SATURDAY_NOON + timedelta(days=1))
    assert desk.run("7D", symbols, run="right clock").state == "success"
    healed = desk.rows()
    desk.query("with bars as (delete from bar_daily), days as (delete from coverage) select 1")
    desk.run("7D", symbols, run="clean")
    clean = {(row[0], row[1]): row for row in desk.rows()}
    assert len(clean) > 10
    assert {key: row for row in healed if (key := (row[0], row[1])) in clean} == clean


@pytest.mark.fault("U30")
@pytest.mark.promise("P10")
def test_a_day_that_is_not_over_by_the_vendors_clock_is_not_yet_absent(desk: Desk) -> None:
    desk.at(datetime(2026, 11, 22, 1, 30, tzinfo=UTC))  # by ours the coin's day is over and settled
    desk.simulator.admin.add_fault("skew", seconds=-2 * 3600)
    desk.run("7D", ["X:BTCUSD"])
    assert desk.query("select count(*) from absence") == [(0,)]
    assert desk.missing("X:BTCUSD", date(2026, 11, 21), date(2026, 11, 21)) == 1
