"""The one boundary to the databases: it finds out what went wrong, and asks again or raises 503.

It goes by SQLSTATE or by the vendor's code, not by the class of the exception: a read-only
PostgreSQL, for example, raises ``InternalError``.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.contrib.auth import get_user_model
from django.core import exceptions
from django.db import (
    DatabaseError,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.transaction import TransactionManagementError

from session_auth import events
from session_auth.events import Event
from session_auth.exceptions import StoreUnavailable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

PATIENCE_SECONDS = 4.0
"""For how long a call that meets conflicts is tried again."""

FIRST_PAUSE_SECONDS = 0.004


class Fault(Enum):
    """What went wrong between us and a database."""

    UNREACHABLE = auto()
    """No connection could be opened: nothing was asked."""

    CUT = auto()
    """The connection was dead, or the server closed it: nothing was done."""

    LOST = auto()
    """The connection broke before the answer came: nobody knows whether the work was done."""

    CONFLICT = auto()
    """Another transaction was in the way: a serialization failure, a deadlock, a lock timeout."""

    NO_WRITES = auto()
    """The server cannot write: it is read-only, or its disk or memory is full."""

    OTHER = auto()


# https://www.postgresql.org/docs/current/errcodes-appendix.html
SQLSTATES = {
    "40001": Fault.CONFLICT,  # serialization_failure
    "40P01": Fault.CONFLICT,  # deadlock_detected
    "55P03": Fault.CONFLICT,  # lock_not_available
    "25006": Fault.NO_WRITES,  # read_only_sql_transaction
    "53100": Fault.NO_WRITES,  # disk_full
    "53200": Fault.NO_WRITES,  # out_of_memory
    "25P03": Fault.CUT,  # idle_in_transaction_session_timeout
    "57P01": Fault.CUT,  # admin_shutdown
    "57P02": Fault.CUT,  # crash_shutdown
    "57P03": Fault.UNREACHABLE,  # cannot_connect_now
    "57P05": Fault.CUT,  # idle_session_timeout
    "08P01": Fault.CUT,  # protocol_violation, as PgBouncer says that a server has gone
}

# https://mariadb.com/kb/en/mariadb-error-code-reference/, and MySQL's, which share their numbers.
MYSQL_CODES = {
    **dict.fromkeys((1205, 1213, 1020, 3572), Fault.CONFLICT),
    **dict.fromkeys((1290, 1792, 1836, 1021, 1114, 1037, 1038, 1041, 3), Fault.NO_WRITES),
    **dict.fromkeys((1040, 1044, 1045, 1049, 1129, 1130, 1203), Fault.UNREACHABLE),
    **dict.fromkeys((2002, 2003, 2005), Fault.UNREACHABLE),
    **dict.fromkeys((0, 1053, 1927, 2006, 4031), Fault.CUT),
    **dict.fromkeys((2013, 2055), Fault.LOST),
}

# https://www.sqlite.org/rescode.html, the primary codes.
SQLITE_CODES = {
    5: Fault.CONFLICT,  # SQLITE_BUSY
    6: Fault.CONFLICT,  # SQLITE_LOCKED
    7: Fault.NO_WRITES,  # SQLITE_NOMEM
    8: Fault.NO_WRITES,  # SQLITE_READONLY
    13: Fault.NO_WRITES,  # SQLITE_FULL
    14: Fault.UNREACHABLE,  # SQLITE_CANTOPEN
}


DEAD = frozenset({Fault.CUT, Fault.LOST})
"""The connection has broken; the work may have been done or not."""

DOWN = DEAD | {Fault.UNREACHABLE}

NOTHING_SENT = ("connection is closed", "connection is lost")
"""How psycopg's errors end when it finds a connection dead before it sends anything."""

PASSED_ON = (IntegrityError, TransactionManagementError)
"""What tells of the caller, not of the store; so does what ``is_gone()``."""

NOT_UPDATED: type[Exception] | tuple[()] = getattr(exceptions, "ObjectNotUpdated", ())
"""What ``save()`` raises for a row that is not there; in Django 5.2, a bare ``DatabaseError``."""


def fault_of(error: Error, connection: Any) -> Fault:
    """Return what went wrong, for an error that Django has raised for ``connection``."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return SQLSTATES.get(state, Fault.OTHER)
    if (code := getattr(cause, "sqlite_errorcode", None)) is not None:
        return SQLITE_CODES.get(code & 0xFF, Fault.OTHER)
    if connection.vendor == "mysql":  # first, since a failed rollback has closed the connection
        return MYSQL_CODES.get(error.args[0] if error.args else 0, Fault.OTHER)
    if connection.connection is None:
        return Fault.UNREACHABLE
    if isinstance(error, InterfaceError) or str(error).endswith(NOTHING_SENT):
        return Fault.CUT
    if connection.vendor == "postgresql" and isinstance(error, OperationalError):
        return Fault.LOST  # of what the server says, all has an SQLSTATE
    return Fault.OTHER


def is_gone(error: Error) -> bool:
    """Say whether ``save()`` has found no row to update: that no driver says, but Django itself."""
    is_bare = type(error) is DatabaseError and error.__cause__ is None
    return is_bare or isinstance(error, NOT_UPDATED)


def code_of(error: Error) -> str:
    """Return the SQLSTATE or the vendor's code of an error, for the log."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    return str(state or number or type(error).__name__)


def in_transaction(alias: str) -> bool:
    """Say whether a rollback can still undo what is done now.

    The transactions that ``TestCase`` puts around each test do not count.
    """
    return any(
        not getattr(block, "_from_testcase", False) for block in connections[alias].atomic_blocks
    )


def when_final(call: Callable[[], None], *, alias: str) -> bool:
    """Call ``call`` once no rollback can undo what is done now; say whether that was at once."""
    if in_transaction(alias):
        transaction.on_commit(call, using=alias)
        return False
    call()
    return True


class Boundary:
    """Each call of one store goes through here.

    ``name`` is what the log calls the store, and ``alias`` returns the database that it is in.
    """

    def __init__(self, name: str, *, alias: Callable[[], str]) -> None:
        self.name = name
        self.alias = alias

    def asks(self, call: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Wrap a call that may be made twice: it reads, or doing it again changes nothing.

        It is made once more on a new connection if its own was dead, and for
        ``PATIENCE_SECONDS`` if other transactions are in the way. Inside a transaction it is not
        made again: all of that would have to be. Raises ``StoreUnavailable``.
        """
        return self._wrap(call, again=DEAD)

    def changes(self, call: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Wrap a call that must not be done twice: it is made again only if it has done nothing.

        Raises ``StoreUnavailable`` as ``asks()`` does, and lets an ``IntegrityError`` through.
        """
        return self._wrap(call, again=frozenset({Fault.CUT}))

    def asks_again(
        self,
        error: Error,
        call: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Go on as ``asks()`` does after ``error``, for a first call that had to be fast."""
        return self._go_on(_Retries(DEAD), error, call, *args, **kwargs)

    def changes_again(
        self,
        error: Error,
        call: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Go on as ``changes()`` does after ``error``, for a first call that had to be fast."""
        return self._go_on(_Retries(frozenset({Fault.CUT})), error, call, *args, **kwargs)

    @contextmanager
    def guards(self) -> Iterator[None]:
        """Raise ``StoreUnavailable`` for what goes wrong inside, where nothing is made twice."""
        try:
            yield
        except Error as error:
            if isinstance(error, PASSED_ON) or is_gone(error):
                raise
            raise self.unavailable(error) from error

    def unavailable(self, error: Error) -> StoreUnavailable:
        """Log ``error`` with its code; return what a client is told of it."""
        events.record(Event.STORE_UNAVAILABLE, store=self.name, code=code_of(error))
        return StoreUnavailable()

    def is_down(self, error: Error) -> bool:
        """Say whether ``error`` tells that there is no connection to the store, or no more."""
        return fault_of(error, connections[self.alias()]) in DOWN

    def _wrap(
        self, call: Callable[Parameters, Result], *, again: frozenset[Fault]
    ) -> Callable[Parameters, Result]:
        @wraps(call)
        def bounded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            retries = _Retries(again)
            try:
                return call(*args, **kwargs)
            except Error as error:
                return self._go_on(retries, error, call, *args, **kwargs)

        return bounded

    def _go_on(
        self,
        retries: "_Retries",
        error: Error,
        call: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        while True:
            if isinstance(error, PASSED_ON) or is_gone(error):
                raise error
            if not retries.prepare_next(error, connections[self.alias()]):
                raise self.unavailable(error) from error
            try:
                return call(*args, **kwargs)
            except Error as exc:
                error = exc


USERS = Boundary("users", alias=lambda: router.db_for_write(get_user_model()))


class _Retries:
    """Counts the tries of one call, and says whether another one is worth it."""

    def __init__(self, again: frozenset[Fault]) -> None:
        self.again = again
        self.conflicts = 0
        self.is_reconnected = False
        self.ends_at = time.monotonic() + PATIENCE_SECONDS

    def prepare_next(self, error: Error, connection: Any) -> bool:
        """Say whether to try again; before that, wait or close a broken connection."""
        if connection.in_atomic_block:
            return False
        fault = fault_of(error, connection)
        if fault in self.again and not self.is_reconnected:
            self.is_reconnected = True
            _reconnect(connection)
            return True
        if fault is not Fault.CONFLICT:
            return False
        self.conflicts += 1
        if time.monotonic() > self.ends_at:
            return False
        # A random pause, so that two calls that met do not meet again.
        longest = FIRST_PAUSE_SECONDS * 2 ** min(self.conflicts, 5)
        time.sleep(random.uniform(0, longest))  # noqa: S311 # no secret
        return True


def _reconnect(connection: Any) -> None:
    """Let the next statement open a new connection, or take one that is alive."""
    with suppress(Error):  # MySQL's driver minds closing what is closed
        connection.close()
    if pool := getattr(connection, "pool", None):
        pool.check()  # most likely, the other connections of the pool are dead, too
