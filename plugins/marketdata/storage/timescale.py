"""Which TimescaleDB there is, if any: none, the Apache-licensed core, or the full one (compression, policies)."""

from __future__ import annotations

from enum import IntEnum

import psycopg

from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement


class Level(IntEnum):
    """What the database offers; a higher level has all of a lower one."""

    NONE = 0
    APACHE = 1
    TSL = 2


def level(connection: Connection) -> Level:
    """The level of this database, by its extension and licence."""
    row = connection.execute(statement("schema/find_timescale")).fetchone()
    version, licence = row or (None, None)
    if version is None:
        return Level.NONE
    return Level.APACHE if licence == "apache" else Level.TSL


def enable(connection: Connection) -> None:
    """Create the extension where the server has loaded it and we may; else change nothing. Needs autocommit."""
    row = connection.execute(statement("schema/can_enable_timescale")).fetchone()
    if row != (True,):
        return
    try:
        connection.execute(statement("schema/enable_timescale"))
    except psycopg.errors.InsufficientPrivilege:
        return
