"""``request.user`` is Django's lazy object, made in one step."""

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import AsyncClient, Client, RequestFactory, override_settings

from session_auth.callers import LazyUser
from session_auth.models import Session
from session_auth.sessions.users import auser_of
from tests.api_client import AUTH, ApiClient, signed_in
from tests.storing import SessionStore

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


class FindsGhosts(ModelBackend):
    """Finds a user who has no password, and so no hash of one."""

    def get_user(self, user_id: int) -> Any:
        return SimpleNamespace(pk=user_id, is_authenticated=True)


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.FindsGhosts"])
def test_a_user_without_a_password_has_no_hash_to_compare(alice: User) -> None:
    client = Client()
    client.force_login(alice, f"{__name__}.FindsGhosts")
    user = lazy_user(client.cookies["sessionid"].value)

    assert user.pk == alice.pk
    assert user.is_authenticated


def test_a_session_that_lost_its_hash_ends(alice: User) -> None:
    here = signed_in()
    session = SessionStore(here.session_key())
    del session["_auth_user_hash"]
    session.save()

    assert here.user() is None
    assert not Session.objects.exists()


def test_a_session_that_is_loaded_takes_no_thread_to_know_its_user(alice: User) -> None:
    request = RequestFactory().get("/")
    request.session = SessionStore(signed_in().session_key())
    request.session.keys()

    assert async_to_sync(auser_of)(request) == alice


class TooSlow(ModelBackend):
    """Asks a database that takes too long, and breaks off."""

    def get_user(self, user_id: Any) -> Any:
        raise OperationalError("canceling statement due to statement timeout")


@pytest.mark.parametrize("asgi", [False, True])
def test_a_backend_that_cannot_ask_its_database_is_503(alice: User, *, asgi: bool) -> None:
    path = f"{__name__}.TooSlow"
    with override_settings(AUTHENTICATION_BACKENDS=[path]):
        browser = ApiClient()
        browser.force_login(alice, path)
        client: Any = (AsyncClient if asgi else Client)(raise_request_exception=False)
        client.cookies = browser.cookies

        response = async_to_sync(client.get)(AUTH + "user/") if asgi else client.get(AUTH + "user/")

        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
    assert Session.objects.count() == 1
