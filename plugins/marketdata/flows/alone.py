"""Makes all calls of a plan in this process, as Airflow's mapped tasks do in many: for the command line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from marketdata.errors import RateLimited
from marketdata.flows.fetch import fetch_batch

if TYPE_CHECKING:
    from marketdata.flows.history import Batch, RunPlan
    from marketdata.flows.services import Services
    from marketdata.storage.calls import Call

log = logging.getLogger(__name__)

_ROUNDS = 4
_WAIT_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 900.0


def fetch_all(
    services: Services,
    plan: RunPlan,
    *,
    watch: Callable[[Call], object],
    sleep: Callable[[float], None] = time.sleep,
) -> RateLimited | None:
    """Make the batches of ``plan`` one after the other; ``watch`` is told of each call before it.

    A batch that a quota holds up is tried again after the others, up to 4 times in all and never after a pause of more
    than 15 minutes; what is left stays pending, and the last refusal is returned. Raises StorageError.
    """
    waiting: list[Batch] = list(plan.batches)
    refusal: RateLimited | None = None
    for round_ in range(_ROUNDS):
        if round_:
            pause = (refusal.retry_after if refusal else None) or _WAIT_SECONDS
            if pause > _LONGEST_WAIT_SECONDS:
                break
            log.warning("the quota holds up %d batches: waiting seconds=%.0f", len(waiting), pause)
            sleep(pause)
        waiting, refusal = _fetch_round(services, waiting, watch)
        if not waiting:
            return None
    return refusal


def _fetch_round(
    services: Services, batches: list[Batch], watch: Callable[[Call], object]
) -> tuple[list[Batch], RateLimited | None]:
    """The batches that were held up, and why the last of them was."""
    held_up: list[Batch] = []
    refusal: RateLimited | None = None
    for batch in batches:
        try:
            fetch_batch(services, batch.run_id, batch.batch, watch=watch)
        except RateLimited as error:
            held_up.append(batch)
            refusal = error
    return held_up, refusal
