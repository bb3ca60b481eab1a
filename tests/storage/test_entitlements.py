"""What a vendor allows is remembered by key."""

from __future__ import annotations

from datetime import date

from marketdata.storage.entitlements import Entitlement, find_entitlements, learn
from tests.storage.ledger import Ledger

HISTORY = Entitlement("daily_history", allowed=True, earliest=date(2024, 11, 20), learnt_on=date(2026, 11, 20))


def test_a_new_key_is_unknown_and_keys_do_not_share_what_is_learnt(ledger: Ledger) -> None:
    ledger.warehouse.transact(learn, "polygon", "aaaaaaaaaaaa", HISTORY)
    assert ledger.warehouse.transact(find_entitlements, "polygon", "aaaaaaaaaaaa") == {"daily_history": HISTORY}
    assert ledger.warehouse.transact(find_entitlements, "polygon", "bbbbbbbbbbbb") == {}
    assert ledger.warehouse.transact(find_entitlements, "coingecko", "aaaaaaaaaaaa") == {}


def test_older_knowledge_never_replaces_newer(ledger: Ledger) -> None:
    older = Entitlement("daily_history", allowed=False, earliest=None, learnt_on=date(2026, 11, 19))
    for learnt in (HISTORY, older):
        ledger.warehouse.transact(learn, "polygon", "aaaaaaaaaaaa", learnt)
    assert ledger.warehouse.transact(find_entitlements, "polygon", "aaaaaaaaaaaa") == {"daily_history": HISTORY}
