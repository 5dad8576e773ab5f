import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings


class Dying:
    """For ``connection.execute_wrapper()``: no statement goes through from one on.

    That is the one with the number ``at`` after the first that begins with ``after``; ``is_dead``
    says if it came.
    """

    def __init__(self, *, after: str, at: int) -> None:
        self.after, self.left, self.is_counting, self.is_dead = after, at, False, False

    def __call__(self, execute: Any, sql: str, *args: Any) -> Any:
        if self.is_counting:
            self.left -= 1
        self.is_counting |= sql.translate({ord(quote): None for quote in '"`'}).startswith(
            self.after
        )
        if self.is_counting and self.left <= 0:
            self.is_dead = True
            raise unreachable()
        return execute(sql, *args)


def unreachable() -> OperationalError:
    """Return what Django raises where there is no way to the database."""
    cause = sqlite3.OperationalError()
    cause.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    error = OperationalError()
    error.__cause__ = cause
    return error


@contextmanager
def unreachable_database() -> Iterator[None]:
    """Point the project at stores that cannot be reached, for tests outside of a transaction."""
    connection.close()
    name = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = "no/such/database"
    nowhere = {"SESSION_AUTH_REDIS": "redis://127.0.0.1:1"} if settings.REDIS else {}
    try:
        with override_settings(**nowhere):
            yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
