"""A user who is gone before a statement of a request, as if another connection had deleted them."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db import connection


def by_orm() -> None:
    User.objects.all().delete()


def by_sql() -> None:
    """Delete the rows alone: no signal is sent, as none is by another program."""
    users = User.objects.all()
    users._raw_delete(users.db)


class Vanishing:
    """For ``connection.execute_wrapper()``: calls ``call`` once, before the statement ``at``.

    That is a number, from 1 on, or what the statement begins with. ``is_done`` says if it came.
    """

    def __init__(self, call: Callable[[], object], *, at: int | str) -> None:
        self.call, self.at = call, at
        self.statements, self.is_done = 0, False

    def __call__(self, execute: Any, sql: str, *args: Any) -> Any:
        self.statements += not self.is_done
        plain = sql.translate({ord(quote): None for quote in '"`'})
        if not self.is_done and (
            self.statements == self.at if isinstance(self.at, int) else plain.startswith(self.at)
        ):
            self.is_done = True
            self.call()
        return execute(sql, *args)


def told_if_gone(call: Callable[[], object], request: Callable[[], Any], *, at: int | str) -> Any:
    """Return what ``request()`` answers if ``call`` comes before a statement; ``None`` if not."""
    vanishing = Vanishing(call, at=at)
    with connection.execute_wrapper(vanishing):
        response = request()
    return response if vanishing.is_done else None
