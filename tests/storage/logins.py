"""Logins as an operator makes them: members of the app and of the reader role, on the server of a test."""

from __future__ import annotations

from local import postgres
from marketdata.storage.roles import APP, READER

_PASSWORD = "of no use elsewhere"  # noqa: S105 - a server of this test run
_READS_ONLY = {"default_transaction_read_only": "on", "statement_timeout": "30s"}


def as_app(dsn: str) -> str:
    """The same database for a member of the app role."""
    return postgres.create_login(dsn, APP, _PASSWORD, {})


def as_reader(dsn: str) -> str:
    """The same database for a member of the reader role, as docs/deployment.md has its login."""
    return postgres.create_login(dsn, READER, _PASSWORD, _READS_ONLY)
