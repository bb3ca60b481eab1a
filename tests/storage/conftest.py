"""A ledger on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.ledger import Ledger, open_ledger


@pytest.fixture
def ledger(dsn: str) -> Iterator[Ledger]:
    """Three stocks, an open run, nothing stored."""
    with open_ledger(dsn) as opened:
        yield opened
