"""Who may import whom (design, section 3), read from the import statements of every module, nested ones included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "marketdata"

FOUNDATION = frozenset({"errors", "settings", "crash"})

ARROWS: dict[str, frozenset[str]] = {
    "dags": FOUNDATION | {"flows", "domain", "timetables", "alerts", "history_tasks", "realtime_tasks", "watch_tasks"},
    "history_tasks": FOUNDATION | {"flows", "metrics"},
    "realtime_tasks": FOUNDATION | {"flows", "domain", "addresses", "metrics", "alerts"},
    "watch_tasks": FOUNDATION | {"flows", "domain", "metrics", "alerts"},
    "marketdata_plugin": frozenset({"timetables", "alerts", "run_notes", "web"}),
    "run_notes": FOUNDATION | {"flows", "storage"},
    "timetables": frozenset({"domain", "errors"}),
    "alerts": FOUNDATION | {"storage", "domain", "addresses", "metrics"},
    "web": FOUNDATION | {"storage", "domain", "addresses", "metrics"},
    "cli": FOUNDATION | {"flows", "hooks", "storage", "domain", "addresses", "metrics", "alerts"},
    "provider": frozenset({"hooks", "errors"}),
    "flows": FOUNDATION | {"hooks", "storage", "domain", "addresses", "metrics"},
    "metrics": frozenset({"errors", "settings", "domain"}),
    "addresses": frozenset({"errors", "settings"}),
    "hooks": FOUNDATION | {"domain"},
    "storage": FOUNDATION | {"domain"},
    "domain": frozenset({"errors"}),
    "settings": frozenset({"errors"}),
    "crash": frozenset(),
    "errors": frozenset(),
}
"""What each layer may import besides itself. A module of no layer here fails the test: give it one."""

MAY_IMPORT_AIRFLOW = {
    *("dags", "history_tasks", "realtime_tasks", "watch_tasks", "timetables", "alerts", "run_notes", "hooks"),
    *("marketdata_plugin", "web", "addresses", "metrics"),
}

PURE = {
    *("__future__", "bisect", "calendar", "collections", "dataclasses", "datetime", "enum", "functools", "hashlib"),
    *("itertools", "math", "operator", "typing", "zoneinfo", "numpy", "marketdata"),
}
"""All that domain may import: nothing that reads a file, a socket, the environment or the clock."""

READS_THE_CLOCK = {"now", "utcnow", "today", "fromtimestamp"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module with its layer: the folder or file right under the package, ``dags``, or the plugin file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != PACKAGE / "__init__.py":
            yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path
    for path in sorted((ROOT / "dags").rglob("*.py")):
        yield "dags", path
    yield "marketdata_plugin", ROOT / "plugins" / "marketdata_plugin.py"


MODULES = list(modules())


def imported_names(source: str) -> set[str]:
    """Dotted names of everything that a module imports, at any depth: ``from a import b`` gives ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
    return found


def layers_imported(source: str) -> set[str]:
    """The layers of this project among the imports."""
    names = (name.split(".") for name in imported_names(source))
    return {
        parts[1] if parts[0] == "marketdata" else parts[0]
        for parts in names
        if (parts[0] == "marketdata" and len(parts) > 1) or parts[0] in {"dags", "marketdata_plugin"}
    }


def violations(layer: str, source: str) -> list[str]:
    """The imports of one module that its layer does not allow."""
    foreign = layers_imported(source) - ARROWS[layer] - {layer}
    found = [f"{layer} imports {name}" for name in sorted(foreign)]
    roots = {name.split(".")[0] for name in imported_names(source)}
    if "airflow" in roots and layer not in MAY_IMPORT_AIRFLOW:
        found.append(f"{layer} imports airflow")
    if "" in roots:
        found.append(f"{layer} has a relative import")
    return found


def test_every_layer_of_the_design_that_exists_is_checked() -> None:
    layers = [layer for layer, _ in MODULES]
    assert {"dags", "flows", "hooks", "storage", "domain", "timetables", "marketdata_plugin"} <= set(layers)
    assert set(layers) <= set(ARROWS)
    assert len(MODULES) > 20


def test_the_arrows_that_the_design_draws_are_there() -> None:
    """Without imports to look at the other tests would pass on anything."""
    drawn = {(layer, imported) for layer, path in MODULES for imported in layers_imported(path.read_text("utf-8"))}
    assert {
        ("dags", "flows"),
        ("flows", "hooks"),
        ("flows", "storage"),
        ("flows", "domain"),
        ("hooks", "domain"),
        ("storage", "domain"),
    } <= drawn


@pytest.mark.parametrize(("layer", "path"), MODULES, ids=[str(path.relative_to(ROOT)) for _, path in MODULES])
def test_a_module_imports_only_what_its_layer_may(layer: str, path: Path) -> None:
    assert violations(layer, path.read_text("utf-8")) == []


DOMAIN = [path for layer, path in MODULES if layer == "domain"]


def test_domain_is_pure_and_has_no_clock() -> None:
    assert len(DOMAIN) > 5
    for path in DOMAIN:
        source = path.read_text("utf-8")
        assert {name.split(".")[0] for name in imported_names(source)} <= PURE, path.name
        called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        assert not {func.attr for func in called if isinstance(func, ast.Attribute)} & READS_THE_CLOCK, path.name
        assert "open" not in {func.id for func in called if isinstance(func, ast.Name)}, path.name


def test_no_module_is_named_for_having_no_subject() -> None:
    named = {path.stem for _, path in MODULES}
    assert not named & {"util", "utils", "helper", "helpers", "common", "manager", "misc"}


@pytest.mark.parametrize(
    ("layer", "source", "found"),
    [
        ("domain", "from marketdata import settings", ["domain imports settings"]),
        ("domain", "import marketdata.hooks.polygon", ["domain imports hooks"]),
        ("hooks", "def late():\n    from marketdata.storage.warehouse import Warehouse", ["hooks imports storage"]),
        ("flows", "import dags.historical_daily", ["flows imports dags"]),
        ("flows", "if TYPE_CHECKING:\n    from airflow.sdk import Connection", ["flows imports airflow"]),
        ("dags", "from marketdata.storage.warehouse import Warehouse", ["dags imports storage"]),
        ("storage", "from ..hooks import polygon", ["storage has a relative import"]),
        ("web", "from marketdata.web.app import app\nimport airflow", []),
    ],
)
def test_the_check_sees_forbidden_imports(layer: str, source: str, found: list[str]) -> None:
    assert violations(layer, source) == found
