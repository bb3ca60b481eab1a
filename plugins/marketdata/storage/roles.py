"""Who may do what: the owner migrates, ``marketdata_app`` does what the flows do, ``marketdata_reader`` reads.

Both are group roles without a login; the logins of an operator are members of them (docs/deployment.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import errors
from psycopg.rows import class_row

from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

APP, READER = "marketdata_app", "marketdata_reader"


@dataclass(frozen=True, slots=True)
class Login:
    """Who is connected. A superuser is all of the rest, too; the owner may drop what the schema holds."""

    login: str
    is_superuser: bool
    is_owner: bool
    is_app: bool
    is_reader: bool


def find_login(connection: Connection) -> Login:
    """Who is connected, and as what."""
    with connection.cursor(row_factory=class_row(Login)) as cursor:
        found = cursor.execute(statement("schema/find_login")).fetchone()
    if found is None:
        raise LookupError("a session without a user")
    return found


def grant(connection: Connection) -> list[str]:
    """Make both roles where they lack and give them what they need on all tables and views, and nothing else.

    Returns the statements that somebody else must run, since we may not make roles: until then there is nobody to give
    anything to. Needs the owner, and autocommit.
    """
    refused: list[str] = []
    for (made_by,) in connection.execute(statement("schema/list_lacking_roles")).fetchall():
        try:
            connection.execute(str(made_by))
        except errors.InsufficientPrivilege:
            refused.append(str(made_by))
        except (errors.DuplicateObject, errors.UniqueViolation):
            continue  # roles belong to the whole server: the migration of another database made it in between
    with connection.transaction():
        for (command,) in connection.execute(statement("schema/list_grants")).fetchall():
            connection.execute(str(command))
    return refused
