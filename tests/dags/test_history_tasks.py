"""What the history tasks do to the machine that they share with realtime."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from marketdata import history_tasks
from marketdata.flows import fetch, services


def test_a_batch_leaves_the_processors_to_realtime_where_they_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    @contextlib.contextmanager
    def open_services() -> Iterator[None]:
        yield None

    monkeypatch.setattr(os, "nice", given.append)
    monkeypatch.setattr(services, "open_services", open_services)
    monkeypatch.setattr(history_tasks, "get_current_context", dict)
    monkeypatch.setattr(fetch, "fetch_batch", lambda _, run_id, batch: {"run_id": run_id, "batch": batch})
    found = history_tasks.fetch_batch.function({"run_id": 1, "batch": 2, "label": "a"})
    assert found == {"run_id": 1, "batch": 2}
    assert given == [10]
