"""Two hundred guesses at once: as few reach the hasher as if they came one after the other."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings

from tests.api_client import PASSWORD, ApiClient
from tests.guessing import COUNTING, caller, hashed
from tests.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("backend", ["django.contrib.auth.backends", "session_auth.backends"])
@override_settings(PASSWORD_HASHERS=COUNTING)
def test_of_200_guesses_at_once_five_reach_the_hasher(alice: User, backend: str) -> None:
    """A55"""
    statuses = guess_at_once(lambda n: ApiClient().log_in(password=f"wrong-{n}"), backend)

    assert sorted(statuses) == [401] * 5 + [429] * 195
    assert len(hashed) == 5


@override_settings(PASSWORD_HASHERS=COUNTING)
def test_of_200_guesses_at_once_five_reach_the_hasher_in_the_admin(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A55, A95: under ATOMIC_REQUESTS, where each waits for the one before it."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def call(number: int) -> Any:
        form = {"username": "alice", "password": f"wrong-{number}"}
        return Client().post("/admin/login/", form)

    statuses = guess_at_once(call, "session_auth.backends")

    if connection.features.has_select_for_update:
        assert sorted(statuses) == [200] * 5 + [429] * 195
    # SQLite refuses one of two transactions that read first and then write: that guess is not free.
    assert set(statuses) <= {200, 429, 503}
    assert 0 < len(hashed) <= 5


@override_settings(PASSWORD_HASHERS=COUNTING)
def test_of_200_addresses_at_once_each_name_counts_and_none_waits_for_ever(alice: User) -> None:
    """A55: right and wrong passwords from one address, at few accounts: no deadlock, no 503."""
    User.objects.create_user("bob", password=PASSWORD)

    def call(number: int) -> Any:
        name = ["alice", "bob", "carol"][number % 3]
        return caller().log_in(name, PASSWORD if number % 2 else f"wrong-{number}")

    statuses = guess_at_once(call, "session_auth.backends")

    assert set(statuses) <= {200, 401, 429}
    assert statuses.count(401) <= 50


def guess_at_once(call: Callable[[int], Any], backend: str) -> list[int]:
    """Let 40 threads send five guesses each, and return the statuses of the answers."""
    hashed.clear()

    def thread(first: int) -> Callable[[], list[int]]:
        return lambda: [call(first + n).status_code for n in range(5)]

    with override_settings(AUTHENTICATION_BACKENDS=[f"{backend}.ModelBackend"]):
        return list(chain(*at_once(*[thread(5 * n) for n in range(40)])))
