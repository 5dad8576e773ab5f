"""What went wrong with a database, as real ones tell it, and whether it is asked again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import (
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.transaction import TransactionManagementError

from session_auth import stores
from session_auth.exceptions import StoreUnavailable
from session_auth.models import Session
from session_auth.stores import Boundary, Fault, code_of, fault_of, in_transaction
from tests.faults import databases
from tests.faults.databases import VENDOR, beside, run
from tests.live import wait_until
from tests.outage import unreachable_database
from tests.storing import stored

pytestmark = pytest.mark.django_db(transaction=True)

STORE = Boundary("tests", alias=lambda: "default")


def read() -> int:
    [[one]] = run(connection, "SELECT 1")
    return int(one)  # pragma: no cover # each test has it fail


def write() -> None:
    """Write into a table that the faults concern."""
    run(connection, "DELETE FROM session_auth_session")


@contextmanager
def closed() -> Iterator[None]:
    """Close the connection behind Django's back, as a driver does."""
    connection.ensure_connection()
    connection.connection.close()
    try:
        yield
    finally:
        with suppress(Error):
            connection.close()


@contextmanager
def deadlock() -> Iterator[None]:
    """Let two transactions wait for each other, so that the server ends this one."""
    Group.objects.create(name="a")
    Group.objects.create(name="b")
    with beside() as other, transaction.atomic():
        other.inc_thread_sharing()
        other.set_autocommit(False)
        if VENDOR == "postgresql":
            run(other, "SET deadlock_timeout = '10s'")  # so that the other one finds it
            run(connection, "SET deadlock_timeout = '50ms'")
        else:
            # The server ends the one that has written less.
            run(other, "INSERT INTO auth_group (name) VALUES ('c'), ('d'), ('e')")
        run(other, "UPDATE auth_group SET name = 'b2' WHERE name = 'b'")
        run(connection, "UPDATE auth_group SET name = 'a2' WHERE name = 'a'")
        waiting = Thread(
            target=run, args=[other, "UPDATE auth_group SET name = 'a3' WHERE name = 'a'"]
        )
        waiting.start()
        # PostgreSQL looks for a deadlock once; the other one has to wait by then.
        if VENDOR == "postgresql":
            wait_until(lambda: run(connection, "SELECT 1 FROM pg_locks WHERE NOT granted") != [])
        try:
            yield
        finally:
            transaction.set_rollback(True)
            connection.connection.rollback()
            waiting.join()
            other.rollback()
            other.dec_thread_sharing()


def lock_the_other() -> None:
    run(connection, "UPDATE auth_group SET name = 'b3' WHERE name = 'b'")


@contextmanager
def overtaken() -> Iterator[None]:
    """Change a row after a transaction has begun that may not see that (PostgreSQL)."""
    Group.objects.create(name="a")
    with beside() as other, transaction.atomic():
        run(connection, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT * FROM auth_group")
        run(other, "UPDATE auth_group SET name = 'b'")
        yield
        transaction.set_rollback(True)


def change_all() -> None:
    run(connection, "UPDATE auth_group SET name = 'c'")


def mistype() -> None:
    run(connection, "SELEKT 1")


@contextmanager
def nothing() -> Iterator[None]:
    yield


Provoked = tuple[Callable[[], AbstractContextManager[object]], Callable[[], object], Fault, str]

SEEN: dict[str, list[Provoked]] = {
    "postgresql": [
        (unreachable_database, read, Fault.UNREACHABLE, "OperationalError"),
        (databases.pool_exhausted, read, Fault.UNREACHABLE, "OperationalError"),
        (databases.cut, read, Fault.CUT, "57P01"),
        (closed, read, Fault.CUT, "OperationalError"),
        (databases.unplugged, read, Fault.LOST, "OperationalError"),
        (databases.read_only, write, Fault.NO_WRITES, "25006"),
        (databases.disk_full, write, Fault.NO_WRITES, "53100"),
        (lambda: databases.impatient(None), write, Fault.CONFLICT, "55P03"),
        (databases.statement_timeout, write, Fault.OTHER, "57014"),
        (deadlock, lock_the_other, Fault.CONFLICT, "40P01"),
        (overtaken, change_all, Fault.CONFLICT, "40001"),
        (nothing, mistype, Fault.OTHER, "42601"),
    ],
    "mysql": [
        (unreachable_database, read, Fault.UNREACHABLE, "1049"),
        (databases.cut, read, Fault.CUT, "2006"),
        (closed, read, Fault.CUT, "2006"),
        (databases.unplugged, read, Fault.LOST, "2013"),
        (databases.read_only, write, Fault.NO_WRITES, "1290"),
        (databases.disk_full, write, Fault.NO_WRITES, "1021"),
        (lambda: databases.impatient(None), write, Fault.CONFLICT, "1205"),
        (databases.statement_timeout, write, Fault.OTHER, "1969"),
        (deadlock, lock_the_other, Fault.CONFLICT, "1213"),
        (nothing, mistype, Fault.OTHER, "1064"),
    ],
    "sqlite": [
        (unreachable_database, read, Fault.UNREACHABLE, "SQLITE_CANTOPEN"),
        (closed, read, Fault.OTHER, "ProgrammingError"),
        (databases.read_only, write, Fault.NO_WRITES, "SQLITE_READONLY"),
        (lambda: databases.impatient(None), write, Fault.CONFLICT, "SQLITE_BUSY"),
        (nothing, mistype, Fault.OTHER, "SQLITE_ERROR"),
    ],
}


@pytest.mark.parametrize("provoked", SEEN[VENDOR], ids=lambda provoked: provoked[3])
def test_what_went_wrong_is_told_by_its_code(provoked: Provoked) -> None:
    provoke, call, fault, code = provoked
    stored(a=1)

    with provoke():
        with pytest.raises(Error) as raised:
            call()

        assert (fault_of(raised.value, connection), code_of(raised.value)) == (fault, code)


# What is tried again


class Calls:
    """A statement, and how often it was sent; some fault may come before each time."""

    def __init__(self, *before: Callable[[], object], statement: str = "SELECT 1") -> None:
        self.before = list(before)
        self.statement = statement
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.before:
            self.before.pop(0)()
        run(connection, self.statement)
        return "done"


WRITE = "DELETE FROM session_auth_session"


@pytest.mark.parametrize("wrap", [STORE.asks, STORE.changes])
def test_whoever_is_in_the_way_for_a_moment_is_waited_for(wrap: Callable[..., Any]) -> None:
    stored(a=1)

    with databases.impatient(None) as unlock:
        calls = Calls(int, unlock, statement=WRITE)
        assert wrap(calls)() == "done"

    assert calls.count == 2
    assert Session.objects.count() == 0


@pytest.mark.parametrize("wrap", [STORE.asks, STORE.changes])
def test_nobody_is_waited_for_without_end(
    wrap: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PATIENCE_SECONDS", 1)
    stored(a=1)
    calls, before = Calls(statement=WRITE), time.monotonic()

    with databases.impatient(None), pytest.raises(StoreUnavailable):
        wrap(calls)()

    assert calls.count >= 3
    assert time.monotonic() - before < 10  # on a busy machine, too
    assert Session.objects.count() == 1
    [record] = [each for each in caplog.records if "store_unavailable" in each.getMessage()]
    assert "store=tests code=" in record.getMessage()
    assert record.exc_info is not None


def test_those_who_met_wait_for_different_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would meet again: so the pauses are drawn by lot."""
    monkeypatch.setattr(stores, "PATIENCE_SECONDS", 1)
    stored(a=1)
    times: list[float] = []
    calls = Calls(*[lambda: times.append(time.monotonic())] * 100, statement=WRITE)

    with databases.impatient(None), pytest.raises(StoreUnavailable):
        STORE.changes(calls)()

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len({round(pause, 4) for pause in pauses}) > 2


@pytest.mark.parametrize("wrap", [STORE.asks, STORE.changes])
def test_what_is_a_part_of_a_transaction_is_tried_once(wrap: Callable[..., Any]) -> None:
    stored(a=1)
    calls = Calls(statement=WRITE)

    with databases.impatient(None), suppress(StoreUnavailable), transaction.atomic():
        wrap(calls)()

    assert calls.count == 1


@pytest.mark.parametrize("wrap", [STORE.asks, STORE.changes])
def test_what_cannot_be_written_is_tried_once(wrap: Callable[..., Any]) -> None:
    stored(a=1)
    calls = Calls(statement=WRITE)

    with databases.read_only(), pytest.raises(StoreUnavailable):
        wrap(calls)()

    assert calls.count == 1
    assert Session.objects.count() == 1


def test_what_the_caller_did_wrong_is_said_to_the_caller() -> None:
    Group.objects.create(name="a")

    def create_again() -> None:
        Group.objects.create(name="a")

    def ask_after_an_error() -> None:
        with transaction.atomic():
            transaction.set_rollback(True)
            Group.objects.count()

    for call, error in (
        (create_again, IntegrityError),
        (ask_after_an_error, TransactionManagementError),
    ):
        with pytest.raises(error):
            STORE.asks(call)()
        with pytest.raises(error), STORE.guards():
            call()


def test_a_guard_says_that_the_store_is_unavailable(outage: None) -> None:
    with pytest.raises(StoreUnavailable), STORE.guards():
        read()


def test_what_was_asked_already_is_asked_as_often_as_else() -> None:
    stored(a=1)

    with databases.impatient(None) as unlock:
        calls = Calls(int, unlock, statement=WRITE)
        with pytest.raises(OperationalError) as raised:
            calls()
        assert STORE.asks_again(raised.value, calls) == "done"

    assert calls.count == 2


def test_a_database_that_is_down_is_known_as_such() -> None:
    with pytest.raises(Error) as mistyped:
        mistype()
    with unreachable_database(), pytest.raises(Error) as unreachable:
        read()

    with unreachable_database():
        assert STORE.is_down(unreachable.value)
    assert not STORE.is_down(mistyped.value)


def test_a_transaction_of_ones_own_can_still_be_undone() -> None:
    assert not in_transaction("default")
    with transaction.atomic():
        assert in_transaction("default")


def test_an_error_without_any_code_is_known_by_its_class() -> None:
    assert code_of(InterfaceError()) == "InterfaceError"
