"""The application: every route behind Airflow's login, errors in one form, headers that keep browsers strict."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from marketdata.errors import (
    ConfigurationError,
    DatabaseBusy,
    InvalidRequest,
    MarketDataError,
    SchemaMismatch,
    StorageError,
    StreamUnavailable,
    UnknownAsset,
)
from marketdata.web import chart, freshness, health, prices, stream
from marketdata.web.answers import JsonAnswer, Problem, schemas
from marketdata.web.headers import StrictHeaders
from marketdata.web.lazy import MOUNTED_AT
from marketdata.web.login import requires_reader
from marketdata.web.sources import Sources

log = logging.getLogger(__name__)

_RETRY_SECONDS = "5"


def create_app(sources: Sources | None = None) -> FastAPI:
    """The read API. ``sources``: what it reads from; by default what Airflow's connections or the environment name."""
    app = FastAPI(
        title="Market data",
        version="1",
        description="Prices, charts and freshness. Log in to Airflow: cookie, or `Authorization: Bearer` with a token.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # FastAPI's own would answer without a login
        redirect_slashes=False,
        servers=[{"url": MOUNTED_AT}],
        dependencies=[Depends(requires_reader)],
    )
    app.state.sources = sources or Sources()
    for module in (prices, stream, chart, freshness, health):
        app.include_router(module.router)
    app.add_api_route("/api/openapi.json", read_description, methods=["GET"], include_in_schema=False)
    app.add_api_route("/{path:path}", refuse, methods=["GET"], include_in_schema=False)
    app.router.routes[-1].methods = set()  # type: ignore[attr-defined]  # any: the framework's own 405 asks no login
    app.add_exception_handler(MarketDataError, _show_error)
    app.add_exception_handler(RequestValidationError, _show_invalid)
    app.add_exception_handler(HTTPException, _show_http)
    app.add_middleware(StrictHeaders)
    return app


async def read_description(request: Request) -> JsonAnswer:
    """The OpenAPI description of this API."""
    return JsonAnswer(describe(request.app))


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI with the schemas of the answers, which FastAPI does not know of."""
    described = app.openapi()
    described.setdefault("components", {}).setdefault("schemas", {}).update(
        schemas([health.Health, freshness.Freshness])
    )
    return described


async def refuse(request: Request) -> Response:
    """What is asked for under no path of ours, or with another method: told only to those who are logged in."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    known = [route for route in request.app.routes if getattr(route, "path", "").startswith("/api/")]
    if any(route.path_regex.match(path) for route in known):
        problem = Problem(f"method {request.method}", "this is only read", "use GET")
        return JsonAnswer(problem, status_code=405, headers={"Allow": "GET"})
    problem = Problem(f"path {path!r:.80}", "there is no such page", f"see {MOUNTED_AT}/api/openapi.json")
    return JsonAnswer(problem, status_code=404)


async def _show_error(_: Request, error: Exception) -> Response:
    """An error of ours. Where the cause is ours too, its text stays in the log: it names hosts and users."""
    if isinstance(error, InvalidRequest):
        status = 404 if isinstance(error, UnknownAsset) else 400
        return JsonAnswer(Problem(error.what, error.why, error.next_step), status_code=status)
    log.error("a question was not answered: %s", error)
    return JsonAnswer(_unavailable(error), status_code=503, headers={"Retry-After": _RETRY_SECONDS})


def _unavailable(error: Exception) -> Problem:
    if isinstance(error, StreamUnavailable):
        return Problem(error.what, error.why, error.next_step)
    later = "try again in some seconds; an operator finds the cause in the API server's log"
    if isinstance(error, ConfigurationError):
        return Problem("the read API", "a connection or a setting is missing or wrong", "tell an operator: see the log")
    if isinstance(error, SchemaMismatch):
        return Problem(
            "the database", "its schema does not fit this code", "tell an operator to run: marketdata migrate"
        )
    if isinstance(error, DatabaseBusy):
        return Problem("the database", "it took longer than a page may wait", later)
    return Problem("the database" if isinstance(error, StorageError) else "the read API", "it does not answer", later)


async def _show_invalid(_: Request, error: Exception) -> Response:
    """The first parameter that is wrong, with what it may be."""
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    first = wrong[0] if wrong else {}
    where = " ".join(str(part) for part in first.get("loc", ())) or "the question"
    problem = Problem(where, str(first.get("msg", "it is malformed")), f"see {MOUNTED_AT}/api/openapi.json")
    return JsonAnswer(problem, status_code=422)


async def _show_http(request: Request, error: Exception) -> Response:
    """What the login says, and what the framework does."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    next_step = (
        "log in: POST /auth/token, then send Authorization: Bearer" if status == 401 else "see the documentation"
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    problem = Problem(f"{request.method} {request.url.path:.200}", str(detail or HTTPStatus(status).phrase), next_step)
    return JsonAnswer(msgspec.json.encode(problem), status_code=status, headers=headers)
