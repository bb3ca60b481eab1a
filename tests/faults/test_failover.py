"""The primary is lost and a standby takes its place: the same address leads there, and what is lost is missing."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from local import postgres, processes
from marketdata.storage.migrations import migrate
from marketdata.storage.warehouse import Warehouse
from tests.storage.ledger import WEEK, Ledger, answer, bars, open_ledger

DATABASE = "marketdata"


@dataclass
class Pair:
    """A primary, and a standby that has what the primary had when it was made: replication is behind."""

    primary: postgres.PostgresServer
    standby: postgres.PostgresServer | None = None

    def copy(self, home: Path) -> None:
        """Make the standby of what is stored now."""
        bindir = postgres.find_bindir()
        command = [*postgres.find_prefix(bindir), bindir / "pg_basebackup", "-D", home / "standby"]
        command += ["-d", self.primary.dsn(), "-X", "stream", "--checkpoint=fast"]
        subprocess.run(command, check=True, capture_output=True)
        (home / "standby" / "standby.signal").touch()
        self.standby = postgres.start(
            home / "standby", password=self.primary.password, log=home / "standby.log", settings=postgres.THROW_AWAY
        )
        processes.guard(self.standby.process, signal.SIGQUIT)

    def address(self) -> str:
        """One address that names both, as an operator writes it for libpq."""
        assert self.standby is not None
        ports = f"{self.primary.port},{self.standby.port}"
        return psycopg.conninfo.make_conninfo(self.primary.dsn(DATABASE), host="127.0.0.1,127.0.0.1", port=ports)

    def fail_over(self) -> None:
        """The primary is gone without a word, and the standby is promoted."""
        assert self.standby is not None
        processes.stop([self.primary.process])
        with psycopg.connect(self.standby.dsn(), autocommit=True) as connection:
            connection.execute("select pg_promote()")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A migrated primary."""
    server = postgres.start(tmp_path / "data", password="x" * 9, log=tmp_path / "log", settings=postgres.THROW_AWAY)
    processes.guard(server.process, signal.SIGQUIT)
    assert migrate(server.create_database(DATABASE))
    made = Pair(server)
    yield made
    processes.stop([server.process, *([made.standby.process] if made.standby else [])])


@pytest.mark.fault("D09")
@pytest.mark.promise("P2")
def test_after_a_failover_an_open_warehouse_goes_on_and_what_was_lost_is_missing_again(
    pair: Pair, tmp_path: Path
) -> None:
    monday, tuesday = WEEK[:2]
    with open_ledger(pair.primary.dsn(DATABASE)) as ledger:
        ledger.warehouse.store_daily(ledger.call(1, monday, monday), answer(1, bars({monday: 10.0})))
        run_id = ledger.run_id
    pair.copy(tmp_path)
    with Warehouse.open(pair.address()) as warehouse:
        ledger = Ledger(pair.address(), warehouse, run_id)
        ledger.warehouse.store_daily(ledger.call(1, tuesday, tuesday), answer(1, bars({tuesday: 11.0})))
        assert ledger.closes() == {(1, monday): 10.0, (1, tuesday): 11.0}
        pair.fail_over()
        again = ledger.call(1, tuesday, tuesday)
        assert ledger.closes() == {(1, monday): 10.0}
        assert ledger.verified()[-1].last == monday, "a bar and its coverage are lost together"
        ledger.warehouse.store_daily(again, answer(1, bars({tuesday: 11.0})))
        assert ledger.closes() == {(1, monday): 10.0, (1, tuesday): 11.0}
