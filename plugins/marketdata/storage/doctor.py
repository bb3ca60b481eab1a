"""Looks at everything the storage needs, and says of each thing what was found and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address
from typing import Literal

import psycopg
import redis

from marketdata import settings
from marketdata.errors import ConfigurationError, MarketDataError
from marketdata.storage.cache_probe import find_refusal
from marketdata.storage.connection import Connection, connect
from marketdata.storage.database_errors import LACKS_ROLE, MIGRATE
from marketdata.storage.migrations import check_schema, waiting_migrations
from marketdata.storage.outbox import find_waiting
from marketdata.storage.roles import APP, READER, find_login
from marketdata.storage.statements import all_statements, statement
from marketdata.storage.timescale import Level, level

OLDEST, NEWEST = 15, 18
_PARAMETER = re.compile(r"%\((\w+)\)s")
_REDIS_SECONDS = 1.0
_STAGING = ("bars/create_staging", "imports/create_staging", "prices/create_staging", "hours/create_staging")

Health = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``next_step`` is empty when it is as it should be."""

    check: str
    health: Health
    found: str
    next_step: str = ""


def examine() -> list[Finding]:
    """All findings, in an order that puts causes before effects; what cannot be looked at is left out."""
    return [*_examine_database(), _examine_redis()]


def _examine_database() -> Iterator[Finding]:
    try:
        connection = connect(settings.database_dsn(), autocommit=True)
    except MarketDataError as error:
        yield _failed("database", error)
        return
    with connection:
        info = connection.info
        yield Finding("database", "ok", f"{info.dbname} at {info.host}:{info.port} takes writes")
        yield _examine_version(info.server_version)
        yield _examine_timescale(connection)
        login = _examine_login(connection)
        yield login
        if login.health == "failed":
            return
        try:
            check_schema(connection)
        except MarketDataError as error:
            yield _failed("schema", error)
            return
        yield Finding("schema", "ok", "as this code expects")
        for check in (_examine_waiting, _examine_statements, _examine_calendar, _examine_assets, _examine_outbox):
            yield check(connection)


def _examine_version(number: int) -> Finding:
    major = number // 10_000
    if OLDEST <= major <= NEWEST:
        return Finding("server version", "ok", f"PostgreSQL {major}.{number % 10_000}")
    return Finding(
        "server version",
        "failed" if major < OLDEST else "warning",
        f"PostgreSQL {major}",
        f"use a version from {OLDEST} to {NEWEST}: others are not tested",
    )


def _examine_timescale(connection: Connection) -> Finding:
    found = level(connection)
    said = {
        Level.NONE: "none: plain tables, no compression; all else works",
        Level.APACHE: "apache: hypertables, no compression",
        Level.TSL: "tsl: hypertables, compression, policies",
    }[found]
    return Finding("timescaledb", "ok", said)


def _examine_login(connection: Connection) -> Finding:
    """Flows need no more than the app role gives; who owns the tables can drop them by mistake, or by an injection."""
    found = find_login(connection)
    if found.is_superuser or found.is_owner:
        rank = "a superuser" if found.is_superuser else "the owner of the schema"
        step = f"migrate with it, and let flows connect as a member of {APP}: see docs/deployment.md"
        return Finding("login", "warning", f"{found.login}, {rank}: more than flows need", step)
    if found.is_app:
        return Finding("login", "ok", f"{found.login}, a member of {APP}")
    if found.is_reader:
        return Finding("login", "warning", f"{found.login}, a member of {READER}: it cannot write", LACKS_ROLE)
    return Finding("login", "failed", f"{found.login}, a member of neither {APP} nor {READER}", LACKS_ROLE)


def _examine_waiting(connection: Connection) -> Finding:
    waiting = waiting_migrations(connection)
    if waiting:
        return Finding("migrations", "warning", f"{', '.join(waiting)} can be applied now", MIGRATE)
    return Finding("migrations", "ok", "all applied that fit this database")


def _examine_statements(connection: Connection) -> Finding:
    """Let the server parse every statement: a column dropped or renamed by hand shows here, not in the night."""
    try:
        for staging in _STAGING:
            connection.execute(statement(staging))
    except psycopg.errors.InsufficientPrivilege as error:
        step = f"grant temporary on database {connection.info.dbname} to {APP}"
        return Finding("statements", "failed", str(error).splitlines()[0], step)
    names = all_statements()
    for name in names:
        wrong = _refusal(connection, statement(name))
        if wrong:
            return Finding(
                "statements",
                "failed",
                f"{name}: {wrong}",
                "restore what was changed by hand from a backup or a migration",
            )
    return Finding("statements", "ok", f"{len(names)} fit the schema")


def _refusal(connection: Connection, query: str) -> str:
    numbers: dict[str, int] = {}
    text = _PARAMETER.sub(lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", query).replace("%%", "%")
    result = connection.pgconn.prepare(b"", text.encode())
    return "" if result.status == psycopg.pq.ExecStatus.COMMAND_OK else result.error_message.decode().splitlines()[0]


def _examine_calendar(connection: Connection) -> Finding:
    row = connection.execute(statement("sessions/find_last")).fetchone()
    last = row[0] if row else None
    if not isinstance(last, date) or (last - settings.now().date()).days < 30:
        return Finding("trading sessions", "failed", f"known to {last}", MIGRATE)
    return Finding("trading sessions", "ok", f"known to {last}")


def _examine_assets(connection: Connection) -> Finding:
    row = connection.execute(statement("assets/count")).fetchone()
    count = row[0] if row else 0
    if not count:
        return Finding("assets", "warning", "none: nothing will be fetched", "run: marketdata assets load FILE")
    return Finding("assets", "ok", f"{count} followed")


def _examine_outbox(connection: Connection) -> Finding:
    outbox = find_waiting(connection)
    if outbox.since is None:
        return Finding("alert messages", "ok", "none waits to be delivered")
    found = f"{outbox.waiting} wait since {outbox.since:%Y-%m-%d %H:%M} UTC: {outbox.last_error or 'not tried yet'}"
    return Finding("alert messages", "warning", found, "run: marketdata alerts test; see docs/alerting.md")


def _examine_redis() -> Finding:
    url = settings.redis_url()
    if url is None:
        return Finding(
            "redis",
            "warning",
            "REDIS_URL is not set: each process paces itself by a share of the quota",
            "set REDIS_URL to share the quota exactly and to cache prices",
        )
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS) as client:
            client.ping()
            refusal = find_refusal(url)
            step = "give it room, or a primary: see docs/runbooks/cache_away.md; ingestion goes on without it"
            return Finding("redis", "failed", refusal, step) if refusal else judge_redis(client)
    except (redis.RedisError, ValueError) as error:
        why = f"it does not answer: {type(error).__name__}"
        return Finding("redis", "failed", why, "start it, or correct REDIS_URL; ingestion goes on without it")


def judge_redis(client: redis.Redis) -> Finding:
    """Whether a server that answers is set up as it should be."""
    address = client.get_connection_kwargs()
    host = str(address.get("host", "localhost"))
    if not address.get("password") and "path" not in address and not _is_loopback(host):
        step = "set requirepass there and write redis://:password@host:6379/0: whoever reaches it can change prices"
        return Finding("redis", "warning", f"answers without a password on {host}", step)
    memory = client.info("memory")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if memory.get("maxmemory") and policy != "noeviction":
        step = "set maxmemory-policy noeviction: a lost price is read from the database, a lost window costs the key"
        return Finding("redis", "warning", f"answers; when it is full it evicts windows of the quota ({policy})", step)
    return Finding("redis", "ok", "answers")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _failed(check: str, error: MarketDataError) -> Finding:
    found = error.what if isinstance(error, ConfigurationError) else f"{error.what}: {error.why}"
    return Finding(check, "failed", found, error.next_step)
