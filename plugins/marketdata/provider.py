"""What Airflow needs to know to offer the two vendors' connection types in its forms (entry point of the package)."""

from __future__ import annotations

from typing import Any

from marketdata.hooks.connection import PLANS


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata: connection types ``polygon`` and ``coingecko``."""
    return {
        "package-name": "marketdata",
        "name": "Market data",
        "description": "Market history of stocks, ETFs and crypto from Polygon.io (Massive) and CoinGecko",
        "connection-types": [
            {
                "connection-type": "polygon",
                "hook-class-name": "marketdata.hooks.polygon.PolygonHook",
                "hook-name": "Polygon.io / Massive",
                "ui-field-behaviour": _form("https://api.massive.com"),
                "conn-fields": _extra_fields(list(PLANS["polygon"])),
            },
            {
                "connection-type": "coingecko",
                "hook-class-name": "marketdata.hooks.coingecko.CoinGeckoHook",
                "hook-name": "CoinGecko",
                "ui-field-behaviour": _form("https://api.coingecko.com/api/v3"),
                "conn-fields": {
                    **_extra_fields(list(PLANS["coingecko"])),
                    "credits_per_month": _count("Credits a month", "Empty: what the plan gives"),
                    "history_days": _count("Days of history", "Empty: what the plan gives"),
                },
            },
        ],
    }


def _form(base_url: str) -> dict[str, Any]:
    return {
        "hidden-fields": ["schema", "login", "port"],
        "relabeling": {"host": "Base URL", "password": "API key"},
        "placeholders": {"host": f"{base_url} (empty: by plan)", "password": "sent in a header, never in a URL"},
    }


def _extra_fields(plans: list[str]) -> dict[str, Any]:
    return {
        "plan": {
            "label": "Plan",
            "description": "The plan that the key belongs to",
            "schema": {"type": ["string", "null"], "enum": [*plans, None]},
        },
        "requests_per_minute": _count("Requests a minute", "Empty: what the plan gives"),
        "realtime_percent": {
            "label": "Kept for realtime (%)",
            "description": "The part of the quota that batch leaves untouched; empty: 10",
            "schema": {"type": ["integer", "null"], "minimum": 0, "maximum": 90},
        },
        "fallback_processes": _count("Processes", "How many processes share the quota while Redis is away; empty: 8"),
    }


def _count(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["integer", "null"], "minimum": 1}}
