"""What can go wrong with a database, done to a real one.

Each fault is a context manager: what fails within it is whole again after it.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from threading import Timer
from typing import Any

from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from session_auth.models import DeviceGeneration, EndedSession, GuessCount, Session, UserStamp

VENDOR = connection.vendor
TABLES = [
    *(model._meta.db_table for model in (Session, GuessCount, DeviceGeneration, UserStamp)),
    EndedSession._meta.db_table,
    "auth_user",
]


@contextmanager
def beside() -> Iterator[Any]:
    """Yield another connection to the database, which no fault concerns."""
    other = connection.copy("default")
    try:
        yield other
    finally:
        other.close()


def run(other: BaseDatabaseWrapper, *statements: str) -> list[Any]:
    with other.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def name_of_database() -> str:
    return str(connection.settings_dict["NAME"])


# No connection


def cut_connections() -> None:
    """Cut all connections, as a server that is restarted does, or a proxy whose patience ended."""
    with beside() as other:
        if VENDOR == "postgresql":
            run(
                other,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()",
            )
        else:
            ids = run(
                other,
                "SELECT id FROM information_schema.processlist "
                "WHERE id <> connection_id() AND db = database()",
            )
            for (each,) in ids:
                run(other, f"KILL {each}")


@contextmanager
def cut() -> Iterator[None]:
    connection.ensure_connection()
    cut_connections()
    try:
        yield
    finally:
        connection.close()


def unplug() -> None:
    """Let the network fail, so that what was sent arrives and no answer does."""
    connection.ensure_connection()
    driver: Any = connection.connection
    number = driver.fileno() if VENDOR == "postgresql" else mysql_socket()
    with socket.socket(fileno=os.dup(number)) as ours:
        ours.shutdown(socket.SHUT_RD)


@contextmanager
def unplugged() -> Iterator[None]:
    unplug()
    try:
        yield
    finally:
        with suppress(Error):
            connection.close()


def mysql_socket() -> int:
    """Return the file descriptor of the connection, which the driver does not tell."""
    path = connection.settings_dict["HOST"]
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 # names are all that is needed
        try:
            with socket.socket(fileno=os.dup(int(entry))) as found:
                if found.getpeername() == path:  # pragma: no branch # often the only one
                    return int(entry)
        except OSError:
            continue
    raise AssertionError  # pragma: no cover # there is one


# A server that does not write


@contextmanager
def default(name: str, value: str, *, before: str) -> Iterator[None]:
    """Let each new connection to the server have another value of a variable."""
    with beside() as other:
        if VENDOR == "postgresql":
            database = connection.ops.quote_name(name_of_database())
            change = f"ALTER DATABASE {database} SET {name} = {value}"
            undo = f"ALTER DATABASE {database} RESET {name}"
        else:
            change, undo = (f"SET GLOBAL {name} = {each}" for each in (value, before))
        run(other, change)
        connection.close()
        try:
            yield
        finally:
            connection.close()
            run(other, undo)


def read_only() -> AbstractContextManager[None]:
    if VENDOR == "postgresql":
        return default("default_transaction_read_only", "on", before="off")
    if VENDOR == "mysql":
        return read_only_replica()
    return options(init_command="PRAGMA query_only = ON")


@contextmanager
def read_only_replica() -> Iterator[None]:
    """Make the server read-only, as a replica is, and call it as a user who may not write then."""
    with beside() as other:
        name = connection.ops.quote_name(name_of_database())
        run(other, "CREATE USER plain", f"GRANT ALL ON {name}.* TO plain")
        with default("read_only", "ON", before="OFF"):
            before = connection.settings_dict["USER"]
            connection.settings_dict["USER"] = "plain"
            try:
                yield
            finally:
                connection.settings_dict["USER"] = before
                run(other, "DROP USER plain")


@contextmanager
def options(**change: Any) -> Iterator[None]:
    """Give the database other ``OPTIONS``."""
    before = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.settings_dict["OPTIONS"] = before | change
    connection.__dict__.pop("pool", None)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["OPTIONS"] = before


POSTGRESQL_TRIGGER = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF {when} THEN RAISE EXCEPTION 'provoked' USING ERRCODE = '{code}'; END IF;
    RETURN NULL;
END $$
"""
MARIADB_TRIGGER = """
CREATE TRIGGER fail_{number} BEFORE {event} ON {table} FOR EACH ROW
IF {when} THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'provoked'; END IF
"""
SQLITE_TRIGGER = """
CREATE TRIGGER fail_{number} BEFORE {event} ON {table}
BEGIN INSERT INTO filler VALUES (zeroblob(1000000)); END
"""
EVENTS = [
    (number, event, table)
    for number, (event, table) in enumerate(
        (event, table) for event in ("INSERT", "UPDATE", "DELETE") for table in TABLES
    )
]


@contextmanager
def refused_writes(
    *, sqlstate: str = "", code: int = 0, times: int | None = None
) -> Iterator[None]:
    """Let the server refuse what is written with a code; ``times`` times, if it is given.

    By triggers: so that it is the server that raises, and in the middle of a transaction, too.
    """
    with beside() as other, ExitStack() as undo:
        if times is not None:
            # Of whatever is rolled back, a sequence alone goes on.
            run(other, "CREATE SEQUENCE refusals")
            undo.callback(run, other, "DROP SEQUENCE refusals")
        when = (
            {
                "postgresql": f"nextval('refusals') <= {times}",
                "mysql": f"nextval(refusals) <= {times}",
            }[VENDOR]
            if times is not None
            else "TRUE"
        )
        if VENDOR == "postgresql":
            run(other, POSTGRESQL_TRIGGER.format(when=when, code=sqlstate))
            undo.callback(run, other, "DROP FUNCTION fail CASCADE")
            for table in TABLES:
                run(
                    other,
                    f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON {table} "
                    "FOR EACH STATEMENT EXECUTE FUNCTION fail()",
                )
        else:
            for number, event, table in EVENTS:
                values = {"number": number, "event": event, "table": table}
                run(other, MARIADB_TRIGGER.format(**values, when=when, code=code))
                undo.callback(run, other, f"DROP TRIGGER fail_{number}")
        undo.callback(connection.close)
        yield


@contextmanager
def full_sqlite() -> Iterator[None]:
    """Let SQLite have no more pages, and need one for whatever is written."""
    run(connection, "CREATE TABLE filler (content BLOB)")
    for number, event, table in EVENTS:
        run(connection, SQLITE_TRIGGER.format(number=number, event=event, table=table))
    [[pages]] = run(connection, "PRAGMA page_count")
    before = connection.settings_dict["OPTIONS"]["init_command"]
    try:
        with options(init_command=f"{before}; PRAGMA max_page_count = {pages}"):
            yield
    finally:
        for number, _, _ in EVENTS:
            run(connection, f"DROP TRIGGER fail_{number}")
        run(connection, "DROP TABLE filler")


def disk_full() -> AbstractContextManager[None]:
    return full_sqlite() if VENDOR == "sqlite" else refused_writes(sqlstate="53100", code=1021)


# Others in the way


@contextmanager
def locked(*, seconds: float | None = None) -> Iterator[Callable[[], None]]:
    """Let another transaction have locked whatever may be written; for so long, if it is given.

    Yields what ends that transaction at once.
    """
    with beside() as other:
        other.inc_thread_sharing()
        other.set_autocommit(False)
        if VENDOR == "postgresql":
            run(other, f"LOCK TABLE {', '.join(TABLES)} IN EXCLUSIVE MODE")
        elif VENDOR == "mysql":
            # At Django's own level there would be none between the rows.
            run(other, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for table in TABLES:
                run(other, f"SELECT * FROM {table} FOR UPDATE")  # noqa: S608 # a name of ours
        else:
            run(other, "BEGIN IMMEDIATE")
        timer = Timer(seconds or 60, other.rollback)
        timer.start()
        try:
            yield other.rollback
        finally:
            timer.cancel()
            timer.join()
            other.rollback()
            other.dec_thread_sharing()


@contextmanager
def impatient(seconds: float | None) -> Iterator[Callable[[], None]]:
    """Lock whatever may be written, for a server that waits 50 ms for a lock, or not at all.

    Yields what unlocks it.
    """
    with ExitStack() as stack:
        if VENDOR == "postgresql":
            stack.enter_context(default("lock_timeout", "50", before="0"))
        elif VENDOR == "mysql":
            stack.enter_context(default("innodb_lock_wait_timeout", "0", before="50"))
        else:
            stack.enter_context(options(timeout=0.05))
        yield stack.enter_context(locked(seconds=seconds))


@contextmanager
def statement_timeout() -> Iterator[None]:
    if VENDOR == "postgresql":
        timeout = default("statement_timeout", "300", before="0")
    else:
        timeout = default("max_statement_time", "0.3", before="0")
    with timeout, locked():
        yield


# The pool


@contextmanager
def pool(**change: Any) -> Iterator[None]:
    with options(pool={"min_size": 1, "max_size": 1} | change):
        try:
            yield
        finally:
            connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


@contextmanager
def pool_exhausted() -> Iterator[None]:
    """Let others have all connections of the pool."""
    with pool():
        other = connection.copy("default")
        other.ensure_connection()
        other.pool.timeout = 0.1  # type: ignore[attr-defined]  # PostgreSQL's
        try:
            yield
        finally:
            other.close()
