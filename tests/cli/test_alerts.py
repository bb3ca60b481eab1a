"""``marketdata alerts``: what is wrong with cause and next step, silences with an end and a reason, a test message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from marketdata.domain.alerting import Delivery, Trouble
from marketdata.storage.alerts import update_alerts
from marketdata.storage.outbox import deliver_waiting
from tests.alerts.receivers import apprise_connection, free_port, webhook
from tests.cli.conftest import Terminal, says, text

NOW = datetime.fromisoformat("2026-11-20T15:45:00+00:00")
FEED = Trouble(
    "feed_stale", "polygon", "error", NOW - timedelta(minutes=14), ("latest",), 14.0, 9.0, (), "",
    "calls fail, the last at 2026-11-20 10:44 New York: transient, it is down", "wait for the vendor",
)  # fmt: skip


def see(terminal: Terminal, troubles: Sequence[Trouble], now: datetime = NOW) -> None:
    terminal.desk.services.warehouse.transact(
        update_alerts, troubles, held=(), ended={}, now=now, runbooks="docs/runbooks"
    )


def test_where_nothing_is_wrong_the_list_says_so(terminal: Terminal) -> None:
    assert says(terminal, "alerts") == says(terminal, "alerts list") == "nothing is wrong"


def test_the_list_shows_what_is_wrong_with_cause_and_next_step_and_what_was(terminal: Terminal) -> None:
    coins = Trouble("credits_used_up", "coingecko", "warn", NOW, cause="too many")
    see(terminal, [coins], NOW - timedelta(hours=2))
    see(terminal, [FEED])
    said = says(terminal, "alerts")
    assert (
        text("""
        error latest prices of polygon are stale
          alert: feed_stale:polygon, since 2026-11-20 10:31 New York, told 2026-11-20 10:45 New York
          likely cause: calls fail, the last at 2026-11-20 10:44 New York: transient, it is down
          next: wait for the vendor
    """)
        in said
    )
    assert "recovered" in said
    assert "credits_used_up:coingecko" in said
    assert "3 messages not delivered since 2026-11-20 08:45 New York: not tried yet" in said
    known = terminal.json("alerts list")
    assert [(alert["alert_key"], alert["state"]) for alert in known["alerts"]] == [
        ("feed_stale:polygon", "open"),
        ("credits_used_up:coingecko", "recovered"),
    ]
    assert known["waiting"]["waiting"] == 3


def test_messages_that_nobody_takes_are_told_by_list_and_doctor(terminal: Terminal) -> None:
    see(terminal, [FEED])
    warehouse = terminal.desk.services.warehouse
    deliver_waiting(warehouse, lambda _: Delivery((), ("apprise: ConnectionError: JSON failure",)), now=NOW)
    assert "1 message not delivered since" in says(terminal, "alerts")
    (found,) = (each for each in terminal.json("doctor")["findings"] if each["check"] == "alert messages")
    assert found["health"] == "warning"
    assert "apprise: ConnectionError: JSON failure" in found["found"]


def test_a_silence_is_made_listed_and_ended(terminal: Terminal) -> None:
    line = 'alerts silence feed_stale:polygon --until 2026-12-01 --reason "vendor moves" --who ops'
    assert says(terminal, line) == "silence 1: nobody is told of feed_stale:polygon before 2026-12-01 00:00 New York"
    (silence,) = terminal.json("alerts list")["silences"]
    assert (silence["pattern"], silence["until"], silence["reason"], silence["who"]) == (
        "feed_stale:polygon", "2026-12-01T05:00:00+00:00", "vendor moves", "ops",
    )  # fmt: skip
    assert "vendor moves" in says(terminal, "alerts")
    assert says(terminal, "alerts unsilence 1") == "silence 1 has ended: feed_stale:polygon is told again"
    assert terminal.json("alerts list")["silences"] == []
    assert terminal.run("alerts unsilence 1").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("feed_stale:polygon --until 2026-12-01", None),
        ("feed_stale:polygon --reason moves", None),
        ("feed_stale:polygon --until 2026-11-01 --reason moves", "it is over already"),
        ("feed_stale:polygon --until 2027-12-01 --reason moves", "more than 90 days ahead"),
        ("feed_stale:polygon --until soon --reason moves", "it is no day"),
        ("feed_stale:polygon --until 2026-12-01 --reason ' '", "it says nothing"),
        ("feed_stael:polygon --until 2026-12-01 --reason moves", "no alert is called so"),
    ],
)
def test_a_silence_without_end_reason_or_known_key_is_refused(
    arguments: str, why: str | None, terminal: Terminal
) -> None:
    done = terminal.run(f"alerts silence {arguments}")
    assert done.exit_code == (2 if why is None else 1)
    assert why is None or why in done.output
    assert terminal.json("alerts list")["silences"] == []


@pytest.mark.fault("A11")
def test_a_test_message_shows_who_takes_it(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert says(terminal, "alerts test") == "nobody is told: alerts are only logged"
    with webhook() as hook:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", hook.connection())
        assert says(terminal, "alerts test") == "apprise took it"
        assert hook.titles == ["[test] marketdata alerts arrive here"]
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", apprise_connection(f"json://127.0.0.1:{free_port()}"))
    done = terminal.run("alerts test")
    assert done.exit_code == 1
    assert "not delivered: apprise: ConnectionError: JSON failure" in done.stdout


def test_doctor_says_who_is_told(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> tuple[str, str]:
        (finding,) = (each for each in terminal.json("doctor")["findings"] if each["check"] == "alerts")
        return finding["health"], finding["found"]

    assert found() == ("warning", "nobody is told of them: they are only logged")
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", apprise_connection("json://127.0.0.1"))
    assert found() == ("ok", "go to apprise")
    monkeypatch.setenv("MARKETDATA_NOTIFIERS", "nonsense")
    assert found() == ("failed", "MARKETDATA_NOTIFIERS: it is no JSON")
