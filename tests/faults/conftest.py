"""Faulty vendors of these tests are on this machine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _loopback_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_ALLOW_LOOPBACK", "1")
