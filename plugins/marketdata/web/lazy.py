"""The read API as Airflow's plugin registers it: nothing of it is imported before the first request.

Every component of Airflow imports the plugin, only the API server serves it; FastAPI and what reads the database cost
memory and time that the scheduler and the task processes need for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOUNTED_AT = "/marketdata"


class LazyApp:
    """An ASGI application that is made when it is first asked for something."""

    def __init__(self) -> None:
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            made = await asyncio.to_thread(_make)  # Airflow's own requests go on meanwhile
            if self._app is None:  # two first requests at once: one application serves both
                self._app = made
        await self._app(scope, receive, send)


def _make() -> App:
    from marketdata.web.app import create_app

    return create_app()
