"""Nothing that is read becomes code: no pickle, no YAML with objects, no eval. What is installed is what was locked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("plugins", "dags", "local") for path in sorted((ROOT / folder).rglob("*.py"))]

MAKE_OBJECTS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}
RUN_TEXT = {"eval", "exec", "compile", "__import__"}
LOADERS = {("yaml", "load"), ("yaml", "load_all"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("os", "system")}

_LOCKED = re.compile(r"[\w.-]+(\[[\w, -]+\])?==[\w.+!-]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+")


@pytest.mark.fault("S14")
def test_no_module_makes_objects_or_code_from_what_it_reads() -> None:
    assert len(SOURCES) > 150
    found = {f"{path.relative_to(ROOT)}: {what}" for path in SOURCES for what in _dangerous(path.read_text("utf-8"))}
    assert found == set()


@pytest.mark.fault("S14")
@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from shelve import open",
        "eval(text)",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_is_looked_for_would_be_found(source: str) -> None:
    assert list(_dangerous(source))


def _dangerous(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in MAKE_OBJECTS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MAKE_OBJECTS:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from _dangerous_call(node)


def _dangerous_call(call: ast.Call) -> Iterator[str]:
    if isinstance(call.func, ast.Name) and call.func.id in RUN_TEXT:
        yield call.func.id
    named = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    if named and tuple(ast.unparse(call.func).split(".")) in LOADERS:
        yield ast.unparse(call.func)
    for keyword in call.keywords:
        if keyword.arg in {"allow_pickle", "shell"} and not _is_false(keyword.value):
            yield keyword.arg


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


@pytest.mark.fault("S15")
@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_each_locked_package_has_one_version_and_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 150
    assert [entry for entry in entries if not _LOCKED.fullmatch(entry)] == []
    assert "index-url" not in text
