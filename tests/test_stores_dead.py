"""Connections that are dead, and pools of them: with a server, since SQLite has none to lose."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from session_auth.exceptions import StoreUnavailable
from tests.api_client import AUTH, signed_in
from tests.faults import databases
from tests.faults.databases import VENDOR, cut_connections
from tests.test_stores import STORE, Calls

pytestmark = pytest.mark.django_db(transaction=True)


def cut() -> None:
    connection.ensure_connection()
    cut_connections()


@pytest.mark.parametrize("wrap", [STORE.asks, STORE.changes])
def test_a_dead_connection_is_replaced_once(wrap: Callable[..., Any]) -> None:
    calls, always = Calls(cut), Calls(cut, cut, cut)

    assert wrap(calls)() == "done"
    with pytest.raises(StoreUnavailable):
        wrap(always)()
    connection.close()

    assert (calls.count, always.count) == (2, 2)


def test_what_may_have_been_done_is_done_again_only_if_that_changes_nothing() -> None:
    asked, changed = Calls(databases.unplug), Calls(databases.unplug)

    assert STORE.asks(asked)() == "done"
    with pytest.raises(StoreUnavailable):
        STORE.changes(changed)()
    connection.close()

    assert (asked.count, changed.count) == (2, 1)


def test_a_connection_that_dies_in_a_transaction_takes_it_along() -> None:
    calls = Calls(cut)

    with pytest.raises(StoreUnavailable), transaction.atomic():
        STORE.asks(calls)()

    assert calls.count == 1
    assert Calls()() == "done"


def test_a_connection_that_the_driver_has_closed_is_replaced() -> None:
    connection.ensure_connection()
    connection.connection.close()

    assert STORE.changes(Calls())() == "done"


@pytest.mark.parametrize("kept", [1, 5] if VENDOR == "postgresql" else [1])
def test_no_user_notices_that_kept_connections_were_cut(alice: Any, kept: int) -> None:
    browser = signed_in()
    with kept_connections(kept) as release:
        cut_connections()
        answers = []
        for _ in range(kept + 2):
            answers.append(browser.get(AUTH + "user/").json()["user"])
            release()

    assert [each["username"] for each in answers] == ["alice"] * (kept + 2)


@contextmanager
def kept_connections(number: int) -> Iterator[Callable[[], object]]:
    """Keep so many connections; yield what gives one back after a request."""
    if VENDOR != "postgresql":
        connection.ensure_connection()
        yield int
        return
    with databases.pool(min_size=number, max_size=number, timeout=5):
        connection.ensure_connection()
        pool: Any = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's
        while pool.get_stats()["pool_available"] < number - 1:
            time.sleep(0.01)
        connection.close()
        yield connection.close
