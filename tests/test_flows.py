"""A login renews everything, or nothing has happened."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import connection, transaction
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from session_auth import testing
from session_auth.exceptions import StoreUnavailable
from session_auth.flows import alog_in, log_in, log_out
from session_auth.keys import digest
from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def failing_receiver() -> Iterator[None]:
    def fail(**kwargs: object) -> None:
        raise RuntimeError("A receiver of the project fails.")

    user_logged_in.connect(fail)
    user_logged_out.connect(fail)
    yield
    user_logged_in.disconnect(fail)
    user_logged_out.disconnect(fail)


def plant(browser: ApiClient, **data: str) -> None:
    browser.call("POST", "/api/note/?" + "&".join(f"{k}={v}" for k, v in data.items()))


def data(browser: ApiClient) -> dict[str, Any]:
    response: dict[str, Any] = browser.get("/api/note/").json()
    return {key: value for key, value in response.items() if not key.startswith("_auth")}


def test_nothing_that_a_visitor_planted_survives_a_login(browser: ApiClient, alice: User) -> None:
    """A2"""
    plant(browser, mfa_passed="yes", cart="3")

    browser.log_in()

    assert data(browser) == {}


@override_settings(SESSION_AUTH_KEEP_AT_LOGIN=["cart"])
def test_a_project_can_keep_keys_at_login(browser: ApiClient, alice: User) -> None:
    plant(browser, mfa_passed="yes", cart="3")

    browser.log_in()

    assert data(browser) == {"cart": "3"}


def test_a_login_gives_a_new_key_and_the_old_one_is_dead(browser: ApiClient, alice: User) -> None:
    """A1"""
    plant(browser, cart="3")
    old_key = browser.session_key()

    browser.log_in()

    assert browser.session_key() != old_key
    assert [row.id for row in Session.objects.all()] == [digest(browser.session_key())]
    attacker = ApiClient()
    attacker.cookies["sessionid"] = old_key
    assert attacker.user() is None


def test_logging_in_again_as_the_same_user_renews_the_key_too(
    browser: ApiClient, alice: User
) -> None:
    """A3"""
    browser.log_in()
    plant(browser, cart="3")
    old_key = browser.session_key()

    browser.log_in()

    assert browser.session_key() != old_key
    assert data(browser) == {}
    assert Session.objects.count() == 1


def test_logging_in_as_somebody_else_leaves_nothing_of_the_first(
    browser: ApiClient, alice: User
) -> None:
    bob = User.objects.create_user("bob", password=PASSWORD)
    browser.log_in()
    plant(browser, cart="3")

    browser.log_in("bob")

    assert browser.user() == {"id": bob.pk, "username": "bob"}
    assert data(browser) == {}
    assert Session.objects.get().user == bob


def test_a_failed_login_leaves_the_session_that_was_there(browser: ApiClient, alice: User) -> None:
    browser.log_in()
    key = browser.session_key()

    browser.log_in(password="wrong")

    assert browser.session_key() == key
    assert browser.user() == {"id": alice.pk, "username": "alice"}


def test_a_login_renews_the_csrf_token(browser: ApiClient, alice: User) -> None:
    browser.get(AUTH + "csrf/")
    old_token = browser.csrf_token()

    browser.log_in()
    response = browser.call("POST", "/api/note/", headers={"X-CSRFToken": old_token})

    assert browser.csrf_token() != old_token
    assert response.status_code == 403


BACKENDS = ["django.contrib.auth.backends.ModelBackend", "session_auth.backends.ModelBackend"]


@override_settings(AUTHENTICATION_BACKENDS=BACKENDS)
@pytest.mark.parametrize("entry", [log_in, async_to_sync(alog_in)], ids=["sync", "async"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_project_with_several_backends_names_the_one(
    entry: Callable[..., None], backend: str, alice: User, rf: Any
) -> None:
    request = rf.post("/")
    testing.add_session(request)

    entry(request, alice, method="passkey", backend=backend)

    assert request.session[BACKEND_SESSION_KEY] == backend


@override_settings(AUTHENTICATION_BACKENDS=BACKENDS)
def test_without_a_name_the_error_says_what_to_write(alice: User, rf: Any) -> None:
    request = rf.post("/")
    testing.add_session(request)

    with pytest.raises(ValueError, match="must provide the `backend` argument"):
        log_in(request, alice)


def test_if_a_receiver_fails_nobody_is_logged_in(
    browser: ApiClient, alice: User, failing_receiver: None
) -> None:
    """A79"""
    browser.raise_request_exception = False
    plant(browser, cart="3")
    key, token = browser.session_key(), browser.csrf_token()

    response = browser.log_in()

    assert response.status_code == 500
    assert not response.cookies
    assert (browser.session_key(), browser.csrf_token()) == (key, token)
    assert browser.user() is None
    assert data(browser) == {"cart": "3"}
    assert [row.id for row in Session.objects.all()] == [digest(key)]


def test_if_a_receiver_fails_the_request_is_as_it_was(
    alice: User, failing_receiver: None, rf: Any
) -> None:
    from django.contrib.auth.models import AnonymousUser

    request = rf.post("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    before = dict(vars(request)), dict(request.META)

    with pytest.raises(RuntimeError):
        log_in(request, alice)

    assert (dict(vars(request)), dict(request.META)) == before
    assert SESSION_KEY not in request.session


def test_a_session_ends_even_if_a_receiver_of_the_logout_fails(
    browser: ApiClient, alice: User
) -> None:
    """A64"""

    def fail(**kwargs: object) -> None:
        raise RuntimeError("A receiver of the project fails.")

    browser.log_in()
    browser.raise_request_exception = False
    user_logged_out.connect(fail)
    try:
        response = browser.log_out()
    finally:
        user_logged_out.disconnect(fail)

    assert response.status_code == 500
    assert response.cookies["sessionid"].value == ""
    assert Session.objects.count() == 0


def without_its_database(**kwargs: object) -> None:
    raise StoreUnavailable


def test_a_logout_is_one_even_if_a_receiver_finds_no_database(
    browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    user_logged_out.connect(without_its_database)
    try:
        response = browser.log_out()
    finally:
        user_logged_out.disconnect(without_its_database)

    assert response.status_code == 200
    assert response.cookies["sessionid"].value == ""
    assert Session.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_logout_in_a_transaction_that_failed_is_none(alice: User) -> None:
    request = testing.log_in(RequestFactory().post("/"), alice)
    user_logged_out.connect(without_its_database)
    try:
        with pytest.raises(StoreUnavailable), transaction.atomic():
            log_out(request)
    finally:
        user_logged_out.disconnect(without_its_database)

    assert Session.objects.count() == 1


def statements(call: Callable[[], object]) -> int:
    """Return how many statements a call costs, but for those that begin and end a transaction."""
    with CaptureQueriesContext(connection) as queries:
        call()
    brackets = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT")
    return len([query for query in queries if not query["sql"].startswith(brackets)])


# MySQL and MariaDB need four, since no statement of theirs compares, counts and answers.
COUNTING = 1 if connection.features.supports_update_conflicts_with_target else 4


def test_a_first_login_costs_five_statements(browser: ApiClient, alice: User) -> None:
    browser.get(AUTH + "csrf/")

    # The user; the guess is counted, and taken back; last_login; the new row.
    assert statements(browser.log_in) == 4 + COUNTING


@override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"])
def test_another_backend_looks_the_user_up_again(browser: ApiClient, alice: User) -> None:
    browser.get(AUTH + "csrf/")

    assert statements(browser.log_in) == 5 + COUNTING


def test_the_session_of_a_visitor_costs_two_more(browser: ApiClient, alice: User) -> None:
    plant(browser, cart="3")

    # The session, which may be a user's: then it says which CSRF token is right; and its end.
    assert statements(browser.log_in) == 6 + COUNTING
