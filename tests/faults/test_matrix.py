"""The table: each fault of a store at each door, what is answered, and what is true afterwards.

Whatever fails: no answer is 500, no live session is taken for a stranger's, no cookie is deleted,
and what was refused has not happened, not even in part.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.api_client import AUTH
from tests.faults.databases import VENDOR
from tests.faults.doors import DOORS, Door, Truth, World
from tests.faults.table import FAULTS, Fault
from tests.password_calls import with_links

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.faults.urls")]

ALL = "FAULTS" in os.environ
"""Whether to try all, as ``make faults`` does; else what is quick, as ``make test`` does."""

SUCCESS = {200, 202, 204, 302}


class Way(Enum):
    """How the view is called."""

    WSGI = "wsgi"
    ASGI = "asgi"
    ATOMIC = "atomic"
    """Under WSGI, in the transaction of ``ATOMIC_REQUESTS``."""

    @contextmanager
    def taken(self) -> Iterator[None]:
        before = connection.settings_dict["ATOMIC_REQUESTS"]
        connection.settings_dict["ATOMIC_REQUESTS"] = self is Way.ATOMIC
        yield
        connection.settings_dict["ATOMIC_REQUESTS"] = before


CASES = [
    pytest.param(fault, door, way, id=f"{fault.name}-{door.name}-{way.value}")
    for fault in FAULTS
    for door in DOORS
    for way in Way
    if VENDOR in fault.vendors
    and (ALL or not fault.slow)
    and (ALL or fault.in_each_way or way is Way.WSGI)
    and not (way is Way.ASGI and door.wsgi_only)
    and not (way is Way.ATOMIC and door.is_async)
]


@pytest.mark.parametrize(("fault", "door", "way"), CASES)
@with_links
def test_what_is_answered_and_what_is_true_afterwards(fault: Fault, door: Door, way: Way) -> None:
    world = World.make()
    visitor = door.visitor(world)

    with fault.provoke(), way.taken():
        response = door.call.make(world, visitor, asgi=way is Way.ASGI)

    assert (response.status_code in SUCCESS) in what_may_be(fault, door, way)
    judge(response, world, door)


def test_the_docs_say_what_is_tried_here() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text()
    rows = re.findall(r"^\| ([\w -]+) \| (served|503) \| (done|503) \|$", page, re.MULTILINE)
    told = {name: (reads == "served", writes == "done") for name, reads, writes in rows}
    tried = {each.name: (each.reads, each.writes) for each in FAULTS if each.certain}

    assert len(told) == len(rows)
    assert {name: told.get(name) for name in tried} == tried
    assert {name for name in told if "PgBouncer" not in name} <= set(tried)


def what_may_be(fault: Fault, door: Door, way: Way) -> set[bool]:
    """Return whether the door is served: in nearly all cases, there is but one way."""
    if way is Way.ATOMIC and (fault.writes or (door.asks_nothing and not fault.reads)):
        return {True, False}  # what was begun cannot be tried again; nor can all begin
    if door.asks_nothing:
        return {True}
    if not fault.certain:
        return {True, False}  # pragma: no cover # of slow faults alone
    if not door.writes:
        return {fault.reads}
    if door.asks_before and fault.name == "connection cut":
        return {False}
    return {fault.writes} if fault.in_transaction or not door.in_transaction else {True, False}


def judge(response: Any, world: World, door: Door) -> None:
    """See that the answer is one of two, and that it is true."""
    after = Truth.now()
    if response.status_code in SUCCESS:
        assert door.is_done(world, after)
        return
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "sessionid" not in response.cookies
    if door.call.is_of_api(world):
        assert response.json()["code"] == "store_unavailable"
    assert after == world.before
    assert world.browser.get(AUTH + "user/").json()["user"]["username"] == "alice"
