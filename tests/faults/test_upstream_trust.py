"""Who answers may not be the vendor, or there may be nobody: TLS, names, and a vendor whose clock is wrong."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from unittest import mock

import pytest
import requests.adapters
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from marketdata.errors import ConfigurationError, ContractBroken, TransientFailure
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.http import Patience
from marketdata.hooks.transport import Timeouts, Transport
from tests.hooks.accounts import KEY, NOW, coingecko, polygon, polygon_at, waits_of
from tests.hooks.upstream import Upstream, reply

SESSION = date(2026, 3, 9)
EMPTY = reply({"status": "OK", "resultsCount": 0})
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
YEAR = timedelta(days=365)

Issue = Callable[..., ssl.SSLContext]


@pytest.fixture
def issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issue:
    """Issues certificates to servers; this machine trusts them unless they are ``self_signed``."""
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name("an authority")
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, is_ca=True)
    bundle = tmp_path / "trusted.pem"
    bundle.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(bundle))

    def build(
        to: x509.GeneralName = HERE, *, self_signed: bool = False, valid: timedelta = timedelta(0)
    ) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = (_name("a server"), key) if self_signed else (ca_name, ca_key)
        signed = _certificate(_name("a server"), issuer[0], key.public_key(), issuer[1], to=to, valid=valid)
        path = tmp_path / "server.pem"
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    return build


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    to: x509.GeneralName = HERE,
    is_ca: bool = False,
    valid: timedelta = timedelta(0),
) -> x509.Certificate:
    now = datetime.now(UTC) + valid
    return (
        x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now - YEAR / 2, now + YEAR / 2)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([to]), critical=False)
        .sign(signer, hashes.SHA256())
    )


@pytest.mark.fault("U30")
def test_a_certificate_that_is_right_is_taken(issue: Issue) -> None:
    with Upstream([EMPTY], tls=issue()) as upstream:
        assert polygon(upstream).market_day(SESSION).requests == 1


@pytest.mark.fault("U30")
@pytest.mark.promise("P8")
@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ({"self_signed": True}, "nobody known to this machine vouches for it"),
        ({"to": x509.IPAddress(ipaddress.ip_address("127.0.0.2"))}, "it is another host's"),
        ({"to": x509.DNSName("api.massive.com")}, "it is another host's"),
        ({"valid": -YEAR}, "it has expired"),
        ({"valid": YEAR}, "it is not valid yet"),
    ],
    ids=str,
)
def test_a_certificate_that_is_wrong_is_a_network_failure_and_nothing_is_sent(
    issue: Issue, certificate: dict[str, object], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PYTHONHTTPSVERIFY"):
        monkeypatch.setenv(variable, "" if "CA" in variable else "0")
    with Upstream([EMPTY], tls=issue(**certificate)) as upstream:
        hook = polygon(upstream)
        with pytest.raises(TransientFailure) as caught:
            hook.market_day(SESSION)
    error = caught.value
    assert upstream.asked == [], "neither path nor key went out"
    assert (error.kind, error.retryable, error.status, error.requests) == ("transient", True, 0, 4)
    assert len(waits_of(hook)) == 3, "it is tried again as any failure of the network"
    assert error.what == "polygon market day 2026-03-09"
    assert error.why == f"TLS failed: the host's certificate was refused, {why}"
    assert "always checked" in error.next_step
    assert "127.0.0" not in str(error)


@pytest.mark.fault("U30")
def test_a_server_that_speaks_no_tls_is_a_network_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            opened, _ = server.accept()
            with opened:
                opened.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                opened.recv(4096)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(TransientFailure, match="TLS failed: no handshake"):
            polygon_at(url, Patience(tries=1)).market_day(SESSION)
        thread.join(5)


@pytest.mark.fault("U30")
def test_a_name_that_does_not_resolve_is_a_network_failure_that_names_the_next_step() -> None:
    nobody = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with mock.patch("socket.getaddrinfo", autospec=True, side_effect=nobody) as asked:
        hook = polygon_at("http://localhost:1")
        with pytest.raises(TransientFailure, match="the host name could not be resolved") as caught:
            hook.market_day(SESSION)
    assert (asked.call_count, len(waits_of(hook)), caught.value.retryable) == (4, 3, True)
    assert "see this machine's DNS" in caught.value.next_step
    assert "localhost" not in str(caught.value)


@pytest.mark.fault("U30")
def test_a_list_of_authorities_that_does_not_exist_is_a_setting_to_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        Transport(VendorConnection("polygon", key=KEY), Timeouts())


@pytest.mark.fault("U30")
@pytest.mark.parametrize("ahead", [timedelta(hours=-3), timedelta(0), timedelta(hours=3)])
def test_an_instant_to_wait_for_is_by_the_vendors_own_clock(ahead: timedelta) -> None:
    vendors_now = NOW + ahead
    headers = {
        "Date": format_datetime(vendors_now, usegmt=True),
        "Retry_After": format_datetime(vendors_now + timedelta(seconds=42), usegmt=True),
    }
    with Upstream([reply({}, 429, **headers), EMPTY]) as upstream:
        hook = polygon(upstream)
        hook.market_day(SESSION)
    assert waits_of(hook) == [42.0]


@pytest.mark.fault("U30")
@pytest.mark.parametrize("text", ["", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_date_header_that_is_wrong_or_no_date_does_no_harm(text: str) -> None:
    with Upstream(
        [reply({}, 429, Date=text, Retry_After="2"), reply({"status": "OK", "resultsCount": 0}, Date=text)]
    ) as up:
        hook = polygon(up)
        answer = hook.market_day(SESSION)
    assert (waits_of(hook), answer.received_at) == ([2.0], NOW)


@pytest.mark.fault("U30")
@pytest.mark.promise("P10")
def test_a_chart_counted_back_from_a_wrong_today_proves_nothing() -> None:
    chart = {"prices": [], "total_volumes": []}
    for days, is_broken in ((-5, False), (0, False), (1, False), (2, True)):
        with Upstream([reply(chart, Date=format_datetime(NOW + timedelta(days=days), usegmt=True))]) as upstream:
            hook = coingecko(upstream)
            with pytest.raises(ContractBroken, match="clock says") if is_broken else nullcontext():
                hook.daily_closes("bitcoin", date(2026, 11, 1), date(2026, 11, 20), now=NOW)
