"""Who is asking, and whether the vendor lets them in: key, host, rate and credits, with the vendor's errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from local.simulator.messages import (
    Request,
    coingecko_rate_limited,
    coingecko_status_error,
    coingecko_wrong_host,
    massive_error,
    massive_rate_limited,
)
from local.simulator.plans import Keyring, Plan

KEY_MISSING = (
    "API Key Missing. Please make sure you're using the right authentication method. For Pro API, please visit: "
    "https://docs.coingecko.com/reference/authentication. For Public/Demo API, please visit: "
    "https://docs.coingecko.com/v3.0.1/reference/authentication"
)
CREDITS_USED_UP = (
    "You've exceeded the monthly credits of your plan. Please upgrade your plan or wait for the next month."
)
HOST_OF = {"coingecko": "public", "coingecko-pro": "pro"}


@dataclass(frozen=True, slots=True)
class Credential:
    """The key of a request, the tier that its name claims, and where it was found: header, query or nowhere."""

    key: str
    tier: str
    place: str


def read_credential(request: Request) -> Credential:
    """The key, wherever the vendor would accept it."""
    headers, query = request.headers, request.query
    if request.vendor == "massive":
        authorization = headers.get("authorization", "")
        if authorization.startswith("Bearer "):
            return Credential(authorization.removeprefix("Bearer ").strip(), "massive", "header")
        return _in_query(query.get("apiKey", ""), "massive")
    for tier in ("pro", "demo"):
        if key := headers.get(f"x-cg-{tier}-api-key"):
            return Credential(key, tier, "header")
        if key := query.get(f"x_cg_{tier}_api_key"):
            return Credential(key, tier, "query")
    return Credential("", "", "")


def _in_query(key: str, tier: str) -> Credential:
    return Credential(key, tier, "query") if key else Credential("", "", "")


def admit(request: Request, credential: Credential, keyring: Keyring, now: datetime) -> Plan:
    """The plan under which the request is answered; counts the call. Raises Refused otherwise."""
    if request.vendor == "massive":
        return _admit_massive(request, credential, keyring)
    return _admit_coingecko(request, credential, keyring, now)


def _admit_massive(request: Request, credential: Credential, keyring: Keyring) -> Plan:
    if not credential.key:
        raise massive_error(401, "API Key was not provided", request.request_id)
    plan = keyring.plans.get(credential.key)
    if plan is None or plan.host != "massive":
        raise massive_error(401, "Unknown API Key", request.request_id)
    if keyring.seconds_until_free(credential.key, plan):
        raise massive_rate_limited(request.request_id)
    return plan


def _admit_coingecko(request: Request, credential: Credential, keyring: Keyring, now: datetime) -> Plan:
    pro_host = request.vendor == "coingecko-pro"
    if credential.tier == "pro" and not pro_host:
        raise coingecko_wrong_host(10010, "Pro", now)
    if credential.tier == "demo" and pro_host:
        raise coingecko_wrong_host(10011, "Demo", now)
    plan = keyring.plans.get(credential.key) if credential.key else keyring.keyless
    if plan is None or plan.host != HOST_OF[request.vendor]:
        raise coingecko_status_error(401, 10002, KEY_MISSING, now)
    wait = keyring.seconds_until_free(credential.key, plan)
    if wait:
        raise coingecko_rate_limited(_rate_headers(credential, plan, now, wait))
    if plan.monthly_credits is not None and keyring.credits_used(credential.key, now) >= plan.monthly_credits:
        raise coingecko_status_error(429, 10006, CREDITS_USED_UP)
    return plan


def _rate_headers(credential: Credential, plan: Plan, now: datetime, wait: float) -> dict[str, str]:
    """Without a key a Retry-After; with one only when the window ends, in a format of its own."""
    if not credential.key:
        return {"Retry-After": str(int(wait) + 1), "Cache-Control": "private, max-age=0, no-store, no-cache"}
    reset = (now + timedelta(seconds=wait)).strftime("%Y-%m-%d %H:%M:%S +0000")
    return {
        "x-ratelimit-limit": str(plan.requests_per_minute),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": reset,
    }
