"""One simulator for these tests, as at its start for each of them, and short ways to ask it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests

from local.simulator.admin import SimulatorAdmin
from local.simulator.engine import Options
from local.simulator.server import Addresses, running

NOW = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # a Friday, 18:00 in New York


@dataclass(frozen=True)
class Wire:
    """Asks a running simulator as a client without manners would: no retries, no redirects."""

    addresses: Addresses
    admin: SimulatorAdmin
    session: requests.Session

    def massive(self, path: str, key: str | None = "demo-polygon-advanced", **query: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self._get(self.addresses.polygon_url + path, headers, query)

    def coingecko(self, path: str, key: str | None = "demo-coingecko-demo", **query: object) -> requests.Response:
        headers = {"x-cg-demo-api-key": key} if key else {}
        return self._get(self.addresses.coingecko_url + path, headers, query)

    def coingecko_pro(self, path: str, key: str = "demo-coingecko-pro", **query: object) -> requests.Response:
        return self._get(self.addresses.coingecko_pro_url + path, {"x-cg-pro-api-key": key}, query)

    def _get(self, url: str, headers: dict[str, str], query: dict[str, object]) -> requests.Response:
        named = {name.rstrip("_").replace("__", "."): str(value) for name, value in query.items()}
        return self.session.get(url, headers=headers, params=named, timeout=30, allow_redirects=False)


@pytest.fixture(scope="session")
def _server() -> Iterator[Addresses]:
    with running(Options(now=NOW, extra_stocks=40)) as addresses:
        yield addresses


@pytest.fixture
def wire(_server: Addresses) -> Iterator[Wire]:
    """A simulator at NOW, with 40 synthetic stocks, nothing logged and nothing wrong."""
    admin = _server.admin
    admin.reset()
    with requests.Session() as session:
        session.trust_env = False
        yield Wire(_server, admin, session)
