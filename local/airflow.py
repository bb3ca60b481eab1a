"""Airflow on this machine: its environment, its metadata, and its components, each a process of ours.

``airflow standalone`` is not used: stopped by SIGTERM it leaves its components behind.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg

from local.processes import LOOPBACK, Running, StackError, spawn, tail

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "include" / "airflow" / "settings.env"
POOLS = ROOT / "include" / "airflow" / "pools.json"
PYTHONPATH = os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])
USER = "admin"
PARALLELISM = 8
_INHERITED = ("AIRFLOW_", "MARKETDATA_", "REDIS_URL", "_AIRFLOW_", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated once per stack. ``fernet`` is url-safe base64 of 32 bytes, the others are hexadecimal."""

    database: str
    cache: str
    airflow: str
    jwt: str
    fernet: str


@dataclass(frozen=True, slots=True)
class Airflow:
    """One Airflow. ``home`` is AIRFLOW_HOME, ``logs`` where the components write, ``broker`` the URL for Celery.

    ``services`` are environment variables for the DAGs: connections and addresses.
    """

    home: Path
    logs: Path
    port: int
    metadata_dsn: str
    secrets: Secrets
    services: Mapping[str, str]
    executor: str = "LocalExecutor"
    workers: int = 0
    broker: str = ""

    @property
    def url(self) -> str:
        """Where its pages and its API are."""
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The environment of its processes: this one's, without what it says about other stacks, plus ours."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_INHERITED)}
        path = os.pathsep.join([_BINDIR, inherited.get("PATH", os.defpath)])
        return inherited | {"PATH": path} | self._settings()

    def shell_script(self) -> str:
        """For a shell to source: makes ``airflow`` and ``marketdata`` talk to this stack. Holds its secrets."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self._settings().items()]
        return "".join([*lines, f'export PATH={shlex.quote(_BINDIR)}:"$PATH"\n'])

    def _settings(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": PYTHONPATH,
            "NO_PROXY": "*" if sys.platform == "darwin" else f"{LOOPBACK},localhost",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__EXECUTOR": self.executor,
            "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
            "AIRFLOW__CORE__FERNET_KEY": self.secrets.fernet,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": self.secrets.jwt,
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secrets.jwt,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.metadata_dsn.replace("postgresql:", "postgresql+psycopg2:", 1),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs / "tasks"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        if sys.platform == "darwin":
            own["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"  # task processes are forks of a threaded supervisor
        if self.broker:
            own["AIRFLOW__CELERY__BROKER_URL"] = self.broker
            own["AIRFLOW__CELERY__RESULT_BACKEND"] = self.metadata_dsn.replace("postgresql:", "db+postgresql:", 1)
        return shared_settings() | own | dict(self.services)

    def prepare(self) -> None:
        """Write the login and bring the metadata database to this version of Airflow, unless it is there already."""
        self.home.mkdir(parents=True, exist_ok=True)
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: self.secrets.airflow}), encoding="utf-8")
        stamp = self.home / "migrated"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == self._metadata_version():
            return
        self.run("db", "migrate")
        stamp.write_text(self._metadata_version(), encoding="utf-8")

    def _metadata_version(self) -> str:
        """What ``airflow db migrate`` has done: ours and the database's view of it."""
        with psycopg.connect(self.metadata_dsn) as connection:
            there = connection.execute("select to_regclass('alembic_version') is not null").fetchone()
            row = connection.execute("select version_num from alembic_version").fetchone() if there == (True,) else None
        return f"{version('apache-airflow-core')} {row[0] if row else 'empty'}"

    def run(self, *arguments: str) -> None:
        """Run one command of the ``airflow`` CLI to its end; raises StackError when it fails."""
        name = "-".join(("airflow", *arguments))
        log = self.logs / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                [*_AIRFLOW, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                check=False,
            )
        if done.returncode != 0:
            raise StackError(f"airflow {' '.join(arguments)} failed", tail(log), f"read {log}")

    def components(self) -> dict[str, tuple[str, ...]]:
        """Name and ``airflow`` arguments of each process. Task logs are read from disk, so no log server is started."""
        celery = {f"worker-{number}": self._worker(number) for number in range(1, self.workers + 1)}
        return {
            "api-server": ("api-server",),
            "scheduler": ("scheduler", "--skip-serve-logs"),
            "dag-processor": ("dag-processor",),
            **celery,
        }

    def _worker(self, number: int) -> tuple[str, ...]:
        name, pid_file = f"worker-{number}@%h", self.home / f"worker-{number}.pid"
        options = ("--concurrency", str(PARALLELISM // 2), "--celery-hostname", name, "--pid", str(pid_file))
        return ("celery", "worker", "--skip-serve-logs", *options)

    def start(self, component: str, pid_file: Path) -> Running:
        """Start one of the components; it is not ready yet when this returns."""
        command = [*_AIRFLOW, *self.components()[component]]
        log = self.logs / f"{component}.log"
        return spawn(component, command, log=log, env=self.environment(), cwd=self.home, pid_file=pid_file)


_AIRFLOW = (sys.executable, "-m", "airflow")
_BINDIR = str(Path(sys.executable).parent)


def shared_settings() -> dict[str, str]:
    """The settings that docker-compose.yaml reads too."""
    lines = SETTINGS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def pools() -> dict[str, dict[str, object]]:
    """The pools that the DAGs name, as Airflow's pool import file has them."""
    found: dict[str, dict[str, object]] = json.loads(POOLS.read_text(encoding="utf-8"))
    return found
