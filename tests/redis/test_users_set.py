"""A user who is set without a login: the row moves to the slot of their others, and is not lost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import transaction

from session_auth.engines.redis.client import Store
from session_auth.exceptions import StoreUnavailable
from session_auth.sessions import end_sessions, list_sessions
from tests.redis.steps import CALLS, Other, Steps
from tests.redis.test_renewals import nothing_settled
from tests.storing import SessionStore, another_request_for, data_of, stored

pytestmark = pytest.mark.django_db(transaction=True)

WAYS = {
    "of a visitor": ("", "alice"),
    "of another": ("bob", "alice"),
    "of a third": ("carol", "bob", "alice"),
    "of whom it was before": ("alice", "bob", "alice"),
    "of nobody": ("bob", ""),
    "of nobody again": ("", "bob", ""),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def users(request: pytest.FixtureRequest, alice: User, bob: User, carol: User) -> list[User | None]:
    known = {user.username: user for user in (alice, bob, carol)}
    return [known.get(name) for name in request.param]


@pytest.fixture
def carol() -> User:
    return User.objects.create_user("carol")


def set_user(session: SessionStore, user: User | None) -> SessionStore:
    """Let another request set the user; return the session as that has it."""
    request = another_request_for(session)
    if user is None:
        request.pop(SESSION_KEY, None)
    else:
        request[SESSION_KEY] = str(user.pk)
    request.save()
    return request


def begun(users: Sequence[User | None]) -> SessionStore:
    """Return a session that was the first one's from its beginning, and then of the others."""
    first, *others = users
    session = stored(cart=1, **({} if first is None else {SESSION_KEY: str(first.pk)}))
    for user in others:
        set_user(session, user)
    return session


def owners(session: SessionStore) -> list[User]:
    """Return in whose lists the session is."""
    return [
        user
        for user in User.objects.order_by("pk")
        if session._id in {info.id for info in list_sessions(user)}
    ]


@contextmanager
def answer_lost(number: int) -> Iterator[list[str]]:
    """Let a server do what it is asked, and its nth answer be lost."""
    asked: list[str] = []

    def losing(name: str, real: Any) -> Any:
        def ask(*args: Any) -> Any:
            asked.append(name)
            reply = real(*args)
            if len(asked) == number:
                raise StoreUnavailable
            return reply

        return ask

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(Store, name, losing(name, getattr(Store, name)))
        yield asked


def test_whichever_answer_is_lost_the_session_is_there_and_the_next_save_mends_the_list(
    users: list[User | None],
) -> None:
    *before, user = users

    for number in count(1):  # pragma: no branch # it has an end
        session = begun(before)
        with answer_lost(number) as asked, suppress(StoreUnavailable):
            set_user(session, user)
        assert data_of(session)["cart"] == 1

        set_user(session, user)
        request = another_request_for(session)
        request["cart"] = 2
        request.save()

        assert data_of(session)["cart"] == 2
        assert owners(session) == [user] * (user is not None)
        if user is not None:
            assert end_sessions(user) == 1
            assert data_of(session) == {}
        if len(asked) < number:
            break

    assert number > 2


def test_what_is_saved_at_any_step_is_kept(users: list[User | None]) -> None:
    *before, user = users

    for at in count(1):  # pragma: no branch # it has an end
        session = begun(before)
        late = another_request_for(session)
        late["late"] = True
        other = Other(late.save)
        steps = Steps(at, other)
        with steps.counted():
            set_user(session, user)
        if steps.count < at:
            break
        other.end()
        found = data_of(session)
        assert (found["cart"], found["late"]) == (1, True)
        assert owners(session) == [user] * (user is not None)

    assert at > 2


@pytest.mark.parametrize("is_rolled_back", [True, False])
def test_a_new_key_in_the_same_transaction_is_theirs_or_not_at_all(
    is_rolled_back: bool, alice: User
) -> None:
    session = stored(cart=1)
    late = another_request_for(session)
    renewed = another_request_for(session)

    with transaction.atomic():
        renewed.cycle_key()
        renewed[SESSION_KEY] = str(alice.pk)
        renewed.save()
        transaction.set_rollback(is_rolled_back)

    if is_rolled_back:
        late["late"] = True
        late.save()
        assert data_of(session) == {"cart": 1, "late": True}
        assert (data_of(renewed), owners(renewed)) == ({}, [])
    else:
        assert data_of(renewed)["cart"] == 1
        assert owners(renewed) == [alice]
        assert data_of(session) == {}


def test_a_new_key_in_the_same_transaction_that_is_not_settled_is_listed_by_the_next_save(
    alice: User,
) -> None:
    session = stored(cart=1)

    with nothing_settled(), transaction.atomic():
        session.cycle_key()
        session[SESSION_KEY] = str(alice.pk)
        session.save()
    request = another_request_for(session)
    assert request[SESSION_KEY] == str(alice.pk)
    request["cart"] = 2
    request.save()

    assert data_of(session)["cart"] == 2
    assert owners(session) == [alice]
