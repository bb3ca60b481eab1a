"""Nobody reads without a login: every route of the plugin, every method, found by walking and not by a list."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from starlette.routing import BaseRoute, Mount, Route

from marketdata.web.app import create_app
from marketdata.web.lazy import MOUNTED_AT, LazyApp
from marketdata.web.sources import Sources
from marketdata_plugin import MarketDataPlugin
from tests.web.api_server import ApiServer
from tests.web.market import FRIDAY, Market

REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND"]
NOT_ROUTES = ["/", "/docs", "/redoc", "/openapi.json", "/api", "/api/", "/api/prices/", "/static/app.js", "/..%2f"]


def paths(routes: list[BaseRoute], prefix: str = "") -> Iterator[str]:
    """A path for each route, mounted applications included; parameters are filled in."""
    for route in routes:
        if isinstance(route, Mount):
            yield from paths(route.routes, prefix + route.path)
            yield f"{prefix}{route.path}/index.html"
        elif isinstance(route, Route):
            yield prefix + re.sub(r"\{[^}]*\}", "AAPL", route.path)
        else:
            raise TypeError(f"the walk does not know {route!r}: teach it")


PATHS = sorted({*paths(create_app(Sources()).routes), *NOT_ROUTES})


def test_the_walk_finds_the_routes() -> None:
    found = {"/api/prices", "/api/prices/stream", "/api/assets/AAPL/chart", "/api/freshness", "/api/health"}
    assert found | {"/api/openapi.json"} <= set(PATHS)


def test_what_is_walked_is_all_that_the_plugin_serves() -> None:
    (served,) = MarketDataPlugin.fastapi_apps
    assert (type(served["app"]), served["url_prefix"]) == (LazyApp, MOUNTED_AT)
    assert MarketDataPlugin.flask_blueprints == MarketDataPlugin.appbuilder_views == []
    assert MarketDataPlugin.fastapi_root_middlewares == []


@pytest.mark.fault("S04")
@pytest.mark.parametrize("path", PATHS)
def test_a_route_refuses_whoever_is_not_logged_in(api_server: ApiServer, path: str) -> None:
    for method in METHODS:
        answer = api_server.anonymous.ask(method, MOUNTED_AT + path)
        assert answer.status_code in REFUSED, f"{method} {path}"
        assert "AAPL" not in answer.text.replace(path, "")


@pytest.mark.fault("S04")
@pytest.mark.parametrize("token", ["", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9."])
def test_a_token_that_is_none_is_refused(api_server: ApiServer, token: str) -> None:
    for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"_token={token}"}):
        answer = api_server.anonymous.get(f"{MOUNTED_AT}/api/prices?symbols=AAPL", headers=headers)
        assert answer.status_code in REFUSED
        if answer.headers["content-type"] == "application/json" and "what" in answer.json():
            assert set(answer.json()) == {"what", "why", "next"}


@pytest.mark.fault("S11")
def test_the_read_api_connects_as_the_reader(api_server: ApiServer, airflow_market: Market) -> None:
    answer = api_server.logged_in["viewer"].get(f"{MOUNTED_AT}/api/assets/BRK.B/chart", params={"range": "7D"})
    assert answer.json()["bars"]
    sessions = "select distinct usename from pg_stat_activity where datname = current_database()"
    ours = f"{sessions} and application_name = 'marketdata' and pid <> pg_backend_pid()"
    assert ("marketdata_reader_login",) in airflow_market.execute(ours)


@pytest.mark.parametrize("user", ["admin", "viewer"])
def test_a_viewer_may_read(api_server: ApiServer, user: str) -> None:
    client = api_server.logged_in[user]
    prices = client.get(f"{MOUNTED_AT}/api/prices", params={"symbols": "AAPL"})
    assert prices.json()["prices"][0]["price"] == 110.5
    chart = client.get(f"{MOUNTED_AT}/api/assets/AAPL/chart", params={"range": "1Y"})
    assert chart.json()["session"] == FRIDAY.isoformat()
    assert client.get(f"{MOUNTED_AT}/api/freshness").status_code == 200


def test_the_login_cookie_of_the_pages_is_enough(api_server: ApiServer) -> None:
    token = api_server.logged_in["viewer"].headers["Authorization"].removeprefix("Bearer ")
    answer = api_server.anonymous.get(
        f"{MOUNTED_AT}/api/prices", params={"symbols": "AAPL"}, headers={"Cookie": f"_token={token}"}
    )
    assert answer.status_code == 200


@pytest.mark.fault("S05")
def test_only_questions_are_taken(api_server: ApiServer) -> None:
    """There is nothing that a forged cross-site request could do."""
    client = api_server.logged_in["admin"]
    for method in set(METHODS) - {"GET"}:
        answer = client.ask(method, f"{MOUNTED_AT}/api/prices", headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET"), method
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert client.get(f"{MOUNTED_AT}/nothing").status_code == 404


@pytest.mark.fault("S06")
@pytest.mark.parametrize("path", ["/api/prices?symbols=AAPL", "/api/prices?symbols=<b>", "/<script>", "/api/health"])
def test_every_answer_keeps_browsers_strict(api_server: ApiServer, path: str) -> None:
    for client in (api_server.anonymous, api_server.logged_in["viewer"]):
        answer = client.get(MOUNTED_AT + path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy


def test_importing_the_plugin_imports_neither_fastapi_nor_the_reader() -> None:
    code = "import marketdata_plugin, sys; print(*sys.modules)"
    before = "from airflow.plugins_manager import AirflowPlugin; import sys; print(*sys.modules)"
    loaded, without = (
        set(subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split())
        for text in (code, before)
    )
    assert "marketdata.web.lazy" in loaded
    added = {name for name in loaded - without if not name.startswith("marketdata")}
    heavy = {"fastapi", "starlette", "psycopg", "psycopg_pool", "redis", "numpy", "uvicorn", "msgspec"}
    assert not heavy & {name.partition(".")[0] for name in added}
