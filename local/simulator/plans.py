"""Keys, the plans behind them, and what they have used: calls in the last minute, credits in the month."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

WINDOW_SECONDS = 60.0

EVERYTHING = frozenset({"aggs", "grouped", "reference", "snapshot", "last_trade", "last_trade_field", "last_quote"})
NO_QUOTES = EVERYTHING - {"last_quote"}
NO_TRADES = NO_QUOTES - {"last_trade", "last_trade_field"}
END_OF_DAY = NO_TRADES - {"snapshot"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a key may do.

    ``host`` is ``massive``, ``public`` or ``pro`` (CoinGecko's two). ``delay_minutes`` None means end-of-day data only,
    published at ``published_at`` New York time. ``capabilities`` are Massive's; ``denied_symbols`` get a 403.
    """

    name: str
    host: str
    requests_per_minute: int | None = None
    history_days: int | None = None
    delay_minutes: int | None = 0
    published_at: str = "20:30"
    capabilities: frozenset[str] = EVERYTHING
    denied_symbols: frozenset[str] = frozenset()
    monthly_credits: int | None = None

    def earliest(self, today: date) -> date:
        """The first day that the plan's history reaches."""
        if self.history_days is None:
            return date.min
        return today - timedelta(days=self.history_days)


KEYLESS = Plan("keyless", "public", requests_per_minute=5, history_days=365)

DEMO_KEYS = {
    "demo-polygon-basic": Plan(
        "basic", "massive", requests_per_minute=5, history_days=730, delay_minutes=None, capabilities=END_OF_DAY
    ),
    "demo-polygon-starter": Plan("starter", "massive", history_days=1826, delay_minutes=15, capabilities=NO_TRADES),
    "demo-polygon-developer": Plan("developer", "massive", history_days=3652, delay_minutes=15, capabilities=NO_QUOTES),
    "demo-polygon-advanced": Plan("advanced", "massive", history_days=None),
    "demo-coingecko-demo": Plan("demo", "public", requests_per_minute=30, history_days=365, monthly_credits=10_000),
    "demo-coingecko-analyst": Plan("analyst", "pro", requests_per_minute=500, monthly_credits=500_000),
    "demo-coingecko-pro": Plan("pro", "pro", requests_per_minute=1000, monthly_credits=2_000_000),
}


class Keyring:
    """Which keys exist and what they have used."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.plans: dict[str, Plan] = dict(DEMO_KEYS)
        self.keyless = KEYLESS
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self._credits: Counter[tuple[str, int, int]] = Counter()

    def reset(self) -> None:
        """The demo keys, unused."""
        self.plans = dict(DEMO_KEYS)
        self.keyless = KEYLESS
        self._calls.clear()
        self._credits.clear()

    def put(self, key: str, changes: dict[str, Any]) -> Plan:
        """Create or change a key. ``changes`` may name a ``like`` key to start from; "" is the keyless plan."""
        changes = dict(changes)
        base = self.plans.get(changes.pop("like", key)) or (self.keyless if key == "" else None)
        for name in ("capabilities", "denied_symbols"):
            if name in changes:
                changes[name] = frozenset(changes[name])
        plan = replace(base, **changes) if base else Plan(**changes)
        if key:
            self.plans[key] = plan
        else:
            self.keyless = plan
        return plan

    def remove(self, key: str) -> None:
        """The vendor no longer knows the key."""
        self.plans.pop(key, None)

    def seconds_until_free(self, key: str, plan: Plan) -> float:
        """0 when a call is within the rate now, and then it is counted; else how long until one is."""
        if plan.requests_per_minute is None:
            return 0.0
        now, calls = self._monotonic(), self._calls[key]
        while calls and now - calls[0] >= WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= plan.requests_per_minute:
            return WINDOW_SECONDS - (now - calls[0])
        calls.append(now)
        return 0.0

    def calls_left(self, key: str, plan: Plan) -> int:
        """Calls that the present window still allows; 0 when there is no limit to speak of."""
        return max((plan.requests_per_minute or 0) - len(self._calls[key]), 0)

    def credits_used(self, key: str, now: datetime) -> int:
        return self._credits[key, now.year, now.month]

    def use_credits(self, key: str, now: datetime, count: int = 1) -> None:
        """Count successful calls of the clock's month."""
        self._credits[key, now.year, now.month] += count
