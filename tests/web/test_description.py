"""The API is as its description says, whatever it is asked: schemathesis, through Airflow and its login."""

from __future__ import annotations

import re

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from marketdata.web.app import create_app, describe
from marketdata.web.lazy import MOUNTED_AT
from marketdata.web.sources import Sources
from tests.web.api_server import ApiServer

DESCRIPTION = describe(create_app(Sources()))
STREAM = "/api/prices/stream"
EVERYTHING = schemathesis.openapi.from_dict(DESCRIPTION).exclude(path=STREAM)
LONGEST_ADDRESS = 60_000  # beyond it uvicorn itself says 400: it never reaches an application
_LINE_BREAK = re.compile("[\r\n]|%0[aAdD]")
CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
)


@EVERYTHING.parametrize()
@pytest.mark.fault("S13")
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_no_question_breaks_the_api_or_its_description(case: schemathesis.Case, api_server: ApiServer) -> None:
    assume(not _LINE_BREAK.search("".join(map(str, case.path_parameters.values()))))  # no route of Airflow has one
    viewer = api_server.logged_in["viewer"]
    answer = case.call(base_url=viewer.url + MOUNTED_AT, headers=viewer.headers)
    assume(len(str(answer.request.url)) < LONGEST_ADDRESS)
    is_health = case.path == "/api/health"  # 503 is what it is for: here is no scheduler
    case.validate_response(answer, checks=CHECKS[1:] if is_health else CHECKS)


def test_the_description_names_every_route() -> None:
    assert set(DESCRIPTION["paths"]) == {
        "/api/prices",
        STREAM,
        "/api/assets/{symbol}/chart",
        "/api/freshness",
        "/api/health",
    }
    assert {operation["get"]["operationId"] for operation in DESCRIPTION["paths"].values()}


def test_the_description_that_is_served_is_this_one(api_server: ApiServer) -> None:
    answer: requests.Response = api_server.logged_in["viewer"].get(f"{MOUNTED_AT}/api/openapi.json")
    assert answer.json() == DESCRIPTION
