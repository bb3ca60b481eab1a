"""Takes charts out of the cache whose bars have changed, so that a reader sees what is in the database."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

from marketdata.errors import StorageError
from marketdata.storage.assets import find_symbols, find_written

if TYPE_CHECKING:
    from marketdata.flows.services import Services
    from marketdata.storage.calls import Stored

log = logging.getLogger(__name__)

_TOGETHER_SECONDS = 5.0


class StaleCharts:
    """The charts that a batch has made stale, for the length of a ``with``.

    Those with a changed bar go at once, those that only lack new ones together, at most once in five seconds and at
    the end, even after an error: a first load does not wait for the cache.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._grown: set[int] = set()
        self._dropped_at = monotonic()

    def __enter__(self) -> StaleCharts:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_grown()

    def note(self, asset_ids: Iterable[int], stored: Stored) -> None:
        """Take note of what storing an answer with bars of these assets has done."""
        if stored.changed:
            drop_charts(self._services, set(asset_ids))
        elif stored.inserted:
            self._grown.update(asset_ids)
            if monotonic() - self._dropped_at > _TOGETHER_SECONDS:
                self._drop_grown()

    def _drop_grown(self) -> None:
        drop_charts(self._services, self._grown)
        self._grown.clear()
        self._dropped_at = monotonic()


def drop_left_behind(services: Services, run_id: int, batch: int | None = None) -> None:
    """Take out the charts of what a run, or a batch of it, has written before: its worker may have died after a commit.

    Nothing is dropped where nothing was written yet. Raises StorageError.
    """
    written = services.warehouse.transact_one(find_written, run_id, batch) if services.cache.is_used else []
    if written:
        dropped = services.cache.drop_charts(written)
        log.info("dropped charts=%d assets=%d run_id=%d: written by an earlier try", dropped, len(written), run_id)


def drop_charts(services: Services, asset_ids: Iterable[int]) -> None:
    """Take the charts of these assets out of the cache once what was written is committed; else a reader refills them.

    Raises StorageError where it cannot be committed, and nothing else: what is left in the cache goes by its TTL.
    """
    services.warehouse.settle()
    wanted = sorted(set(asset_ids))
    if not services.cache.is_used:
        return
    if not wanted:
        services.cache.drop_charts([])  # what is owed from when the cache did not answer
        return
    try:
        symbols = services.warehouse.transact_one(find_symbols, wanted)
    except StorageError as error:
        log.warning("charts of %d assets stay in the cache until their TTL ends cause=%s", len(wanted), error.what)
        return
    dropped = services.cache.drop_charts(symbols)
    log.debug("dropped charts=%d assets=%d", dropped, len(symbols))
