"""``marketdata revisions`` as an operator and a program meet it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from marketdata.cli import app
from tests.storage.ledger import MONDAY, SEEN, WEEK, Ledger, answer, bars, open_ledger

runner = CliRunner()
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A1: a final bar corrected on Saturday. A2: a provisional one changed a day later."""
    monkeypatch.setenv("MARKETDATA_DSN", dsn)
    monkeypatch.setenv("MARKETDATA_NOW", (SEEN + timedelta(days=2)).isoformat())
    with open_ledger(dsn) as opened:
        for asset_id, closes, at, is_final in (
            (1, {MONDAY: 10.0, WEEK[1]: 20.0}, SEEN, True),
            (1, {MONDAY: 10.0, WEEK[1]: 20.5}, SEEN + HOUR, True),
            (2, {WEEK[4]: 5.0}, SEEN, False),
            (2, {WEEK[4]: 5.5}, SEEN + timedelta(days=1), True),
        ):
            call = opened.call(asset_id, min(closes), max(closes))
            opened.warehouse.store_daily(call, answer(asset_id, bars(closes), seen=at, is_final=is_final))
        yield opened


def told(*arguments: str) -> dict[str, Any]:
    result = runner.invoke(app, ["revisions", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_program_gets_each_change_with_its_figures_runs_and_instants(ledger: Ledger) -> None:
    found = told()
    assert [day["day"] for day in found["days"]] == ["2026-11-22", "2026-11-21"]
    assert found["since"] == "2026-11-17"
    newest, correction = found["changes"]
    assert (newest["symbol"], newest["was_final"]) == ("A2", False)
    assert correction["differences"]["close"] == {"old": 20.0, "new": 20.5, "relative": pytest.approx(0.025)}
    assert "volume" not in correction["differences"]
    assert {name: correction[name] for name in ("symbol", "session", "known_since", "changed_at", "run_id")} == {
        "symbol": "A1",
        "session": "2026-11-17",
        "known_since": SEEN.isoformat(),
        "changed_at": (SEEN + HOUR).isoformat(),
        "run_id": ledger.run_id,
    }


def test_changes_are_chosen_by_symbol_by_day_and_by_being_corrections(ledger: Ledger) -> None:
    assert ledger.closes()
    assert [change["symbol"] for change in told("A1")["changes"]] == ["A1"]
    assert [change["symbol"] for change in told("--since", "2026-11-22")["changes"]] == ["A2"]
    assert [change["symbol"] for change in told("--corrections")["changes"]] == ["A1"]
    assert told("A3") == {"since": "2026-11-17", "days": [], "changes": []}


def test_a_person_sees_the_days_the_figures_and_how_much_is_not_shown(ledger: Ledger) -> None:
    assert ledger.closes()
    shown = runner.invoke(app, ["revisions"], env={"COLUMNS": "160"}).stdout
    for text in ("2026-11-21", "20.5", "+2.5000%", "(provisional)", "A2 +10.0000%"):
        assert text in shown, text
    assert "1 older changes are not shown" in runner.invoke(app, ["revisions", "--limit", "1"]).stdout
    assert "no bar was changed since 2026-11-23" in runner.invoke(app, ["revisions", "--since", "2026-11-23"]).stdout


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--since", "yesterday"], "it is no day"), (["NOPE"], "not among the 3 assets")]
)
def test_what_cannot_be_asked_is_refused_with_the_next_step(ledger: Ledger, arguments: list[str], message: str) -> None:
    assert ledger.closes()
    result = runner.invoke(app, ["revisions", *arguments])
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Next:" in result.stderr
