"""What a vendor's plan was found to allow: discovered from answers and remembered, never configured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from psycopg.rows import class_row

from marketdata.domain.bars import Vendor
from marketdata.storage.connection import Connection
from marketdata.storage.statements import statement

PROBE_ANEW_AFTER = timedelta(days=7)
"""A key may have moved to a larger plan: knowledge older than this is found out anew."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Whether a key may use a capability, and from which date on its data reaches (None: no limit known)."""

    capability: str
    allowed: bool
    earliest: date | None
    learnt_on: date
    note: str = ""


def find_entitlements(connection: Connection, vendor: Vendor, key_digest: str) -> dict[str, Entitlement]:
    """All that is known of a key, by capability; empty for a new key."""
    with connection.cursor(row_factory=class_row(Entitlement)) as cursor:
        cursor.execute(statement("entitlements/list"), {"vendor": vendor, "key_digest": key_digest})
        return {entitlement.capability: entitlement for entitlement in cursor}


def learn(connection: Connection, vendor: Vendor, key_digest: str, learnt: Entitlement) -> None:
    """Remember ``learnt``, unless something newer is known."""
    connection.execute(
        statement("entitlements/learn"),
        {
            "vendor": vendor,
            "key_digest": key_digest,
            "capability": learnt.capability,
            "allowed": learnt.allowed,
            "earliest": learnt.earliest,
            "learnt_on": learnt.learnt_on,
            "note": learnt.note,
        },
    )
