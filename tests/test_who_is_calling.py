"""``request.user`` is Django's lazy object, made in one step."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from session_auth.engines.database import SessionStore
from session_auth.middleware import LazyUser
from tests.api_client import signed_in

pytestmark = pytest.mark.django_db


def lazy_user(session_key: str) -> LazyUser:
    request = RequestFactory().get("/")
    request.session = SessionStore(session_key)
    return LazyUser(request)


def test_the_user_is_looked_up_when_somebody_asks_and_once(
    alice: User, django_assert_num_queries: Any
) -> None:
    here = signed_in()
    with django_assert_num_queries(0):
        user = lazy_user(here.session_key())
        assert "user_of" in repr(user)

    with django_assert_num_queries(1):
        assert user == alice
        assert user.get_username() == "alice"
    assert isinstance(user, User)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_it_can_be_copied(
    alice: User, copied: Callable[[LazyUser], LazyUser], *, used: bool
) -> None:
    user = lazy_user(signed_in().session_key())
    if used:
        str(user)

    assert copied(user) == user == alice


def test_it_can_be_pickled(alice: User) -> None:
    user = lazy_user(signed_in().session_key())

    assert pickle.loads(pickle.dumps(user)) == alice  # noqa: S301 # our own
