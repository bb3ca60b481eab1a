"""Workers that are killed a moment after their start: forked from a process in which everything is imported already.

``python -m tests.flows.kennel`` reads lines of JSON (``Order``), starts a worker for each, kills it as told, and prints
the wait status that was its end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.storage.ledger import DOOMED

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Order:
    """A worker's arguments (see ``tests.flows.worker``), and when it gets its SIGKILL: in seconds from its start, or,
    where it is to be ``fetching``, from the end of its plan.
    """

    arguments: Sequence[str]
    seconds: float
    fetching: bool


@dataclass(frozen=True, slots=True)
class Kennel:
    """A process that forks workers, one at a time."""

    process: subprocess.Popen[str]

    def kill(self, order: Order) -> bool:
        """Start a worker, kill it as told, and wait for its end; whether that was its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(order)) + "\n")
        self.process.stdin.flush()
        status = self.process.stdout.readline()
        assert status, "the kennel died: see its standard error"
        return os.waitstatus_to_exitcode(int(status)) == -signal.SIGKILL


@contextmanager
def open_kennel(now: str) -> Iterator[Kennel]:
    """A kennel whose workers believe that it is ``now``."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "MARKETDATA_NOW": now,
        "MARKETDATA_ALLOW_LOOPBACK": "1",
        "PGAPPNAME": DOOMED,
    }
    command = [sys.executable, "-m", "tests.flows.kennel"]
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Kennel(process)
        process.communicate()  # closes its input, which ends it


def obey(order: Order) -> int:
    """Start a worker and kill it as told; its wait status."""
    from tests.flows import worker

    planned, tell_planned = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where its log goes
        worker.main(*order.arguments, planned=lambda: os.write(tell_planned, b"."))
        os._exit(0)
    os.close(tell_planned)
    if order.fetching:
        os.read(planned, 1)  # or its end, if it does not come to that
    time.sleep(order.seconds)  # the fault itself: no state is waited for
    os.kill(pid, signal.SIGKILL)  # its number is its own until it is waited for
    os.close(planned)
    return os.waitpid(pid, 0)[1]


def main() -> None:
    """Obey each line."""
    from tests.flows import worker  # noqa: F401 - before the first fork

    for line in sys.stdin:
        print(obey(Order(**json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
