"""Answers that arrive whole and are not what the vendor promises."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from marketdata.errors import ContractBroken, TransientFailure
from tests.hooks.accounts import KEY, coingecko, polygon
from tests.hooks.upstream import Script, Upstream, reply

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 6)
MONDAY = 1772427600000  # 2026-03-02, midnight New York
DAY = 86_400_000
FAILS = reply({}, 500)


def bar(day: int) -> dict[str, Any]:
    return {"o": 1, "h": 1, "l": 1, "c": 1 + day, "t": MONDAY + day * DAY}


def page(day: int, next_url: str | None = None) -> Script:
    body: dict[str, Any] = {"status": "OK", "resultsCount": 1, "results": [bar(day)]}
    return reply(body | ({"next_url": next_url} if next_url else {}))


def five_pages(upstream: Upstream) -> list[Script]:
    base = f"{upstream.url}/massive/v2/aggs/more"
    return [page(day, f"{base}?cursor={day + 1}" if day < 4 else None) for day in range(5)]


@pytest.mark.fault("U08")
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<!DOCTYPE html><html><body>Error 1015</body></html>", "text/html; charset=utf-8"),
        (b"", "application/json"),
        (b"   ", "application/json"),
        (b"OK", "text/plain"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        (b"[]", "application/json"),
        (b'{"status":"OK"}trailing', "application/json"),
    ],
)
def test_html_or_nothing_with_status_200_breaks_the_contract_and_is_named(body: bytes, content_type: str) -> None:
    with Upstream([reply(body, Content_Type=content_type)]) as upstream, pytest.raises(ContractBroken) as caught:
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert len(upstream.asked) == 1
    assert content_type in str(caught.value)
    if body.startswith(b"<"):
        assert "Error 1015" in str(caught.value)


@pytest.mark.fault("U08")
def test_the_sample_of_a_body_is_short_on_one_line_and_without_the_key() -> None:
    body = f"<html>\r\n\x1b[31m{KEY} canary%2FKEY%2B4711%3D%3D\u2028{'x' * 5000}".encode()
    with Upstream([reply(body, Content_Type="text/html")]) as upstream, pytest.raises(ContractBroken) as caught:
        coingecko(upstream).daily_closes("bitcoin", FIRST, LAST)
    text = str(caught.value)
    assert "<html> [31m*** *** xxx" in text
    assert len(text) < 500
    assert text.isprintable()


@pytest.mark.fault("U10")
@pytest.mark.parametrize(
    "body", [{"status": "ERROR", "error": "boom"}, {"status": "ERROR", "results": [], "resultsCount": 0}]
)
def test_an_error_inside_a_200_is_an_error_and_not_no_data(body: dict[str, Any]) -> None:
    with Upstream([reply(body)]) as upstream, pytest.raises(ContractBroken):
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)


@pytest.mark.fault("U10")
@pytest.mark.promise("P10")
def test_missing_results_prove_nothing_but_a_count_of_zero_does() -> None:
    with Upstream([reply({"status": "OK"}), reply({"status": "OK", "resultsCount": 0})]) as upstream:
        hook = polygon(upstream)
        with pytest.raises(ContractBroken, match="no results"):
            hook.daily_bars("AAPL", FIRST, LAST)
        assert len(hook.daily_bars("AAPL", FIRST, LAST).data) == 0


@pytest.mark.fault("U19")
def test_pages_are_followed_to_the_end_and_counted_as_one_answer() -> None:
    with Upstream() as upstream:
        upstream.scripts = five_pages(upstream)
        answer = polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert answer.data.close.tolist() == [1, 2, 3, 4, 5]
    assert answer.requests == 5
    assert [asked.target.partition("?")[2] for asked in upstream.asked[1:]] == [f"cursor={n}" for n in range(1, 5)]


@pytest.mark.fault("U19")
def test_a_page_that_fails_once_is_asked_again_from_its_own_cursor() -> None:
    with Upstream() as upstream:
        pages = five_pages(upstream)
        upstream.scripts = [*pages[:2], FAILS, *pages[2:]]
        answer = polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert answer.data.close.tolist() == [1, 2, 3, 4, 5]
    cursors = [asked.target.partition("cursor=")[2] for asked in upstream.asked]
    assert cursors == ["", "1", "2", "2", "3", "4"]


@pytest.mark.fault("U19")
def test_a_page_that_fails_for_good_leaves_no_half_answer() -> None:
    with Upstream() as upstream:
        upstream.scripts = [*five_pages(upstream)[:2], FAILS]
        with pytest.raises(TransientFailure) as caught:
            polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert caught.value.requests == len(upstream.asked) == 6


@pytest.mark.fault("U20")
@pytest.mark.parametrize("back_to", ["itself", "the first page", "the first page with a key"])
def test_a_paging_loop_is_stopped_at_its_first_repetition(back_to: str) -> None:
    with Upstream() as upstream:
        start = f"{upstream.url}/massive/v2/aggs/ticker/AAPL/range/1/day/2026-03-02/2026-03-06"
        first = f"{start}?adjusted=false&sort=asc&limit=50000"
        target = {"itself": f"{start}?cursor=1", "the first page": first}.get(back_to, f"{first}&apiKey={KEY}")
        upstream.scripts = [page(0, target)]
        with pytest.raises(ContractBroken, match="already read"):
            polygon(upstream).daily_bars("AAPL", FIRST, LAST)
        assert len(upstream.asked) == (2 if back_to == "itself" else 1)


@pytest.mark.fault("U20")
def test_endless_pages_are_stopped_after_a_hundred() -> None:
    with Upstream() as upstream:
        upstream.scripts = [page(0, f"{upstream.url}/massive/v2/next?cursor={number}") for number in range(200)]
        with pytest.raises(ContractBroken, match="more than 100 pages"):
            polygon(upstream).daily_bars("AAPL", FIRST, LAST)
        assert len(upstream.asked) == 100
