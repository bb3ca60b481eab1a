"""The doctor says what is wrong and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from psycopg.conninfo import make_conninfo

from marketdata.storage.connection import connect
from marketdata.storage.doctor import Finding, examine, judge_redis
from tests.faults.own_valkey import own_valkey
from tests.storage.ledger import Ledger
from tests.storage.logins import as_app, as_reader


def _findings(monkeypatch: pytest.MonkeyPatch, dsn: str | None, redis_url: str | None = None) -> dict[str, Finding]:
    for name, value in (("MARKETDATA_DSN", dsn), ("REDIS_URL", redis_url)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return {finding.check: finding for finding in examine()}


def test_all_is_well_on_a_migrated_database_with_assets_and_a_cache(
    ledger: Ledger, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = _findings(monkeypatch, as_app(ledger.dsn), redis_url)
    assert {finding.health for finding in findings.values()} == {"ok"}, findings
    assert findings["assets"].found == "3 followed"
    assert findings["timescaledb"].found.startswith("none")


@pytest.mark.fault("D01")
def test_a_database_that_is_down_is_one_finding_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = _findings(monkeypatch, "postgresql://user:hunter2secret@127.0.0.1:1/marketdata")
    assert findings["database"].health == "failed"
    assert findings["database"].next_step
    assert "hunter2secret" not in str(findings)
    assert "schema" not in findings, "nothing can be said of it"


def test_an_address_that_is_not_set_says_how_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = _findings(monkeypatch, None)["database"]
    assert (finding.health, finding.found) == ("failed", "MARKETDATA_DSN is not set")


@pytest.mark.fault("S11")
def test_it_says_with_which_login_it_looks_and_warns_of_one_that_could_drop_it_all(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = _findings(monkeypatch, dsn)["login"]
    assert (finding.health, finding.found) == ("warning", "postgres, a superuser: more than flows need")
    assert "marketdata_app" in finding.next_step
    finding = _findings(monkeypatch, as_app(dsn))["login"]
    assert (finding.health, finding.found) == ("ok", "marketdata_app_login, a member of marketdata_app")
    reads = make_conninfo(as_reader(dsn), options="-c default_transaction_read_only=off")
    assert _findings(monkeypatch, reads)["login"].found.endswith("a member of marketdata_reader: it cannot write")


@pytest.mark.fault("S11")
def test_a_login_that_may_not_do_what_flows_need_is_found_with_the_next_step(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = as_app(dsn)
    with connect(dsn, autocommit=True) as connection:
        connection.execute(f"revoke temporary on database {connection.info.dbname} from public")
        finding = _findings(monkeypatch, login)["statements"]
        assert (finding.health, finding.next_step) == (
            "failed",
            f"grant temporary on database {connection.info.dbname} to marketdata_app",
        )
        connection.execute("revoke marketdata_app from marketdata_app_login")
        try:
            findings = _findings(monkeypatch, login)
        finally:
            connection.execute("grant marketdata_app to marketdata_app_login")
    assert findings["login"].health == "failed"
    assert "schema" not in findings, "it may not look at it"


@pytest.mark.fault("D13")
def test_a_database_never_migrated_names_the_command(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = _findings(monkeypatch, empty_dsn)["schema"]
    assert (finding.health, finding.next_step) == ("failed", "run: marketdata migrate")


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("alter table latest_price drop column previous_close cascade", "previous_close"),
        ("alter table coverage rename column verified to proven", "verified"),
    ],
)
def test_a_column_changed_by_hand_is_found(dsn: str, monkeypatch: pytest.MonkeyPatch, change: str, column: str) -> None:
    with connect(dsn) as connection:
        connection.execute(change)
    finding = _findings(monkeypatch, dsn)["statements"]
    assert finding.health == "failed"
    assert column in finding.found


def test_a_calendar_that_runs_out_is_found(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(dsn) as connection:
        connection.execute("delete from trading_session where session > '2020-01-01'")
    assert _findings(monkeypatch, dsn)["trading sessions"].health == "failed"


def test_a_cache_that_is_away_is_found_and_one_that_is_not_set_is_a_warning(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _findings(monkeypatch, ledger.dsn, "redis://127.0.0.1:1")["redis"].health == "failed"
    assert _findings(monkeypatch, ledger.dsn, None)["redis"].health == "warning"


@pytest.mark.fault("R03")
def test_a_cache_that_answers_and_is_full_is_found(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_valkey(tmp_path) as server, redis.Redis.from_url(server.url()) as client:
        client.set("ballast", b"x" * 3_000_000)
        client.config_set("maxmemory", "2mb")
        finding = _findings(monkeypatch, ledger.dsn, server.url())["redis"]
    assert (finding.health, finding.found) == ("failed", "it answers and refuses to write: OutOfMemoryError")
    assert "cache_away" in finding.next_step


@pytest.mark.fault("S09")
@pytest.mark.parametrize(
    ("host", "password", "health"),
    [
        ("127.0.0.1", "", "ok"),
        ("localhost", "", "ok"),
        ("[::1]", "", "ok"),
        ("redis.example.com", "", "warning"),
        ("10.0.0.7", "", "warning"),
        ("10.0.0.7", ":hunter2secret@", "ok"),
    ],
)
def test_a_cache_that_answers_others_without_a_password_is_a_warning(host: str, password: str, health: str) -> None:
    with redis.Redis.from_url(f"redis://{password}{host}:6379/0") as client:
        client.info = lambda _: {"maxmemory": 0, "maxmemory_policy": "allkeys-lru"}  # type: ignore[method-assign]
        finding = judge_redis(client)
    assert finding.health == health
    assert ("password" in finding.found) == (health == "warning") == bool(finding.next_step)
    assert "hunter2secret" not in str(finding)


def test_a_cache_that_evicts_is_a_warning_since_the_quota_lives_there(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_valkey(tmp_path) as server, redis.Redis.from_url(server.url()) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert _findings(monkeypatch, ledger.dsn, server.url())["redis"].health == "ok", "it has no limit"
        client.config_set("maxmemory", "100mb")
        finding = _findings(monkeypatch, ledger.dsn, server.url())["redis"]
        assert (finding.health, "allkeys-lru" in finding.found) == ("warning", True)
        client.config_set("maxmemory-policy", "noeviction")
        assert _findings(monkeypatch, ledger.dsn, server.url())["redis"].health == "ok"
