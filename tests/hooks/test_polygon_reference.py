"""What PolygonHook makes of the vendor's reference data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from marketdata.domain.adjustment import Dividend, Split
from marketdata.domain.corporate_actions import ReportedDividend, ReportedSplit
from marketdata.domain.tickers import ListedTicker, TickerChange, TickerDetails
from marketdata.errors import ContractBroken, Gone, InvalidRequest, NotEntitled
from marketdata.hooks.polygon import PolygonHook
from tests.hooks.accounts import polygon
from tests.hooks.upstream import Upstream, reply

SINCE = date(2026, 10, 22)
ACME = {
    "ticker": "ACMpA",
    "name": "Acme Corp.",
    "market": "stocks",
    "locale": "us",
    "active": True,
    "composite_figi": "BBG000000001",
}
GONE = {"ticker": "OLD", "name": "Old Corp.", "active": False, "delisted_utc": "2026-11-11T00:00:00Z"}
SPLIT = {
    "id": "E1",
    "ticker": "ACM",
    "execution_date": "2026-11-18",
    "split_from": 1,
    "split_to": 4,
    "adjustment_type": "forward_split",
    "historical_adjustment_factor": 0.25,
}
DIVIDEND = {
    "id": "E2",
    "ticker": "ACM",
    "ex_dividend_date": "2026-11-18",
    "cash_amount": 0.26,
    "currency": "usd",
    "declaration_date": "2026-11-04",
    "record_date": "2026-11-18",
    "pay_date": "2026-11-25",
    "frequency": 4,
    "distribution_type": "recurring",
}


def page(*rows: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"status": "OK", "request_id": 1, "results": list(rows), **more}


def test_listed_tickers_come_from_all_pages_each_equal_row_once() -> None:
    with Upstream() as upstream:
        following = f"{upstream.url}/massive/v3/reference/tickers?cursor=abc&apiKey=stolen"
        upstream.scripts += [reply(page(ACME, ACME, count=2, next_url=following)), reply(page(GONE, ACME))]
        answer = polygon(upstream).tickers(active=True)
    assert answer.data == (
        ListedTicker("ACMpA", "Acme Corp.", "BBG000000001", True),
        ListedTicker("OLD", "Old Corp.", "", False, date(2026, 11, 11)),
    )
    assert [asked.target for asked in upstream.asked] == [
        "/massive/v3/reference/tickers?market=stocks&active=true&limit=1000&sort=ticker&order=asc",
        "/massive/v3/reference/tickers?cursor=abc",
    ]
    assert (answer.requests, answer.endpoint) == (2, "/v3/reference/tickers")


def test_inactive_tickers_are_asked_for_by_themselves() -> None:
    with Upstream([reply(page(GONE))]) as upstream:
        assert len(polygon(upstream).tickers(active=False).data) == 1
    assert "active=false" in upstream.asked[0].target


def test_details_are_those_of_the_ticker_on_a_day() -> None:
    one = {"status": "OK", "results": {**ACME, "list_date": "1999-03-01", "delisted_utc": None}}
    with Upstream([reply(one)]) as upstream:
        details = polygon(upstream).ticker_details("ACMpA", date(2020, 1, 2)).data
    assert details == TickerDetails("ACMpA", "Acme Corp.", "BBG000000001", date(1999, 3, 1), None)
    assert upstream.asked[0].target == "/massive/v3/reference/tickers/ACMpA?date=2020-01-02"


def test_ticker_events_are_the_companys_names_oldest_first() -> None:
    events = [
        {"type": "ticker_change", "date": "2022-06-09", "ticker_change": {"ticker": "META"}},
        {"type": "ticker_change", "date": "2012-05-18", "ticker_change": {"ticker": "FB"}},
        {"type": "dividend_policy", "date": "2013-01-01"},
    ]
    with Upstream([reply({"status": "OK", "results": {"name": "Meta", "events": events}})]) as upstream:
        found = polygon(upstream).ticker_events("META").data
    assert found == (TickerChange(date(2012, 5, 18), "FB"), TickerChange(date(2022, 6, 9), "META"))
    assert upstream.asked[0].target == "/massive/vX/reference/tickers/META/events?types=ticker_change"


def test_splits_since_a_day_are_read_with_their_kind() -> None:
    reverse = {"ticker": "XYZ", "execution_date": "2026-12-01", "split_from": 10, "split_to": 1}
    with Upstream([reply(page(SPLIT, reverse, SPLIT))]) as upstream:
        found = polygon(upstream).splits(SINCE).data
    known = ReportedSplit("ACM", Split(date(2026, 11, 18), 1, 4), "forward_split", "E1")
    assert found == (known, ReportedSplit("XYZ", Split(date(2026, 12, 1), 10, 1), "reverse_split"), known)
    assert upstream.asked[0].target == (
        "/massive/stocks/v1/splits?execution_date.gte=2026-10-22&sort=execution_date.asc&limit=5000"
    )


def test_dividends_of_some_tickers_are_read_whole() -> None:
    with Upstream([reply(page(DIVIDEND, {"ticker": "ACM", "ex_dividend_date": "2026-12-01", "cash_amount": 1}))]) as up:
        found = polygon(up).dividends(SINCE, ["ACM", "BRK.B"]).data
    day = date(2026, 11, 18)
    assert found == (
        ReportedDividend("ACM", Dividend(day, 0.26), "E2", date(2026, 11, 4), day, date(2026, 11, 25), 4, "recurring"),
        ReportedDividend("ACM", Dividend(date(2026, 12, 1), 1.0, "")),
    )
    assert "&ticker.any_of=ACM,BRK.B&" in up.asked[0].target


def test_a_record_that_can_be_none_says_what_is_wrong_with_it() -> None:
    wrong = [{**SPLIT, "split_to": 0}, {**SPLIT, "split_from": -1}, {**SPLIT, "split_to": 1}]
    with Upstream([reply(page(SPLIT, *wrong)), reply(page(DIVIDEND, {**DIVIDEND, "cash_amount": -0.5}))]) as upstream:
        hook = polygon(upstream)
        assert [bool(one.flaw) for one in hook.splits(SINCE).data] == [False, True, True, True]
        assert [bool(one.flaw) for one in hook.dividends(SINCE).data] == [False, True]


@pytest.mark.parametrize("ask", [PolygonHook.splits, PolygonHook.dividends])
@pytest.mark.parametrize(
    "body",
    [
        {"status": "OK"},
        {"status": "OK", "results": None},
        {"results": []},
        page(status="ERROR"),
        page({"ticker": "ACM"}),
        page({**SPLIT, **DIVIDEND, "execution_date": "soon", "ex_dividend_date": "soon"}),
        page({**SPLIT, **DIVIDEND, "split_to": "4", "cash_amount": "0.26"}),
        [page(SPLIT)],
    ],
)
def test_an_answer_that_proves_nothing_breaks_the_contract(
    ask: Callable[[PolygonHook, date], object], body: object
) -> None:
    with Upstream([reply(body)]) as upstream, pytest.raises(ContractBroken):
        ask(polygon(upstream), SINCE)
    assert len(upstream.asked) == 1


def test_an_empty_list_is_an_answer() -> None:
    with Upstream([reply(page())]) as upstream:
        hook = polygon(upstream)
        assert hook.splits(SINCE).data == hook.dividends(SINCE).data == hook.tickers(active=True).data == ()


@pytest.mark.fault("U20")
@pytest.mark.fault("U21")
def test_a_next_page_elsewhere_or_in_a_circle_breaks_the_contract() -> None:
    for target in ("https://evil.example/v3/reference/tickers?cursor=x", "{self}"):
        with Upstream() as upstream:
            circle = f"{upstream.url}/massive/v3/reference/tickers?cursor=x"
            upstream.scripts.append(reply(page(ACME, next_url=target.replace("{self}", circle))))
            with pytest.raises(ContractBroken):
                polygon(upstream).tickers(active=True)
            assert len(upstream.asked) <= 2


@pytest.mark.fault("U19")
def test_half_a_list_is_no_list() -> None:
    with Upstream() as upstream:
        following = f"{upstream.url}/massive/stocks/v1/splits?cursor=x"
        upstream.scripts += [reply(page(SPLIT, next_url=following)), reply({"status": "OK"})]
        with pytest.raises(ContractBroken):
            polygon(upstream).splits(SINCE)


def test_an_unknown_company_is_gone_and_a_plan_without_it_not_entitled() -> None:
    with Upstream([reply({"status": "NOT_FOUND", "message": "Ticker not found."}, 404)]) as upstream:
        hook = polygon(upstream)
        for ask in (hook.ticker_details, hook.ticker_events):
            with pytest.raises(Gone, match="NOPE"):
                ask("NOPE")
    denied = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
    with Upstream([reply(denied, 403)]) as upstream, pytest.raises(NotEntitled) as caught:
        polygon(upstream).splits(SINCE)
    assert caught.value.scope == "endpoint"


@pytest.mark.fault("S02")
@pytest.mark.parametrize("ticker", ["..", "A/../B", "A,B", "A\n", "Ä", ""])
def test_what_cannot_be_a_ticker_is_refused_before_anything_is_sent(ticker: str) -> None:
    with Upstream([reply(page())]) as upstream:
        hook = polygon(upstream)
        for ask in (lambda: hook.splits(SINCE, [ticker]), lambda: hook.dividends(SINCE, ["A", ticker])):
            with pytest.raises(InvalidRequest):
                ask()
        assert not upstream.asked


def test_a_call_names_at_most_a_hundred_tickers() -> None:
    with Upstream([reply(page())]) as upstream, pytest.raises(InvalidRequest, match="101 tickers"):
        polygon(upstream).splits(SINCE, [f"T{number}" for number in range(101)])
