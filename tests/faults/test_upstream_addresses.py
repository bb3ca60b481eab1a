"""Where a key may go: never to another host, whatever an answer, a symbol or a connection says."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.bars import Vendor
from marketdata.errors import ConfigurationError, ContractBroken, InvalidRequest
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.paths import segment
from marketdata.hooks.transport import Timeouts, Transport, WireFailure
from tests.hooks.accounts import KEY, coingecko, polygon
from tests.hooks.upstream import Upstream, reply

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 6)
BAR = {"o": 1, "h": 1, "l": 1, "c": 1, "t": 1772427600000}
EMPTY = reply({"status": "OK", "resultsCount": 0})


def page(next_url: str) -> dict[str, Any]:
    return {"status": "OK", "resultsCount": 1, "results": [BAR], "next_url": next_url}


@pytest.mark.fault("U21")
@pytest.mark.promise("P8")
@pytest.mark.parametrize(
    "next_url",
    [
        "http://127.0.0.1:{evil}/v2/aggs/x?cursor=1",
        "http://localhost:{evil}/v2/aggs/x?cursor=1",
        "http://127.0.0.1:{here}@127.0.0.1:{evil}/v2",
        "http://user:pass@127.0.0.1:{here}/v2",
        "//127.0.0.1:{evil}/v2/aggs/x",
        "https://127.0.0.1:{here}/v2/aggs/x",
        "http://127.0.0.1:{here}\\@127.0.0.1:{evil}/v2",
        "http://127.0.0.1:{here}\n.evil:{evil}/v2",
        "http://[::1]:{evil}/v2",
        "http://127.0.0.1/v2",
        "http://api.massive.com/v2/aggs/x",
        "https://api.massive.com@127.0.0.1:{evil}/v2",
        "https://api.massive.com:8443/v2",
        "https://evil.example/v2",
        "https://api.massive.com.evil.example/v2",
        "file:///etc/passwd",
        "/v2/aggs/x?cursor=1",
        "http://127.0.0.1:notaport/v2",
        "http://127.0.0.1:{here}/massive/../admin",
        "http://127.0.0.1:{here}/massive/%2e%2e/admin",
    ],
)
def test_a_next_page_elsewhere_is_refused_and_nobody_else_is_asked(next_url: str) -> None:
    with Upstream() as upstream, Upstream([EMPTY]) as evil:
        upstream.scripts = [reply(page(next_url.format(evil=evil.port, here=upstream.port)))]
        with pytest.raises(ContractBroken, match="next_url refused"):
            polygon(upstream).daily_bars("AAPL", FIRST, LAST)
        assert len(upstream.asked) == 1
        assert evil.asked == []


@pytest.mark.fault("U21")
@pytest.mark.parametrize("host", ["https://api.massive.com", "https://api.polygon.io:443", "http://127.0.0.1:{here}"])
@pytest.mark.parametrize("prefix", ["", "/massive"])
def test_a_next_page_of_the_vendor_is_asked_on_our_own_base_without_its_key(host: str, prefix: str) -> None:
    with Upstream() as upstream:
        here = host.format(here=upstream.port)
        target = f"{here}{prefix}/v2/aggs/x?apiKey={KEY}&cursor=a%2Fb&APIKEY=k"
        last = reply({"status": "OK", "resultsCount": 1, "results": [BAR]})
        upstream.scripts = [reply(page(target)), last]
        polygon(upstream).daily_bars("AAPL", FIRST, LAST)
    assert upstream.asked[1].target == "/massive/v2/aggs/x?cursor=a%2Fb"
    assert upstream.asked[1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.fault("U22")
@pytest.mark.promise("P8")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_its_target_never_asked(status: int) -> None:
    with Upstream([EMPTY]) as evil, Upstream([reply({}, status, Location=f"{evil.url}/steal")]) as upstream:
        with pytest.raises(ContractBroken, match="redirect"):
            polygon(upstream).market_day(LAST)
        with pytest.raises(ContractBroken, match="redirect"):
            coingecko(upstream).daily_closes("bitcoin", FIRST, LAST)
        assert len(upstream.asked) == 2
        assert evil.asked == []


@pytest.mark.fault("U22")
def test_the_transport_itself_sends_nothing_to_another_host() -> None:
    with Upstream([EMPTY]) as evil, Upstream([EMPTY]) as upstream:
        transport = Transport(VendorConnection("polygon", upstream.url, key=KEY), Timeouts())
        with pytest.raises(WireFailure, match="not on the configured host"):
            transport.get(f"{evil.url}/v2")
        assert evil.asked == []


@pytest.mark.fault("S02")
@pytest.mark.parametrize(
    ("symbol", "path"),
    [
        ("BRK.B", "BRK.B"),
        ("A/B?x=1#y", "A%2FB%3Fx%3D1%23y"),
        ("A%2F", "A%252F"),
        ("X:BTCUSD", "X%3ABTCUSD"),
        ("a;b&c", "a%3Bb%26c"),
    ],
)
def test_a_symbol_is_one_segment_of_the_path(symbol: str, path: str) -> None:
    with Upstream([EMPTY]) as upstream:
        polygon(upstream).daily_bars(symbol, FIRST, LAST)
    assert upstream.asked[0].path == f"/massive/v2/aggs/ticker/{path}/range/1/day/2026-03-02/2026-03-06"


@pytest.mark.fault("S02")
@pytest.mark.parametrize("symbol", ["AAPL/../../v3/x?", "..", ".", "%2e%2e/..", "A\r\nHost: evil", "\x00"])
def test_a_symbol_that_climbs_is_refused_before_anything_is_sent(symbol: str) -> None:
    with Upstream([EMPTY]) as upstream:
        with pytest.raises(InvalidRequest):
            polygon(upstream).daily_bars(symbol, FIRST, LAST)
        with pytest.raises(InvalidRequest):
            coingecko(upstream).daily_closes(symbol, FIRST, LAST)
        assert upstream.asked == []


@pytest.mark.fault("S02")
@given(st.text(max_size=120))
def test_no_symbol_ever_gives_more_than_one_segment(symbol: str) -> None:
    try:
        quoted = segment(symbol)
    except InvalidRequest:
        return
    assert not set(quoted) & set("/?#\\ \r\n")
    assert quoted not in {"", ".", ".."}


@pytest.mark.fault("S12")
@pytest.mark.promise("P8")
@pytest.mark.parametrize("vendor", ["polygon", "coingecko"])
@pytest.mark.parametrize(
    "url",
    [
        "http://api.massive.com",
        "http://api.coingecko.com/api/v3",
        "https://evil.example",
        "https://api.massive.com.evil.example",
        "https://api.massive.com@evil.example",
        "https://user@api.massive.com",
        "https://api.massive.com:8443",
        "https://api.massive.com/?x=",
        "https://api.massive.com/#x",
        "https://api.massive.com/../x",
        "https://api.massive.com\\.evil.example",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1",
        "http://10.0.0.1",
        "http://0.0.0.0:8080",
        "http://2130706433",
        "http://0x7f.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "api.massive.com",
        "https://",
        "https://api.massive.com:port",
        "https://[::1",
    ],
)
def test_a_host_outside_the_allow_list_is_refused(url: str, vendor: Vendor) -> None:
    with pytest.raises(ConfigurationError, match="allow-list") as caught:
        VendorConnection(vendor, url, key=KEY)
    assert KEY not in str(caught.value)


@pytest.mark.fault("S12")
@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://127.0.0.9"])
def test_loopback_needs_to_be_allowed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert VendorConnection("polygon", url, key=KEY).base_url == url
    for value in ("", "0", "true"):
        monkeypatch.setenv("MARKETDATA_ALLOW_LOOPBACK", value)
        with pytest.raises(ConfigurationError, match="MARKETDATA_ALLOW_LOOPBACK=1"):
            VendorConnection("polygon", url, key=KEY)


@pytest.mark.fault("S12")
def test_the_vendors_own_hosts_are_allowed_each_for_its_own_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETDATA_ALLOW_LOOPBACK")
    assert VendorConnection("polygon", "https://api.polygon.io/", key=KEY).base_url == "https://api.polygon.io"
    assert VendorConnection("coingecko", key=KEY).base_url == "https://api.coingecko.com/api/v3"
    with pytest.raises(ConfigurationError):
        VendorConnection("coingecko", "https://api.massive.com", key=KEY)
