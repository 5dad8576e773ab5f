"""``META["CSRF_COOKIE"]`` is a string, as for Django, and costs no look-up before it is used.

Others read it: allauth keeps what is a string of ``META`` as JSON, in the session.
"""

import copy
import json
import pickle

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from session_auth.csrf import csrf_secret
from session_auth.keys import new_session_key
from tests.api_client import AUTH, ApiClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
PLANTED = "p" * 32
NOTE = "/api/note/"


def meta(request: HttpRequest) -> JsonResponse:
    secret = request.META.get("CSRF_COOKIE")
    ways = [
        secret,
        pickle.loads(pickle.dumps(secret)),  # noqa: S301 # of our own making
        copy.deepcopy(secret),
        secret and secret[:40],
        secret and f"{secret}",
    ]
    assert len({json.dumps(way) for way in ways}) == 1
    assert all(type(way) is type(secret) or type(way) is str for way in ways)
    assert secret is None or (isinstance(secret, str) and secret in f"<{secret}>")
    return JsonResponse({name: v for name, v in request.META.items() if isinstance(v, str)})


def note(request: HttpRequest) -> JsonResponse:
    request.session.update(request.GET.items())
    return JsonResponse({})


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


def marked(request: HttpRequest) -> HttpResponse:
    """Have the cookie sent, as code of others may, without asking for a token."""
    request.META["CSRF_COOKIE_NEEDS_UPDATE"] = True
    return HttpResponse()


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/note/", note),
    path("meta/", meta),
    path("form/", form),
    path("marked/", marked),
]


@pytest.fixture
def visitor(browser: ApiClient) -> ApiClient:
    """Somebody with a session that is nobody's, and a CSRF cookie from before it."""
    browser.get(AUTH + "csrf/")
    browser.call("POST", NOTE + "?cart=1")
    assert browser.session_key()
    return browser


@pytest.fixture
def user(alice: User, browser: ApiClient) -> ApiClient:
    browser.log_in()
    return browser


def cookie_in_meta(browser: ApiClient) -> str | None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        value: str | None = browser.get("/meta/").json().get("CSRF_COOKIE")
    assert list(queries) == []
    return value


def test_it_is_the_cookie_of_a_visitor(visitor: ApiClient) -> None:
    assert cookie_in_meta(visitor) == visitor.csrf_token()


def test_it_is_the_cookie_of_a_visitor_without_a_session(browser: ApiClient) -> None:
    browser.get(AUTH + "csrf/")

    assert cookie_in_meta(browser) == browser.csrf_token()


def test_it_is_the_secret_of_a_user(user: ApiClient) -> None:
    assert cookie_in_meta(user) == csrf_secret(user.session_key())


def test_it_is_the_secret_of_a_user_who_sends_no_csrf_cookie(user: ApiClient) -> None:
    del user.cookies["csrftoken"]

    assert cookie_in_meta(user) == csrf_secret(user.session_key())


def test_it_is_a_string_whatever_was_planted(user: ApiClient) -> None:
    user.cookies["csrftoken"] = PLANTED

    assert cookie_in_meta(user) == PLANTED


@pytest.mark.parametrize("key", ["", "x", "deleted", "z" * 43 + "!"])
def test_nothing_follows_from_what_is_no_session_key(browser: ApiClient, key: str) -> None:
    browser.cookies["sessionid"] = key

    assert cookie_in_meta(browser) is None


@pytest.mark.parametrize("cookie", ["", "not a token", "ü" * 32])
def test_what_is_no_csrf_cookie_is_not_there(browser: ApiClient, cookie: str) -> None:
    browser.cookies["csrftoken"] = cookie

    assert cookie_in_meta(browser) is None


@override_settings(CSRF_USE_SESSIONS=True)
def test_where_the_session_holds_the_secret_it_is_that(user: ApiClient) -> None:
    user.get("/form/")

    assert isinstance(user.get("/meta/").json()["CSRF_COOKIE"], str)


def test_a_token_is_for_the_user_whatever_was_planted(user: ApiClient) -> None:
    user.cookies["csrftoken"] = PLANTED

    token = user.get("/form/").content.decode()

    assert user.csrf_token() == csrf_secret(user.session_key())
    assert user.call("POST", NOTE, headers={"X-CSRFToken": token}).status_code == 200


def test_the_token_of_a_visitor_outlives_the_start_of_a_session(browser: ApiClient) -> None:
    token = browser.get("/form/").content.decode()
    browser.call("POST", NOTE + "?cart=1", headers={"X-CSRFToken": token})
    cookie = browser.csrf_token()
    browser.get("/form/")

    assert browser.csrf_token() == cookie
    assert browser.call("POST", NOTE, headers={"X-CSRFToken": token}).status_code == 200


def test_a_token_for_a_key_that_opens_nothing_passes(browser: ApiClient) -> None:
    browser.cookies["sessionid"] = new_session_key()

    token = browser.get("/form/").content.decode()

    assert browser.call("POST", NOTE, headers={"X-CSRFToken": token}).status_code == 200


def test_a_cookie_that_is_sent_without_a_token_is_corrected_once_the_session_is_known(
    user: ApiClient,
) -> None:
    user.cookies["csrftoken"] = PLANTED

    user.get("/marked/")
    user.get(AUTH + "user/")

    assert user.csrf_token() == csrf_secret(user.session_key())
