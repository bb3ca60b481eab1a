"""Delivery through Airflow's notifiers to real receivers, living and dead."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator

import pytest

from marketdata.alerts import delivery
from marketdata.alerts.delivery import deliver, receivers
from marketdata.domain.alerting import Delivery, Message
from marketdata.errors import ConfigurationError
from tests.alerts.receivers import (
    Webhook,
    apprise_connection,
    free_port,
    hanging,
    mailbox,
    smtp_connection,
    webhook,
)

MESSAGE = Message(
    7, "feed_stale:polygon", "opened", "error", "[error] latest prices are stale", "since: 10:31\nnext: wait"
)
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
APPRISE = "airflow.providers.apprise.notifications.apprise.AppriseNotifier"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A living webhook behind the connection ``apprise_default``, which a busy machine may take long to reach."""
    monkeypatch.setattr(delivery, "_LONGEST_SECONDS", 120.0)
    with webhook() as opened:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", opened.connection())
        yield opened


def notifiers(monkeypatch: pytest.MonkeyPatch, *entries: object) -> None:
    monkeypatch.setenv("MARKETDATA_NOTIFIERS", json.dumps(entries))


def mail(**kwargs: object) -> dict[str, object]:
    return {"notifier": SMTP, "kwargs": {"to": "ops@example.com", "from_email": "marketdata@example.com", **kwargs}}


def test_the_apprise_connection_is_the_receiver_where_nothing_is_set(hook: Webhook) -> None:
    assert deliver(MESSAGE) == Delivery(("apprise",))
    (got,) = hook.got
    assert (got["title"], got["message"], got["type"]) == (MESSAGE.title, MESSAGE.body, "failure")


@pytest.mark.parametrize(("kind", "level", "type_"), [("recovered", "error", "success"), ("opened", "warn", "warning")])
def test_apprise_is_told_how_bad_it_is(hook: Webhook, kind: str, level: str, type_: str) -> None:
    deliver(Message(7, "feed_stale:polygon", kind, level, "title", "body"))  # type: ignore[arg-type]
    assert [got["type"] for got in hook.got] == [type_]


def test_without_receiver_and_connection_a_message_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert deliver(MESSAGE) == Delivery(("log",))
    assert "latest prices are stale | since: 10:31 | next: wait" in caplog.text


def test_mail_and_webhook_both_get_a_message(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    with mailbox() as box:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", smtp_connection(box.port))
        notifiers(monkeypatch, mail(), {"notifier": APPRISE, "kwargs": {"tag": "alerts"}})
        message = Message(7, "feed_stale:polygon", "opened", "error", "[error] stale", "cause: <html> & more")
        assert deliver(message) == Delivery(("1 SmtpNotifier", "2 AppriseNotifier"))
    (letter,) = box.got
    assert (letter["Subject"], letter["To"]) == ("[error] stale", "ops@example.com")
    assert "<pre>cause: &lt;html&gt; &amp; more</pre>" in letter.as_string()
    assert hook.titles == ["[error] stale"]


def test_a_receiver_that_has_a_message_does_not_get_it_again(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    notifiers(monkeypatch, {"notifier": APPRISE}, mail())
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", smtp_connection(free_port()))
    first = deliver(MESSAGE)
    assert first.delivered_to == ("1 AppriseNotifier",)
    assert [failure.partition(":")[0] for failure in first.failures] == ["2 SmtpNotifier"]
    again = Message(7, MESSAGE.alert_key, "opened", "error", "t", "b", first.delivered_to)
    assert deliver(again).delivered_to == ("1 AppriseNotifier",)
    assert len(hook.got) == 1


@pytest.mark.fault("A11")
def test_a_dead_receiver_is_a_failure_that_is_told_not_one_that_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", apprise_connection(f"json://127.0.0.1:{free_port()}"))
    assert deliver(MESSAGE) == Delivery((), ("apprise: ConnectionError: JSON failure",))


@pytest.mark.fault("A11")
def test_a_receiver_that_answers_500_has_not_got_it(hook: Webhook) -> None:
    hook.status = 500
    assert deliver(MESSAGE).failures == ("apprise: ConnectionError: JSON failure",)


@pytest.mark.fault("A11")
def test_a_receiver_that_hangs_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_LONGEST_SECONDS", 0.5)
    with hanging() as port:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", smtp_connection(port))
        notifiers(monkeypatch, mail())
        began = time.monotonic()
        assert deliver(MESSAGE) == Delivery((), ("1 SmtpNotifier: no answer within 0 s",))
        assert time.monotonic() - began < 100, "it would wait for 300 s"


@pytest.mark.fault("A11")
def test_a_webhook_that_hangs_is_given_up_by_apprise_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging() as port:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", apprise_connection(f"json://127.0.0.1:{port}?rto=0.3"))
        assert deliver(MESSAGE) == Delivery((), ("apprise: ConnectionError: JSON failure",))


@pytest.mark.promise("P8")
@pytest.mark.parametrize(
    ("connection", "says"),
    [
        (apprise_connection("nonsense://s3cret-token"), "Apprise does not understand an address in it"),
        (apprise_connection(), "no service of the connection has the tag"),
        (json.dumps({"conn_type": "apprise", "extra": {}}), "KeyError: 'config'"),
    ],
)
def test_a_connection_without_a_usable_address_is_a_failure_and_tells_no_token(
    connection: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", connection)
    (failure,) = deliver(MESSAGE).failures
    assert says in failure
    assert "s3cret" not in failure


@pytest.mark.promise("P8")
def test_what_a_notifier_raises_is_told_without_addresses() -> None:
    told = delivery._told(OSError("POST https://hooks.slack.com/services/T0/B0/s3cret failed\nwith 403"))
    assert told == "OSError: POST <address> failed with 403"


@pytest.mark.fault("S16")
def test_a_vendors_words_are_never_a_template(hook: Webhook) -> None:
    body = "cause: {{ 7 * 7 }} {% raw %} {{ ''.__class__ }}"
    deliver(Message(7, "feed_stale:polygon", "opened", "warn", "{{ 7 * 7 }}", body))
    assert [(got["title"], got["message"]) for got in hook.got] == [("{{ 7 * 7 }}", body)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("nonsense", "it is no JSON"),
        ('{"notifier": "a.b"}', "it is no list"),
        ('[{"notifier": "a.b", "token": "s3cret"}]', "it is no list"),
        ('[{"notifier": "nodots"}]', "it is no list"),
    ],
)
def test_a_malformed_setting_is_told_and_raised_to_nobody(
    given: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETDATA_NOTIFIERS", given)
    with pytest.raises(ConfigurationError, match=why):
        receivers()
    (failure,) = deliver(MESSAGE).failures
    assert why in failure
    assert "s3cret" not in failure


@pytest.mark.parametrize(
    "entry",
    [
        {"notifier": "no.such.Notifier"},
        {"notifier": "marketdata.alerts.delivery.NoSuchNotifier"},
        {"notifier": SMTP, "kwargs": {"no_such_argument": 1}},
    ],
)
def test_a_notifier_that_cannot_be_made_is_a_failure(entry: object, monkeypatch: pytest.MonkeyPatch) -> None:
    notifiers(monkeypatch, entry)
    (failure,) = deliver(MESSAGE).failures
    assert "cannot be made" in failure
    assert "docs/alerting.md" in failure
