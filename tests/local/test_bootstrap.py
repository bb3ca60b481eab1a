"""The environment is made once, from the lock, and its failures say what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap, processes
from local.bootstrap import BootstrapError

ROOT = bootstrap.ROOT


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own with a small lock."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("absent-package==1.0 --hash=sha256:00\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMPS", tmp_path / ".venv" / "stamps")
    return tmp_path


def stand_in_pip(place: Path, output: str, status: int) -> Path:
    """An environment whose Python answers the probe and otherwise is a pip that logs its arguments in ``calls``."""
    python = place / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f"#!/bin/sh\nif [ \"$1\" = -c ]; then exec '{sys.executable}' -c "
        f"'import sys; print(sys.version, \"{place / '.venv'}\")'; fi\n"
        f'echo "$@" >> "{place / "calls"}"\necho "{output}" >&2\nexit {status}\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    return place / "calls"


def test_packages_come_from_the_hashed_lock_and_only_once(place: Path) -> None:
    calls = stand_in_pip(place, "", 0)
    bootstrap.bootstrap(place / "requirements.txt")
    first, second = calls.read_text(encoding="utf-8").splitlines()
    assert "--no-deps --require-hashes -r" in first
    assert "--no-deps --no-build-isolation -e" in second
    bootstrap.bootstrap(place / "requirements.txt")
    assert len(calls.read_text(encoding="utf-8").splitlines()) == 2


def test_a_changed_lock_is_installed_again(place: Path) -> None:
    calls = stand_in_pip(place, "", 0)
    lock = place / "requirements.txt"
    bootstrap.bootstrap(lock)
    lock.write_text("another==1\n", encoding="utf-8")
    bootstrap.bootstrap(lock)
    assert len(calls.read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize(
    ("output", "next_step"),
    [
        ("NewConnectionError: failed to establish", "check the network"),
        ("ERROR: Could not find a version that satisfies a==1 (from versions: none)", "check the network"),
        ("OSError: [Errno 28] No space left on device", "free some space"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "read the message above"),
    ],
)
def test_a_failed_installation_says_the_next_step_and_is_tried_again(place: Path, output: str, next_step: str) -> None:
    stand_in_pip(place, output, 1)
    with pytest.raises(BootstrapError) as failure:
        bootstrap.bootstrap(place / "requirements.txt")
    assert next_step in failure.value.next_step
    assert not list(bootstrap.STAMPS.glob("*"))


def test_an_index_that_cannot_be_reached_is_recognised(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "VENV", Path(sys.prefix))
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{processes.free_port()}/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(BootstrapError, match="index cannot be reached"):
        bootstrap.pip("download", "--no-deps", "--dest", str(place), "absent-package==1.0")


def test_a_full_disk_is_said_before_the_download(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_NEEDED_MB", 2**40)
    calls = stand_in_pip(place, "", 0)
    with pytest.raises(BootstrapError, match="MB are free"):
        bootstrap.bootstrap(place / "requirements.txt")
    assert not calls.exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_an_old_python_is_refused_with_its_version(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.6 && exit 0\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    made = subprocess.run(
        ["make", "-C", str(ROOT), "demo", f"PYTHON={old}"], capture_output=True, text=True, env=environ, check=False
    )
    assert made.returncode != 0
    assert "no Python 3.11 or newer" in made.stderr
    assert "Python 3.9.6" in made.stderr
    assert "make demo PYTHON=" in made.stderr
