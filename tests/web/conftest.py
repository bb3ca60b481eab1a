"""The read API on a small market, in this process and behind a real API server of Airflow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from local import postgres, valkey
from marketdata.web import fan_out
from tests.web.api_server import ApiServer, started
from tests.web.market import SATURDAY, Client, Market, app_of, open_market, serving


@pytest.fixture(autouse=True)
def _patience_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no reason to refuse a listener."""
    monkeypatch.setattr(fan_out, "_COMMAND_SECONDS", 30.0)


@pytest.fixture
def market(dsn: str, redis_url: str) -> Iterator[Market]:
    """Four assets with prices, two with daily bars; nothing cached."""
    with open_market(dsn, redis_url) as opened:
        yield opened


@pytest.fixture
def client(market: Market) -> Iterator[Client]:
    """A client of the read API, logged in."""
    with serving(app_of(market)) as url:
        yield Client(url)


@pytest.fixture(scope="session")
def airflow_metadata(postgres_server: postgres.PostgresServer) -> str:
    """A database for Airflow's own tables."""
    return postgres_server.create_database("web_airflow")


@pytest.fixture(scope="session")
def airflow_market(
    postgres_server: postgres.PostgresServer, _migrated_template: str, _valkey_server: valkey.ValkeyServer
) -> Iterator[Market]:
    """What the API server reads."""
    dsn = postgres_server.create_database("web_market", template=_migrated_template)
    with open_market(dsn, _valkey_server.url(1)) as market:
        yield market


@pytest.fixture(scope="session")
def api_server(
    airflow_market: Market, airflow_metadata: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """Airflow's API server as users run it, on ``airflow_market``."""
    with _on(airflow_market, airflow_metadata, tmp_path_factory.mktemp("airflow")) as server:
        yield server


@pytest.fixture
def own_api_server(
    airflow_market: Market, airflow_metadata: str, api_server: ApiServer, tmp_path: Path
) -> Iterator[ApiServer]:
    """One more on the same metadata, to be stopped."""
    shutil.copy(Path(api_server.environment["AIRFLOW_HOME"]) / "migrated", tmp_path)  # nothing is left to migrate
    with _on(airflow_market, airflow_metadata, tmp_path) as server:
        yield server


def _on(market: Market, metadata: str, home: Path) -> AbstractContextManager[ApiServer]:
    return started(home, metadata=metadata, dsn=market.dsn, redis_url=market.redis_url or "", now=SATURDAY)
