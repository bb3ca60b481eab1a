"""Hooks on the simulator's plans, on a Friday in November 2026."""

from __future__ import annotations

from datetime import UTC, date, datetime

from local.simulator.server import Addresses
from marketdata.hooks.coingecko import CoinGeckoHook
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.polygon import PolygonHook
from tests.hooks.accounts import READY, OpenQuota

FRIDAY = date(2026, 11, 20)
AFTERNOON = datetime(2026, 11, 20, 20, 0, 30, tzinfo=UTC)  # 15:00:30 in New York
BEFORE_TRADING = datetime(2026, 11, 20, 8, 45, tzinfo=UTC)  # 03:45 in New York: the snapshots are cleared


def stocks(simulator: Addresses, plan: str) -> PolygonHook:
    """A PolygonHook with the simulator's key of a plan."""
    connection = VendorConnection("polygon", simulator.polygon_url, key=f"demo-polygon-{plan}", plan=plan)
    return PolygonHook(connection=connection, quota=OpenQuota(), patience=READY)


def coins(simulator: Addresses, plan: str) -> CoinGeckoHook:
    """A CoinGeckoHook with the simulator's key of a plan."""
    url = simulator.coingecko_url if plan == "demo" else simulator.coingecko_pro_url
    connection = VendorConnection("coingecko", url, key=f"demo-coingecko-{plan}", plan=plan)
    return CoinGeckoHook(connection=connection, quota=OpenQuota(), patience=READY)
