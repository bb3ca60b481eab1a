"""Keys: rejected ones stop at once, and no key is ever seen anywhere but in its header."""

from __future__ import annotations

import logging
import socket
import traceback
from datetime import date
from urllib.parse import quote

import pytest

from marketdata.errors import KeyRejected, MarketDataError
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.quota import Quota
from tests.hooks.accounts import KEY, coingecko, polygon, polygon_at
from tests.hooks.upstream import Asked, Script, Upstream, reply

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 6)
BAR = {"T": "A", "o": 1, "h": 1, "l": 1, "c": 1, "t": 1772427600000}
ECHO = f"Unknown API Key {KEY} or {quote(KEY, safe='')}"


def cut(opened: socket.socket, _asked: Asked) -> None:
    opened.shutdown(socket.SHUT_RDWR)


@pytest.mark.fault("U23")
def test_a_key_that_polygon_rejects_fails_at_once() -> None:
    with Upstream([reply({"status": "ERROR", "error": "Unknown API Key"}, 401)]) as upstream:
        with pytest.raises(KeyRejected, match="password field") as caught:
            polygon(upstream).market_day(LAST)
        assert len(upstream.asked) == 1
    assert not caught.value.retryable


@pytest.mark.fault("U23")
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_key_that_coingecko_rejects_fails_at_once(status: int) -> None:
    with Upstream([reply({"status": {"error_code": 10002, "error_message": "missing"}}, status)]) as upstream:
        with pytest.raises(KeyRejected, match="password field") as caught:
            coingecko(upstream).daily_closes("bitcoin", FIRST, LAST)
        assert len(upstream.asked) == 1
    assert not caught.value.retryable


ANSWERS: dict[str, Script] = {
    "ok": reply({"status": "OK", "resultsCount": 1, "results": [BAR]}),
    "401 that repeats the key": reply({"status": "ERROR", "error": ECHO}, 401),
    "403 that repeats the key": reply({"status": "NOT_AUTHORIZED", "message": f"not entitled {ECHO}"}, 403),
    "404 that repeats the key": reply({"error": ECHO}, 404),
    "400 that repeats the key": reply({"error": ECHO}, 400),
    "status that repeats the key": reply({"status": KEY[:40], "resultsCount": 0}),
    "HTML that repeats the key": reply(f"<html>{ECHO}".encode(), Content_Type="text/html"),
    "429": reply({}, 429),
    "503": reply({}, 503),
    "redirect": reply({}, 302, Location=f"http://evil.example/?apiKey={KEY}"),
    "next_url with the key": reply(
        {"status": "OK", "resultsCount": 1, "results": [BAR], "next_url": f"http://evil.example/?apiKey={KEY}"}
    ),
    "cut": cut,
}


@pytest.mark.promise("P8")
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_key_is_in_its_header_and_in_no_url_log_exception_or_repr(
    answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen = []
    with Upstream([ANSWERS[answer]]) as upstream:
        for hook, call in (
            (one := polygon(upstream), lambda: one.daily_bars("A", FIRST, LAST)),
            (two := coingecko(upstream), lambda: two.daily_closes("bitcoin", FIRST, LAST)),
        ):
            try:
                seen.append(repr(call()))
            except MarketDataError as error:
                seen += [repr(error), "".join(traceback.format_exception(error, chain=True))]
            seen += [repr(hook.connection), repr(hook.get_conn())]
        asked = list(upstream.asked)
    seen += [record.getMessage() for record in caplog.records] + [caplog.text]
    assert asked
    assert all(KEY in str(request.headers) for request in asked)
    seen += [request.target for request in asked]
    assert len("".join(seen)) > 100
    for secret in (KEY, quote(KEY, safe="")):
        assert not [text for text in seen if secret in text]


@pytest.mark.promise("P8")
@pytest.mark.parametrize("key", ["with blank", "new\nline", "ümlaut", "nul\x00", "tab\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(MarketDataError, match="blanks or unprintable") as caught:
        VendorConnection("polygon", key=key)
    assert key not in "".join(traceback.format_exception(caught.value))


@pytest.mark.promise("P8")
def test_a_netrc_entry_or_a_proxy_of_the_environment_changes_nothing_on_loopback(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password secret\n")
    with Upstream([ANSWERS["ok"]]) as proxy, Upstream([ANSWERS["ok"]]) as upstream:
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        polygon_at(upstream.url).market_day(LAST)
        assert proxy.asked == []
        assert upstream.asked[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.promise("P8")
def test_the_shared_quota_knows_the_key_by_its_digest_alone(redis_url: str) -> None:
    import redis

    connection = VendorConnection("coingecko", key=KEY, plan="demo")
    quota = Quota.of(connection, redis_url)
    quota.acquire("batch", 1)
    quota.push_back(1)
    with redis.Redis.from_url(redis_url) as client:
        names = [name.decode() for name in client.scan_iter()]
    assert len(names) >= 3
    assert all(connection.key_digest in name and KEY not in name for name in names)


@pytest.mark.promise("P8")
def test_airflow_is_told_to_mask_the_key_as_it_is_and_percent_encoded() -> None:
    from airflow.sdk._shared.secrets_masker import redact

    with Upstream([ANSWERS["ok"]]) as upstream:
        polygon(upstream)
    for secret in (KEY, quote(KEY, safe="")):
        assert secret not in str(redact(f"key={secret} end"))
