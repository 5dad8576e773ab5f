"""A store that fails at any statement of each door, once or from then on, with no known error."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from session_auth import later
from session_auth.models import GuessCount, Session
from tests.faults.databases import VENDOR
from tests.faults.doors import DOORS, Door, World
from tests.faults.test_matrix import judge
from tests.password_calls import with_links

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.faults.urls")]


@contextmanager
def failing_at(number: int, *, for_good: bool) -> Iterator[list[str]]:
    """Let the statement with this number fail; yield those that were sent."""
    sent: list[str] = []

    def wrapper(execute: Any, sql: str, *args: Any) -> Any:
        sent.append(sql)
        if len(sent) == number or (for_good and len(sent) > number):
            raise OperationalError("provoked")
        return execute(sql, *args)

    with connection.execute_wrapper(wrapper):
        yield sent


# On servers of databases, once: most of the statements are the same.
TIMES = {"once": False, "for good": True} if VENDOR == "sqlite" else {"once": False}


@pytest.mark.parametrize("for_good", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize(
    "door", [each for each in DOORS if each.writes], ids=lambda door: door.name
)
@with_links
def test_whichever_statement_fails_the_answer_is_true(
    door: Door, monkeypatch: pytest.MonkeyPatch, *, for_good: bool
) -> None:
    # Mails are sent by a thread, as on a site; nothing of that belongs to the request.
    monkeypatch.setattr(later, "wake", lambda mail_id: None)
    for number in count(2 if door.asks_before else 1):  # pragma: no branch # until the last
        for model in (Session, GuessCount, User):
            model.objects.all().delete()
        world = World.make()

        with failing_at(number, for_good=for_good) as sent:
            response = door.call.make(world, door.visitor(world), asgi=False)

        judge(response, world, door)
        if len(sent) < number:
            break
