"""The doctor says what is wrong and what to do about it."""

from __future__ import annotations

import pytest

from marketdata.storage.connection import connect
from marketdata.storage.doctor import Finding, examine
from tests.storage.ledger import Ledger


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
    findings = _findings(monkeypatch, ledger.dsn, redis_url)
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


@pytest.mark.fault("D13")
def test_a_database_never_migrated_names_the_command(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = _findings(monkeypatch, empty_dsn)["schema"]
    assert (finding.health, finding.next_step) == ("failed", "run: marketdata migrate")


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("alter table bar_daily drop column vwap cascade", "vwap"),
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
