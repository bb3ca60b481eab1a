"""Every DAG file: loads, parses twice to the same thing, is documented, and costs nothing to import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

def parse():
    bag = DagBag(sys.argv[1])
    assert not bag.import_errors, bag.import_errors
    return {dag_id: DagSerialization.to_dict(dag) for dag_id, dag in bag.dags.items()}

first, second = parse(), parse()
for serialized in first.values():
    DagSerialization.from_dict(serialized)
SETTINGS = ("max_active_runs", "catchup", "dagrun_timeout", "allowed_run_types")
TASK_SETTINGS = ("task_id", "pool", "priority_weight", "weight_rule", "execution_timeout", "retries")
facts = {
    dag_id: {
        "doc": dag["dag"].get("doc_md") or "",
        "params": sorted(name for name, _ in dag["dag"]["params"]),
        "tasks": sorted(task["__var"]["task_id"] for task in dag["dag"]["tasks"]),
        "timetable": dag["dag"]["timetable"]["__type"],
        "schedule": dag["dag"]["timetable"]["__var"],
        "settings": {name: dag["dag"].get(name) for name in SETTINGS},
        "task_settings": [{name: task["__var"].get(name) for name in TASK_SETTINGS} for task in dag["dag"]["tasks"]],
    }
    for dag_id, dag in first.items()
}
print(json.dumps({"facts": facts, "same": first == second}))
"""

# Importing airflow.sdk itself costs what it costs; what a DAG file adds must be light and must not reach out.
IMPORT = """
import importlib.util, socket, sys
import airflow.sdk
import pendulum

def refuse(*args, **kwargs):
    raise AssertionError("a DAG file reached for the network")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(",".join(sorted(sys.modules)))
"""


def run_python(code: str, *args: str, home: Path, **environ: str) -> str:
    env = {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MARKETDATA", "REDIS"))
        },
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT / "plugins"),
        **environ,
    }
    finished = subprocess.run([sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a DAG processor sees, parsed twice in a process of its own, without any database."""
    found = json.loads(run_python(PARSE, str(ROOT / "dags"), home=tmp_path_factory.mktemp("airflow")))
    assert found["facts"], "no DAG was loaded"
    return found


def test_every_file_holds_the_dag_of_its_name(parsed: dict[str, dict[str, object]]) -> None:
    assert sorted(parsed["facts"]) == [path.stem for path in DAG_FILES]


def test_parsing_twice_gives_the_same_dag(parsed: dict[str, object]) -> None:
    assert parsed["same"], (
        "something moves at parse time: a clock or a random default makes a new DAG version each time"
    )


def test_every_dag_tells_an_operator_what_it_does_and_how_to_run_it(
    parsed: dict[str, dict[str, dict[str, str]]],
) -> None:
    for dag_id, facts in parsed["facts"].items():
        assert dag_id in facts["doc"], "the module docstring is the DAG's page"
        example = "--conf" if facts["params"] else f"airflow dags trigger {dag_id}"
        for heading in ("**When**", "**Parameters**", "**Safe to run again**", "**When it fails**", example):
            assert heading in facts["doc"], f"{dag_id} does not say: {heading}"


def test_historical_daily_declares_its_params_and_timetable(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    facts = parsed["facts"]["historical_daily"]
    assert facts["params"] == ["dry_run", "range", "symbols"]
    assert facts["tasks"] == ["close_run", "fetch_batch", "judge_run", "plan_calls"]
    assert facts["timetable"] == "marketdata.timetables.TradingDayTimetable"


def test_historical_backfill_runs_on_sundays_and_wires_the_same_tasks(
    parsed: dict[str, dict[str, dict[str, object]]],
) -> None:
    facts = parsed["facts"]["historical_backfill"]
    assert facts["params"] == ["dry_run", "symbols", "verify_hours"]
    assert facts["tasks"] == parsed["facts"]["historical_daily"]["tasks"]
    assert facts["timetable"] == "marketdata.timetables.SundayTimetable"


def test_reference_sync_runs_before_the_daily_history(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    facts = parsed["facts"]["reference_sync"]
    assert facts["params"] == ["symbols"]
    assert facts["tasks"] == ["close_run", "judge_run", "sync_reference"]
    assert facts["timetable"] == "marketdata.timetables.TradingDayTimetable"
    assert 'TradingDayTimetable(at="16:00")' in (ROOT / "dags" / "reference_sync.py").read_text(encoding="utf-8")


def test_data_migration_runs_only_when_triggered_and_takes_no_address(
    parsed: dict[str, dict[str, dict[str, object]]],
) -> None:
    facts = parsed["facts"]["data_migration"]
    assert facts["params"] == ["connection", "dry_run", "file", "source", "spec"]
    assert facts["tasks"] == ["import_history", "migrate_schema"]
    assert str(facts["timetable"]).endswith("NullTimetable")


REALTIME = {"realtime_latest": ("update_prices", 60), "realtime_hourly": ("update_hours", 600)}


@pytest.mark.parametrize("dag_id", REALTIME)
def test_a_realtime_dag_has_one_task_a_tick_which_batch_cannot_hold_up_and_no_second_try(
    parsed: dict[str, dict[str, dict[str, object]]], dag_id: str
) -> None:
    task_id, interval = REALTIME[dag_id]
    facts = parsed["facts"][dag_id]
    assert facts["params"] == []
    (task,) = facts["task_settings"]
    seconds = task.pop("execution_timeout")
    assert 0 < seconds < interval, "a tick ends before the next one is due"
    assert task == {
        "task_id": task_id, "pool": "realtime", "priority_weight": 1000, "weight_rule": "absolute", "retries": None,
    }, "without a number of retries there is none"  # fmt: skip


@pytest.mark.fault("A03")
@pytest.mark.parametrize("dag_id", REALTIME)
def test_ticks_of_a_realtime_dag_are_neither_made_up_for_nor_queued_nor_backfilled(
    parsed: dict[str, dict[str, dict[str, object]]], dag_id: str
) -> None:
    settings = dict(parsed["facts"][dag_id]["settings"])
    assert 0 < settings.pop("dagrun_timeout") < 2 * REALTIME[dag_id][1]
    run_types = ["manual", "operator_triggered", "scheduled"]
    assert settings == {"max_active_runs": 1, "catchup": False, "allowed_run_types": run_types}


def test_realtime_dags_tick_in_the_exchanges_hours_and_around_the_clock_when_coins_are_to(
    parsed: dict[str, dict[str, dict[str, object]]], tmp_path: Path
) -> None:
    always = json.loads(run_python(PARSE, str(ROOT / "dags"), home=tmp_path, MARKETDATA_CRYPTO_HOURS="always"))
    assert {facts["timetable"] for dag_id, facts in parsed["facts"].items() if dag_id in REALTIME} == {
        "marketdata.timetables.SessionTickTimetable"
    }
    for dag_id, (_, interval) in REALTIME.items():
        ticks = {"minutes": interval // 60, "also_at": []}
        assert parsed["facts"][dag_id]["schedule"] == {**ticks, "around_the_clock": False}
        assert always["facts"][dag_id]["schedule"] == {**ticks, "around_the_clock": True}


@pytest.mark.fault("A08")
@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_importing_a_dag_file_reaches_for_nothing_and_loads_nothing_heavy(path: Path, tmp_path: Path) -> None:
    modules = set(run_python(IMPORT, str(path), home=tmp_path).split(","))
    assert "marketdata.errors" in modules
    heavy = {"numpy", "pandas", "exchange_calendars", "psycopg", "redis", "requests", "msgspec", "limits"}
    brought = modules & heavy - set(
        run_python("import airflow.sdk, pendulum, sys; print(','.join(sys.modules))", home=tmp_path).split(",")
    )
    assert not brought


def test_every_failure_has_the_runbook_that_its_dag_names() -> None:
    assert DAG_FILES
    for path in DAG_FILES:
        named = [word.strip("`.,") for word in path.read_text(encoding="utf-8").split() if "docs/runbooks/" in word]
        assert named, f"{path.name} names no runbook"
        assert all((ROOT / name).is_file() for name in named)
