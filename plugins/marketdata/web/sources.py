"""What this process reads from, opened when first needed: addresses are read in the request, not when it starts."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import anyio
import anyio.to_thread

from marketdata import addresses
from marketdata.metrics import CacheMeter
from marketdata.storage.market_reader import MarketReader
from marketdata.web.fan_out import FanOut
from marketdata.web.termination import before_termination

T = TypeVar("T")

_THREADS = 16
"""Requests that read at once; more wait. Airflow's own threads stay free while a database hangs."""


class Sources:
    """The reader and the stream of one process. ``dsn`` and ``redis_url`` are asked once, by the first who needs them.

    An address that was wrong is asked again by the next; one that was right is kept until the process ends.
    """

    def __init__(
        self,
        dsn: Callable[[], str] = addresses.reader_dsn,
        redis_url: Callable[[], str | None] = addresses.cache_url,
    ) -> None:
        self._dsn = dsn
        self._redis_url = redis_url
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._reader: MarketReader | None = None
        self._fan_out: FanOut | None = None
        self._threads: anyio.CapacityLimiter | None = None
        self._meter = CacheMeter()
        atexit.register(self.close)

    async def ask(self, question: Callable[[MarketReader], T]) -> T:
        """The answer of the reader, from a thread of ours."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_THREADS)
        return await anyio.to_thread.run_sync(lambda: self._answer(question), limiter=self._threads)

    async def fan_out(self) -> FanOut:
        """The listeners to new prices in this process."""
        if self._fan_out is None:
            url = await anyio.to_thread.run_sync(self._redis_url)
            made = FanOut(url)
            if self._fan_out is None:  # another request may have made one meanwhile
                self._fan_out = made
                before_termination(made.close_all)
        return self._fan_out

    @property
    def listeners(self) -> int:
        """How many listen to new prices here."""
        return 0 if self._fan_out is None else self._fan_out.listeners

    def close(self) -> None:
        """Give all sessions back."""
        with self._lock:
            self._stack.close()
            self._reader = None

    def _answer(self, question: Callable[[MarketReader], T]) -> T:
        reader = self._opened()
        try:
            return question(reader)
        finally:
            self._meter.emit(reader.cache.counts.figures())

    def _opened(self) -> MarketReader:
        with self._lock:
            if self._reader is None:
                opened = MarketReader.open(self._dsn(), self._redis_url())
                self._reader = self._stack.enter_context(opened)
            return self._reader
