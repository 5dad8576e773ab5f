"""The three middleware: what they do differently from Django's own."""

from contextlib import ExitStack
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from session_auth.exceptions import StoreUnavailable
from session_auth.keys import new_session_key
from session_auth.middleware import (
    AuthenticationMiddleware,
    CsrfViewMiddleware,
    SessionMiddleware,
)
from session_auth.models import Session
from session_auth.sessions.listing import rows
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.guessing import reauthenticate
from tests.outage import unreachable_database

pytestmark = pytest.mark.django_db

UNKNOWN_KEYS = [new_session_key(), "malformed", "", "x" * 10_000, "\xa0\xff"]


@pytest.mark.parametrize("key", UNKNOWN_KEYS)
@pytest.mark.parametrize("save_every_request", [False, True])
@pytest.mark.parametrize("path", [AUTH + "user/", "/page/", "/page/untouched/", "/api/private/"])
def test_a_cookie_that_opens_no_session_is_anonymous_and_left_alone(
    key: str, save_every_request: bool, path: str
) -> None:
    client = Client()
    client.cookies["sessionid"] = key

    with override_settings(SESSION_SAVE_EVERY_REQUEST=save_every_request):
        response = client.get(path)

    assert response.status_code < 500
    assert not response.cookies
    assert Session.objects.count() == 0


def test_a_view_that_does_not_look_at_the_session_costs_nothing(
    browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    browser.log_in()

    with django_assert_num_queries(0):
        response = browser.get("/page/untouched/")

    assert "Vary" not in response.headers
    assert not response.cookies


def test_an_authenticated_request_writes_nothing_and_sets_no_cookie(
    browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    browser.log_in()

    with django_assert_num_queries(1):
        response = browser.get("/api/private/")

    assert response.status_code == 200
    assert not response.cookies


def test_both_ways_to_ask_for_the_user_share_one_lookup(
    browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    browser.log_in()

    with django_assert_num_queries(1):
        assert browser.get("/api/both-users/").json() == {"same": True}


def test_sliding_expiry_still_works_as_djangos_setting_says(
    browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        response = browser.get("/page/untouched/")

    assert response.cookies["sessionid"].value == browser.session_key()
    assert Session.objects.get().version == 1


def test_what_a_failed_view_wrote_is_not_saved(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    response = browser.get("/api/broken/")

    assert response.status_code == 500
    assert not response.cookies
    assert "broken" not in browser.get("/api/note/").json()


def test_clearing_empties_the_session_and_keeps_it(browser: ApiClient) -> None:
    browser.call("POST", "/api/note/?a=1")
    key = browser.session_key()

    browser.get("/api/clear/")

    assert browser.session_key() == key
    assert browser.get("/api/note/").json() == {}


def test_clearing_a_session_that_has_ended_makes_no_new_one() -> None:
    client = Client()
    client.cookies["sessionid"] = new_session_key()

    response = client.get("/api/clear/")

    assert response.json()["code"] == "session_ended"
    assert not response.cookies
    assert Session.objects.count() == 0


def test_pages_of_django_go_on_working(browser: ApiClient, alice: User) -> None:
    assert browser.get("/page/").headers["Location"] == "/accounts/login/?next=/page/"

    browser.log_in()

    assert browser.get("/page/").content == b"<p>alice</p>"


def test_flushing_takes_the_cookie_away(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    response = browser.get("/api/flush/")

    assert response.cookies["sessionid"].value == ""
    assert response.headers["Vary"] == "Cookie"


@pytest.mark.parametrize(
    "path", ["/api/ended-meanwhile/", "/api/rotated-too-late/", "/api/saved-too-late/"]
)
def test_a_session_that_ends_in_mid_request_is_told_to_an_api_in_json(
    browser: ApiClient, alice: User, path: str
) -> None:
    """A80"""
    browser.log_in()

    response = browser.get(path)

    assert response.status_code == 401
    assert response.json() == {
        "error": "Your session has ended. Log in again.",
        "code": "session_ended",
    }
    assert response.headers["WWW-Authenticate"] == "Session"
    assert not response.cookies
    assert Session.objects.count() == 0


def test_a_page_gets_djangos_answer_to_a_session_that_ended(
    browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    response = browser.get("/page/ended-meanwhile/")

    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/html")
    assert Session.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "status"), [("/api/interrupted/", 401), ("/page/interrupted/", 400)]
)
def test_a_view_may_say_that_the_session_was_interrupted(path: str, status: int) -> None:
    assert Client().get(path).status_code == status


@pytest.mark.parametrize("path", ["/api/refused/", "/page/refused/"])
def test_a_plain_view_may_raise_what_the_client_is_told(path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 400
    assert response.json() == {
        "error": "Some fields are missing or not valid.",
        "code": "invalid_request",
        "fields": {"title": ["Too short."]},
    }


def test_an_error_that_is_not_ours_is_djangos(browser: ApiClient) -> None:
    assert browser.get("/api/nothing-here/").status_code == 404


# A store that cannot be reached


@pytest.mark.parametrize("path", [AUTH + "user/", "/api/private/", "/api/note/"])
def test_when_the_store_is_down_an_api_answers_503_and_the_cookie_stays(
    path: str, outage: None
) -> None:
    """A77"""
    client = Client()
    client.cookies["sessionid"] = new_session_key()

    response = client.get(path)

    assert response.status_code == 503
    assert response.json() == {
        "error": "Sessions are not available at the moment. Try again shortly.",
        "code": "store_unavailable",
    }
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


def test_when_the_store_is_down_a_page_answers_503_in_plain_text(outage: None) -> None:
    client = Client()
    client.cookies["sessionid"] = new_session_key()

    response = client.get("/page/")

    assert response.status_code == 503
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Retry-After"] == "5"
    assert not response.cookies


@pytest.mark.parametrize("path", ["/api/note/?a=1", "/page/note/?a=1"])
def test_when_a_session_cannot_be_saved_the_answer_is_503(path: str, outage: None) -> None:
    response = Client().get(path)

    assert response.status_code == 503
    assert not response.cookies


@pytest.mark.django_db(transaction=True)
def test_a_login_that_cannot_be_stored_is_503_and_no_login(browser: ApiClient, alice: User) -> None:
    with ExitStack() as after_the_password:

        def go_down(**kwargs: object) -> None:
            after_the_password.enter_context(unreachable_database())

        user_logged_in.connect(go_down)
        after_the_password.callback(user_logged_in.disconnect, go_down)
        response = browser.log_in()

    assert response.status_code == 503
    assert response.json()["code"] == "store_unavailable"
    assert "sessionid" not in response.cookies


# A request that fails after its session got a new key


@pytest.mark.django_db(transaction=True)
def test_a_new_key_is_told_though_the_session_cannot_be_saved(
    browser: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in()
    old_key = browser.session_key()

    with monkeypatch.context() as outage:
        outage.setattr(type(rows()), "compare_and_set", Mock(side_effect=StoreUnavailable))
        response = browser.get("/api/renew-and-save/")

    assert response.status_code == 503
    assert browser.session_key() != old_key
    assert browser.user() is not None
    assert reauthenticate(browser, PASSWORD).status_code == 200  # its CSRF token is the new one's


@pytest.mark.django_db(transaction=True)
def test_a_new_key_is_told_by_a_view_that_fails(browser: ApiClient, alice: User) -> None:
    browser.log_in()
    browser.raise_request_exception = False

    assert browser.get("/api/renew-and-fail/").status_code == 500
    assert browser.user() is not None


@pytest.mark.django_db(transaction=True)
def test_a_new_key_that_is_rolled_back_is_not_told(
    browser: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in()
    browser.raise_request_exception = False

    with monkeypatch.context() as atomic:
        atomic.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        response = browser.get("/api/renew-and-fail/")

    assert response.status_code == 500
    assert "sessionid" not in response.cookies
    assert browser.user() is not None


def test_a_request_without_a_session_passes(rf: RequestFactory) -> None:
    response = HttpResponse()

    assert SessionMiddleware(HttpResponse).process_response(rf.get("/"), response) is response


@pytest.mark.parametrize(
    "middleware", [AuthenticationMiddleware, CsrfViewMiddleware, SessionMiddleware]
)
def test_one_that_is_given_nothing_to_call_says_so(middleware: Any) -> None:
    with pytest.raises(ValueError, match="get_response must be provided"):
        middleware(None)
