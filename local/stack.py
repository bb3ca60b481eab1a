"""The whole stack on one machine: bring up what is not up yet, and stop what we started and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from local import logins, postgres, processes, valkey
from local.addresses import Addresses, services
from local.airflow import PYTHONPATH, ROOT, USER, Airflow, pools
from local.airflow_api import AirflowApi
from local.processes import LOOPBACK, Running, StackError, is_taken, spawn, tail
from local.state import State, write_private

DEFAULT_AIRFLOW_PORT = 8080
UNIVERSE = ROOT / "local" / "universe.csv"
_FREE_BYTES = 500 * 1024**2
_AIRFLOW_SECONDS = 300.0

Step = Callable[[str], AbstractContextManager[object]]
"""Announces one step and, when its context ends, how long it took."""


def _silent(_: str) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(slots=True)
class Stack:
    """The stack of one directory. ``environ`` is where the user's own addresses and ports are looked for.

    ``postgres_settings`` go over the server's defaults, ``simulator_options`` behind its command line; ``executor`` and
    ``workers`` are Airflow's, and ``airflow_settings`` go over the environment of its processes.
    """

    home: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    postgres_settings: Mapping[str, str] = field(default_factory=dict)
    simulator_options: Sequence[str] = ()
    executor: str = "LocalExecutor"
    workers: int = 0
    airflow_settings: Mapping[str, str] = field(default_factory=dict)
    step: Step = _silent
    _started: list[Path] = field(default_factory=list, init=False)
    _given_up: threading.Event = field(default_factory=threading.Event, init=False)

    @property
    def state(self) -> State:
        """What is remembered between commands."""
        return State(self.home)

    def up(self, on_wait: Callable[[str], None] = lambda _: None) -> Addresses:
        """Start what is not up; return when Airflow can run DAGs. On failure or Ctrl-C, stop what was started."""
        with self.state.lock(on_wait):
            self._started.clear()
            self._given_up.clear()
            try:
                return self._up()
            except BaseException:
                self._stop([path for path in self.state.remembered() if path in self._started])
                if not any(process.alive() for process in self.state.remembered().values()):
                    self.state.forget_addresses()
                raise

    def down(self, on_wait: Callable[[str], None] = lambda _: None) -> list[str]:
        """Stop every process that this stack started, Airflow first; return their names."""
        with self.state.lock(on_wait):
            self.state.forget_addresses()
            remembered = self.state.remembered()
            servers = [path for path, process in remembered.items() if process.name in {"postgres", "valkey"}]
            return self._stop([path for path in remembered if path not in servers]) + self._stop(servers)

    def _stop(self, pid_files: list[Path]) -> list[str]:
        remembered = self.state.remembered()
        ours = {path: remembered[path] for path in pid_files}
        stopped = [process.name for process in ours.values() if process.alive()]
        processes.stop(list(ours.values()))
        for path in ours:
            path.unlink(missing_ok=True)
        return stopped

    def _up(self) -> Addresses:
        _check_space(self.home)
        port = self._airflow_port()
        self._check_executor()
        secrets = self.state.secrets()
        for service in ("postgres", "valkey", "simulator"):
            if not self._alive(service):
                self.state.port(service)
        with ThreadPoolExecutor(max_workers=4) as pool:
            database = pool.submit(self._start_postgres)
            cache = pool.submit(self._start_valkey)
            simulator = pool.submit(self._start_simulator)
            market_dsn, metadata_dsn = database.result()
            addresses = Addresses(
                MARKETDATA_DSN=market_dsn,
                REDIS_URL=cache.result(),
                AIRFLOW_URL=f"http://{LOOPBACK}:{port}",
                SIMULATOR_URL=simulator.result(),
                AIRFLOW_USER=USER,
                AIRFLOW_PASSWORD=secrets.airflow,
            )
            airflow = Airflow(
                home=self.home / "airflow",
                logs=self.state.logs,
                port=port,
                metadata_dsn=metadata_dsn,
                secrets=secrets,
                services={**services(addresses), **self._logins(market_dsn), **self.airflow_settings},
                executor=self.executor,
                workers=self.workers,
                broker=self._broker(addresses.REDIS_URL),
            )
            seeded = pool.submit(self._seed, addresses)
            started = pool.submit(self._start_airflow, airflow)
            try:
                seeded.result()
                started.result()
            except BaseException:
                self._given_up.set()  # or the pool would wait until Airflow is healthy
                raise
        self.state.write_addresses(addresses)
        write_private(self.state.airflow_env, airflow.shell_script())
        return addresses

    def _logins(self, market_dsn: str) -> dict[str, str]:
        """Airflow's connections to our own server; with the user's server the user's login."""
        secret = self.state.secrets().database
        return {} if self._given("MARKETDATA_DSN") else logins.connections(market_dsn, secret)

    def _broker(self, redis_url: str) -> str:
        return redis_url.rpartition("/")[0] + "/1" if self.executor == "CeleryExecutor" else ""

    def _alive(self, name: str) -> Running | None:
        process = processes.load(self.state.pid_file(name))
        return process if process is not None and process.alive() else None

    def _new_pid_file(self, name: str) -> Path:
        path = self.state.pid_file(name)
        self._started.append(path)
        return path

    def _airflow_port(self) -> int:
        """The port asked for, or 8080. Raises StackError when a stranger has it."""
        asked = self.environ.get("MARKETDATA_AIRFLOW_PORT", "")
        if asked and not (asked.isdigit() and 0 < int(asked) < 65536):
            raise StackError(f"MARKETDATA_AIRFLOW_PORT={asked}", "it is no port", "use a number from 1024 to 65535")
        port = int(asked or DEFAULT_AIRFLOW_PORT)
        if self._alive("api-server"):
            current = self.state.last_port("airflow")
            if asked and current != port:
                raise StackError(f"Airflow is up on port {current}", f"port {port} was asked for", "make down first")
            return current
        if is_taken(port):
            raise StackError(
                f"port {port} is taken",
                "another program listens there, and it is none of this stack",
                f"stop it, or choose another: make demo MARKETDATA_AIRFLOW_PORT={processes.free_port(port + 1)}",
            )
        self.state.remember_port("airflow", port)
        return port

    def _check_executor(self) -> None:
        """Raise StackError when the stack is up with another executor; remember ours otherwise."""
        remembered = self.home / "executor"
        if self._alive("scheduler"):
            running = remembered.read_text(encoding="utf-8")
            if running != self.executor:
                raise StackError(
                    f"the stack is up with the {running}", f"{self.executor} was asked for", "make down first"
                )
        remembered.write_text(self.executor, encoding="utf-8")

    def _start_postgres(self) -> tuple[str, str]:
        """The addresses of the market data and of Airflow's metadata: the user's, or databases of our own server."""
        given, metadata = self._given("MARKETDATA_DSN"), self._given("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
        if given and not postgres.answers(given):
            raise StackError(
                "the database of MARKETDATA_DSN does not answer",
                "it is down, or refuses this login",
                "start it, or unset MARKETDATA_DSN to use a private one",
            )
        if given and metadata:
            return given, metadata.replace("+psycopg2:", ":", 1)
        port, secret = self.state.last_port("postgres"), self.state.secrets().database
        with self.step("PostgreSQL"):
            if not self._alive("postgres"):
                server = postgres.start(
                    self.home / "postgres",
                    password=secret,
                    log=self.state.logs / "postgres.log",
                    port=port,
                    settings=self.postgres_settings,
                    environ=self.environ,
                    pid_file=self._new_pid_file("postgres"),
                )
                port = self._found_on("postgres", server.port)
            if not postgres.answers(postgres.dsn_of(port, secret, "postgres")):
                raise StackError("PostgreSQL runs but does not answer", f"port {port}", "make down, then make demo")
            names = ("marketdata", "airflow")
            market, ours = (postgres.create_database(port, secret, name) for name in names)
        return given or market, ours

    def _start_valkey(self) -> str:
        given = self._given("REDIS_URL")
        if given:
            if not valkey.answers(given):
                raise StackError("the cache of REDIS_URL does not answer", "it is down", "start it, or unset REDIS_URL")
            return given
        port, secret = self.state.last_port("valkey"), self.state.secrets().cache
        with self.step("Valkey"):
            if not self._alive("valkey"):
                server = valkey.start(
                    self.home / "valkey",
                    password=secret,
                    log=self.state.logs / "valkey.log",
                    port=port,
                    environ=self.environ,
                    pid_file=self._new_pid_file("valkey"),
                )
                port = self._found_on("valkey", server.port)
        return valkey.url_of(port, secret)

    def _given(self, name: str) -> str:
        """The user's own address, unless it is ours of an earlier ``source .local/stack.env``."""
        value = self.environ.get(name, "")
        secrets = self.state.secrets()
        return "" if secrets.database in value or secrets.cache in value else value

    def _found_on(self, service: str, port: int) -> int:
        """Remember the port that a service has in the end: what was free may have been taken before it started."""
        self.state.remember_port(service, port)
        return port

    def _start_simulator(self) -> str:
        port = self.state.last_port("simulator")
        with self.step("vendor simulator"):
            if not self._alive("simulator"):
                port = self._found_on("simulator", processes.free_port(port))
                listens = self.home / "simulator.json"
                listens.unlink(missing_ok=True)
                command = [sys.executable, "-m", "local.simulator", "--port", str(port), "--seed", "1"]
                command += ["--state-file", str(listens)]
                process = spawn(
                    "simulator",
                    [*command, "--universe", UNIVERSE, *self.simulator_options],
                    log=self.state.logs / "simulator.log",
                    env={**os.environ, "PYTHONPATH": PYTHONPATH},
                    cwd=ROOT,
                    pid_file=self._new_pid_file("simulator"),
                )
                processes.wait_until(listens.exists, process, seconds=60)
        return f"http://{LOOPBACK}:{port}"

    def _seed(self, addresses: Addresses) -> None:
        with self.step("schema and assets"):
            self._marketdata(addresses, "migrate")
            if not self._given("MARKETDATA_DSN"):
                logins.create(addresses.MARKETDATA_DSN, self.state.secrets().database)
            self._marketdata(addresses, "assets", "load", str(UNIVERSE))

    def _marketdata(self, addresses: Addresses, *arguments: str) -> None:
        """Run the product's own command line, as an operator would."""
        log = self.state.logs / f"marketdata-{arguments[0]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", "marketdata.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **services(addresses), "PYTHONPATH": PYTHONPATH},
                cwd=ROOT,
                check=False,
            )
        if done.returncode != 0:
            raise StackError(f"marketdata {arguments[0]} failed", tail(log), f"read {log}")

    def _start_airflow(self, airflow: Airflow) -> None:
        """Start the components that are not up, wait until they are healthy, and give Airflow its pools."""
        with self.step("Airflow's metadata"):
            if not self._alive("api-server"):
                airflow.prepare()
        with self.step(f"Airflow ({self.executor})"):
            running = [
                self._alive(name) or airflow.start(name, self._new_pid_file(name)) for name in airflow.components()
            ]
            api = AirflowApi(airflow.url, USER, airflow.secrets.airflow)
            _wait_healthy(api, running, self._given_up)
            for name, pool in pools().items():
                api.set_pool(name, pool)


def _wait_healthy(api: AirflowApi, running: list[Running], given_up: threading.Event) -> None:
    deadline = time.monotonic() + _AIRFLOW_SECONDS
    while True:
        dead = next((process for process in running if not process.alive()), None)
        if dead is not None:  # asked first: on the port of one that died another stack may answer
            raise StackError(f"Airflow's {dead.name} died at start", tail(Path(dead.log)), f"read {dead.log}")
        ailments = api.ailments()
        if not ailments:
            return
        if given_up.is_set():
            raise StackError("Airflow was not waited for", "the start was given up", "see why above")
        if time.monotonic() > deadline:
            raise StackError(
                f"Airflow is not healthy after {_AIRFLOW_SECONDS:.0f} s",
                "; ".join(ailments),
                f"read the logs in {Path(running[0].log).parent}",
            )
        time.sleep(0.25)


def _check_space(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    if free < _FREE_BYTES:
        raise StackError(
            f"only {free // 1024**2} MB are free in {home}", "the stack needs 500 MB", "free some space and try again"
        )
