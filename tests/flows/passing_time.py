"""Waits that cost a test no time: what the quota keeps for a while is by so much nearer to its end instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

    from marketdata.flows.services import Services


def let_pass(client: redis.Redis, seconds: float) -> None:
    """Let so much time pass for the pauses, failures and open circuits of all vendor keys."""
    for key in client.scan_iter("marketdata:quota:*"):
        if (left := client.pttl(key)) > 0:
            client.pexpire(key, max(1, int(left - seconds * 1000)))


def wait_no_more(services: Services, client: redis.Redis) -> list[float]:
    """Where the hooks would wait, for their quota or before another try, time passes instead; how much, grows."""
    waits: list[float] = []

    def passes(seconds: float) -> None:
        waits.append(seconds)
        let_pass(client, seconds)

    for hook in (services.polygon, services.coingecko):
        session = hook.get_conn()
        session.sleep = session.quota._sleep = passes
    return waits
