"""A connection that is cut in the middle: before each statement of each door, one after another."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from session_auth.models import GuessCount, Session
from tests.faults.databases import cut_connections
from tests.faults.doors import DOORS, Door, World
from tests.faults.test_matrix import judge
from tests.password_calls import with_links

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.faults.urls")]


@contextmanager
def cut_before(number: int) -> Iterator[list[str]]:
    """Cut the connection before the statement with this number; yield those that were sent."""
    sent: list[str] = []

    def wrapper(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        if len(sent) == number:
            cut_connections()
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(wrapper):
        yield sent
    connection.close()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
@with_links
def test_wherever_the_connection_is_cut_the_answer_is_true(door: Door) -> None:
    for number in count(1):  # pragma: no branch # until the last cut
        for model in (Session, GuessCount, User):
            model._base_manager.all().delete()
        world = World.make()

        with cut_before(number) as sent:
            response = door.call.make(world, door.visitor(world), asgi=False)

        judge(response, world, door)
        if len(sent) < number:
            break
