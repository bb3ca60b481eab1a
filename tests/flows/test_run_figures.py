"""What a run did at its vendors, counted from its record."""

from __future__ import annotations

from marketdata.domain.run_figures import CallsMade, QuotaLeft
from marketdata.flows.run_figures import run_figures
from tests.flows.conftest import Desk


def test_calls_are_counted_by_vendor_status_and_outcome_and_name_no_symbol(desk: Desk) -> None:
    desk.simulator.admin.add_fault("status", match="/ticker/MSFT/", status=404)
    desk.simulator.admin.add_fault("status", match="/ticker/GOOGL/", status=429, retry_after=0, times=1)
    report = desk.run("1Y")
    figures = run_figures(desk.services, report.run_id)
    assert figures.calls == (
        CallsMade("coingecko", "2xx", "ok", 1, 1, 0),
        CallsMade("polygon", "2xx", "ok", 2, 3, 1),
        CallsMade("polygon", "4xx", "gone", 1, 1, 0),
    )
    assert [made.is_failed for made in figures.calls] == [False, False, True]
    assert sum(made.requests for made in figures.calls) == report.requests


def test_the_quota_left_is_told_for_the_vendors_that_were_asked(desk: Desk) -> None:
    report = desk.run("1M", ["X:BTCUSD"])
    figures = run_figures(desk.services, report.run_id)
    (quota,) = figures.quotas
    assert quota.vendor == "coingecko"
    assert quota == QuotaLeft("coingecko", *_left(desk))


def _left(desk: Desk) -> tuple[int, int | None]:
    left = desk.services.coingecko.quota.left("realtime")
    return left.requests, left.credits


def test_a_run_that_asked_nobody_has_no_figures(desk: Desk) -> None:
    desk.run("1M", ["AAPL"])
    again = desk.run("1M", ["AAPL"], run="again")
    assert run_figures(desk.services, again.run_id).calls == ()
    assert run_figures(desk.services, again.run_id).quotas == ()


def test_calls_that_were_not_made_do_not_count(desk: Desk) -> None:
    plan = desk.plan("1M", ["AAPL"])
    assert plan.calls == 1
    assert run_figures(desk.services, plan.run_id).calls == ()


def test_a_call_that_failed_and_was_made_anew_counts_twice(desk: Desk) -> None:
    desk.simulator.admin.add_fault("html", match="/ticker/AAPL/", times=1)
    desk.run("1M", ["AAPL"])
    report = desk.run("1M", ["AAPL"])
    assert report.state == "success"
    figures = run_figures(desk.services, report.run_id)
    assert {(made.outcome, made.calls) for made in figures.calls} == {("ok", 1), ("contract_broken", 1)}
