"""Sessions, transactions and errors: what a database in trouble looks like to the flows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from marketdata.errors import (
    ConfigurationError,
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseUnavailable,
    SchemaMismatch,
    StorageError,
)
from marketdata.storage.connection import CONNECT_ATTEMPTS, MAX_ATTEMPTS, Connection, Cursor, Database, connect
from marketdata.storage.warehouse import Warehouse
from tests.storage.ledger import MONDAY, SEEN, WEEK, Ledger, answer, bars, kill_other_sessions
from tests.storage.relay import open_relay

NOWHERE = "postgresql://someone:hunter2secret@127.0.0.1:1/marketdata"


def _without_waiting(dsn: str) -> tuple[Database, list[float]]:
    waits: list[float] = []
    return Database(dsn, wait=waits.append), waits


def _count(connection: Connection) -> object:
    """How many notes there are."""
    return connection.execute("select count(*) from note").fetchone()


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _nothing(_connection: Connection) -> None:
    """Work that needs only a session."""


@pytest.mark.fault("D01")
@pytest.mark.promise("P8")
def test_a_database_that_is_down_is_named_without_its_password() -> None:
    database, waits = _without_waiting(NOWHERE)
    with pytest.raises(DatabaseUnavailable) as caught:
        database.transact(_nothing)
    assert len(waits) == CONNECT_ATTEMPTS - 1
    assert "database marketdata at 127.0.0.1:1" in str(caught.value)
    assert "Next: check that the server runs" in str(caught.value)
    assert caught.value.retryable
    assert "hunter2secret" not in repr(caught.value)


@pytest.mark.fault("D01")
def test_a_malformed_address_is_a_configuration_error_that_does_not_show_it() -> None:
    with pytest.raises(ConfigurationError, match="malformed") as caught:
        connect("postgresql://user:hunter2secret@host:notaport:9/x y=z")
    assert "hunter2secret" not in str(caught.value)


@pytest.mark.fault("D06")
def test_a_read_only_database_is_refused_at_once(dsn: str) -> None:
    database, waits = _without_waiting(make_conninfo(dsn, options="-c default_transaction_read_only=on"))
    with pytest.raises(DatabaseReadOnly, match="read-only") as caught:
        database.transact(_nothing)
    assert waits == [], "waiting does not make a standby a primary"
    assert not caught.value.retryable


@pytest.mark.fault("D06")
def test_a_database_that_turns_read_only_is_told_apart_from_one_that_is_down(ledger: Ledger) -> None:
    database, waits = _without_waiting(ledger.dsn)
    database.transact(lambda connection: connection.execute("set default_transaction_read_only = on"))
    with pytest.raises(DatabaseReadOnly):
        database.transact(lambda connection: connection.execute("delete from bar_daily"))
    assert waits == []
    database.close()


@pytest.mark.fault("D05")
def test_a_lock_held_elsewhere_ends_in_a_clear_error_not_in_a_hang(ledger: Ledger) -> None:
    call = ledger.call()
    with _holding(ledger.dsn, "lock table bar_daily in access exclusive mode"):
        database, waits = _without_waiting(make_conninfo(ledger.dsn, options="-c lock_timeout=20ms"))
        with pytest.raises(DatabaseBusy, match="lock timeout") as caught:
            Warehouse(database).store_daily(call, answer(1, bars({MONDAY: 10.0})))
        database.close()
    assert len(waits) == MAX_ATTEMPTS - 1
    assert caught.value.retryable
    assert ledger.closes() == {}


@pytest.mark.fault("D05")
def test_a_session_waits_no_longer_than_the_catalogue_says(dsn: str) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with connect(dsn) as connection:
        found = [connection.execute("select current_setting(%s)", (name,)).fetchone() for name in names]
    assert found == [("5s",), ("1min",), ("1min",)]


@pytest.mark.fault("D04")
def test_a_deadlock_is_repeated_until_both_are_stored(dsn: str) -> None:
    with connect(dsn, autocommit=True) as connection:
        connection.execute("create table pair (id int primary key, written int default 0)")
        connection.execute("insert into pair (id) values (1), (2)")
    both_hold_one = threading.Barrier(2)
    attempts: list[int] = []

    def write(first: int, second: int) -> None:
        tried = 0

        def work(connection: Connection) -> None:
            nonlocal tried
            tried += 1
            connection.execute("update pair set written = written + 1 where id = %s", (first,))
            if tried == 1:
                both_hold_one.wait(timeout=30)
            connection.execute("update pair set written = written + 1 where id = %s", (second,))

        database = Database(make_conninfo(dsn, options="-c deadlock_timeout=10ms"))
        database.transact(work)
        database.close()
        attempts.append(tried)

    _run_at_once(lambda: write(1, 2), lambda: write(2, 1))
    assert sorted(attempts) == [1, 2], "one must have been the deadlock's victim"
    with connect(dsn) as connection:
        assert connection.execute("select written from pair").fetchall() == [(2,), (2,)]


@pytest.mark.fault("D04")
def test_a_collision_that_never_ends_is_given_up_after_five_attempts(dsn: str) -> None:
    database, waits = _without_waiting(dsn)

    def collide(connection: Connection) -> None:
        connection.execute("do $$ begin raise serialization_failure; end $$")

    with pytest.raises(DatabaseBusy):
        database.transact(collide)
    assert len(waits) == MAX_ATTEMPTS - 1
    assert all(0 <= seconds <= 3.2 for seconds in waits)
    database.close()


STEPS = ("first", "work", "last")


class Notes:
    """A table of texts, and transactions that note ``text`` at each of their three steps and commit ahead.

    ``fails``: what the statement beside the commit raises in the first so many tries.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tries: list[str] = []
        database.transact(lambda connection: connection.execute("create table note (text text not null)"))

    def send(
        self,
        text: str,
        *,
        fails: int = 0,
        error: str = "serialization_failure",
        at_the_end: Callable[[], object] = lambda: None,
    ) -> str:
        tries = self.tries

        def note(connection: Connection, step: str) -> Cursor:
            return connection.execute("insert into note values (%s) returning text", (f"{text} {step}",))

        def work(connection: Connection, begun: Cursor) -> str:
            tries.append(text)
            note(connection, "work")
            return str(begun.fetchall()[0][0])

        def last(connection: Connection, result: str) -> None:
            assert result == f"{text} first"
            note(connection, "last")
            at_the_end()
            if tries.count(text) <= fails:
                connection.execute(f"do $$ begin raise {error}; end $$")  # type: ignore[arg-type]

        return self.database.transact_ahead(lambda connection: note(connection, "first"), work, last)

    def store(self, text: str, *, fails: int, error: str = "serialization_failure") -> None:
        """Send, and hear how it ended; a fast server may have said so while it was sent."""
        self.send(text, fails=fails, error=error)
        self.database.settle()

    def read(self) -> list[str]:
        """The texts in the order in which they were written, each transaction's three as one."""
        with connect(self.database.dsn) as connection:
            texts = [str(text) for (text,) in connection.execute("select text from note order by ctid")]
        assert texts == [f"{text} {step}" for text in (one.split()[0] for one in texts[::3]) for step in STEPS]
        return [one.split()[0] for one in texts[::3]]


@pytest.mark.parametrize("fails", [0, 1, MAX_ATTEMPTS - 1])
@pytest.mark.fault("D04")
def test_what_was_committed_ahead_and_collided_is_stored_before_the_next(dsn: str, fails: int) -> None:
    database, waits = _without_waiting(dsn)
    notes = Notes(database)
    assert notes.send("one", fails=fails) == "one first"
    assert notes.send("two") == "two first"
    assert notes.send("three", fails=fails) == "three first"
    database.settle()
    assert notes.read() == ["one", "two", "three"]
    assert notes.tries.count("one") == notes.tries.count("three") == fails + 1
    assert len(waits) == 2 * fails
    database.close()


@pytest.mark.parametrize("user", ["transact", "transact_one", "settle"])
@pytest.mark.fault("D04")
def test_every_use_of_a_session_hears_first_how_the_commit_before_ended(dsn: str, user: str) -> None:
    database, _ = _without_waiting(dsn)
    notes = Notes(database)
    notes.send("one", fails=1)
    if user == "settle":
        database.settle()
    else:
        assert getattr(database, user)(_count) == (3,)
    assert notes.read() == ["one"]
    assert notes.tries == ["one", "one"]
    database.close()


COLLIDES_AT_ITS_COMMIT = """
    create sequence note_seq;
    create function collide_once() returns trigger language plpgsql as $$
    begin
        if nextval('note_seq') = 1 then raise serialization_failure; end if;
        return null;
    end $$;
    create constraint trigger collide_once after insert on note deferrable initially deferred
        for each row execute function collide_once();
"""


@pytest.mark.fault("D04")
def test_what_travelled_with_a_commit_that_collided_is_sent_anew_and_prepared_anew(dsn: str) -> None:
    """A statement that is executed again is prepared, and the server skips what comes after an error."""
    database, waits = _without_waiting(dsn)
    notes = Notes(database)
    database.transact(lambda connection: connection.execute(COLLIDES_AT_ITS_COMMIT))
    assert database.transact(_count) == (0,)
    notes.send("one")
    found = database.transact_ahead(
        lambda connection: connection.execute("select count(*) from note"),
        lambda _, counted: counted.fetchone(),
        lambda *_: None,
    )
    database.settle()
    assert found == (3,)
    assert (notes.read(), notes.tries, len(waits)) == (["one"], ["one", "one"], 1)
    database.close()


@pytest.mark.promise("P2")
def test_a_transaction_that_can_never_be_committed_is_told_and_stores_nothing(dsn: str) -> None:
    database, waits = _without_waiting(dsn)
    notes = Notes(database)
    with pytest.raises(StorageError, match="check_violation"):
        notes.store("one", fails=99, error="check_violation")
    assert notes.read() == []
    assert waits == []
    notes.send("three")
    database.settle()
    assert notes.read() == ["three"], "the session goes on"
    database.close()


@pytest.mark.fault("D04")
def test_a_collision_that_never_ends_is_given_up_beside_the_commit_too(dsn: str) -> None:
    database, waits = _without_waiting(dsn)
    notes = Notes(database)
    with pytest.raises(DatabaseBusy):
        notes.store("one", fails=99)
    assert notes.read() == []
    assert MAX_ATTEMPTS - 1 <= len(waits) <= 2 * (MAX_ATTEMPTS - 1), "some before it was sent, some after"
    database.settle()
    database.close()


@pytest.mark.promise("P2")
def test_a_commit_that_was_sent_is_made_though_nobody_hears_of_it(dsn: str) -> None:
    database, _ = _without_waiting(dsn)
    notes = Notes(database)
    notes.send("one")
    database.close()
    _wait_until(lambda: notes.read() == ["one"])


@pytest.mark.parametrize("user", ["transact", "transact_one", "transact_ahead", "settle"])
@pytest.mark.promise("P2")
@pytest.mark.fault("D03")
def test_a_session_that_was_killed_right_after_its_commit_is_opened_again(
    dsn: str, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer to the commit and the server's goodbye arrive together, after the client has asked for both."""
    direct, _ = _without_waiting(dsn)
    with open_relay(dsn) as relay, closing(_without_waiting(relay.dsn)[0]) as database:
        notes = Notes(database)
        notes.send("one", at_the_end=relay.flows.clear)
        _wait_until(lambda: direct.transact_one(_count) == (3,))
        direct.close()
        kill_other_sessions(dsn)
        if user == "settle":
            database.settle()
            assert "sqlstate=57P01" in caplog.text, "what the server said, not what the client could do no more"
        elif user == "transact_ahead":
            notes.send("two")
            database.settle()
        else:
            assert getattr(database, user)(_count) == (3,)
        assert notes.read() == (["one", "two"] if user == "transact_ahead" else ["one"])
        assert notes.tries.count("one") == 1, "a commit that was heard of is not made twice"
    assert caplog.text.count("transaction repeated") == 1


@pytest.mark.fault("D05")
def test_a_vendor_may_take_longer_than_any_timeout_of_the_session_that_waits_to_hear(dsn: str) -> None:
    limits = "-c statement_timeout=1s -c idle_in_transaction_session_timeout=1s"
    database, waits = _without_waiting(make_conninfo(dsn, options=limits))
    notes = Notes(database)
    notes.send("one")
    time.sleep(1.2)  # the vendor's time: no state is waited for
    notes.send("two")
    time.sleep(1.2)
    database.settle()
    assert (notes.read(), notes.tries, waits) == (["one", "two"], ["one", "two"], [])
    database.close()


@pytest.mark.fault("D05")
def test_a_lock_that_is_held_elsewhere_does_not_undo_the_commit_before(dsn: str) -> None:
    database, waits = _without_waiting(make_conninfo(dsn, options="-c lock_timeout=20ms"))
    notes = Notes(database)
    database.transact(lambda connection: connection.execute("create table held ()"))
    notes.send("one")
    with _holding(dsn, "lock table held in access exclusive mode"), pytest.raises(DatabaseBusy, match="lock timeout"):
        database.transact_ahead(
            lambda connection: connection.execute("select from held"), lambda *_: None, lambda *_: None
        )
    assert len(waits) == MAX_ATTEMPTS - 1
    assert (notes.read(), notes.tries) == (["one"], ["one"])
    database.close()


@pytest.mark.fault("D10")
def test_two_writers_of_the_same_bars_wait_for_each_other(ledger: Ledger) -> None:
    """A market day and ticker calls, each stored many times at once: no deadlock, no repetition, the newest stays."""
    rounds = 15
    market_call, ticker_call = ledger.call(None, MONDAY, MONDAY), ledger.call(1)

    def market(warehouse: Warehouse, number: int) -> None:
        three = bars({MONDAY: 10.0 + number}).take(np.zeros(3, dtype=np.intp))
        seen = SEEN + timedelta(minutes=2 * number)
        warehouse.store_daily(market_call, answer([1, 2, 3], three, seen=seen))

    def ticker(warehouse: Warehouse, number: int) -> None:
        seen = SEEN + timedelta(minutes=2 * number + 1)
        warehouse.store_daily(ticker_call, answer(1, bars(dict.fromkeys(WEEK, 100.0 + number)), seen=seen))

    waits: list[float] = []

    def repeat(write: Callable[[Warehouse, int], None]) -> None:
        warehouse = Warehouse(Database(ledger.dsn, wait=waits.append))
        for number in range(rounds):
            write(warehouse, number)
        warehouse._database.close()

    _run_at_once(lambda: repeat(market), lambda: repeat(ticker), lambda: repeat(market), lambda: repeat(ticker))
    assert waits == []
    expected = {(1, day): 100.0 + rounds - 1 for day in WEEK}
    assert ledger.closes() == expected | {(n, MONDAY): 10.0 + rounds - 1 for n in (2, 3)}


@pytest.mark.fault("D10")
@pytest.mark.parametrize(
    ("held", "blocked", "free"),
    [
        pytest.param("select pg_advisory_xact_lock(7301, hashtext('polygon'))", (1, 2, None), (), id="market"),
        pytest.param("select pg_advisory_xact_lock_shared(7301, hashtext('polygon'))", (None,), (1, 2), id="a ticker"),
        pytest.param("select pg_advisory_xact_lock(7302, 1)", (1,), (2,), id="asset"),
    ],
)
def test_a_writer_waits_for_whoever_writes_the_same_assets_and_for_nobody_else(
    ledger: Ledger, held: str, blocked: tuple[int | None, ...], free: tuple[int, ...]
) -> None:
    database, _ = _without_waiting(make_conninfo(ledger.dsn, options="-c lock_timeout=10ms"))
    warehouse = Warehouse(database)
    with _holding(ledger.dsn, held):
        for asset_id in blocked:
            with pytest.raises(DatabaseBusy):
                warehouse.store_daily(ledger.call(asset_id, MONDAY, MONDAY), answer(asset_id or 1, bars({MONDAY: 1.0})))
        for asset_id in free:
            warehouse.store_daily(ledger.call(asset_id, MONDAY, MONDAY), answer(asset_id, bars({MONDAY: 1.0})))
    database.close()
    assert ledger.closes() == {(asset_id, MONDAY): 1.0 for asset_id in free}


@pytest.mark.fault("D13")
def test_a_column_dropped_by_hand_is_a_schema_mismatch_with_the_command_to_run(ledger: Ledger) -> None:
    call = ledger.call()
    with psycopg.connect(ledger.dsn) as connection:
        connection.execute("alter table marketdata.bar_daily drop column vwap cascade")
    with pytest.raises(SchemaMismatch, match="marketdata migrate"):
        ledger.warehouse.store_daily(call, answer(1, bars({MONDAY: 10.0})))


def _run_at_once(*works: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failures, failures


@contextmanager
def _holding(dsn: str, statement: str) -> Iterator[None]:
    with connect(dsn) as connection:
        connection.execute(statement)
        yield
        connection.rollback()
