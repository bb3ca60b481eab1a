"""Two clocks: the database's, which stamps runs, calls and assets, and ours, by which everything is judged."""

from __future__ import annotations

from datetime import datetime, timedelta

from marketdata.settings import now
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement


def ahead(connection: Connection) -> timedelta:
    """How far our clock is ahead of the database's, negative where behind; whole seconds, since asking takes time.

    What the database stamped and this together is that instant by our clock.
    """
    row = connection.execute(statement("schema/find_clock")).fetchone()
    found = row[0] if row else None
    if not isinstance(found, datetime):
        raise TypeError(f"the database's clock says {found!r}")
    return timedelta(seconds=round((now() - found).total_seconds()))
