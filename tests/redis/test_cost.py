"""Requests must not get dearer: what they ask of Redis and of SQL, and their threads."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from session_auth.engines.redis.client import Store
from session_auth.engines.redis.loops import LoopStore
from tests.api_client import AUTH, id_of, signed_in
from tests.test_async import DJANGOS, hops
from tests.test_cost import BRACKETS, CALLS, OURS, Call, browser_for

COSTS = {
    "GET csrf/": (0, 0),
    "GET user/": (1, 0),
    "GET sessions/": (3, 1),
    "DELETE sessions/": (4, 0),
    "DELETE sessions/{other}/": (3, 0),
    "POST logout/": (3, 0),
    "POST reauthenticate/": (4, 0),
    "POST login/": (1, -1),
}
"""How often the servers are asked, and how many statements more than the database engine."""


def name_of(call: Call) -> str:
    return f"{call.method} {call.path}"


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    for owner, names in (
        (Store, ("run", "hashes", "members", "delete", "forget_members")),
        (LoopStore, ("hashes",)),
    ):
        for name in names:
            real = getattr(owner, name)

            def counted(*args: Any, _real: Any = real, _name: str = name) -> Any:
                made.append(_name)
                return _real(*args)

            monkeypatch.setattr(owner, name, counted)
    return made


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_an_endpoint_costs_no_more(call: Call, alice: User, trips: list[str]) -> None:
    here, other = browser_for(call), signed_in()
    trips.clear()

    with CaptureQueriesContext(connection) as captured:
        response = here.call(call.method, AUTH + call.path.format(other=id_of(other)), call.body)

    assert response.status_code < 300
    statements = [query["sql"] for query in captured if not query["sql"].startswith(BRACKETS)]
    asked = len(trips), len(statements) - call.statements
    assert asked == COSTS[name_of(call)], [trips, *statements]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", CALLS, ids=name_of)
@override_settings(MIDDLEWARE=OURS)
def test_an_endpoint_takes_no_more_threads_than_on_a_database(call: Call, alice: User) -> None:
    here, other = browser_for(call), signed_in()
    path = AUTH + call.path.format(other=id_of(other))

    counted = async_to_sync(hops)(here, path, method=call.method, body=call.body)

    assert counted == DJANGOS + call.hops
