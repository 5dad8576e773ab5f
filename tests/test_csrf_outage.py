"""Tokens and their checks while the store is down: a page or 503, never 500, never a free pass."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client, override_settings

from session_auth.csrf import csrf_secret
from tests.api_client import AUTH, ApiClient
from tests.outage import unreachable_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.test_csrf_session")]

FOREIGN = "f" * 32
STALE = "x" * 43
NOTE = "/api/note/"


def keep(browser: ApiClient) -> None:
    """Leave the cookies as a login left them."""


def lose_csrf_cookie(browser: ApiClient) -> None:
    del browser.cookies["csrftoken"]


def plant_csrf_cookie(browser: ApiClient) -> None:
    browser.cookies["csrftoken"] = FOREIGN


def outlive_session(browser: ApiClient) -> None:
    browser.cookies["sessionid"] = STALE


def outlive_session_and_lose_csrf_cookie(browser: ApiClient) -> None:
    outlive_session(browser)
    lose_csrf_cookie(browser)


COOKIES = [
    keep,
    lose_csrf_cookie,
    plant_csrf_cookie,
    outlive_session,
    outlive_session_and_lose_csrf_cookie,
]


def get_wsgi(browser: ApiClient, path: str) -> Any:
    client = Client(raise_request_exception=False)
    client.cookies = browser.cookies
    return client.get(path)


def get_asgi(browser: ApiClient, path: str) -> Any:
    client = AsyncClient(raise_request_exception=False)
    client.cookies = browser.cookies
    return async_to_sync(client.get)(path)


@pytest.mark.parametrize("prepare", COOKIES)
@pytest.mark.parametrize("get", [get_wsgi, get_asgi])
@pytest.mark.parametrize("path", [AUTH + "csrf/", "/form/", "/shell/", "/token-async/"])
def test_a_page_with_a_token_is_served(
    alice: User,
    browser: ApiClient,
    prepare: Callable[[ApiClient], None],
    get: Callable[[ApiClient, str], Any],
    path: str,
) -> None:
    browser.log_in()
    prepare(browser)
    before = {name: morsel.value for name, morsel in browser.cookies.items()}

    with unreachable_database():
        response = get(browser, path)

    assert response.status_code == 200
    sent = {name: morsel.value for name, morsel in response.cookies.items()}
    assert list(sent) == ["csrftoken"]
    assert before.get("csrftoken") in (None, sent["csrftoken"])


@pytest.mark.parametrize("prepare", [outlive_session, outlive_session_and_lose_csrf_cookie])
def test_the_token_of_a_visitor_passes_once_the_store_is_back(
    alice: User, browser: ApiClient, prepare: Callable[[ApiClient], None]
) -> None:
    browser.log_in()
    prepare(browser)

    with unreachable_database():
        token = browser.get("/form/").content.decode()

    assert browser.call("POST", NOTE, headers={"X-CSRFToken": token}).status_code == 200


def test_a_user_without_a_csrf_cookie_gets_the_right_token_while_the_store_is_down(
    alice: User, browser: ApiClient
) -> None:
    browser.log_in()
    lose_csrf_cookie(browser)

    with unreachable_database():
        token = browser.get("/form/").content.decode()

    assert browser.csrf_token() == csrf_secret(browser.session_key())
    assert browser.call("POST", NOTE, headers={"X-CSRFToken": token}).status_code == 200


def test_a_user_with_a_planted_csrf_cookie_gets_the_right_one_once_the_store_is_back(
    alice: User, browser: ApiClient
) -> None:
    browser.log_in()
    plant_csrf_cookie(browser)
    with unreachable_database():
        token = browser.get("/form/").content.decode()

    assert browser.call("POST", NOTE, headers={"X-CSRFToken": token}).status_code == 403
    browser.get(AUTH + "user/")

    assert browser.csrf_token() == csrf_secret(browser.session_key())
    assert browser.call("POST", NOTE).status_code == 200


@pytest.mark.parametrize("prepare", [keep, plant_csrf_cookie, outlive_session])
def test_no_unsafe_request_passes_unchecked(
    alice: User, browser: ApiClient, prepare: Callable[[ApiClient], None]
) -> None:
    browser.log_in()
    prepare(browser)

    with unreachable_database():
        responses = [browser.call("POST", path) for path in (NOTE, AUTH + "logout/")]

    assert [response.status_code for response in responses] == [503, 503]
    assert [list(response.cookies) for response in responses] == [[], []]


@override_settings(CSRF_USE_SESSIONS=True)
@pytest.mark.parametrize("get", [get_wsgi, get_asgi])
@pytest.mark.parametrize("path", [AUTH + "csrf/", "/form/", "/token-async/"])
def test_where_the_session_holds_the_secret_a_token_is_503(
    alice: User, browser: ApiClient, get: Callable[[ApiClient, str], Any], path: str
) -> None:
    browser.cookies["sessionid"] = STALE

    with unreachable_database():
        response = get(browser, path)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert not response.cookies


@override_settings(CSRF_USE_SESSIONS=True, MIDDLEWARE=["session_auth.middleware.SessionMiddleware"])
def test_where_the_session_holds_the_secret_an_endpoint_that_checks_by_itself_is_503(
    browser: ApiClient,
) -> None:
    browser.cookies["sessionid"] = STALE

    with unreachable_database():
        response = browser.generic("POST", AUTH + "logout/", content_type="application/json")

    assert response.status_code == 503
