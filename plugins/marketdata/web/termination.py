"""Says that this process was asked to end, while it still serves: a web server waits for open streams before it stops.

uvicorn tells an application that it ends only after the last connection has closed, and a stream never closes by
itself: ``airflow api-server`` would hang for its whole time-out of 120 s (uvicorn 0.54).
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def before_termination(call: Callable[[], None]) -> None:
    """Have ``call`` run in the present event loop at SIGTERM or SIGINT, before what was to happen then anyway.

    Outside of the main thread nobody can listen to signals: there nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        _chain(number, loop, call)


def _chain(number: signal.Signals, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    previous = signal.getsignal(number)
    if not callable(previous):
        return  # the default: the process ends at once, and its streams with it

    def handle(received: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        previous(received, frame)

    signal.signal(number, handle)
