"""One load for all who wait for the same thing at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from marketdata.errors import DatabaseBusy

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

WAIT_SECONDS = 6.0


class SingleFlight(Generic[K, V]):
    """Whoever asks for a key first loads it; those who ask meanwhile are given what the first one gets. For threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading: dict[K, Future[V]] = {}

    def get(self, wanted: Sequence[K], load: Callable[[Sequence[K]], Mapping[K, V]]) -> dict[K, V]:
        """A value for each key. ``load`` is called at most once, with the keys that nobody is loading.

        It gives a value for each of them. What it raises is raised for all who wait; DatabaseBusy where the load of
        another takes too long.
        """
        with self._lock:
            mine: dict[K, Future[V]] = {key: Future() for key in wanted if key not in self._loading}
            theirs = {key: self._loading[key] for key in wanted if key not in mine}
            self._loading.update(mine)
        values = self._load(mine, load) if mine else {}
        for key, future in theirs.items():
            try:
                values[key] = future.result(WAIT_SECONDS)
            except TimeoutError as error:
                raise DatabaseBusy("the database", "a read took too long", "try again in some seconds") from error
        return values

    def _load(self, mine: Mapping[K, Future[V]], load: Callable[[Sequence[K]], Mapping[K, V]]) -> dict[K, V]:
        try:
            loaded = load(list(mine))
            values = {key: loaded[key] for key in mine}
        except BaseException as error:
            self._forget(mine)
            for future in mine.values():
                future.set_exception(error)
            raise
        self._forget(mine)
        for key, future in mine.items():
            future.set_result(values[key])
        return values

    def _forget(self, keys: Mapping[K, Future[V]]) -> None:
        with self._lock:
            for key in keys:
                del self._loading[key]
