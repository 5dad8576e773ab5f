"""The table: each fault of a store at each door, what is answered, and what is true afterwards.

Whatever fails: no answer is 500, no live session is taken for a stranger's, no cookie is deleted,
and what was refused has not happened, not even in part.
"""

import os
from typing import Any

import pytest

from tests.api_client import AUTH
from tests.faults.databases import VENDOR
from tests.faults.doors import DOORS, Door, Truth, World
from tests.faults.table import FAULTS, Fault
from tests.password_calls import with_links

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.faults.urls")]

ALL = "FAULTS" in os.environ
"""Whether to try all, as ``make faults`` does; else what is quick, as ``make test`` does."""

SUCCESS = {200, 202, 204, 302}
CASES = [
    pytest.param(fault, door, asgi, id=f"{fault.name}-{door.name}-{'asgi' if asgi else 'wsgi'}")
    for fault in FAULTS
    for door in DOORS
    for asgi in (False, True)
    if VENDOR in fault.vendors
    and (ALL or not fault.slow)
    and (ALL or fault.asgi or not asgi)
    and not (asgi and door.wsgi_only)
]


@pytest.mark.parametrize(("fault", "door", "asgi"), CASES)
@with_links
def test_what_is_answered_and_what_is_true_afterwards(fault: Fault, door: Door, asgi: bool) -> None:
    world = World.make()
    visitor = door.visitor(world)

    with fault.provoke():
        response = door.call.make(world, visitor, asgi=asgi)

    assert (response.status_code in SUCCESS) in what_may_be(fault, door)
    judge(response, world, door)


def what_may_be(fault: Fault, door: Door) -> set[bool]:
    """Return whether the door is served: in nearly all cases, there is but one way."""
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
