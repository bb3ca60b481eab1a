"""Splits and dividends through the flow: right at once, applied once, proven by one call, held when in doubt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from marketdata.errors import RateLimited
from marketdata.storage.assets import load_assets
from tests.flows.conftest import Desk
from tests.flows.office import Office

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)
MONDAY, TUESDAY, WEDNESDAY = date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25)
ADJUSTED = "bar_daily_adjusted"


@pytest.fixture
def office(make_desk: Callable[..., Desk]) -> Office:
    """MSFT with a month of bars and a sync behind it, on Friday evening. It never split."""
    opened = Office(make_desk(assets=[{"symbol": "MSFT", "asset_class": "stock", "listed_on": "1986-03-13"}]))
    opened.at(SATURDAY, 13)
    opened.sync()
    opened.desk.run("1M")
    opened.admin.forget_requests()
    return opened


def told(day: date, split_from: float, split_to: float) -> dict[str, object]:
    return {"execution_date": day, "split_from": split_from, "split_to": split_to}


@pytest.mark.fault("U26")
def test_a_new_split_is_right_at_once_without_a_bar_downloaded_and_one_call_proves_it(office: Office) -> None:
    raw = office.closes("MSFT")
    office.admin.add_split("MSFT", MONDAY, 1, 4)
    office.at(MONDAY)
    report = office.sync()
    assert office.closes("MSFT") == raw, "bars stay as they were traded"
    assert office.closes("MSFT", ADJUSTED) == {session: close / 4 for session, close in raw.items()}
    (proof,) = office.bars_asked()
    assert "adjusted=true" in proof
    assert office.splits("MSFT") == [(MONDAY, 4.0, "applied", "proven")]
    assert (report.state, report.warnings) == ("success", ())
    office.admin.forget_requests()
    office.at(TUESDAY)
    office.sync()
    assert office.bars_asked() == [], "what is proven is not proven again"


def test_the_adjusted_series_goes_on_over_the_split_as_if_nothing_had_happened(office: Office) -> None:
    office.admin.add_split("MSFT", MONDAY, 1, 4)
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        office.day(day)
    raw, adjusted = office.closes("MSFT"), office.closes("MSFT", ADJUSTED)
    assert raw[FRIDAY] / raw[MONDAY] > 3
    assert adjusted[FRIDAY] / adjusted[MONDAY] == pytest.approx(1, abs=0.1)
    assert adjusted[TUESDAY] == raw[TUESDAY]
    volume = office.column("MSFT", "volume", "bar_daily")
    assert office.column("MSFT", "volume", ADJUSTED)[FRIDAY] == volume[FRIDAY] * 4


def test_an_announced_split_is_known_ahead_and_changes_nothing_before_its_day(office: Office) -> None:
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4)
    office.day(MONDAY)
    office.day(TUESDAY)
    assert office.splits("MSFT") == [(WEDNESDAY, 4.0, "applied", "pending")]
    assert office.closes("MSFT", ADJUSTED) == office.closes("MSFT")
    office.at(WEDNESDAY, 1)
    assert office.closes("MSFT", ADJUSTED)[FRIDAY] == office.closes("MSFT")[FRIDAY] / 4, "from its day on, by itself"
    office.admin.forget_requests()
    office.at(WEDNESDAY)
    office.sync()
    assert office.splits("MSFT") == [(WEDNESDAY, 4.0, "applied", "proven")]
    assert len(office.bars_asked()) == 1


def test_a_reverse_split_multiplies_prices_and_divides_volumes(office: Office) -> None:
    office.admin.add_split("MSFT", MONDAY, 10, 1)
    raw = office.closes("MSFT")
    office.day(MONDAY)
    assert office.splits("MSFT") == [(MONDAY, 0.1, "applied", "proven")]
    assert office.closes("MSFT", ADJUSTED)[FRIDAY] == raw[FRIDAY] * 10
    assert office.desk.query("select kind from split") == [("reverse_split",)]


def test_the_same_split_told_twice_is_applied_once_and_counted(office: Office) -> None:
    office.admin.add_split("MSFT", MONDAY, 1, 4, reported=[told(MONDAY, 1, 4), told(MONDAY, 1, 4), told(MONDAY, 2, 8)])
    office.at(MONDAY)
    report = office.sync()
    assert (report.inserted, report.duplicates) == (1, 2)
    assert office.splits("MSFT") == [(MONDAY, 4.0, "applied", "proven")]
    assert office.held("MSFT") == []


def test_the_same_split_told_again_for_another_day_is_held(office: Office) -> None:
    again = date(2026, 11, 30)
    office.admin.add_split("MSFT", MONDAY, 1, 4, reported=[told(MONDAY, 1, 4), told(again, 1, 4)])
    office.at(MONDAY)
    report = office.sync()
    assert office.held("MSFT") == [(again, 4.0, f"the same ratio again: taken for the one of {MONDAY}")]
    assert any("MSFT: split 4-for-1 of 2026-11-30 is held" in warning for warning in report.warnings)
    for day in (MONDAY, TUESDAY, WEDNESDAY, date(2026, 11, 27), again, date(2026, 12, 1)):
        _, daily = office.day(day)
        assert daily.state == "success"
    assert [split[2] for split in office.splits("MSFT")] == ["applied", "held"]
    raw, adjusted = office.closes("MSFT"), office.closes("MSFT", ADJUSTED)
    assert adjusted[FRIDAY] == raw[FRIDAY] / 4, "never twice"


def test_contradictory_ratios_are_held_until_prices_show_which_one_it_was(office: Office) -> None:
    office.admin.add_split("MSFT", MONDAY, 1, 4, reported=[told(MONDAY, 1, 4), told(MONDAY, 1, 5)])
    office.at(MONDAY)
    report = office.sync()
    assert len(office.held("MSFT")) == 2
    assert sum("contradictory" in warning for warning in report.warnings) == 2
    assert office.closes("MSFT", ADJUSTED) == office.closes("MSFT")
    office.at(MONDAY, 16, 30)
    office.desk.run("1M", run="monday")
    office.at(TUESDAY)
    office.sync()
    assert office.splits("MSFT") == [(MONDAY, 4.0, "applied", "proven"), (MONDAY, 5.0, "held", "pending")]


def test_a_split_told_for_a_wrong_day_is_held_when_prices_contradict_it(office: Office) -> None:
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4, reported=[told(MONDAY, 1, 4)])
    office.day(MONDAY)
    assert office.splits("MSFT")[0][2] == "applied", "nothing speaks against it yet"
    synced, _ = office.day(TUESDAY)
    ((day, _, reason),) = office.held("MSFT")
    assert day == MONDAY
    assert "prices contradict it" in reason
    assert any("prices contradict it" in warning for warning in synced.warnings)
    assert office.closes("MSFT", ADJUSTED) == office.closes("MSFT")
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4, reported=[told(WEDNESDAY, 1, 4)])
    office.day(WEDNESDAY)
    assert [(day, state) for day, _, state, _ in office.splits("MSFT")] == [(MONDAY, "held"), (WEDNESDAY, "applied")]
    assert [reason for _, _, reason in office.held("MSFT")] == [reason], "the vendor's withdrawal adds nothing"


def test_a_split_that_the_vendor_withdrew_is_reported_and_counts_no_more(office: Office) -> None:
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4)
    office.day(MONDAY)
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4, reported=[])
    synced, _ = office.day(TUESDAY)
    assert office.held("MSFT") == [(WEDNESDAY, 4.0, "the vendor withdrew it")]
    assert any("the vendor withdrew it" in warning for warning in synced.warnings)
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4, reported=[told(WEDNESDAY, 1, 4)])
    office.day(WEDNESDAY)
    assert office.splits("MSFT") == [(WEDNESDAY, 4.0, "applied", "proven")], "told again, it counts again"


def test_a_series_that_differs_from_the_vendors_is_reported_with_session_and_both_values(office: Office) -> None:
    raw = office.closes("MSFT")
    office.admin.add_split("MSFT", MONDAY, 1, 4, reported=[told(MONDAY, 1, 5)])
    office.at(MONDAY)
    report = office.sync()
    ((proof, note, proved_at),) = office.desk.query("select proof, proof_note, proved_at from split")
    assert proof == "differs"
    assert f"{FRIDAY} close: ours {raw[FRIDAY] / 5:.10g}, the vendor's {raw[FRIDAY] / 4:.10g}" in note
    assert proved_at is not None
    assert any("adjusted bars around the split 5-for-1" in w and note in w for w in report.warnings)
    assert report.state == "success", "nothing failed: there is something to look at"


def test_a_split_waits_for_bars_before_its_proof_and_takes_no_call_without_them(
    make_desk: Callable[..., Desk],
) -> None:
    office = Office(make_desk(assets=[{"symbol": "AAPL", "asset_class": "stock", "listed_on": "1980-12-12"}]))
    office.at(SATURDAY, 13)
    office.sync()
    assert {proof for *_, proof in office.splits("AAPL")} == {"pending"}
    assert office.bars_asked() == []
    office.desk.run("MAX")
    office.admin.forget_requests()
    office.at(MONDAY)
    office.sync()
    assert {proof for *_, proof in office.splits("AAPL")} == {"proven"}
    assert len(office.bars_asked()) == 3, "one call a split"
    (first, last) = min(office.closes("AAPL")), date(2026, 11, 19)
    served = office.desk.services.polygon.daily_bars("AAPL", first, last, adjusted=True).data
    ours = office.closes("AAPL", ADJUSTED)
    theirs = dict(zip(served.session.tolist(), served.close.tolist(), strict=True))
    assert theirs == pytest.approx({session: ours[session] for session in theirs}, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("split_on", [TUESDAY, WEDNESDAY, date(2026, 11, 27)])
def test_a_split_before_on_and_after_a_rename_belongs_to_the_one_company(office: Office, split_on: date) -> None:
    office.admin.rename("MSFT", "SOFT", WEDNESDAY)
    office.admin.add_split("SOFT" if split_on >= WEDNESDAY else "MSFT", split_on, 1, 4)
    for day in (MONDAY, TUESDAY, WEDNESDAY, date(2026, 11, 27), date(2026, 11, 30)):
        synced, daily = office.day(day)
        assert (synced.state, daily.state) == ("success", "success")
    (split,) = office.splits("SOFT")
    assert split[:3] == (split_on, 4.0, "applied")
    raw, adjusted = office.closes("SOFT"), office.closes("SOFT", ADJUSTED)
    assert adjusted[FRIDAY] == raw[FRIDAY] / 4
    assert raw.items() >= office.truth("SOFT", date(2026, 10, 26), date(2026, 11, 27)).items()


def test_a_split_is_not_taken_for_one_of_the_company_that_had_the_ticker_before(office: Office) -> None:
    office.admin.delist("MSFT", MONDAY)
    office.admin.list_company("MSFT", WEDNESDAY, price=30.0)
    office.admin.add_split("MSFT", date(2026, 11, 27), 1, 3)
    for day in (MONDAY, TUESDAY, WEDNESDAY, date(2026, 11, 27)):
        office.day(day)
    assert office.desk.query("select symbol from asset") == [("MSFT-20261123",)]
    assert [state for _, _, state, _ in office.splits("MSFT-20261123")] in ([], ["held"])
    assert office.closes("MSFT-20261123", ADJUSTED) == office.closes("MSFT-20261123")


def test_total_return_takes_a_dividend_out_of_the_fall_on_its_ex_date(office: Office) -> None:
    office.admin.add_dividend("MSFT", TUESDAY, 40.0)
    raw = office.closes("MSFT")
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        office.day(day)
    raw = office.closes("MSFT")
    total = office.closes("MSFT", "bar_daily_total_return")
    assert total[TUESDAY] == raw[TUESDAY]
    assert total[MONDAY] == pytest.approx(raw[MONDAY] * (1 - 40 / raw[MONDAY]), rel=1e-12)
    assert office.closes("MSFT", ADJUSTED) == raw, "a dividend is no split"
    ((stored,),) = office.desk.query("select count(*) from dividend where ex_date = %(day)s", day=TUESDAY)
    assert stored == 1, "read each day, kept once"


def test_a_dividend_in_another_currency_counts_in_no_series(office: Office) -> None:
    office.admin.add_dividend("MSFT", MONDAY, 40.0, currency="CAD")
    for day in (MONDAY, TUESDAY):
        office.day(day)
    assert office.closes("MSFT", "bar_daily_total_return")[FRIDAY] == office.closes("MSFT")[FRIDAY]
    assert office.desk.query("select currency from dividend where ex_date = %(day)s", day=MONDAY) == [("CAD",)]


@pytest.mark.promise("P7")
def test_a_split_that_can_be_none_is_quarantined_with_its_reason(office: Office) -> None:
    office.admin.add_split("MSFT", MONDAY, 1, 4)
    office.admin.add_fault("bad_number", match="/splits", field="split_to", value=0)
    office.at(MONDAY)
    report = office.sync()
    assert (report.state, report.quarantined, office.splits("MSFT")) == ("partial", 1, [])
    ((symbol, day, reason, record),) = office.desk.query("select symbol, session, reason, record from quarantine")
    assert (symbol, day, reason) == ("MSFT", MONDAY, "a share count that is not positive")
    assert (record["split_to"], record["executed_on"]) == (0, "2026-11-23")
    office.admin.clear_faults()
    office.at(TUESDAY)
    assert office.sync().state == "success"
    assert office.splits("MSFT") == [(MONDAY, 4.0, "applied", "proven")]


def test_a_whole_market_without_one_split_is_not_believed(office: Office) -> None:
    others = [{"symbol": f"NONE{number}", "asset_class": "stock", "listed_on": "2000-01-03"} for number in range(101)]
    office.desk.services.warehouse.transact(load_assets, others)
    office.admin.add_split("MSFT", WEDNESDAY, 1, 4)
    office.at(MONDAY)
    office.sync()
    office.admin.forget_requests()
    office.admin.add_fault("drop_rows", match="/splits", keep=0)
    office.at(TUESDAY)
    report = office.sync()
    (asked,) = (target for target in office.asked("/splits"))
    assert "any_of" not in asked, "more than a hundred tickers: the whole market is asked for"
    assert any("not believed" in warning for warning in report.warnings)
    assert office.splits("MSFT") == [(WEDNESDAY, 4.0, "applied", "pending")]


def test_a_sync_that_was_cut_off_is_taken_up_by_its_retry(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.admin.add_split("MSFT", MONDAY, 1, 4)
    office.at(MONDAY)

    def give_up(*_: object, **__: object) -> None:
        raise RateLimited("polygon", "a long pause", "later", vendor="polygon", endpoint="/", retry_after=3600)

    with monkeypatch.context() as patched:
        patched.setattr(office.desk.services.polygon, "dividends", give_up)
        with pytest.raises(RateLimited):
            office.sync(run="monday")
    report = office.sync(run="monday")
    assert (report.state, report.calls_pending) == ("success", 0)
    assert office.splits("MSFT") == [(MONDAY, 4.0, "applied", "proven")]
    assert office.desk.query("select count(*) from ingest_run where dag_id = 'reference_sync'") == [(2,)]
