"""The admin routes: clock, fault script, keys, what happens in the world; the request log; prepared answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from local.simulator.engine import Engine
from local.simulator.messages import Request, Response, dump
from local.simulator.story import Story

Body = dict[str, Any]


class Control:
    """What ``local.simulator.admin.SimulatorAdmin`` talks to. Bodies and answers are JSON."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._routes: dict[tuple[str, str], Callable[[Body], object]] = {
            ("GET", "/health"): self._health,
            ("POST", "/reset"): self._reset,
            ("GET", "/requests"): self._requests,
            ("DELETE", "/requests"): self._forget_requests,
            ("GET", "/faults"): self._faults,
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("GET", "/clock"): self._clock,
            ("POST", "/clock"): self._set_clock,
            ("POST", "/keys"): self._put_key,
            ("DELETE", "/keys"): self._remove_key,
            ("POST", "/left-out"): self._leave_out,
            **Story(engine).routes,
        }

    async def answer(self, request: Request) -> Response:
        """Do what is asked; LookupError, ValueError and TypeError mean a bad request."""
        body: Body = {**request.query, **(json.loads(request.body) if request.body else {})}
        if (request.method, request.path) == ("POST", "/prepare"):
            return Response(200, dump(await self._prepare(body, request.address)))
        action = self._routes.get((request.method, request.path))
        if action is None:
            return Response(404, dump({"error": f"no admin route {request.method} {request.path}"}))
        return Response(200, dump(action(body)))

    def _health(self, _body: Body) -> object:
        universe = self.engine.stocks.universe
        return {
            "now": self.engine.clock.now().isoformat(),
            "seed": self.engine.options.seed,
            "stocks": len(universe.by_ticker),
            "coins": len(universe.coins),
            "recordings": len(self.engine.replay.recordings) if self.engine.replay else 0,
        }

    def _reset(self, _body: Body) -> object:
        self.engine.reset()
        return {}

    def _requests(self, body: Body) -> object:
        return self.engine.journal.entries(int(body.get("since", "0")))

    def _forget_requests(self, _body: Body) -> object:
        self.engine.journal.clear()
        return {}

    def _faults(self, _body: Body) -> object:
        return [asdict(fault) for fault in self.engine.faults.faults]

    def _add_fault(self, body: Body) -> object:
        return asdict(self.engine.faults.add(body))

    def _clear_faults(self, _body: Body) -> object:
        self.engine.faults.clear()
        return {}

    def _clock(self, _body: Body) -> object:
        return {"now": self.engine.clock.now().isoformat()}

    def _set_clock(self, body: Body) -> object:
        instant = datetime.fromisoformat(body["now"]) if body.get("now") else None
        self.engine.set_clock(instant, running=bool(body.get("running")))
        return self._clock(body)

    def _put_key(self, body: Body) -> object:
        self.engine.prepared.clear()
        plan = asdict(self.engine.keyring.put(body.pop("key"), body))
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in plan.items()}

    def _remove_key(self, body: Body) -> object:
        self.engine.keyring.remove(body["key"])
        return {}

    def _leave_out(self, body: Body) -> object:
        self.engine.prepared.clear()
        self.engine.left_out = frozenset(body["symbols"])
        return {}

    async def _prepare(self, body: Body, address: str) -> object:
        """Compute the answers to ``targets`` for ``key``; other requests are served in between."""
        named = [datetime.fromisoformat(text) for text in body.get("minutes", ())]
        minutes: list[datetime] | list[None] = named or [None]
        wanted = [(target, minute) for target in body["targets"] for minute in minutes]
        total = 0
        for target, minute in wanted:
            gzip = body.get("gzip", True)
            total += self.engine.prepare(target, body["key"], address, takes_gzip=gzip, minute=minute)
            await asyncio.sleep(0)
        return {"answers": len(wanted), "bytes": total}
