"""A client of the stream of prices as a browser is one: it reads events, remembers the last id, and comes back."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import requests

SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event, or a comment (``name`` empty)."""

    name: str
    data: object
    last_id: str


@dataclass
class Listener:
    """Reads a stream in a thread of its own; ``events`` grow. ``last_id`` is what it would send back."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    last_id: str = ""
    events: list[Event] = field(default_factory=list)
    status: int = 0
    has_ended: bool = False

    def start(self) -> Listener:
        """Connect, and return when the server has answered."""
        headers = self.headers | ({"Last-Event-ID": self.last_id} if self.last_id else {})
        session = requests.Session()
        session.trust_env = False
        self.has_ended = False
        self._answer = session.get(self.url, headers=headers, stream=True, timeout=SECONDS)
        self.status = self._answer.status_code
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Hang up, as a closed tab does."""
        self._hang_up()
        self._thread.join(SECONDS)

    def come_back(self) -> None:
        """Connect again if the server has ended the stream, as it may at any time."""
        if self.has_ended:
            self.start()

    def wait_for(self, is_there: Callable[[Listener], bool], what: str = "it") -> None:
        """Wait until the events say so."""
        deadline = time.monotonic() + SECONDS
        while not is_there(self):
            assert time.monotonic() < deadline, f"{what} did not come: {self.events[-3:]}"
            time.sleep(0.005)

    def prices(self) -> list[tuple[str, float]]:
        """All prices so far, in order."""
        return [
            (price["symbol"], price["price"])
            for event in list(self.events)
            if event.name == "prices"
            for price in event.data  # type: ignore[attr-defined]
        ]

    def comments(self) -> list[str]:
        """All comments so far."""
        return [str(event.data) for event in list(self.events) if not event.name]

    def names(self) -> list[str]:
        """The names of all events so far, comments left out."""
        return [event.name for event in list(self.events) if event.name]

    def _hang_up(self) -> None:
        with contextlib.suppress(AttributeError, OSError):  # it ends by itself meanwhile
            self._answer.raw._fp.fp.raw._sock.shutdown(2)

    def _read(self) -> None:
        try:
            for event in self._parsed():
                self.events.append(event)
        except (requests.RequestException, OSError, AttributeError, ValueError):
            pass  # hung up
        finally:
            self.has_ended = True

    def _parsed(self) -> Iterator[Event]:
        name, data = "", None
        for line in self._answer.iter_lines(chunk_size=None):
            text = line.decode()
            if not text:
                if data is not None:
                    yield Event(name, json.loads(data), self.last_id)
                name, data = "", None
            elif text.startswith(":"):
                yield Event("", text[1:].strip(), self.last_id)
            else:
                key, _, value = text.partition(": ")
                if key == "id":
                    self.last_id = value
                elif key == "event":
                    name = value
                elif key == "data":
                    data = value
