"""The logins of our own server: flows and the read API get one each, with as much as in production and no more."""

from __future__ import annotations

import hashlib
import json

from local import postgres
from local.addresses import database_connection
from marketdata.storage.roles import APP, READER

_CONNECTIONS = {"marketdata_db": APP, "marketdata_reader": READER}
_READS_ONLY = {"default_transaction_read_only": "on", "statement_timeout": "30s"}


def create(dsn: str, secret: str) -> None:
    """Make both logins, unless they are there, once the schema is migrated; ``dsn`` is the superuser's."""
    for role in _CONNECTIONS.values():
        postgres.create_login(dsn, role, _password(role, secret), _READS_ONLY if role == READER else {})


def connections(dsn: str, secret: str) -> dict[str, str]:
    """The Airflow connections with which flows and the read API log in, as environment variables."""
    found = {name: postgres.login_of(dsn, role, _password(role, secret)) for name, role in _CONNECTIONS.items()}
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(database_connection(login)) for name, login in found.items()}


def _password(role: str, secret: str) -> str:
    """Made from the superuser's, and no way back to it."""
    return hashlib.sha256(f"{role} {secret}".encode()).hexdigest()[:32]
