"""The HTTP contract, as a client sees it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory, override_settings
from django.test.client import AsyncClient

from session_auth.http import JSONView
from session_auth.keys import digest
from session_auth.models import Session
from session_auth.sessions.values import user_reference
from session_auth.views import LoginView, UserView
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db

HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "base-uri 'none'; default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Content-Type": "application/json",
}


def headers(response: Any) -> dict[str, str]:
    return {name: response.headers.get(name) for name in HEADERS}


# csrf/


def test_csrf_gives_a_token_and_a_cookie_that_scripts_can_read(browser: ApiClient) -> None:
    response = browser.get(AUTH + "csrf/")

    assert response.status_code == 200
    assert list(response.json()) == ["csrfToken"]
    assert len(response.json()["csrfToken"]) == 64
    assert response.cookies["csrftoken"]["httponly"] == ""
    assert response.cookies["csrftoken"]["samesite"] == "Lax"
    assert headers(response) == HEADERS


def test_csrf_stores_nothing(browser: ApiClient) -> None:
    browser.get(AUTH + "csrf/")

    assert Session.objects.count() == 0


def test_the_token_of_the_answer_is_as_good_as_the_cookie(browser: ApiClient, alice: User) -> None:
    token = browser.get(AUTH + "csrf/").json()["csrfToken"]

    response = browser.call(
        "POST",
        AUTH + "login/",
        {"username": "alice", "password": PASSWORD},
        headers={"X-CSRFToken": token},
    )

    assert response.status_code == 200


# login/


def test_login_answers_with_the_user_and_a_token(browser: ApiClient, alice: User) -> None:
    response = browser.log_in()

    assert response.status_code == 200
    assert response.json() == {
        "user": {"id": alice.pk, "username": "alice"},
        "session": browser.get(AUTH + "user/").json()["session"],
        "csrfToken": response.json()["csrfToken"],
    }
    assert headers(response) == HEADERS


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("reauthenticate/", {"password": PASSWORD}),
        ("password/change/", {"old_password": PASSWORD, "new_password": "another, just as long"}),
    ],
)
def test_a_proof_answers_with_what_is_true_after_it(
    browser: ApiClient, alice: User, path: str, body: dict[str, str]
) -> None:
    before = browser.log_in().json()["session"]

    after = browser.call("POST", AUTH + path, body).json()["session"]

    assert after == browser.get(AUTH + "user/").json()["session"]
    assert after["id"] != before["id"]
    assert after["user_ref"] == before["user_ref"]


def test_a_login_with_another_engine_tells_no_session(browser: ApiClient, alice: User) -> None:
    view = JSONView()
    view.setup(RequestFactory().get("/"))
    view.request.session = SignedCookies()

    assert b'"session": null' in view.user_response(alice).content


def test_login_sets_a_cookie_that_scripts_cannot_read(browser: ApiClient, alice: User) -> None:
    cookie = browser.log_in().cookies["sessionid"]

    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"


def test_the_token_of_the_login_works_for_the_next_call(browser: ApiClient, alice: User) -> None:
    token = browser.log_in().json()["csrfToken"]

    response = browser.call("POST", AUTH + "logout/", headers={"X-CSRFToken": token})

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("nobody", PASSWORD), ("inactive", PASSWORD), ("unusable", "x")],
)
def test_every_failure_looks_the_same(
    browser: ApiClient, alice: User, username: str, password: str
) -> None:
    User.objects.create_user("inactive", password=PASSWORD, is_active=False)
    User.objects.create_user("unusable", password=None)

    response = browser.log_in(username, password)

    assert response.status_code == 401
    assert response.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}
    assert response.headers["WWW-Authenticate"] == "Session"
    assert headers(response) == HEADERS
    assert not response.cookies
    assert Session.objects.count() == 0


@override_settings(
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.AllowAllUsersModelBackend"]
)
def test_an_inactive_user_looks_the_same_to_a_backend_that_knows_them(browser: ApiClient) -> None:
    User.objects.create_user("inactive", password=PASSWORD, is_active=False)

    response = browser.log_in("inactive")

    assert response.status_code == 401
    assert response.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}


def test_missing_fields_are_named(browser: ApiClient) -> None:
    response = browser.call("POST", AUTH + "login/", {"username": ""})

    assert response.status_code == 400
    assert response.json() == {
        "error": "Some fields are missing or not valid.",
        "code": "invalid_request",
        "fields": {
            "username": ["This field is required."],
            "password": ["This field is required."],
        },
    }


def test_a_project_can_refuse_logins_in_its_own_form(alice: User) -> None:
    class PaidForm(AuthenticationForm):
        def confirm_login_allowed(self, user: Any) -> None:
            raise ValidationError("Pay first.", code="unpaid")

    request = RequestFactory().post(
        "/", {"username": "alice", "password": PASSWORD}, content_type="application/json"
    )
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # as the test client does
    response: Any = LoginView.as_view(form_class=PaidForm)(request)

    assert response.status_code == 400
    assert response.content == (b'{"error": "Pay first.", "code": "unpaid"}')


def test_login_without_a_token_is_refused_and_changes_nothing(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post(
        AUTH + "login/",
        {"username": "alice", "password": PASSWORD},
        content_type="application/json",
    )

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"
    assert headers(response) == HEADERS
    assert "sessionid" not in response.cookies
    assert Session.objects.count() == 0


@override_settings(
    MIDDLEWARE=[
        "session_auth.middleware.SessionMiddleware",
        "session_auth.middleware.AuthenticationMiddleware",
    ]
)
def test_login_is_checked_where_the_csrf_middleware_was_left_out(alice: User) -> None:
    client = ApiClient()
    unchecked = client.call(
        "POST",
        AUTH + "login/",
        {"username": "alice", "password": PASSWORD},
        headers={"X-CSRFToken": ""},
    )

    assert unchecked.json()["code"] == "csrf_failed"
    assert client.log_in().status_code == 200
    assert client.log_out().status_code == 200


@override_settings(
    MIDDLEWARE=[
        "session_auth.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "session_auth.middleware.AuthenticationMiddleware",
    ]
)
def test_a_refusal_is_json_behind_djangos_own_csrf_middleware(browser: ApiClient) -> None:
    response = browser.call("POST", AUTH + "logout/", headers={"X-CSRFToken": "x"})

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"


@pytest.mark.parametrize(
    ("remember", "at_browser_close", "max_age"),
    [
        (None, False, 2592000),
        (None, True, ""),
        (True, False, 2592000),
        (True, True, 2592000),
        (False, False, ""),
        (False, True, ""),
    ],
)
def test_remember_says_whether_the_cookie_outlives_the_browser(
    browser: ApiClient, alice: User, remember: bool | None, at_browser_close: bool, max_age: object
) -> None:
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=at_browser_close):
        response = browser.log_in(more={} if remember is None else {"remember": remember})

    assert response.cookies["sessionid"]["max-age"] == max_age


# logout/


def test_logout_ends_the_session(browser: ApiClient, alice: User) -> None:
    browser.log_in()
    key = browser.session_key()

    response = browser.log_out()

    assert response.status_code == 200
    assert response.json() == {"message": "Logged out"}
    assert headers(response) == HEADERS
    assert Session.objects.count() == 0
    browser.cookies["sessionid"] = key
    assert browser.user() is None


def test_logout_takes_the_cookie_away_with_the_attributes_it_was_set_with(
    browser: ApiClient, alice: User
) -> None:
    """A32"""
    browser.log_in()

    cookie = browser.log_out().cookies["sessionid"]

    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, "/")
    assert cookie["samesite"] == "Lax"


def test_logout_answers_the_same_when_nobody_is_logged_in(browser: ApiClient) -> None:
    response = browser.log_out()

    assert response.status_code == 200
    assert response.json() == {"message": "Logged out"}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json"])
def test_logout_needs_no_body(browser: ApiClient, content_type: str) -> None:
    response = browser.call("POST", AUTH + "logout/", CONTENT_TYPE=content_type)

    assert response.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_only_post_logs_out(browser: ApiClient, alice: User, method: str) -> None:
    browser.log_in()

    response = browser.call(method, AUTH + "logout/")

    assert response.status_code == (204 if method == "OPTIONS" else 405)
    assert response.headers["Allow"] == "POST, OPTIONS"
    assert browser.user() == {"id": alice.pk, "username": "alice"}


# user/


def test_user_is_null_for_an_anonymous_caller(browser: ApiClient) -> None:
    response = browser.get(AUTH + "user/")

    assert response.status_code == 200
    assert response.json() == {"user": None}
    assert headers(response) == HEADERS
    assert not response.cookies


def test_user_shows_the_user_and_the_session(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    response = browser.get(AUTH + "user/")

    row = Session.objects.get()
    assert row.authenticated_at is not None
    assert response.json() == {
        "user": {"id": alice.pk, "username": "alice"},
        "session": {
            "id": digest(browser.session_key()),
            "user_ref": user_reference(alice.pk),
            "created_at": json_time(row.created_at),
            "authenticated_at": json_time(row.authenticated_at),
            "methods": {"password": json_time(row.authenticated_at)},
            "expires_at": json_time(row.expires_at),
            "idle_expires_at": json_time(row.last_seen_at + timedelta(days=14)),
            "absolute_expires_at": json_time(row.authenticated_at + timedelta(days=30)),
        },
    }
    assert headers(response) == HEADERS
    assert not response.cookies


def test_a_user_whom_the_project_knows_without_a_session_has_none(alice: User) -> None:
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), alice  # as a middleware for tokens may have it

    response = UserView().get(request)

    assert json.loads(response.content) == {
        "user": {"id": alice.pk, "username": "alice"},
        "session": None,
    }


def json_time(moment: Any) -> str:
    return str(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def test_head_is_get_without_a_body(browser: ApiClient) -> None:
    response = browser.head(AUTH + "user/")

    assert (response.status_code, response.content) == (200, b"")
    assert headers(response) == HEADERS


@override_settings(
    MIDDLEWARE=[
        "session_auth.middleware.SessionMiddleware",
        "session_auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.PersistentRemoteUserMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
)
def test_a_session_is_told_as_it_will_be_stored_after_the_answer(browser: ApiClient) -> None:
    response = browser.get(AUTH + "user/", REMOTE_USER="carol")

    assert response.json()["user"] == {"id": User.objects.get().pk, "username": "carol"}
    assert response.json() == browser.get(AUTH + "user/", REMOTE_USER="carol").json()
    assert Session.objects.get().id == response.json()["session"]["id"]


# Every endpoint


@pytest.mark.parametrize(
    ("endpoint", "allow"),
    [
        ("csrf/", "GET, HEAD, OPTIONS"),
        ("login/", "POST, OPTIONS"),
        ("logout/", "POST, OPTIONS"),
        ("user/", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    browser: ApiClient, endpoint: str, allow: str
) -> None:
    response = browser.call("PATCH", AUTH + endpoint)

    assert response.status_code == 405
    assert response.headers["Allow"] == allow
    assert response.json() == {
        "error": "This cannot be done here.",
        "code": "method_not_allowed",
        "hint": f"This method is not allowed here. Use {allow}.",
    }
    assert headers(response) == HEADERS


def test_options_says_what_is_allowed(browser: ApiClient) -> None:
    response = browser.options(AUTH + "user/")

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert "Content-Type" not in response.headers


def test_the_endpoints_work_under_asgi(alice: User) -> None:
    client = AsyncClient()

    async def log_in_and_out() -> list[object]:
        body = {"username": "alice", "password": PASSWORD}
        json = "application/json"
        login = await client.post(AUTH + "login/", body, content_type=json)
        user = await client.get(AUTH + "user/")
        logout = await client.post(AUTH + "logout/", content_type=json)
        after = await client.get(AUTH + "user/")
        return [login.status_code, user.json()["user"], logout.json(), after.json()]

    assert async_to_sync(log_in_and_out)() == [
        200,
        {"id": alice.pk, "username": "alice"},
        {"message": "Logged out"},
        {"user": None},
    ]
