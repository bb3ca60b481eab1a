"""The watch's task without a database: told once, without it, and recovered by the first watch that sees again."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import create_autospec

import airflow.sdk
import pytest

from marketdata.errors import StorageError
from marketdata.watch_tasks import watch_freshness
from tests.alerts.receivers import Webhook, free_port, webhook

watch = watch_freshness.function


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as opened:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", opened.connection())
        yield opened


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Airflow's variables, which only a running Airflow has."""
    kept: dict[str, str] = {}
    variable = create_autospec(airflow.sdk.Variable)
    variable.get.side_effect = lambda key, default=None: kept.get(key, default)
    variable.set.side_effect = lambda key, value: kept.update({key: value})
    variable.delete.side_effect = kept.pop
    monkeypatch.setattr(airflow.sdk, "Variable", variable)
    return kept


def go_blind(monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Watches whose database is away."""
    monkeypatch.setenv("MARKETDATA_DSN", f"postgresql://user:hunter2secret@127.0.0.1:{free_port()}/gone")
    for _ in range(times):
        with pytest.raises(StorageError):
            watch()


@pytest.mark.fault("D01")
@pytest.mark.promise("P8")
def test_a_database_that_is_away_is_told_once_and_recovers(
    dsn: str, hook: Webhook, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_blind(monkeypatch, times=2)
    assert hook.titles == ["[error] freshness cannot be judged: the database is away"]
    assert "runbook: docs/runbooks/watch_blind.md" in hook.got[0]["message"]
    assert "hunter2secret" not in str(hook.got)
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    for _ in range(2):
        assert watch()["state"] == "fresh"
    assert hook.titles[1:] == ["recovered: freshness cannot be judged: the database is away"]
    assert variables == {}


@pytest.mark.fault("A11")
def test_what_a_dead_receiver_did_not_take_is_told_by_the_next_watch(
    hook: Webhook, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.status = 500
    go_blind(monkeypatch)
    assert variables == {}
    hook.status = 200
    go_blind(monkeypatch, times=2)
    assert len(hook.got) == 1
