"""What the README says is so: its commands exist, its examples work, its promises have tests."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from marketdata.flows.request import HistoryRequest
from marketdata.hooks.connection import PLANS, VendorConnection

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.split("#")[0].strip()
]


def test_every_make_target_of_the_readme_exists() -> None:
    named = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "check"} <= named <= targets


def test_every_marketdata_command_of_the_readme_exists() -> None:
    named = [command.split()[1:] for command in COMMANDS if command.startswith("marketdata ")]
    assert named
    for words in named:
        command = [word for word in words if not word.startswith("local/")]
        done = subprocess.run(
            [sys.executable, "-m", "marketdata.cli", *command, "--help"], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, command


def test_the_trigger_example_is_a_request_that_is_accepted() -> None:
    (conf,) = [re.search(r"--conf '(.*)'", command) for command in COMMANDS if "dags trigger" in command]
    assert conf is not None
    assert HistoryRequest.from_conf(json.loads(conf[1])).symbols == ("AAPL", "MSFT", "GOOGL")


def test_the_connection_examples_are_accounts_with_a_known_plan() -> None:
    found = re.findall(r"AIRFLOW_CONN_(\w+)_DEFAULT='(\{.*\})'", README)
    assert [name for name, _ in found] == ["POLYGON", "COINGECKO"]
    for name, text in found:
        fields = json.loads(text)
        vendor = fields["conn_type"]
        assert vendor == name.lower()
        assert VendorConnection(vendor, key="x", plan=fields["extra"]["plan"]).plan in PLANS[vendor]


def test_every_promise_that_holds_has_a_test_that_bears_its_number() -> None:
    rows = re.findall(r"^\| (P\d+) \| .* \| (.*) \|$", README, re.MULTILINE)
    assert [number for number, _ in rows] == [f"P{n}" for n in range(1, 11)]
    proven = {mark for path in (ROOT / "tests").rglob("test_*.py") for mark in _promises(path)}
    assert proven >= {number for number, holds in rows if not holds.startswith("to come")}


def _promises(path: Path) -> list[str]:
    return [
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "promise"
        and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    ]  # fmt: skip


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"
